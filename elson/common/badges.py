"""State words and mode badges for columns of the staff pages."""

from __future__ import annotations

from typing import Any

from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from elson.common.templatetags.components import words


def status_badge(value: Any, word: str = "") -> SafeString:
    """State as icon and word, as the product's own pages show it."""
    return render_to_string("components/_status_word.html", words.status(value, word))


def mode_badge(kind: str, name: str = "") -> SafeString:
    """PAPER, LIVE or REPLAY."""
    return render_to_string("components/_mode_badge.html", words.mode_badge(kind, name))
