"""What a person sells of a strategy's position reaches its book before its next decision.

Long because every case plays the same market with the same hands: sales, fills told outside of a
turn, crashes and turns that are repeated.
"""

from __future__ import annotations

import threading
from decimal import Decimal

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from accounts.services import entitlement_grant
from marketdata.models import ReplaySession
from trading.models import BookChange, Decision, Deployment, Fill, Order
from trading.selectors.ledger import cash_get
from trading.selectors.ledger_checks import ledger_verify
from trading.selectors.own_books import book_of
from trading.services.book_parts import excess_of, shares_of
from trading.services.deployments import (
    deployment_resume,
    deployment_start,
    deployment_stop,
)
from trading.services.fills import fill_record
from trading.services.live_books import books_catch_up
from trading.services.orders import order_cancel, order_submit
from trading.services.runner import portfolio_advance
from trading.services.strategies import strategy_create
from trading.tests.factories import DAY, FIRST_CLOSE, NOW, instrument_make
from trading.tests.services.test_runner import deploy, play

pytestmark = pytest.mark.django_db
D = Decimal
CROSS = {"fast": 2, "slow": 3}
# Rises to bar 11, falls to bar 15, rises again: two crosses up and one down.
CLOSES = [
    100,
    99,
    101,
    104,
    107,
    110,
    113,
    116,
    119,
    122,
    125,
    128,
    120,
    112,
    106,
    104,
    110,
    118,
    126,
]
HELD, FELL, ROSE = 5, 14, 18


def at(bar):
    return FIRST_CLOSE + bar * DAY


@pytest.fixture
def coin():
    return instrument_make("COIN", [float(close) for close in CLOSES], asset_class="CRYPTO")


@pytest.fixture
def alone(coin):
    """A strategy with all of the money, which holds since bar 3."""
    return held_on(coin)


def held_on(coin, **options):
    deployment = deploy(coin, "sma_cross", CROSS, start_at=FIRST_CLOSE, **options)
    play(deployment.portfolio, at(HELD))
    return again(deployment)


def beside(deployment, key="sma_cross", parameters=CROSS, capital=20_000):
    """Start a second strategy on the same instrument in the same portfolio."""
    entitlement_grant(
        user=deployment.portfolio.user, key="strategies.running", value=9, source="test"
    )
    version = strategy_create(
        user=deployment.portfolio.user, key=key, name="Second", parameters=parameters
    )
    return deployment_start(
        version=version, portfolio=deployment.portfolio, instrument=deployment.instrument,
        capital=D(capital), now=NOW,
    )  # fmt: skip


def by_hand(deployment, quantity, key="by hand", side="SELL", **fields):
    order = order_submit(
        portfolio=deployment.portfolio, side=side,
        instrument=fields.pop("instrument", deployment.instrument),
        order_type=fields.pop("order_type", "MARKET"), quantity=quantity, client_order_id=key,
        now=NOW, **fields,
    )  # fmt: skip
    assert order.status == "ACCEPTED", order.reason
    return order


def told_outside(order, trade_id="a", price=110):
    """Record all of an order as filled, as a broker tells it between two bars."""
    return fill_record(
        order=order, trade_id=trade_id, quantity=order.quantity, price=D(price), filled_at=at(HELD)
    )


def again(deployment):
    return Deployment.objects.select_related("portfolio", "instrument").get(pk=deployment.pk)


def own(deployment):
    return D(str(again(deployment).state["quantity"]))


def position(deployment):
    return deployment.portfolio.positions.get(instrument=deployment.instrument).quantity


def decided(deployment, bar):
    return Decision.objects.get(deployment=deployment, market_at=at(bar))


def actions(deployment, first, last):
    found = Decision.objects.filter(
        deployment=deployment, market_at__gte=at(first), market_at__lte=at(last)
    )
    return list(found.order_by("market_at").values_list("action", flat=True))


