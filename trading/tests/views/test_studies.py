"""Pages of optimizations: whose they are, what a plan sees, and what they say of a search."""

from __future__ import annotations

import csv
import datetime as dt
import html
import io
import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from elson.common.templatetags import plots
from trading.models import Deployment, StrategyVersion, Study, StudyProposal, Trial
from trading.selectors.studies import usual_trial_seconds
from trading.selectors.study_maps import heat
from trading.services.strategies import strategy_create
from trading.services.studies.requests import study_pause
from trading.tests.backtest_rows import walk_make
from trading.tests.factories import NOW, user_make
from trading.tests.study_rows import member_make, study_finish, study_make, trial_spoil
from trading.tests.views.pages import STUDY_FORM, text
from trading.views.study_context import scatter_points

pytestmark = pytest.mark.django_db
PART = {"HX-Request": "true"}


@pytest.fixture
def owner():
    return member_make()


@pytest.mark.parametrize(
    ("method", "path", "answer"),
    [
        ("get", "", 200),
        ("get", "new/", 200),
        ("get", "{pk}/", 200),
        ("get", "{pk}/live/", 302),
        ("get", "{pk}/points/", 200),
        ("get", "{pk}/apply/?trial=1", 200),
        ("post", "{pk}/stop/", 302),
        ("post", "{pk}/holdout/", 422),
        ("get", "{pk}/holdout/?trial=1", 200),
        ("get", "{pk}/extend/", 302),
        ("post", "{pk}/repeat/", 302),
        ("post", "{pk}/apply/", 422),
        ("post", "{pk}/dance/", 404),
    ],
)
def test_a_page_opens_for_the_owner_alone(client, owner, method, path, answer):
    study = study_finish(study_make(owner))
    Study.objects.update(status="STOPPED")
    address = "/optimizations/" + path.format(pk=study.pk)

    assert getattr(client, method)(address).status_code == 302
    client.force_login(user_make())
    assert getattr(client, method)(address).status_code == (404 if "{pk}" in path else 200)
    client.force_login(owner)
    assert getattr(client, method)(address).status_code == answer


def test_a_free_plan_sees_what_is_locked_and_cannot_start(client):
    walk_make(500)
    client.force_login(user_make())

    assert "Optimization is part of Plus" in text(client.get("/optimizations/"))
    assert client.post("/optimizations/new/", STUDY_FORM).status_code == 403
    assert not Study.objects.exists()


def test_a_waiting_search_says_that_its_first_trial_is_pending(desk, owner):
    study = study_make(owner)

    said = text(desk.get(f"/optimizations/{study.pk}/"))

    assert "The first trial is pending" in said
    assert "every 3s" in said


def test_a_finished_search_shows_leaders_luck_and_its_suggestion(desk, owner):
    study = study_finish(study_make(owner))

    said = text(desk.get(f"/optimizations/{study.pk}/"))

    assert f'data-pick="{study.judgement["pick"]}"' in said
    assert 'data-overfit="1"' in said
    assert "Deflated Sharpe ratio" in said
    assert said.count("data-trial=") >= 12


def test_the_live_part_reloads_the_page_when_the_search_has_ended(desk, owner):
    study = study_finish(study_make(owner))

    answer = desk.get(f"/optimizations/{study.pk}/live/?status=RUNNING&judged=0", headers=PART)

    assert answer["HX-Refresh"] == "true"


def test_failed_trials_are_listed(desk, owner):
    study = study_make(owner)
    trial_spoil(study, number=2)
    study_finish(study)

    assert "must be at least 1" in text(desk.get(f"/optimizations/{study.pk}/"))


@pytest.mark.parametrize("query", ["sort=-gap", "best=25", "pin=3&pin=x", "x=slow&y=fast", "x=no"])
def test_order_filter_pins_and_axes_come_from_the_address(desk, owner, query):
    study = study_finish(study_make(owner))

    assert desk.get(f"/optimizations/{study.pk}/?{query}").status_code == 200


