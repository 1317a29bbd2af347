"""Component tags: each fills one partial in templates/components/; /staff/ui/ shows them all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from django import template
from django.conf import settings
from django.core.paginator import Page
from django.forms import BaseForm, BoundField, CheckboxInput, RadioSelect
from django.http import HttpRequest
from django.template.context import Context
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html, json_script, strip_tags
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import slugify

from elson.common import formatting
from elson.common.templatetags import formats, plots

register = template.Library()

NAV = (
    ("dashboard", "Dashboard", "Home", "/dashboard/"),
    ("markets", "Markets", "Markets", "/markets/"),
    ("portfolio", "Portfolio", "Portfolio", "/portfolio/"),
    ("strategies", "Strategies", "Strategies", "/strategies/"),
    ("backtests", "Backtests", "Backtests", "/backtests/"),
    ("optimizations", "Optimize", "Optimize", "/optimizations/"),
    ("models", "Models", "Models", "/models/"),
)
MORE = ("more", "More", "More", "/more/")
NAV_PREFIXES = {"orders": "portfolio"}

REGIMES = {"LOW": "Low", "NORMAL": "Normal", "HIGH": "High", "EXTREME": "Extreme"}

STATUS_TONES: Mapping[str, tuple[str, str]] = {
    "RUNNING": ("ok", "play"),
    "ACTIVE": ("ok", "play"),
    "FILLED": ("ok", "check"),
    "SUCCEEDED": ("ok", "check"),
    "DONE": ("ok", "check"),
    "OK": ("ok", "check"),
    "HEALTHY": ("ok", "check"),
    "ACCEPTED": ("info", "clock"),
    "SUBMITTED": ("info", "clock"),
    "PARTIALLY_FILLED": ("info", "clock"),
    "STARTED": ("info", "play"),
    "WARNING": ("warn", "warn"),
    "STALE": ("warn", "warn"),
    "REDUCING": ("warn", "warn"),
    "CANCEL_REQUESTED": ("warn", "clock"),
    "FAILED": ("crit", "crit"),
    "ERROR": ("crit", "crit"),
    "HALTED": ("crit", "stop"),
    "REJECTED": ("crit", "x"),
    "DENIED": ("crit", "x"),
    "PAUSED": ("idle", "pause"),
    "STOPPED": ("idle", "stop"),
    "CANCELED": ("idle", "x"),
    "EXPIRED": ("idle", "clock"),
    "QUEUED": ("idle", "clock"),
    "REQUESTED": ("idle", "clock"),
    "INITIALIZED": ("idle", "clock"),
    "DRAFT": ("idle", "edit"),
}
MESSAGE_TONES = {"success": "ok", "warning": "warn", "error": "crit"}


# ------------------------------------------------------------------ shell


@register.simple_tag(takes_context=True)
def html_preferences(context: Context) -> SafeString:
    """Attributes of <html>: theme, up/down colors, number format and time zone of the reader."""
    shell = context.get("shell") or {}
    profile = shell.get("profile") or {}
    form = formatting.current()
    return format_html(
        'data-theme="{}" data-updown="{}" data-locale="{}" data-tz="{}" '
        'data-tz-names="{}" data-signed-in="{}"',
        _token(_read(profile, "theme"), "auto"),
        _token(_read(profile, "updown"), "default"),
        form.locale,
        form.time_zone,
        formatting.zone_names(form.time_zone, timezone.now().year),  # noqa: TID251  a template is a door
        "1" if _is_signed_in(context) else "",
    )


@register.simple_tag(takes_context=True)
def nav_links(context: Context, dock: bool = False) -> list[dict[str, Any]]:
    """Entries of the main navigation with the current one marked."""
    current = _current_nav(context)
    entries = (*NAV[:4], MORE) if dock else NAV
    if dock and current in {name for name, *_ in NAV[4:]}:
        current = "more"
    return [
        {
            "label": label,
            "short": short,
            "href": href,
            "icon": "home" if name == "dashboard" and dock else name,
            "is_current": name == current,
        }
        for name, label, short, href in entries
    ]


@register.simple_tag
def version() -> str:
    """Version of the product."""
    return str(getattr(settings, "ELSON_VERSION", ""))


@register.simple_tag
def icon_href(name: str) -> str:
    """Address of one symbol in the sprite."""
    return f"{static('img/icons.svg')}#{name}"


@register.simple_tag
def icon(name: str, extra: str = "") -> SafeString:
    """One icon of the sprite; decoration only, the word beside it carries the meaning."""
    return format_html(
        '<svg class="icon{}" aria-hidden="true"><use href="{}"/></svg>',
        f" {extra}" if extra else "",
        icon_href(name),
    )


@register.inclusion_tag("components/_mode_badge.html")
def mode_badge(kind: str, name: str = "") -> dict[str, Any]:
    """PAPER, LIVE or REPLAY."""
    return {"kind": kind or "PAPER", "name": name or ""}


@register.inclusion_tag("components/_note.html")
def note_for_message(message: Any) -> dict[str, Any]:
    """One Django message as a note."""
    tone = next((MESSAGE_TONES[t] for t in str(message.tags).split() if t in MESSAGE_TONES), "info")
    return {"tone": tone, "body": message, "role": "alert" if tone == "crit" else "status"}


# ------------------------------------------------------------------ words


@register.inclusion_tag("components/_regime_chip.html")
def regime(value: Any, since: date | None = None, short: bool = False) -> dict[str, Any]:
    """Regime as a word and a dot; no probability is ever invented here."""
    key = str(value or "").upper()
    word = REGIMES.get(key)
    return {
        "word": word or "No regime yet",
        "slug": key.lower() if word else "",
        "since": since,
        "short": short,
    }


@register.inclusion_tag("components/_status_word.html")
def status(value: Any, word: str = "") -> dict[str, Any]:
    """State as icon and word; unknown states are shown as they are, in grey."""
    key = str(getattr(value, "value", value) or "").upper()
    tone, icon_name = STATUS_TONES.get(key, ("idle", "idle"))
    return {
        "tone": tone,
        "icon_name": icon_name,
        "word": word or key.replace("_", " ").capitalize(),
    }


@register.simple_tag
def term(label: str, anchor: str = "") -> SafeString:
    """Name of a figure, linked to its entry in the glossary."""
    return format_html(
        '<a class="term" href="/docs/glossary/#{}">{}</a>', anchor or slugify(label), label
    )


@register.simple_block_tag
def note(content: str, tone: str = "info", title: str = "", role: str = "") -> str:
    """Set a remark inside the page: info, ok, warn or crit."""
    return render_to_string(
        "components/_note.html",
        {"tone": tone, "title": title, "role": role, "body": _rendered(content)},
    )


@register.simple_tag
def live(
    key: str, value: Any, kind: str = "money", currency: str = "USD", places: int = 2
) -> SafeString:
    """Print a number that streamed messages patch; `key` is topic.field, as `equity.equity`."""
    kinds = {
        "money": lambda: formats.money(value, currency),
        "signed": lambda: formats.signed(value, currency),
        "delta": lambda: formats.delta(value, places),
        "delta_number": lambda: formats.delta_number(value, places),
        "pct": lambda: formats.pct(value, places),
        "price": lambda: formats.price(value, Decimal(1).scaleb(-places)),
        "qty": lambda: formats.qty(value, 8),
        "ratio": lambda: formats.ratio(value, places),
    }
    markup = kinds[kind]()
    attributes = format_html(
        'data-live="{}" data-format="{}" data-currency="{}" data-places="{}"',
        key,
        kind,
        currency,
        places,
    )
    return format_html("<span {}>{}</span>", attributes, markup)


# ------------------------------------------------------------------ frames


@register.simple_block_tag
def card(
    content: str,
    title: str = "",
    span: int = 0,
    id: str = "",  # noqa: A002  the attribute is called so
    meta: str = "",
    href: str = "",
    link_text: str = "Open",
    level: int = 2,
    flush: bool = False,
    foot: str = "",
    extra: str = "",
) -> str:
    """Frame of a block; `flush` lets a table or list reach the edges."""
    return render_to_string(
        "components/_card.html",
        {
            "body": _rendered(content),
            "title": title,
            "heading_id": f"{id or formats_slug(title)}-h",
            "span": span,
            "id": id,
            "meta": meta,
            "href": href,
            "link_text": link_text,
            "level": level,
            "flush": flush,
            "foot": foot,
            "extra": extra,
        },
    )


@register.simple_block_tag
def dialog(content: str, id: str, title: str) -> str:  # noqa: A002  the attribute is called so
    """Native dialog; a button with data-dialog="id" opens it."""
    return render_to_string(
        "components/_dialog.html", {"id": id, "title": title, "body": _rendered(content)}
    )


@register.simple_block_tag
def datatable(
    content: str,
    label: str,
    lines: bool = False,
    compact: bool = False,
    roomy: bool = False,
    id: str = "",  # noqa: A002  the attribute is called so
    extra: str = "",
) -> str:
    """Table inside a named scroll region; write thead and tbody between the tags.

    `lines` turns rows into two lines below 480 px: mark cells with cell-main and cell-value,
    give the others data-label.
    """
    return render_to_string(
        "components/_datatable.html",
        {
            "body": _rendered(content),
            "label": label,
            "lines": lines,
            "compact": compact,
            "roomy": roomy,
            "id": id,
            "extra": extra,
        },
    )


@register.inclusion_tag("components/_sort_th.html", takes_context=True)
def sort_th(context: Context, label: str, key: str, num: bool = False) -> dict[str, Any]:
    """Column head that sorts by `?sort=key` and `?sort=-key`, keeping the other parameters."""
    current = _request(context).GET.get("sort", "")
    direction = "ascending" if current == key else "descending" if current == f"-{key}" else ""
    following = f"-{key}" if current == key or (num and current != f"-{key}") else key
    return {
        "label": label,
        "num": num,
        "direction": direction,
        "href": query(context, sort=following, page=None),
    }


@register.inclusion_tag("components/_pager.html", takes_context=True)
def pager(context: Context, page: Page[Any], csv: bool = True) -> dict[str, Any]:
    """Where one is in a list, 25, 50 or 100 rows a page, and the filtered set as CSV."""
    current_size = page.paginator.per_page
    return {
        "page": page,
        "links": [
            {
                "label": number,
                "current": number == page.number,
                "href": query(context, page=number) if isinstance(number, int) else "",
            }
            for number in page.paginator.get_elided_page_range(
                page.number, on_each_side=1, on_ends=1
            )
        ],
        "previous_href": query(context, page=page.number - 1),
        "next_href": query(context, page=page.number + 1),
        "sizes": [
            {
                "label": size,
                "current": size == current_size,
                "href": query(context, size=size, page=None),
            }
            for size in (25, 50, 100)
        ],
        "csv_href": query(context, format="csv", page=None, size=None) if csv else "",
    }


# ------------------------------------------------------------------ forms


@register.inclusion_tag("components/_field.html")
def field(
    field: BoundField,
    hint: str = "",
    suffix: str = "",
    hide_label: bool = False,
    mark_optional: bool = False,
) -> dict[str, Any]:
    """Label, control, hint and errors of one form field, tied together for assistive technology."""
    widget = field.field.widget
    hint_text = hint or field.help_text
    hint_id, error_id = (
        f"{field.id_for_label or field.auto_id}_hint",
        f"{field.id_for_label or field.auto_id}_error",
    )
    described = " ".join([*([hint_id] if hint_text else []), *([error_id] if field.errors else [])])
    kind = (
        "checkbox"
        if isinstance(widget, CheckboxInput)
        else "radios"
        if isinstance(widget, RadioSelect)
        else "input"
    )
    attributes: dict[str, Any] = {}
    if described:
        attributes["aria-describedby"] = described
    if field.errors:
        attributes["aria-invalid"] = "true"
    return {
        "field": field,
        "kind": kind,
        "control": "" if kind == "radios" or field.is_hidden else field.as_widget(attrs=attributes),
        "hint": hint_text,
        "hint_id": hint_id,
        "error_id": error_id,
        "described_by": described,
        "suffix": suffix,
        "hide_label": hide_label,
        "mark_optional": mark_optional,
    }


@register.inclusion_tag("components/_error_summary.html")
def error_summary(form: BaseForm) -> dict[str, Any]:
    """Everything wrong with a form, above it, each with a link to its field."""
    entries: list[dict[str, str]] = []
    if form.is_bound:
        entries = [{"text": str(text), "href": "", "label": ""} for text in form.non_field_errors()]
        entries += [
            {
                "text": str(text),
                "href": f"#{bound.id_for_label or bound.auto_id}",
                "label": str(bound.label),
            }
            for bound in form
            for text in bound.errors
        ]
    return {"form": form, "entries": entries}


@register.inclusion_tag("components/_form_fields.html")
def form_fields(form: BaseForm) -> dict[str, Any]:
    """All fields of a form, the summary first."""
    return {"form": form}


# ------------------------------------------------------------------ measures and drawings


@register.inclusion_tag("components/_meter.html")
def meter(label: str, value: Any, limit: Any, text: str) -> dict[str, Any]:
    """Part of a limit that is used, with the numbers in words beside it."""
    top = float(limit or 0) or 1.0
    return {
        "label": label,
        "text": text,
        "value": f"{min(max(float(value or 0), 0.0), top):.6g}",
        "limit": f"{top:.6g}",
        "low": f"{top * 0.6:.6g}",
        "high": f"{top * 0.8:.6g}",
    }


@register.simple_block_tag
def chart(
    content: str,
    id: str,  # noqa: A002  the attribute is called so
    data: Any,
    label: str,
    kind: str = "candles",
    title: str = "",
    summary: str = "",
    size: str = "",
    legend: str = "",
    benchmark: str | bool = False,
    null: bool = False,
    in_sample: bool = False,
    renews: bool = False,
) -> str:
    """Figure that chart.js draws from the JSON beside it; the block is its toolbar.

    `renews` keeps the figure when its block is fetched again and draws what came with it.
    """
    data_id = f"{id}-data"
    return render_to_string(
        "components/_chart.html",
        {
            "id": id,
            "kind": kind,
            "label": label,
            "title": title,
            "summary": summary,
            "size": size,
            "legend": legend,
            "benchmark": benchmark,
            "null": null,
            "in_sample": in_sample,
            "renews": renews,
            "toolbar": _rendered(content.strip()),
            "data_id": data_id,
            "data_script": json_script(data, data_id),
        },
    )


@register.inclusion_tag("components/_sparkline.html")
def sparkline(values: Iterable[float] | None, label: str = "") -> dict[str, Any]:
    """Tiny line of a series, drawn by the server."""
    return plots.sparkline([float(v) for v in values or () if v is not None], label)


@register.inclusion_tag("components/_regime_strip.html")
def regime_strip(
    segments: Sequence[Mapping[str, Any]], label: str = "Regimes over time"
) -> dict[str, Any]:
    """Regimes over time; a segment is {regime, weight, title}, weights are bars or days."""
    return plots.strip(segments, label)


@register.inclusion_tag("components/_histogram.html")
def histogram(
    values: Sequence[float],
    mark: float | None = None,
    mark_label: str = "",
    label: str = "",
    bins: int = 24,
) -> dict[str, Any]:
    """Draw counts per bin, with one value marked against them."""
    return plots.histogram(values, mark=mark, mark_label=mark_label, label=label, bins=bins)


@register.inclusion_tag("components/_ci_dots.html")
def ci_dots(rows: Sequence[Mapping[str, Any]], label: str = "") -> dict[str, Any]:
    """Estimates with intervals; a row is {label, value, low, high}."""
    return plots.ci_dots(rows, label)


@register.inclusion_tag("components/_calibration.html")
def calibration_plot(
    bins: Sequence[Mapping[str, Any]], label: str, fewest: int = 20
) -> dict[str, Any]:
    """Draw win rate over predicted probability with intervals, counts and the diagonal."""
    return plots.calibration(bins, label, fewest)


@register.inclusion_tag("components/_reliability.html")
def reliability_plot(points: Sequence[Mapping[str, Any]], label: str) -> dict[str, Any]:
    """Draw what was said against what happened, window by window."""
    return plots.reliability(points, label)


@register.inclusion_tag("components/_heatmap.html")
def heatmap(
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[str],
    label: str,
    corner: str = "Year",
    edges: str = "0.0005 0.01 0.025",
) -> dict[str, Any]:
    """Print returns (fractions) in a table with fixed bins; a row is {label, cells}."""
    return plots.heatmap(rows, columns, label, corner, [float(edge) for edge in edges.split()])


# ------------------------------------------------------------------ floor


def query(context: Context, **changes: Any) -> str:
    """Build the current query string with these parameters set, or removed where None."""
    parameters = _request(context).GET.copy()
    for name, value in changes.items():
        if value is None:
            parameters.pop(name, None)
        else:
            parameters[name] = str(value)
    return f"?{parameters.urlencode()}" if parameters else "?"


def formats_slug(text: Any) -> str:
    """Plain text as an element id."""
    plain = "".join(c.lower() if c.isalnum() else "-" for c in strip_tags(str(text)))
    return "-".join(part for part in plain.split("-") if part)[:40] or "card"


def _rendered(content: str) -> SafeString:
    """Mark what the template engine has rendered and escaped already."""
    return mark_safe(content)  # noqa: S308  the content of a block tag is rendered template


def _request(context: Context) -> HttpRequest:
    return context.get("request") or HttpRequest()


def _is_signed_in(context: Context) -> bool:
    user = getattr(context.get("request"), "user", None)
    return bool(user is not None and user.is_authenticated)


def _current_nav(context: Context) -> str:
    named = context.get("nav") or (context.get("shell") or {}).get("nav")
    if named:
        return str(named)
    first = _request(context).path.strip("/").split("/")[0]
    return NAV_PREFIXES.get(first, first)


def _read(source: Any, name: str) -> Any:
    return source.get(name) if isinstance(source, Mapping) else getattr(source, name, None)


def _token(value: Any, default: str) -> str:
    text = str(getattr(value, "value", value) or default)
    return text.lower().replace("_", "-")


@register.filter
def make_words(text: str) -> list[str]:
    """Split a text into words, for short loops in templates."""
    return str(text).split()
