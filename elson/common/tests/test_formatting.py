"""What people read and what they may type."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest

from elson.common import formatting

NBSP = "\u00a0"
THIN = "\u202f"


@pytest.fixture(autouse=True)
def default_format() -> Iterator[None]:
    formatting.deactivate()
    yield
    formatting.deactivate()


@pytest.mark.parametrize(
    ("locale", "expected"),
    [
        ("en-US", "$100,000.00"),
        ("en-GB", "US$100,000.00"),
        ("de-DE", f"100.000,00{NBSP}$"),
        ("fr-FR", f"100{THIN}000,00{NBSP}$US"),
        ("ja-JP", "$100,000.00"),
    ],
)
def test_money_follows_the_locale(locale: str, expected: str) -> None:
    formatting.activate(locale)
    assert formatting.money(Decimal("100000")) == expected


def test_money_rounds_half_away_from_zero_as_the_browser_does() -> None:
    assert formatting.money(Decimal("0.005")) == "$0.01"
    assert formatting.money(Decimal("-2.675")) == "−$2.68"


def test_a_number_of_numpy_is_a_number() -> None:
    assert formatting.number(np.float64(1.25), 2) == "1.25"
    assert formatting.quantity(np.float64("nan"), 2) == formatting.MISSING


def test_gains_and_losses_carry_a_sign_and_zero_none() -> None:
    assert formatting.signed_money(Decimal("1204.1")) == "+$1,204.10"
    assert formatting.signed_money(Decimal("-7")) == "\u2212$7.00"
    assert formatting.signed_money(Decimal("-0.001")) == "$0.00"
    assert formatting.signed_percent(Decimal("0.012")) == "+1.20%"
    assert formatting.signed_percent(0.0) == "0.00%"


def test_percent_has_a_space_in_german_and_none_in_english() -> None:
    assert formatting.percent(0.204, 1) == "20.4%"
    formatting.activate("de-DE")
    assert formatting.percent(0.204, 1) == f"20,4{NBSP}%"


@pytest.mark.parametrize(
    ("value", "tick", "expected"),
    [
        ("512.34", "0.01", "512.34"),
        ("512.3", "1", "512.30"),
        ("0.00148673", "0.00000001", "0.00148673"),
        ("0.00000001", "1E-8", "0.00000001"),
        ("5", "0.0000000001", "5.00000000"),
    ],
)
def test_the_tick_decides_the_decimals_of_a_price(value: str, tick: str, expected: str) -> None:
    assert formatting.price(Decimal(value), Decimal(tick)) == expected


def test_quantities_lose_trailing_zeros_but_not_tens() -> None:
    assert formatting.quantity(Decimal("0.00150")) == "0.0015"
    assert formatting.quantity(Decimal("40.000")) == "40"
    assert formatting.quantity(Decimal("1E+3")) == "1,000"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "<0.1%"), (0.0009, "<0.1%"), (0.113, "11.3%"), (0.9991, ">99.9%"), (None, "—")],
)
def test_a_counted_share_never_claims_certainty(value: float | None, text: str) -> None:
    assert formatting.share(value) == text


def test_probability_never_claims_certainty() -> None:
    assert formatting.probability(0.0) == "<0.01"
    assert formatting.probability(1.0) == ">0.99"
    assert formatting.probability(0.784) == "0.78"


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), Decimal("NaN")])
def test_a_missing_value_is_an_em_dash(value: Decimal | float | None) -> None:
    for function in (
        formatting.money,
        formatting.percent,
        formatting.price,
        formatting.quantity,
        formatting.big,
    ):
        assert function(value) == "—"


@pytest.mark.parametrize(
    ("figures", "text"),
    [
        ({"profit_factor": 1.543, "win_rate": 0.5}, "1.54"),
        ({"profit_factor": None, "win_rate": 0.9}, "no loss"),
        ({"profit_factor": None, "win_rate": 0.0}, "—"),
        ({"profit_factor": None, "win_rate": None}, "—"),
        ({}, "—"),
    ],
)
def test_a_profit_factor_without_a_bound_is_said_in_words(
    figures: dict[str, float | None], text: str
) -> None:
    assert formatting.profit_factor(figures) == text


def test_big_numbers_are_short_with_the_sign_in_front() -> None:
    assert formatting.big(1_234_567) == "1.2M"
    assert formatting.big(-15_300) == "−15.3K"
    assert formatting.big(999) == "999"


def test_win_rate_shows_its_wilson_interval_and_needs_ten() -> None:
    assert formatting.win_rate(27, 48) == "56% (42–69), n=48"
    assert formatting.win_rate(3, 5) == "too few (5)"
    assert formatting.win_rate(None, 0) == "—"


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (41, "00:41"),
        (3599, "59:59"),
        (3600, "1 h"),
        (3720, "1 h 2 min"),
        (273_600, "3 d 4 h"),
        (172_800, "2 d"),
    ],
)
def test_durations_have_two_units(seconds: int, expected: str) -> None:
    assert formatting.duration(seconds) == expected
    assert formatting.duration(timedelta(seconds=seconds)) == expected


def test_moments_carry_their_zone_and_daily_bars_never_move() -> None:
    moment = datetime(2020, 3, 2, 20, 42, 10, tzinfo=UTC)
    formatting.activate("en-US", "America/New_York")
    assert formatting.when(moment) == "Mar 2, 2020, 15:42 EST"
    assert formatting.clock(moment, "Asia/Tokyo") == "05:42:10 JST"
    assert formatting.day(date(2020, 3, 2)) == "2020-03-02"
    formatting.activate("de-DE", "Europe/Berlin")
    assert formatting.when(moment) == "02.03.2020, 21:42 CET"


def test_daylight_saving_changes_the_name_of_the_zone() -> None:
    formatting.activate("en-US", "America/New_York")
    assert formatting.clock(datetime(2020, 3, 8, 6, 59, 59, tzinfo=UTC)) == "01:59:59 EST"
    assert formatting.clock(datetime(2020, 3, 8, 7, 0, 0, tzinfo=UTC)) == "03:00:00 EDT"


def test_a_zone_without_a_name_shows_its_offset() -> None:
    assert formatting.clock(datetime(2020, 1, 1, tzinfo=UTC), "Asia/Dubai") == "04:00:00 UTC+04:00"
    assert formatting.zone_names("America/New_York", 2020) == "-300:EST -240:EDT"


def test_unknown_locale_and_zone_fall_back() -> None:
    formatting.activate("xx-YY", "Nowhere/Else")
    assert formatting.current() == formatting.Format("en-US", "UTC")


@pytest.mark.parametrize(
    ("locale", "text", "expected"),
    [
        ("en-US", "1,234.50", "1234.50"),
        ("en-US", "1,234", "1234"),
        ("en-US", "1.234", "1.234"),
        ("en-US", "−3", "-3"),
        ("en-US", " 1 234 567 ", "1234567"),
        ("de-DE", "1.234,50", "1234.50"),
        ("de-DE", "1,234", "1.234"),
        ("de-DE", "1.5", "1.5"),
        ("de-DE", "0.125", "0.125"),
        ("de-DE", "1.234.567", "1234567"),
        ("fr-FR", f"1{THIN}234,5", "1234.5"),
        ("ja-JP", "\uff11\uff12\uff13", "123"),
    ],
)
def test_typed_numbers_are_read_in_the_locale_or_with_a_dot(
    locale: str, text: str, expected: str
) -> None:
    assert formatting.parse_decimal(text, locale) == Decimal(expected)


def test_an_ambiguous_number_is_refused_with_both_readings() -> None:
    with pytest.raises(formatting.NumberNotUnderstood) as caught:
        formatting.parse_decimal("1.234", "de-DE")
    assert caught.value.message == "“1.234” can be read in two ways; write 1234 or 1,234."


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("007", 7), ("9" * 18, 10**18 - 1)])
def test_plain_digits_of_an_address_are_a_number(text, number):
    assert formatting.parse_whole(text) == number


@pytest.mark.parametrize("text", ["", " 1", "-1", "1.0", "²", "٣", "9" * 19, "1" * 5_000])
def test_anything_else_in_an_address_is_no_number(text):
    assert formatting.parse_whole(text) is None


@pytest.mark.parametrize("text", ["abc", "1,5", "12,34,5", "1.2.3", "--1", "1e5", "."])
def test_what_is_not_a_number_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(
        formatting.NumberNotUnderstood, match=r"is not a number; write it like 1,234\.50\."
    ):
        formatting.parse_decimal(text, "en-US")


def test_an_empty_field_asks_for_a_number() -> None:
    with pytest.raises(formatting.NumberNotUnderstood, match="Enter a number"):
        formatting.parse_decimal("  ", "en-US")
