"""What the landing page shows of the product: real stored bars, and a real stored result."""

from __future__ import annotations

from typing import Any


def landing_context() -> dict[str, Any]:
    """Return the demo chart and the honesty panel, each None where its data is not stored."""
    return {}
