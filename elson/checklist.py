"""First steps of a new person: what there is to do, and what their rows say is done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from allauth.mfa.utils import is_mfa_enabled
from django.urls import NoReverseMatch, reverse

from accounts.models import User
from accounts.selectors import profile_get
from trading.selectors.backtests import backtest_list


@dataclass(frozen=True)
class Step:
    """One line of the checklist."""

    key: str
    label: str
    hint: str
    url_name: str


STEPS = (
    Step(
        "watch",
        "Watch the demo strategy decide",
        "It decides at the close of every bar.",
        "strategies",
    ),
    Step(
        "why",
        "Read why it traded",
        "Each decision keeps its inputs and arithmetic.",
        "strategies",
    ),
    Step("backtest", "Run your first backtest", "Prefilled; it takes seconds.", "backtest_new"),
    Step("honesty", "Read its honesty panel", "What the result is worth.", "backtests"),
    Step("mfa", "Turn on two-factor sign-in", "Needs a confirmed e-mail address.", "mfa_index"),
)


def checklist_get(user: User) -> dict[str, Any] | None:
    """Return the steps that lead somewhere, each with its state; None once dismissed or done."""
    profile = profile_get(user)
    if profile.pk is None or profile.checklist_dismissed_at:
        return None
    finished = {*profile.checklist_steps, *_finished_by_rows(user)}
    steps = [
        {"key": step.key, "label": step.label, "hint": step.hint, "is_done": step.key in finished}
        for step in STEPS
        if step_url(step.key)
    ]
    n_done = sum(bool(step["is_done"]) for step in steps)
    if not steps or n_done == len(steps):
        return None
    return {"steps": steps, "n_done": n_done, "n_steps": len(steps)}


def step_url(key: str) -> str | None:
    """Return where a step leads, None for an unknown step or a page that does not exist."""
    name = next((step.url_name for step in STEPS if step.key == key), None)
    try:
        return name and reverse(name)
    except NoReverseMatch:
        return None


def _finished_by_rows(user: User) -> set[str]:
    finished = set()
    if is_mfa_enabled(user):
        finished.add("mfa")
    if backtest_list(user_id=user.pk, status="SUCCEEDED").exists():
        finished.add("backtest")
    return finished
