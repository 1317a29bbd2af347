"""Setting up a run: what the form takes, keeps and refuses."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from django.utils import timezone

from accounts.models import Profile
from trading.models import Backtest
from trading.services.backtests.runs import backtest_run
from trading.tests.backtest_rows import waiting_make, walk_make
from trading.tests.views.pages import BACKTEST_FORM, text
from trading.views.backtest_address import plain_number

pytestmark = pytest.mark.django_db


def test_the_form_starts_a_run_and_leads_to_it(desk):
    walk_make()

    response = desk.post("/backtests/new/", BACKTEST_FORM)

    made = Backtest.objects.get()
    assert response.url == f"/backtests/{made.pk}/"
    assert (made.parameters["fast"], made.seed, made.note) == (5, 11, "first idea")


def test_sending_the_form_twice_starts_one_run(desk):
    walk_make()

    first, again = (desk.post("/backtests/new/", BACKTEST_FORM) for _ in range(2))

    assert first.url == again.url
    assert Backtest.objects.count() == 1


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("cash", "-5", "Starting cash -5 must lie between 1 and"),
        ("p_fast", "0", "must be at least 1"),
        ("start_date", "2030-01-01", "lies after the data"),
        ("symbol", "NOPE", "NOPE"),
        ("commission_bps", "0", "no market trades for free"),
        ("seed", "many", "is not a number"),
    ],
)
def test_bad_input_is_answered_422_at_its_field_and_everything_typed_is_kept(
    desk, field, value, sentence
):
    walk_make()

    response = desk.post("/backtests/new/", BACKTEST_FORM | {field: value})

    html = text(response)
    assert response.status_code == 422
    name = "is_free_confirmed" if field == "commission_bps" else field
    assert sentence in " ".join(response.context["form"].errors[name])
    assert sentence in html
    assert 'value="first idea"' in html
    assert field == "symbol" or f'value="{value}"' in html
    assert not Backtest.objects.exists()


def test_the_form_writes_whole_numbers_without_empty_decimals(desk):
    walk_make()

    html = text(desk.get("/backtests/new/", {"strategy_key": "volatility_adaptive_trend"}))

    assert re.search(r'name="p_entry_level"[^>]*value="15"', html)
    assert not re.search(r'name="p_\w+"[^>]*value="\d+\.0"', html)


def test_the_form_takes_its_values_from_the_address(desk):
    walk_make()

    html = text(desk.get("/backtests/new/", {"strategy_key": "sma_cross", "p_fast": "7"}))

    assert re.search(r'name="p_fast"[^>]*value="7"', html)


def test_change_and_run_starts_from_the_values_of_the_run(desk, owner):
    made = waiting_make(owner)

    html = text(desk.get(f"/backtests/new/?from={made.pk}"))

    assert re.search(r'name="p_slow"[^>]*value="20"', html)
    assert re.search(r'name="commission_bps"[^>]*value="5"', html)


def test_the_address_of_a_run_writes_its_numbers_as_a_person_types_them(desk, owner):
    walk_make()
    sent = {"cash": "1234567.5", "slippage_bps": "0.1234567", "commission_bps": "12.3456789",
            "impact": "0.00001"}  # fmt: skip
    desk.post("/backtests/new/", BACKTEST_FORM | sent)

    html = text(desk.get(f"/backtests/new/?from={Backtest.objects.get().pk}"))

    for name, value in sent.items():
        assert re.search(rf'name="{name}"[^>]*value="{value}"', html), name


def test_a_share_that_is_not_offered_is_kept(desk, owner):
    made = waiting_make(owner)
    Backtest.objects.update(out_of_sample_share=0.25)

    form = desk.get(f"/backtests/new/?from={made.pk}").context["form"]
    sent = desk.post("/backtests/new/", BACKTEST_FORM | {"out_of_sample_share": "0.25"})

    assert ("0.25", "Last 25%") in form.fields["out_of_sample_share"].choices
    assert form["out_of_sample_share"].value() == "0.25"
    assert sent.status_code == 302
    assert Backtest.objects.latest("pk").out_of_sample_share == 0.25


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.0000125, "0.0000125"), (1e21, "1000000000000000000000"), (2.0, "2"), (0, "0"),
        (1234567.25, "1234567.25"), (Decimal("100000.00000000"), "100000"), (30, "30"),
        ("all_in", "all_in"), (True, "True"), (0.1, "0.1"), (Decimal("1E+5"), "100000"),
    ],
)  # fmt: skip
def test_a_number_is_written_with_every_digit_and_no_exponent(value, written):
    assert plain_number(value) == written


def test_folds_and_benchmark_of_the_form_are_stored_and_shown(desk, owner):
    walk_make()
    sent = {"walk_forward_folds": "3", "benchmark": "CASH"}
    desk.post("/backtests/new/", BACKTEST_FORM | sent)
    made = Backtest.objects.get()
    backtest_run(backtest_id=made.pk, clock=timezone.now)

    shown = text(desk.get(f"/backtests/{made.pk}/"))
    form = desk.get(f"/backtests/new/?from={made.pk}").context["form"]

    assert re.findall(r'data-fold="(\d)"', shown) == ["1", "2", "3"]
    assert "of 3 folds gained" in shown
    assert "did better than cash." in shown
    assert "Cash" in text(desk.get(f"/backtests/{made.pk}/?tab=metrics"))
    assert {name: form[name].value() for name in sent} == sent


def test_every_cost_of_the_form_is_stored(desk):
    walk_make()
    asked = {
        "spread_bps": "1.5", "commission_per_unit": "0.01", "commission_minimum": "1",
        "range_share": "0.05", "impact": "1", "borrow_bps_per_day": "2",
        "financing_bps_per_year": "300", "max_participation": "0.1", "carries_rest": "on",
    }  # fmt: skip

    desk.post("/backtests/new/", BACKTEST_FORM | asked)

    made = Backtest.objects.get()
    stored = {name: getattr(made, name) for name in asked}
    assert stored == {**{k: float(v) for k, v in asked.items() if v != "on"}, "carries_rest": True}
    again = text(desk.get(f"/backtests/new/?from={made.pk}"))
    assert 'name="max_participation" value="0.1"' in again


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("spread_bps", "-1", "Half spread -1 bp must lie between 0 bp and 1,000 bp"),
        ("impact", "11", "Impact 11 must lie between 0 and 10"),
        ("max_participation", "1.5", "Share of the volume 1.5 must lie above 0 and be at most 1"),
        ("symbols", "NOPE", "NOPE"),
        ("max_positions", "2.5", "Positions at once 2.5 must be a whole number"),
    ],
)
def test_impossible_costs_and_instruments_are_refused_at_their_field(desk, field, value, sentence):
    walk_make()

    response = desk.post("/backtests/new/", BACKTEST_FORM | {field: value})

    assert response.status_code == 422
    assert sentence in text(response)
    assert not Backtest.objects.exists()


def test_the_quota_starts_again_at_an_hour_of_the_readers_zone(desk, owner):
    Profile.objects.update_or_create(user=owner, defaults={"time_zone": "Asia/Tokyo"})

    for address in ("/backtests/", "/backtests/new/"):
        assert re.search(r'00:00:00 UTC">09:00 JST</time>', text(desk.get(address)))
