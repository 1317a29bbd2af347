"""How many examples a law is tried with."""

from hypothesis import settings


def examples(number: int) -> settings:
    """Try ``number`` examples, fewer where the profile allows fewer (conftest.py)."""
    return settings(max_examples=min(number, settings.default.max_examples), deadline=None)
