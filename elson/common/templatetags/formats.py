"""Filters that print a value for people and keep the raw one in `<data value>` or `<time>`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from elson.common import formatting

register = template.Library()

GLYPHS = {"up": "▲", "down": "▼", "flat": "●"}


def _number(value: Any) -> Decimal | None:
    """Convert to Decimal; None for anything that is not a finite number."""
    if value is None or value == "" or isinstance(value, bool):
        return None
    try:
        exact = Decimal(repr(value)) if isinstance(value, float) else Decimal(str(value))
    except (InvalidOperation, ValueError):
        return None
    return exact if exact.is_finite() else None


def _data(raw: Decimal | None, text: str, css: str = "num") -> SafeString:
    if raw is None or text == formatting.MISSING:
        return mark_safe('<span class="none" role="img" aria-label="no value">—</span>')
    return format_html('<data class="{}" value="{}">{}</data>', css, f"{raw:f}", text)


def direction(value: Decimal, places: int) -> str:
    """`up`, `down` or, when nothing is left after rounding, `flat`."""
    rounded = round(value, places)
    return "up" if rounded > 0 else "down" if rounded < 0 else "flat"


def delta_markup(raw: Decimal | None, text: str, tone: str) -> SafeString:
    """Print a signed value in its color, with the glyph that says the same without color."""
    if raw is None:
        return _data(None, formatting.MISSING)
    return format_html(
        '<data class="num {}" value="{}"><span class="glyph" aria-hidden="true">{}</span>{}</data>',
        tone,
        f"{raw:f}",
        GLYPHS[tone],
        text,
    )


@register.filter
def money(value: Any, currency: str = "USD") -> SafeString:
    """`$100,000.00`."""
    raw = _number(value)
    return _data(raw, formatting.money(raw, currency or "USD"))


@register.filter
def signed(value: Any, currency: str = "USD") -> SafeString:
    """`▲ +$1,204.10`."""
    raw = _number(value)
    tone = "flat" if raw is None else direction(raw, 2)
    return delta_markup(raw, formatting.signed_money(raw, currency or "USD"), tone)


@register.filter
def delta(value: Any, places: int = 2) -> SafeString:
    """Return as a fraction: `▲ +1.20%`."""
    raw = _number(value)
    tone = "flat" if raw is None else direction(raw * 100, int(places))
    return delta_markup(raw, formatting.signed_percent(raw, int(places)), tone)


@register.filter
def delta_number(value: Any, places: int = 2) -> SafeString:
    """Change of a price or ratio: `▲ +3.12`."""
    raw = _number(value)
    tone = "flat" if raw is None else direction(raw, int(places))
    return delta_markup(raw, formatting.signed_number(raw, int(places)), tone)


@register.filter
def pct(value: Any, places: int = 2) -> SafeString:
    """Fraction as percent without colour: `20.4%` with one place."""
    raw = _number(value)
    return _data(raw, formatting.percent(raw, int(places)))


@register.filter
def pct_signed(value: Any, places: int = 2) -> SafeString:
    """Fraction as percent with its sign and no colour (drawdown, cost)."""
    raw = _number(value)
    return _data(raw, formatting.signed_percent(raw, int(places)))


@register.filter
def price(value: Any, tick: Any = None) -> SafeString:
    """`512.34`; the tick decides the decimals."""
    raw = _number(value)
    return _data(raw, formatting.price(raw, _number(tick)), "num price")


@register.filter
def qty(value: Any, precision: int = 8) -> SafeString:
    """`40`, `0.0015`."""
    raw = _number(value)
    return _data(raw, formatting.quantity(raw, int(precision)))


@register.filter
def ratio(value: Any, places: int = 2) -> SafeString:
    """`0.46`."""
    raw = _number(value)
    return _data(raw, formatting.ratio(raw, int(places)))


@register.filter
def profit_factor(figures: Mapping[str, Any]) -> SafeString:
    """`1.54`, or `no loss`; of the figures it belongs to."""
    text = formatting.profit_factor(figures)
    raw = _number(figures.get("profit_factor"))
    if raw is None and text != formatting.MISSING:
        return format_html('<span class="num">{}</span>', text)
    return _data(raw, text)


@register.filter
def bps(value: Any, places: int = 1) -> SafeString:
    """`7.2 bp`, the value already in basis points."""
    raw = _number(value)
    return _data(raw, formatting.basis_points(raw, int(places)))


@register.filter
def prob(value: Any) -> SafeString:
    """`0.78`, `>0.99`."""
    raw = _number(value)
    return _data(raw, formatting.probability(raw))


@register.filter
def plain_value(value: Any) -> SafeString | str:
    """Value of a parameter: a number as people write it, a code in words."""
    if _number(value) is None or isinstance(value, str):
        return str(formatting.value_words(value))
    return qty(value, 6)


@register.filter
def label_of(name: Any) -> str:
    """`log_loss` as `Log loss`."""
    return formatting.label_of(str(name))


@register.filter
def in_words(text: Any) -> str:
    """Write codes of regimes and breaker levels inside a stored sentence as words."""
    return formatting.in_words(str(text))


@register.filter
def share(value: Any) -> SafeString:
    """`11.3%`, `<0.1%`."""
    raw = _number(value)
    return _data(raw, formatting.share(raw))


@register.filter
def big(value: Any, currency: str = "") -> SafeString:
    """`1.2M` with the full value in the title."""
    raw = _number(value)
    if raw is None:
        return _data(None, formatting.MISSING)
    full = formatting.money(raw, currency) if currency else formatting.quantity(raw)
    return format_html(
        '<data class="num" value="{}" title="{}">{}</data>', f"{raw:f}", full, formatting.big(raw)
    )


@register.simple_tag
def win_rate(wins: int | None, n: int | None) -> SafeString:
    """`56% (42–69), n=48`."""
    text = formatting.win_rate(wins, n)
    if text == formatting.MISSING:
        return _data(None, text)
    css = "too-few" if n is not None and n < 10 else "num"
    return format_html('<span class="{}">{}</span>', css, text)


@register.filter
def too_few(n: int) -> SafeString:
    """Say that a statistic has too little data."""
    return format_html('<span class="too-few">{}</span>', formatting.too_few(n))


@register.filter(name="duration")
def duration_filter(value: timedelta | float | None) -> SafeString:
    """`3 d 4 h`, `00:41`."""
    if value is None:
        return _data(None, formatting.MISSING)
    seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    return format_html(
        '<time class="num" datetime="PT{}S">{}</time>',
        int(abs(seconds)),
        formatting.duration(seconds),
    )


def _time(value: datetime | None, text: str) -> SafeString:
    if value is None:
        return _data(None, formatting.MISSING)
    moment = value if value.tzinfo else value.replace(tzinfo=UTC)
    title = f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    return format_html('<time datetime="{}" title="{}">{}</time>', iso(moment), title, text)


@register.filter
def when(value: datetime | None, time_zone: str = "") -> SafeString:
    """`Mar 12, 2020, 15:42 EST`; the argument is another zone than the reader's."""
    return _time(value, formatting.when(value, time_zone or None))


