"""What frames every page: preferences of the reader, navigation, version, messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.template.context import Context
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from elson.common import formatting
from elson.common.templatetags.components.library import register, request_of

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
MESSAGE_TONES = {"success": "ok", "warning": "warn", "error": "crit"}


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


@register.inclusion_tag("components/_note.html")
def note_for_message(message: Any) -> dict[str, Any]:
    """One Django message as a note."""
    tone = next((MESSAGE_TONES[t] for t in str(message.tags).split() if t in MESSAGE_TONES), "info")
    return {"tone": tone, "body": message, "role": "alert" if tone == "crit" else "status"}


def _is_signed_in(context: Context) -> bool:
    user = getattr(context.get("request"), "user", None)
    return bool(user is not None and user.is_authenticated)


def _current_nav(context: Context) -> str:
    named = context.get("nav") or (context.get("shell") or {}).get("nav")
    if named:
        return str(named)
    first = request_of(context).path.strip("/").split("/")[0]
    return NAV_PREFIXES.get(first, first)


def _read(source: Any, name: str) -> Any:
    return source.get(name) if isinstance(source, Mapping) else getattr(source, name, None)


def _token(value: Any, default: str) -> str:
    text = str(getattr(value, "value", value) or default)
    return text.lower().replace("_", "-")
