"""A backtest of a strategy version is cut to the limits its running strategy is cut to."""

from html.parser import HTMLParser

import pytest
from django.test import Client

from trading.models import Backtest
from trading.services.backtests.drafts import BacktestInvalid, draft_read
from trading.services.backtests.requests import draft_of
from trading.services.backtests.runs import backtest_run
from trading.services.strategies import strategy_create
from trading.tests.backtest_rows import ASKED, walk_make
from trading.tests.factories import NOW, user_make

pytestmark = pytest.mark.django_db
LIMITS = {"max_position_weight": 0.3, "max_open_orders": 4}


class Fields(HTMLParser):
    """Hidden fields of a page."""

    def __init__(self, page):
        super().__init__()
        self.found = {}
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        named = dict(attrs)
        if tag == "input" and named.get("type") == "hidden":
            self.found[named.get("name")] = named.get("value")


@pytest.fixture
def owner():
    return user_make()


@pytest.fixture
def desk(client: Client, owner) -> Client:
    walk_make()
    client.force_login(owner)
    return client


def version_make(owner):
    return strategy_create(
        user=owner, key="sma_cross", name="Cut", parameters=ASKED["parameters"], limits=LIMITS
    )


def started(desk, version):
    page = desk.get("/backtests/new/", {"version": version.pk, "symbol": "WALK"})
    hidden = Fields(page.content.decode()).found
    posted = {name: value for name, value in hidden.items() if name.startswith("limit_")}
    form = {"strategy_key": "sma_cross", "symbol": "WALK", "p_fast": "5", "p_slow": "20"}
    desk.post("/backtests/new/", {**form, "commission_bps": "5", **posted})
    return Backtest.objects.get()


def test_the_form_of_a_version_keeps_its_limits_of_size(desk, owner):
    row = started(desk, version_make(owner))

    assert row.limits == {"max_position_weight": 0.3}
    assert draft_of(row).limits == row.limits


def test_a_run_with_own_limits_holds_no_more_and_says_so(desk, owner):
    row = started(desk, version_make(owner))
    assert backtest_run(backtest_id=row.pk, clock=lambda: NOW) == "SUCCEEDED"
    row = Backtest.objects.get()

    held = [trip["quantity"] * trip["entry_price"] for trip in row.result.round_trips]

    assert held
    assert max(map(abs, held)) < 0.4 * float(row.cash)
    assert row.result.manifest["settings"]["limits"]["max_position_weight"] == 0.3
    page = desk.get(f"/backtests/{row.pk}/?tab=parameters").content.decode()
    assert "max_position_weight" in page


@pytest.mark.parametrize(("name", "value", "sentence"), [
    ("max_position_weight", 0, "must lie above 0"),
    ("max_open_orders", 3, "is unknown"),
])  # fmt: skip
def test_a_limit_that_a_bar_cannot_tell_of_is_refused_at_its_name(name, value, sentence):
    with pytest.raises(BacktestInvalid, match=sentence) as caught:
        draft_read(ASKED | {"limits": {name: value}})

    assert caught.value.field == f"limits.{name}"
