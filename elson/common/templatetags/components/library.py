"""Where the component tags are registered, and what several of them share."""

from __future__ import annotations

from typing import Any

from django import template
from django.http import HttpRequest
from django.template.context import Context
from django.utils.safestring import SafeString, mark_safe

register = template.Library()


def query(context: Context, **changes: Any) -> str:
    """Build the current query string with these parameters set, or removed where None."""
    parameters = request_of(context).GET.copy()
    for name, value in changes.items():
        if value is None:
            parameters.pop(name, None)
        else:
            parameters[name] = str(value)
    return f"?{parameters.urlencode()}" if parameters else "?"


def request_of(context: Context) -> HttpRequest:
    return context.get("request") or HttpRequest()


def rendered(content: str) -> SafeString:
    """Mark what the template engine has rendered and escaped already."""
    return mark_safe(content)  # noqa: S308  the content of a block tag is rendered template
