"""Trading for staff: to look at, never to edit; corrections are entries of their own."""

from trading.admin import desk, models

__all__ = ["desk", "models"]
