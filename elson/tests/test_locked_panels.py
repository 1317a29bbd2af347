"""What a plan does not have is said in its place, with its price and a sample of the demo."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from django.core.cache import cache

from accounts.models import User
from accounts.services import entitlement_grant
from billing.models import Plan
from elson import showcase
from elson.serving.people import DEMO_EMAIL
from trading.models import Study
from trading.services.studies.work import study_work
from trading.tests.backtest_rows import done_make, walk_make
from trading.tests.factories import NOW, user_make
from trading.tests.study_rows import study_make
from trading.tests.views.pages import text

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk(client):
    """The browser of somebody on the free plan."""
    cache.clear()
    client.force_login(user_make())
    return client


def panel_of(response) -> str:
    found = re.search(r'<section class="locked".*?</section>', text(response))
    assert found
    return found[0]


@pytest.fixture
def search():
    """The demo account's search, done."""
    walk_make(4000, "NASDAQ")
    walk_make(300, "WTI")
    demo = user_make(email=DEMO_EMAIL)
    showcase.showcase_request(user=demo, now=NOW)
    study = Study.objects.get(user=demo)
    assert study_work(study_id=study.pk, clock=lambda: NOW) == "SUCCEEDED"
    study.refresh_from_db()
    return study


def test_a_panel_names_the_plans_their_prices_and_what_each_has(desk):
    html = panel_of(desk.get("/optimizations/"))

    assert "Optimization is part of Plus." in html
    assert "Plus costs $15 a month or $150 a year, Pro costs $39 a month or $390 a year." in html
    assert "Proposed prices: nothing is sold here yet." in html
    cells = re.sub(r"<[^>]+>", " ", html)
    assert re.search(r"Optimizations a day +3 +20 ", cells)
    assert re.search(r"Trials in an optimization +100 +2,000 ", cells)


def test_a_published_price_is_no_proposal_and_keeps_its_cents(desk):
    Plan.objects.filter(key="plus").update(monthly_price=Decimal("12.50"), is_price_proposed=False)
    Plan.objects.filter(key="pro").update(is_price_proposed=False)

    html = panel_of(desk.get("/optimizations/"))

    assert "Plus costs $12.50 a month or $150.00 a year" in html
    assert "roposed" not in html


def test_a_plan_that_is_not_shown_is_not_offered(desk):
    Plan.objects.filter(key="plus").update(is_public=False)

    html = panel_of(desk.get("/optimizations/"))

    assert "Optimization is part of Pro." in html
    assert "Plus" not in html


def test_without_any_plan_that_has_it_a_panel_says_so(desk):
    Plan.objects.exclude(key="free").update(is_public=False)

    assert "part of no plan of this installation" in panel_of(desk.get("/optimizations/"))


def test_only_plans_with_more_than_one_has_are_offered(desk):
    user = User.objects.get()
    walk_make()
    for key in ("backtests.at_once", "backtests.per_day"):
        entitlement_grant(user=user, key=key, value=100, source="test")
    ids = [done_make(user, parameters={"fast": n, "slow": 40}).pk for n in (3, 5, 8)]

    html = panel_of(desk.get("/backtests/compare/?ids=" + ",".join(map(str, ids))))

    assert "More runs side by side are part of Plus." in html
    assert "1 more was chosen; your plan compares 2 runs at once." in html


def test_a_panel_has_no_sample_until_the_demo_account_has_one(desk):
    assert "Sample" not in panel_of(desk.get("/optimizations/"))


def test_the_sample_is_the_demo_accounts_own_search_and_says_so(desk, search):
    cache.clear()

    html = panel_of(desk.get("/optimizations/"))

    pick = search.trials.get(number=search.judgement["pick"])
    assert "Sample" in html
    assert f"Demo account: Moving-average cross on NASDAQ, {search.n_done} trials" in html
    assert f"trial {pick.number}" in html
    assert f"{pick.out_of_sample_sharpe:.2f}".replace("-", "−") in html
    assert search.judgement["sentences"][0] in html


def test_the_search_of_the_showcase_is_asked_for_once(search):
    showcase.showcase_request(user=search.user, now=NOW)

    assert Study.objects.count() == 1
    assert search.n_trials == showcase.SEARCH["n_trials"]


def test_a_demo_account_that_used_its_searches_of_the_day_goes_without_the_sample():
    walk_make(4000, "NASDAQ")
    walk_make(300, "WTI")
    demo = user_make(email=DEMO_EMAIL)
    for key in ("optimize.runs_per_day", "optimize.trials_per_run"):
        entitlement_grant(user=demo, key=key, value=showcase.GRANTS[key], source="staff:showcase")
    for _ in range(showcase.GRANTS["optimize.runs_per_day"]):
        study_make(demo, n_bars=500)

    showcase.showcase_request(user=demo, now=NOW)

    assert Study.objects.filter(client_key=showcase.SEARCH_KEY).count() == 0
