"""What the shell of every page shows."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest


def shell(request: HttpRequest) -> dict[str, Any]:
    """Portfolio, replay and preferences for templates/base.html."""
    return {"shell": {}}