def test_a_part_sold_by_hand_leaves_the_strategy_the_rest_which_it_sells_itself(alone):
    all_of_it = own(alone)
    sold = all_of_it - 80
    by_hand(alone, sold)

    play(alone.portfolio, at(HELD + 1))

    told = decided(alone, HELD + 1)
    because = (
        f"{sold.normalize():,f} of its {all_of_it.normalize():,f} units were sold by hand on "
        f"{at(HELD + 1):%Y-%m-%d}; the strategy goes on with 80 and adds nothing to them"
    )
    assert own(alone) == 80
    assert because in told.reason
    assert told.parameters["position"] == {
        "base": float(all_of_it), "now": 80.0, "low": None, "high": None, "because": because,
    }  # fmt: skip
    play(alone.portfolio, at(FELL))
    assert "by hand" not in decided(alone, HELD + 2).reason
    sales = Order.objects.filter(deployment=alone, side="SELL")
    assert [(order.quantity, order.status) for order in sales] == [(D(80), "FILLED")]
    assert position(alone) == 0
    assert ledger_verify(alone.portfolio) == []


def test_what_a_sale_by_hand_brought_stays_in_the_book(alone):
    by_hand(alone, own(alone) - 80)

    play(alone.portfolio, at(HELD + 2))

    after = again(alone)
    # It has all of the portfolio's money, so its book is the portfolio's.
    assert after.state["cash"] == pytest.approx(float(cash_get(alone.portfolio)), abs=1e-6)
    book = book_of(after, until=at(HELD + 2))
    assert book.equity[-1] == pytest.approx(after.state["equity"], abs=1e-6)
    assert after.state["avg_entry_price"] == alone.state["avg_entry_price"]


def test_a_position_sold_whole_is_not_bought_again_before_a_fresh_signal(alone):
    by_hand(alone, own(alone))

    play(alone.portfolio, at(HELD + 1))

    waiting = decided(alone, HELD + 1)
    assert again(alone).state["quantity"] == 0.0
    assert waiting.blocked_by == "FRESH_SIGNAL"
    assert "the strategy is flat and waits for a fresh signal" in waiting.reason
    assert "waits for a fresh signal: entry of " in waiting.reason
    assert "asking for nothing at one close" in waiting.what_would_change
    play(alone.portfolio, at(ROSE))
    # The rest of the rise is left out; the fall frees it; the next cross is bought.
    assert set(actions(alone, HELD + 1, 11)) == {"NO_TRADE"}
    assert again(alone).state["is_overruled"] is False
    assert actions(alone, 16, ROSE).count("ENTER_LONG") == 1
    assert own(alone) == position(alone) > 0
    assert not Order.objects.filter(status="DENIED").exists()
    assert ledger_verify(alone.portfolio) == []


def test_an_order_by_hand_that_is_filled_in_parts_is_told_in_one_sentence(alone):
    first, second = by_hand(alone, D(10), "one"), by_hand(alone, D(20), "two")
    # An error keeps it from deciding, and so from telling, before it is resumed.
    Deployment.objects.filter(pk=alone.pk).update(status="ERROR")
    fill_record(order=first, trade_id="a", quantity=D(4), price=D(110), filled_at=at(HELD))
    play(alone.portfolio, at(HELD + 2))
    order_cancel(order=by_hand(alone, D(5), "three", order_type="LIMIT", limit_price=D(900)))
    assert own(alone) == position(alone)

    deployment_resume(deployment=alone)
    play(alone.portfolio, at(HELD + 3))

    because = decided(alone, HELD + 3).parameters["position"]["because"]
    assert because.startswith("30 of its ")
    assert f"by hand between {at(HELD):%Y-%m-%d} and {at(HELD + 1):%Y-%m-%d}" in because
    taken = BookChange.objects.filter(deployment=alone).order_by("pk")
    assert [(change.fill.order_id, change.quantity) for change in taken] == [
        (first.pk, 4), (first.pk, 6), (second.pk, 20),
    ]  # fmt: skip


def test_what_a_person_bought_is_sold_first_and_never_by_the_strategy(coin):
    deployment = held_on(coin, capital=D(50_000))
    before = own(deployment)
    by_hand(deployment, D(30), "in", side="BUY")
    play(deployment.portfolio, at(HELD + 1))
    by_hand(deployment, D(20), "out")
    play(deployment.portfolio, at(HELD + 2))
    assert own(deployment) == before
    assert not BookChange.objects.exists()

    by_hand(deployment, D(15), "too much")
    play(deployment.portfolio, at(HELD + 3))
    assert own(deployment) == position(deployment) == before - 5
    by_hand(deployment, D(7), "in again", side="BUY")
    play(deployment.portfolio, at(FELL))

    assert own(deployment) == 0
    assert position(deployment) == 7
    assert ledger_verify(deployment.portfolio) == []