def test_the_csv_has_every_trial(desk, owner):
    study = study_finish(study_make(owner))

    answer = desk.get(f"/optimizations/{study.pk}/?format=csv")

    assert len(list(csv.DictReader(io.StringIO(answer.content.decode())))) == 12


def test_applying_shows_the_difference_first_and_makes_a_draft(desk, owner):
    study = study_finish(study_make(owner))
    used = strategy_create(user=owner, key="sma_cross", name="Mine")
    query = {"trial": "1", "strategy": str(used.strategy_id)}

    shown = text(desk.get(f"/optimizations/{study.pk}/apply/", query))
    answer = desk.post(f"/optimizations/{study.pk}/apply/", query)

    assert "<del>20</del>" in shown
    assert answer.url == f"/strategies/{used.strategy_id}/"
    assert StrategyVersion.objects.count() == 2
    assert not Deployment.objects.exists()


def test_applying_shows_what_each_regime_changes(desk, owner):
    adaptive = {
        "strategy_key": "volatility_adaptive_trend",
        "space": {"trend_bars": {"low": 30, "high": 60, "step": 30}},
        "n_trials": 2,
        "n_folds": 2,
    }
    study = study_finish(study_make(owner, **adaptive))
    used = strategy_create(
        user=owner, key="volatility_adaptive_trend", name="Mine",
        parameters={"size_factor.HIGH": 0.5},
    )  # fmt: skip
    number = study.trials.get(parameters__trend_bars=30).number
    query = {"trial": str(number), "strategy": str(used.strategy_id)}

    shown = text(desk.get(f"/optimizations/{study.pk}/apply/", query)).split("diff-by-regime")[1]

    lookback, size = (
        shown.split(f">{name}</th>")[1].split("</tr>")[0] for name in ("Trend bars", "Size factor")
    )
    assert lookback.count("<ins>") == 4
    assert re.findall(r"<(?:del|ins)><data[^>]*>([\d.]+)", size) == ["0.5", "0.7"]


def test_rules_that_do_not_adapt_say_so(desk, owner):
    study = study_finish(study_make(owner))

    shown = text(desk.get(f"/optimizations/{study.pk}/apply/", {"trial": "1"}))

    assert "Nothing adapts to the regime in these rules" in shown


def test_the_time_is_what_the_latest_searches_took(desk, owner):
    study, address = study_make(owner), "/optimizations/new/?strategy_key=sma_cross&symbol=WALK"
    before = text(desk.get(address))
    for k in range(1, 4):
        at = NOW + k * dt.timedelta(seconds=2)
        Trial.objects.create(study=study, number=k, status="DONE", finished_at=at)
    Study.objects.update(n_done=3)

    after = text(desk.get(address))

    assert "No search of these rules has been timed yet." in before
    assert usual_trial_seconds(strategy_key="sma_cross", timeframe="1d") == 2.0
    assert "as the latest searches of these rules did" in after


def test_the_holdout_shows_its_result_and_no_second_button(desk, owner):
    study = study_finish(study_make(owner))

    desk.post(f"/optimizations/{study.pk}/holdout/", {"trial": "1", "word": "open"})

    said = text(desk.get(f"/optimizations/{study.pk}/"))
    assert "It cannot be opened again" in said
    assert "Open the hold-out" not in said


def test_a_paused_search_offers_to_go_on(desk, owner):
    study = study_pause(study=study_make(owner))

    assert "Resume" in text(desk.get(f"/optimizations/{study.pk}/"))
    desk.post(f"/optimizations/{study.pk}/resume/")
    study.refresh_from_db()
    assert study.status == "RUNNING"


