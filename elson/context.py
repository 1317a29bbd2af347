"""What the shell of every page shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.http import HttpRequest

from accounts.selectors import profile_css, profile_get
from elson.checklist import checklist_get
from elson.plans import plans_shown
from elson.showcase import samples_shown
from trading.selectors.portfolios import portfolio_of

BAR_WORDS = {"1m": "minute", "5m": "5 minutes", "15m": "15 minutes", "1h": "hour", "1d": "day"}


def shell(request: HttpRequest) -> dict[str, Any]:
    """Portfolio, replay and preferences for templates/base.html, read when a template asks."""
    return {"shell": Shell(request)}


class Shell(Mapping[str, Any]):
    """Lazy parts of the shell; strangers cost no query, members one beside their profile."""

    PARTS = ("profile", "portfolio", "replay", "checklist", "plans", "samples")

    def __init__(self, request: HttpRequest) -> None:
        self._user: Any = getattr(request, "user", None)
        self._known: dict[str, Any] = {}

    def __getitem__(self, part: str) -> Any:
        if part not in self.PARTS:
            raise KeyError(part)
        if not (self._user and self._user.is_authenticated):
            return None
        if part not in self._known:
            self._known[part] = getattr(self, f"_{part}")()
        return self._known[part]

    def __iter__(self) -> Iterator[str]:
        return iter(self.PARTS)

    def __len__(self) -> int:
        return len(self.PARTS)

    def _profile(self) -> dict[str, str]:
        return profile_css(profile_get(self._user))

    def _row(self) -> Any:
        if "row" not in self._known:
            self._known["row"] = portfolio_of(self._user)
        return self._known["row"]

    def _portfolio(self) -> dict[str, Any] | None:
        row = self._row()
        return row and {
            "id": row.pk,
            "name": row.name,
            "kind": row.kind,
            "mode_label": row.get_kind_display(),
        }

    def _replay(self) -> dict[str, Any] | None:
        row = self._row()
        replay = row and row.replay
        return replay and {
            "label": replay_label(replay),
            "speed": replay.speed,
            "date": replay.cursor_at,
            "state": replay.state,
        }

    def _plans(self) -> list[dict[str, Any]]:
        return plans_shown()

    def _samples(self) -> dict[str, Any]:
        return samples_shown()

    def _checklist(self) -> dict[str, Any] | None:
        return checklist_get(self._user)


def replay_label(replay: Any) -> str:
    """Say what is replayed and that nothing of it is live."""
    bar = BAR_WORDS.get(replay.timeframe, replay.timeframe)
    pace = f"one {bar} a second" if replay.speed == 60 else f"{replay.speed} {bar}s a minute"
    bars = "daily bars" if replay.timeframe == "1d" else f"{bar} bars"
    return (
        f"Replayed {bars}, {replay.lead.name} from {replay.starts_at:%Y-%m-%d}, {pace}. "
        "Not live. Simulated money."
    )