def test_two_strategies_give_in_proportion_and_each_says_its_own_part(coin):
    first = deploy(coin, "sma_cross", CROSS, start_at=FIRST_CLOSE, capital=D(60_000))
    second = beside(first)
    play(first.portfolio, at(HELD))
    before = [own(first), own(second)]
    by_hand(first, D(200))

    play(first.portfolio, at(HELD + 1))

    parts = [held - own(item) for held, item in zip(before, (first, second), strict=True)]
    assert sum(parts) == 200
    assert float(parts[0] / parts[1]) == pytest.approx(float(before[0] / before[1]), rel=1e-5)
    assert own(first) + own(second) == position(first)
    for item, part in zip((first, second), parts, strict=True):
        because = decided(item, HELD + 1).parameters["position"]["because"]
        assert because.startswith(f"{part.normalize():,f} of its ")
    commissions = BookChange.objects.values_list("commission", flat=True)
    fill = Fill.objects.get(order__client_order_id="by hand")
    assert sum(commissions) == pytest.approx(fill.commission, abs=D("1e-8"))
    play(first.portfolio, at(FELL))
    assert position(first) == own(first) == own(second) == 0
    assert not Order.objects.filter(status="DENIED").exists()


def test_what_a_stopped_strategy_left_is_sold_before_what_another_holds(coin):
    stopped = deploy(coin, "sma_cross", CROSS, start_at=FIRST_CLOSE, capital=D(20_000))
    running = beside(stopped)
    play(stopped.portfolio, at(HELD))
    left, before = own(stopped), own(running)
    deployment_stop(deployment=stopped, now=NOW)
    by_hand(stopped, left + 10)

    play(stopped.portfolio, at(HELD + 1))

    assert own(stopped) == 0
    assert own(running) == before - 10


def test_other_portfolios_and_instruments_are_left_alone(coin):
    mine, theirs = held_on(coin), held_on(coin)
    other = instrument_make("OTHER", [10.0] * len(CLOSES), asset_class="CRYPTO")
    before = own(theirs)
    told_outside(by_hand(mine, own(mine)))
    told_outside(by_hand(mine, D(5), "in", side="BUY", instrument=other))
    told_outside(by_hand(mine, D(5), "out", instrument=other))
    told_outside(by_hand(theirs, D(7)))

    for item in (mine, theirs):
        play(item.portfolio, at(HELD + 1))

    assert own(mine) == 0
    assert own(theirs) == position(theirs) == before - 7
    for item in (mine, theirs):
        fill = item.book_changes.get().fill
        assert (fill.order.portfolio, fill.order.instrument) == (item.portfolio, coin)


def test_an_exit_is_not_refused_because_a_sale_by_hand_waits_for_its_price(alone):
    waiting = by_hand(alone, own(alone), order_type="LIMIT", limit_price=D(900))

    play(alone.portfolio, at(FELL))

    waiting.refresh_from_db()
    assert not Order.objects.filter(status="DENIED").exists()
    assert own(alone) == position(alone) == 0
    assert (waiting.status, waiting.reason_code) == ("CANCELED", "EXCEEDS_HOLDING")
    assert "sells what is its own" in waiting.reason


def test_an_exit_leaves_a_waiting_sale_by_hand_what_is_the_persons(coin):
    deployment = held_on(coin, capital=D(50_000))
    by_hand(deployment, D(30), "in", side="BUY")
    play(deployment.portfolio, at(HELD + 1))
    waiting = by_hand(
        deployment, position(deployment), "out", order_type="LIMIT", limit_price=D(900)
    )

    play(deployment.portfolio, at(FELL))

    waiting.refresh_from_db()
    assert own(deployment) == 0
    assert position(deployment) == 30
    assert (waiting.status, waiting.quantity) == ("ACCEPTED", 30)


# --- once, whoever comes when ----------------------------------------------------------------


def books(portfolio):
    """Everything that says what the strategies hold."""
    return {
        "states": list(
            Deployment.objects.filter(portfolio=portfolio).order_by("pk").values_list("state")
        ),
        "changes": list(
            BookChange.objects.filter(deployment__portfolio=portfolio)
            .order_by("pk")
            .values_list("quantity", "held_before", "commission")
        ),
        "reasons": list(
            Decision.objects.filter(deployment__portfolio=portfolio)
            .order_by("pk")
            .values_list("market_at", "reason")
        ),
    }


