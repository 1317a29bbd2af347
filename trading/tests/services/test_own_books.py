"""Own books side by side: which are listed, and how little is asked for them."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from marketdata.selectors.columns import columns_forget
from trading.models import Deployment, Portfolio
from trading.selectors.own_books import book_of, books_of
from trading.selectors.strategies import deployment_rows, stopped_rows
from trading.services.deployments import deployment_start
from trading.services.strategies import strategy_create
from trading.tests.factories import FIRST_CLOSE, NOW, instrument_make, portfolio_make
from trading.tests.services.test_live_books import CLOSES, HELD, at, by_hand, told_outside
from trading.tests.services.test_runner import deploy, play

pytestmark = pytest.mark.django_db
CROSS = {"fast": 2, "slow": 3}
STOPPED = Deployment.Status.STOPPED


def market(symbol: str = "COIN"):
    return instrument_make(symbol, [float(close) for close in CLOSES], asset_class="CRYPTO")


def started(portfolio, name, instrument=None, version=None) -> Deployment:
    """One more strategy of the portfolio, or its next deployment, stopped at once."""
    version = version or strategy_create(
        user=portfolio.user, key="sma_cross", name=name, parameters=CROSS
    )
    made = deployment_start(
        version=version, portfolio=portfolio, instrument=instrument or market(name),
        capital=Decimal(1_000), now=NOW,
    )  # fmt: skip
    Deployment.objects.filter(pk=made.pk).update(status=STOPPED)
    return made


@pytest.fixture
def portfolio():
    """A portfolio with a stopped strategy, which held and was sold from by hand."""
    first = deploy(market(), "sma_cross", CROSS, start_at=FIRST_CLOSE, capital=Decimal(20_000))
    play(first.portfolio, at(HELD))
    told_outside(by_hand(first, Decimal(10)))
    play(first.portfolio, at(HELD + 1))
    Deployment.objects.update(status=STOPPED)
    return Portfolio.objects.select_related("replay").get()


def n_asked(portfolio, n: int) -> int:
    """How often the database is asked for the books of so many stopped strategies."""
    columns_forget()
    books_of(portfolio, stopped_rows(portfolio))  # bars are in memory from here on
    with CaptureQueriesContext(connection) as asked:
        assert len(books_of(portfolio, stopped_rows(portfolio))) == n
    return len(asked)


def test_five_stopped_strategies_are_asked_for_as_often_as_one(portfolio):
    of_one = n_asked(portfolio, 1)
    for n in range(4):
        started(portfolio, f"COIN{n}")

    assert n_asked(portfolio, 5) == of_one


def test_a_book_is_the_same_alone_and_among_others(portfolio):
    first = Deployment.objects.get()
    for n in range(2):
        started(portfolio, f"COIN{n}")

    together = {
        row.deployment_id: book for row, book in books_of(portfolio, stopped_rows(portfolio))
    }

    alone = book_of(first, until=at(HELD + 1))
    assert together[first.pk].equity.tolist() == alone.equity.tolist()
    assert together[first.pk].n_fills == alone.n_fills == 1
    assert len(set(alone.equity.tolist())) > 1
    assert {book.n_fills for pk, book in together.items() if pk != first.pk} == {0}


def test_a_stopped_strategy_is_listed_once_by_its_last_deployment_unless_it_runs_again(portfolio):
    first = Deployment.objects.select_related("version", "instrument").get()
    last = started(portfolio, "", first.instrument, first.version)
    other = started(portfolio, "OTHER")
    assert [row.deployment_id for row in stopped_rows(portfolio)] == [other.pk, last.pk]

    Deployment.objects.filter(pk=first.pk).update(status=Deployment.Status.PAUSED)
    assert [row.deployment_id for row in stopped_rows(portfolio)] == [other.pk]
    assert [row.deployment_id for row in deployment_rows(portfolio)] == [first.pk]


def test_what_runs_in_another_portfolio_does_not_hide_what_was_stopped_in_this(portfolio):
    first = Deployment.objects.select_related("version", "instrument").get()
    elsewhere = portfolio_make(portfolio.user, lead=first.instrument, cursor_at=at(HELD))
    deployment_start(
        version=first.version, portfolio=elsewhere, instrument=first.instrument,
        capital=Decimal(1_000), now=NOW,
    )  # fmt: skip

    assert [row.deployment_id for row in stopped_rows(portfolio)] == [first.pk]