def test_a_proposal_is_shown_and_decided(desk, owner):
    study = study_finish(study_make(owner))
    version = strategy_create(user=owner, key="sma_cross", name="Mine")
    gate = {"name": "deflated Sharpe ratio", "value": 0.97, "must": ">= 0.95", "is_met": True}
    offered = StudyProposal.objects.create(
        study=study,
        strategy=version.strategy,
        champion=version,
        parameters=version.parameters | {"fast": 7},
        gates=[gate],
        status="OFFERED",
    )

    assert "passed every gate" in text(desk.get("/optimizations/"))
    desk.post(f"/optimization-proposals/{offered.pk}/accept/")

    offered.refresh_from_db()
    assert (offered.status, offered.version.number) == ("ACCEPTED", 2)


def test_the_list_asks_no_more_for_more_rows(desk, owner):
    study_make(owner)

    def n_queries():
        with CaptureQueriesContext(connection) as asked:
            desk.get("/optimizations/")
        return len(asked)

    n_queries()
    before = n_queries()
    for _ in range(4):
        study_make(owner)

    assert n_queries() == before


def test_the_heatmap_marks_the_best_cell_and_the_zone(owner):
    study = study_finish(study_make(owner))
    ranked = list(Trial.objects.filter(study=study).order_by("-objective"))

    shown = heat(ranked, {ranked[0].number}, "fast", "slow")

    slugs = [cell["slug"] for row in shown["rows"] for cell in row["cells"]]
    assert (len(shown["columns"]), len(shown["rows"])) == (4, 3)
    assert sum("is-best" in slug for slug in slugs) == 1
    assert sum("is-stable" in slug for slug in slugs) == 1


def test_the_scatter_shows_every_ranked_trial_and_the_suggestion_on_top(desk, owner):
    study = study_finish(study_make(owner))
    ranked = list(Trial.objects.filter(study=study))

    points = scatter_points(ranked, ranked[0].number)
    page = desk.get(f"/optimizations/{study.pk}/").content.decode()

    assert [point["is_pick"] for point in points] == [True] + [False] * 11
    drawn = page.split('data-testid="scatter"')[1].split("</svg>")[0]
    assert drawn.count("<circle") == 12
    assert drawn.rindex('class="pick"') > drawn.rindex('class="point"')


def test_fewer_than_three_points_are_not_drawn():
    point = {"x": 0.5, "y": 0.25, "title": "trial 1", "is_pick": False}
    other = {**point, "x": -0.5, "y": 1.5}

    assert plots.scatter([point, other], "two") is None
    drawn = plots.scatter([point, other, {**point, "x": 1.5, "y": 1.5}], "three")
    assert [(p["x"], p["y"]) for p in drawn["points"]] == [
        ("130.0", "155.0"), ("30.0", "30.0"), ("230.0", "30.0"),
    ]  # fmt: skip


@pytest.mark.parametrize("query", ["search=%C2%B2", "size=%C2%B2", "page=%C2%B2"])
def test_a_digit_that_is_no_number_is_no_error(desk, query):
    assert desk.get(f"/optimizations/?{query}").status_code == 200


@pytest.mark.parametrize("query", ["best", "pin"])
def test_an_endless_number_in_the_address_is_no_error(desk, owner, query):
    study = study_finish(study_make(owner))

    assert desk.get(f"/optimizations/{study.pk}/?{query}={'9' * 5_000}").status_code == 200


def test_taking_over_to_an_endless_strategy_number_is_taking_over_to_none(desk, owner):
    study = study_finish(study_make(owner))

    response = desk.get(f"/optimizations/{study.pk}/apply/?trial=1&strategy={'9' * 5_000}")

    assert (response.status_code, response.context["strategy"]) == (200, None)


def test_searches_of_rules_that_are_gone_are_listed_by_their_key(desk, owner):
    study = study_make(owner)
    Study.objects.filter(pk=study.pk).update(strategy_key="gone_rules")

    listed, shown = desk.get("/optimizations/"), desk.get(f"/optimizations/{study.pk}/")

    assert "gone_rules" in listed.content.decode()
    assert shown.status_code == 409
    assert "not installed any more" in shown.content.decode()


