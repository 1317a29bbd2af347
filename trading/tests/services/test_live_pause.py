"""A paused strategy at work: nothing is added, and what it holds is got out of as ever."""

from __future__ import annotations

from decimal import Decimal

import pytest

from trading.models import Decision, Deployment, EquityPoint, Order
from trading.selectors.ledger_checks import ledger_verify
from trading.services.deployments import deployment_pause, deployment_resume
from trading.tests.factories import DAY, FIRST_CLOSE, instrument_make
from trading.tests.services.test_live_protection import at, deploy_on, walk  # noqa: F401
from trading.tests.services.test_runner import deploy, play

pytestmark = pytest.mark.django_db
END = 11


@pytest.fixture
def tape():
    """Bought for bar 3, sold for bar 6, bought again for bar 9: decided at the close before."""
    closes = [100.0, 101.0, 103.0, 106.0, 104.0, 101.0, 99.0, 100.0, 104.0, 108.0, 107.0, 103.0]
    return instrument_make("TAPE", closes, asset_class="CRYPTO")


def deploy_on_tape(tape):
    return deploy(tape, "sma_cross", {"fast": 2, "slow": 3}, start_at=FIRST_CLOSE)


def moment(bar):
    return FIRST_CLOSE + bar * DAY


def orders(deployment):
    found = Order.objects.filter(deployment=deployment).order_by("pk")
    return [(order.market_at, order.side, order.quantity, order.status) for order in found]


def decided(deployment):
    return list(Decision.objects.filter(deployment=deployment).order_by("market_at"))


def test_one_paused_while_it_holds_sells_as_one_that_runs_and_buys_no_more(tape):
    running, paused = deploy_on_tape(tape), deploy_on_tape(tape)
    for deployment in (running, paused):
        play(deployment.portfolio, moment(3))

    deployment_pause(deployment=paused)
    for deployment in (running, paused):
        play(deployment.portfolio, moment(END))

    assert [side for _, side, _, _ in orders(running)] == ["BUY", "SELL", "BUY", "SELL"]
    assert orders(paused) == orders(running)[:2]
    withheld = [item for item in decided(paused) if item.blocked_by == "PAUSED"]
    again = orders(running)[2]
    assert withheld[0].market_at == again[0]
    assert withheld[0].action == "NO_TRADE"
    assert "; paused: entry of " in withheld[0].reason
    assert withheld[0].parameters["entries"]["now"] == "withheld"
    assert len(decided(paused)) == END
    assert EquityPoint.objects.filter(portfolio=paused.portfolio).count() == END
    assert ledger_verify(paused.portfolio) == []


def test_one_that_is_resumed_enters_again(tape):
    deployment = deploy_on_tape(tape)
    deployment_pause(deployment=deployment)
    play(deployment.portfolio, moment(7))
    assert orders(deployment) == []

    deployment_resume(deployment=deployment)
    play(deployment.portfolio, moment(9))

    assert [(side, status) for _, side, _, status in orders(deployment)] == [("BUY", "FILLED")]


def test_an_exit_on_its_way_goes_on_and_an_entry_on_its_way_is_canceled(tape):
    entering, leaving = deploy_on_tape(tape), deploy_on_tape(tape)
    play(entering.portfolio, moment(2))
    play(leaving.portfolio, moment(5))
    assert [status for *_, status in orders(entering)] == ["ACCEPTED"]
    assert [status for *_, status in orders(leaving)] == ["FILLED", "ACCEPTED"]

    for deployment in (entering, leaving):
        deployment_pause(deployment=deployment)
        play(deployment.portfolio, moment(6))

    canceled = Order.objects.get(deployment=entering)
    assert (canceled.status, canceled.reason_code) == ("CANCELED", "PAUSED")
    assert [status for *_, status in orders(leaving)] == ["FILLED", "FILLED"]
    leaving.refresh_from_db()
    assert leaving.state["quantity"] == 0.0


def test_a_stop_goes_on_trailing_while_paused(walk):  # noqa: F811
    running, paused = (
        deploy_on(walk, **{"trail_atr": 0.8, "target_atr.NORMAL": 6.0}) for _ in range(2)
    )
    for deployment in (running, paused):
        play(deployment.portfolio, at(60))

    deployment_pause(deployment=paused)
    for deployment in (running, paused):
        play(deployment.portfolio, at(66))

    levels = [
        list(
            Order.objects.filter(deployment=deployment, protection="STOP")
            .order_by("pk")
            .values_list("stop_price", "status", "reason_code")
        )
        for deployment in (running, paused)
    ]
    n = len(levels[1])
    assert n >= 2
    assert levels[1] == levels[0][:n]
    assert levels[1][-1][1] == "FILLED"


def test_one_that_was_paused_before_this_was_so_is_managed_from_the_next_bar_on(tape):
    deployment = deploy_on_tape(tape)
    play(deployment.portfolio, moment(3))
    stored = Deployment.objects.get(pk=deployment.pk)
    before = (stored.state, stored.last_bar_at)
    deployment_pause(deployment=deployment)
    play(deployment.portfolio, moment(5))
    # As an earlier version left it: nothing was decided on these bars.
    Order.objects.filter(deployment=deployment, side="SELL").update(status="CANCELED")
    Deployment.objects.filter(pk=deployment.pk).update(state=before[0], last_bar_at=before[1])

    play(deployment.portfolio, moment(6))

    deployment.refresh_from_db()
    assert (deployment.status, deployment.error) == ("PAUSED", "")
    # Bought at the open of bar 3, three closes were missed or seen since, the fourth is this one.
    assert deployment.state["bars_held"] == 4
    last = decided(deployment)[-1]
    assert (last.market_at, last.action) == (moment(6), "EXIT")
    play(deployment.portfolio, moment(7))
    deployment.refresh_from_db()
    assert deployment.state["quantity"] == 0.0
    assert deployment.portfolio.positions.get().quantity == Decimal(0)
