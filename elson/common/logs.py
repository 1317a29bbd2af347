"""What happens to every log line before it is written: no secrets, no forged lines, whose it is."""

from __future__ import annotations

import re
from typing import Any

_SECRET_NAMES = re.compile(
    r"(password|passwd|secret|token|authorization|cookie|api_?key|credential|signature)",
    re.IGNORECASE,
)
_SECRET_VALUES = re.compile(
    r"\b(?:sk|rk|pk|whsec)_[A-Za-z0-9_]{8,}"  # Stripe
    r"|(?i:bearer)\s+[A-Za-z0-9._~+/-]{8,}=*"
    r"|(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"  # user:password in a URL
    # Addresses whose last part is the key: a shared result, a new password, an e-mail address.
    r"|(?:(?<=/shared/backtests/)|(?<=/password/reset/key/)|(?<=/confirm-email/))[^/\s]+"
)
_DEPTH_MAX = 6
_component = {"name": ""}


def component_set(name: str) -> None:
    """Say which process this is; every line of it is marked from here on."""
    _component["name"] = name


def component_add(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
    """Mark the line with the process it comes from."""
    if _component["name"]:
        event.setdefault("component", _component["name"])
    return event


def secrets_redact(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
    """Replace what is secret by its name or by its look, at any depth."""
    return {name: _redacted(name, value, 0) for name, value in event.items()}


def line_breaks_escape(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
    """Escape line breaks: text from outside must not look like a line of ours."""
    return {
        name: _one_line(value) if isinstance(value, str) and name != "exception" else value
        for name, value in event.items()
    }


def _redacted(name: str, value: Any, depth: int) -> Any:
    if _SECRET_NAMES.search(name) and not isinstance(value, bool | int | float | None):
        return "[redacted]"
    if isinstance(value, str):
        return _SECRET_VALUES.sub("[redacted]", value)
    if depth < _DEPTH_MAX and isinstance(value, dict):
        return {key: _redacted(str(key), item, depth + 1) for key, item in value.items()}
    if depth < _DEPTH_MAX and isinstance(value, list | tuple):
        return [_redacted("", item, depth + 1) for item in value]
    return value


def _one_line(text: str) -> str:
    return text.replace("\r", "\\r").replace("\n", "\\n").replace("\x1b", "\\x1b")