def test_pinning_a_trial_keeps_the_best_that_are_shown(desk, owner):
    study = study_finish(study_make(owner))

    page = desk.get(f"/optimizations/{study.pk}/?best=50").content.decode()

    assert re.search(r'href="[^"]*best=50[^"]*pin=\d', page)


def test_choosing_two_parameters_keeps_pins_and_share(desk, owner):
    study = study_finish(study_make(owner))

    page = desk.get(f"/optimizations/{study.pk}/?best=50&pin=3").content.decode()

    form = page.partition('id="heat')[2].partition("</form>")[0]
    assert 'name="best" value="50"' in form
    assert 'name="pin" value="3"' in form


def test_the_folds_of_trials_are_not_read_for_the_page(desk, owner):
    study = study_finish(study_make(owner))

    with CaptureQueriesContext(connection) as queries:
        desk.get(f"/optimizations/{study.pk}/live/", headers=PART)

    assert not any('"folds"' in query["sql"] for query in queries)


@pytest.mark.parametrize("status", ["SUCCEEDED", "FAILED"])
@pytest.mark.parametrize(
    ("action", "said"),
    [
        ("stop", "nothing was stopped"),
        ("pause", "nothing was paused"),
        ("resume", "there was nothing to resume"),
    ],
)
def test_a_search_that_ended_before_the_click_says_so_on_its_page(
    desk, owner, status, action, said
):
    study = study_finish(study_make(owner))
    Study.objects.update(status=status)

    answer = desk.post(f"/optimizations/{study.pk}/{action}/", follow=True)

    assert answer.redirect_chain == [(f"/optimizations/{study.pk}/", 302)]
    assert f"The search had already finished; {said}." in text(answer)
    assert Study.objects.get().status == status


def test_a_search_whose_holdout_is_open_is_not_extended_and_says_why(desk, owner):
    study = study_finish(study_make(owner, method="random"))
    Study.objects.update(holdout_opened_at=NOW)

    answer = desk.post(f"/optimizations/{study.pk}/extend/", {"n_trials": "17"}, follow=True)

    assert f"The hold-out of optimization #{study.pk} was opened" in text(answer)
    assert Study.objects.get().n_trials == study.n_trials


def test_a_closed_holdout_says_how_often_its_bars_were_looked_at_before(desk, owner):
    earlier, study = (study_finish(study_make(owner)) for _ in range(2))
    page = f"/optimizations/{study.pk}/"
    assert "on some of these bars" not in text(desk.get(page))

    desk.post(f"/optimizations/{earlier.pk}/holdout/", {"trial": "1", "word": "open"})

    assert "You have looked at 1 other idea on some of these bars." in text(desk.get(page))
    asked = text(desk.get(f"{page}holdout/?trial=2"))
    assert "You have looked at 1 other idea on some of these bars." in asked
    assert "the best of 2 worthless ones" in asked
    desk.post(f"{page}holdout/", {"trial": "2", "word": "open"})
    assert 'the luck of <data class="num" value="2">2</data> looks' in text(desk.get(page))


def test_the_live_part_opened_alone_leads_to_the_search(desk, owner):
    study = study_make(owner)

    assert desk.get(f"/optimizations/{study.pk}/live/").url == f"/optimizations/{study.pk}/"


@pytest.mark.parametrize(
    "path", ["/optimizations/{pk}/", "/api/v1/optimizations/{pk}/leaderboard/"]
)
def test_a_search_whose_rules_have_other_parameters_by_now_says_so(desk, owner, path):
    study = study_finish(study_make(owner))
    Study.objects.filter(pk=study.pk).update(space={**study.space, "gone": study.space["slow"]})

    answer = desk.get(path.format(pk=study.pk))

    assert answer.status_code == 409
    assert "no parameter 'gone'" in html.unescape(answer.content.decode())
