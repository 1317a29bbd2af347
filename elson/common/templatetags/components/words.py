"""Words, icons and numbers inside a line: states, regimes, terms, remarks, what streams."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from django.template.loader import render_to_string
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import slugify

from elson.common.templatetags import formats
from elson.common.templatetags.components.library import register, rendered

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


# The word of a state where it is not that of its code; filters say the same.
STATUS_WORDS: Mapping[str, str] = {"SUCCEEDED": "Done"}


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
        "word": word or STATUS_WORDS.get(key) or key.replace("_", " ").capitalize(),
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
        {"tone": tone, "title": title, "role": role, "body": rendered(content)},
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


@register.filter
def make_words(text: str) -> list[str]:
    """Split a text into words, for short loops in templates."""
    return str(text).split()