def test_a_turn_that_is_repeated_takes_nothing_a_second_time(alone):
    by_hand(alone, D(100))
    play(alone.portfolio, at(HELD + 1))
    before = books(alone.portfolio)

    play(alone.portfolio, at(HELD + 1))
    n_changed = books_catch_up(
        portfolio=alone.portfolio, instrument=alone.instrument, deployments=[again(alone)], now=NOW
    )

    assert n_changed == 0
    assert books(alone.portfolio) == before
    assert len(before["changes"]) == 1


def test_what_was_sold_outside_of_a_turn_is_told_to_the_book_and_counts_as_no_fill(alone):
    told_outside(by_hand(alone, D(100)))

    done = play(alone.portfolio, at(HELD + 1))

    assert BookChange.objects.count() == 1
    assert (done.n_bars, done.n_fills) == (1, 0)


@pytest.mark.parametrize("n_sales", [1, 6])
def test_what_was_taken_of_many_sales_is_read_at_once(alone, n_sales):
    for n in range(n_sales):
        told_outside(by_hand(alone, D(10), key=f"sale {n}"), trade_id=f"{n}")

    with CaptureQueriesContext(connection) as captured:
        n_changed = books_catch_up(
            portfolio=alone.portfolio, instrument=alone.instrument, deployments=[again(alone)],
            now=NOW,
        )  # fmt: skip

    reads = [row["sql"] for row in captured if row["sql"].startswith("SELECT")]
    assert (n_changed, BookChange.objects.count()) == (1, n_sales)
    assert len([sql for sql in reads if 'FROM "trading_bookchange"' in sql]) == 1


