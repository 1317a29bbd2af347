"""Trading for staff: to look at, never to edit; corrections are entries of their own."""

from trading.admin import books, desk, models, staff_acts

__all__ = ["books", "desk", "models", "staff_acts"]