@register.filter
def when_short(value: datetime | None, time_zone: str = "") -> SafeString:
    """Date and minute without the zone, which the title has."""
    if value is None:
        return _data(None, formatting.MISSING)
    local = formatting.localize(value, time_zone or None)
    return _time(value, f"{formatting.day(local, 'medium')}, {local:%H:%M}")


@register.filter
def clock(value: datetime | None, time_zone: str = "") -> SafeString:
    """`15:42:10 EST`."""
    return _time(value, formatting.clock(value, time_zone or None))


@register.filter
def minute(value: datetime | None, time_zone: str = "") -> SafeString:
    """`15:42 EST`."""
    return _time(value, formatting.clock(value, time_zone or None, seconds=False))


@register.filter
def ago(value: datetime | None) -> SafeString:
    """`2 min ago` within the hour, else the moment."""
    if value is None:
        return _data(None, formatting.MISSING)
    return _time(value, formatting.ago(value, timezone.now()))  # noqa: TID251  a template is a door


@register.filter
def day(value: date | datetime | None, style: str = "iso") -> SafeString:
    """Calendar date of a daily bar, never shifted: `2020-03-12`; `day:"medium"` for prose."""
    if value is None or value == "":
        return _data(None, formatting.MISSING)
    return format_html(
        '<time class="num" datetime="{}">{}</time>',
        formatting.day(value),
        formatting.day(value, style),
    )


@register.filter
def day_text(value: date | datetime | str | None) -> str:
    """Calendar date as plain text."""
    return value if isinstance(value, str) else formatting.day(value)


@register.filter
def iso(value: date | datetime | str | None) -> str:
    """Machine form: ISO 8601, moments in UTC."""
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=UTC)
        return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return value.isoformat()


@register.simple_tag
def change(amount: Any, fraction: Any, currency: str = "USD") -> SafeString:
    """Amount and percent of a gain or loss in one: `▲ +$1,204.10 (+1.20%)`."""
    raw = _number(amount)
    share = _number(fraction)
    if raw is None:
        return _data(None, formatting.MISSING)
    text = formatting.signed_money(raw, currency)
    if share is not None:
        text = f"{text} ({formatting.signed_percent(share)})"
    return delta_markup(raw, text, direction(raw, 2))