def test_a_crash_after_a_book_was_told_leaves_nothing_of_it(coin, monkeypatch):
    whole, broken = held_on(coin), held_on(coin)
    for item in (whole, broken):
        by_hand(item, D(100))
    play(whole.portfolio, at(HELD + 2))
    before = books(broken.portfolio)

    def crash(*args, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("trading.services.runner.decide_all", crash)
        with pytest.raises(KeyboardInterrupt):
            play(broken.portfolio, at(HELD + 2))

    assert books(broken.portfolio) == before
    play(broken.portfolio, at(HELD + 2), max_bars=1)
    play(broken.portfolio, at(HELD + 2), max_bars=1)
    assert books(broken.portfolio) == books(whole.portfolio)


@pytest.mark.django_db(transaction=True)
def test_two_runners_at_once_tell_a_book_once(coin):
    one, shared = held_on(coin), held_on(coin)
    for item in (one, shared):
        by_hand(item, D(100))
    play(one.portfolio, at(HELD + 2))
    ReplaySession.objects.filter(pk=shared.portfolio.replay_id).update(cursor_at=at(HELD + 2))
    start, errors = threading.Barrier(2), []

    def run():
        try:
            start.wait(60)
            portfolio_advance(portfolio_id=shared.portfolio_id, until=at(HELD + 2), now=NOW)
        except Exception as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    assert books(shared.portfolio) == books(one.portfolio)


# --- what a broker tells outside of a turn ---------------------------------------------------


def test_a_purchase_filled_after_it_was_canceled_is_the_strategys(coin):
    deployment = deploy(coin, "sma_cross", CROSS, start_at=FIRST_CLOSE)
    play(deployment.portfolio, at(3))
    entry = Order.objects.get(deployment=deployment)
    if entry.status == "FILLED":
        pytest.fail("the entry was to be at work")
    order_cancel(order=entry)
    fill_record(order=entry, trade_id="late", quantity=D(40), price=D(105), filled_at=at(3))
    assert again(deployment).unbooked_fills == [Fill.objects.get().pk]

    play(deployment.portfolio, at(HELD))

    after = again(deployment)
    assert after.unbooked_fills == []
    assert own(deployment) == position(deployment) >= 40
    assert after.state["avg_entry_price"] == 105.0
    assert not BookChange.objects.exists()


def test_a_fill_that_is_told_twice_waits_once(coin):
    deployment = deploy(coin, "sma_cross", CROSS, start_at=FIRST_CLOSE)
    play(deployment.portfolio, at(3))
    entry = Order.objects.get(deployment=deployment)

    for _ in range(2):
        fill_record(order=entry, trade_id="a", quantity=D(4), price=D(105), filled_at=at(3))

    assert len(again(deployment).unbooked_fills) == 1


def test_stopping_sells_what_is_the_strategys_own_after_a_sale_told_outside(coin):
    deployment = held_on(coin, capital=D(50_000))
    before = own(deployment)
    by_hand(deployment, D(30), "in", side="BUY")
    play(deployment.portfolio, at(HELD + 1))
    out = by_hand(deployment, D(50), "out")
    fill_record(order=out, trade_id="a", quantity=D(50), price=D(110), filled_at=at(HELD + 1))

    deployment_stop(deployment=deployment, closes_position=True, now=NOW)

    closing = Order.objects.get(client_order_id=f"close-{deployment.pk}")
    assert closing.quantity == before - 20
    play(deployment.portfolio, at(HELD + 2))
    assert position(deployment) == own(deployment) == 0


def test_stopping_leaves_another_strategy_its_units_after_a_sale_told_outside(coin):
    first = deploy(coin, "sma_cross", CROSS, start_at=FIRST_CLOSE, capital=D(60_000))
    second = beside(first)
    play(first.portfolio, at(HELD))
    told_outside(by_hand(first, D(100)))

    deployment_stop(deployment=first, closes_position=True, now=NOW)
    play(first.portfolio, at(HELD + 1))

    assert own(first) == 0
    assert own(second) == position(second) > 0
    assert first.book_changes.get().quantity + second.book_changes.get().quantity == 100


def test_a_late_sale_of_its_own_is_not_taken_for_one_by_hand(alone):
    before = own(alone)
    decision = Decision.objects.filter(deployment=alone).latest("market_at")
    exit_order = order_submit(
        portfolio=alone.portfolio, instrument=alone.instrument, side="SELL", order_type="MARKET",
        quantity=D(10), client_order_id="late", decision=decision, deployment=alone, now=NOW,
    )  # fmt: skip
    order_cancel(order=exit_order)
    by_person = told_outside(by_hand(alone, D(30)))
    told_outside(exit_order)

    play(alone.portfolio, at(HELD + 1))

    assert own(alone) == position(alone) == before - 40
    change = alone.book_changes.get()
    assert (change.fill, change.quantity, change.held_before) == (by_person, 30, before - 10)
    assert ledger_verify(alone.portfolio) == []


def test_a_book_put_back_to_before_a_sale_is_not_told_that_sale_twice(alone):
    untold = alone.state
    by_hand(alone, D(100))
    play(alone.portfolio, at(HELD + 1))
    Deployment.objects.filter(pk=alone.pk).update(state=untold)

    play(alone.portfolio, at(FELL))

    assert alone.book_changes.count() == 1
    assert again(alone).status == "RUNNING"
    assert position(alone) >= 0


@pytest.mark.parametrize(
    ("booked", "held", "excess"),
    [(100_000.00001, 100_000, 0), (100.0, 99, 1), (100.0, 101, 0), (0.0, 0, 0), (0.0, -1, 1)],
)
def test_a_difference_of_rounding_is_no_sale(booked, held, excess):
    assert excess_of([Deployment(state={"quantity": booked})], D(held)) == excess


# --- dividing ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("quantity", "holdings", "step", "parts"),
    [
        (100, [200, 100], 1, [67, 33]),
        (1, [1, 1, 1], 1, [1, 0, 0]),
        (5, [1, 1, 1], 1, [1, 1, 1]),
        (2, [3, 3, 3], 1, [1, 1, 0]),
        (D("0.3"), [D("0.25"), D("0.25")], D("0.1"), [D("0.2"), D("0.1")]),
        (10, [D("0.5"), D("0.5"), D("9.5")], 1, [D("0.5"), D("0.5"), 9]),
        (0, [4, 4], 1, [0, 0]),
        (7, [], 1, []),
    ],
)
def test_units_are_divided_by_what_each_holds_in_whole_steps(quantity, holdings, step, parts):
    found = shares_of(D(quantity), [D(held) for held in holdings], D(step))

    assert found == [D(part) for part in parts]
