"""What a few words find: instruments, a person's own strategies and runs, guides."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.urls import reverse

from elson import guides
from marketdata.selectors import instrument_search
from trading.selectors.backtests import backtest_list
from trading.selectors.strategies import rule_name, strategy_list
from trading.selectors.studies import study_list

MOST_OF_A_KIND = 8
LONGEST = 80


@dataclass(frozen=True, slots=True)
class Hit:
    """One thing that was found, and where it is."""

    label: str
    note: str
    href: str


@dataclass(frozen=True, slots=True)
class Group:
    """What was found of one kind."""

    title: str
    hits: tuple[Hit, ...]


def found_by(user: Any, text: str) -> list[Group]:
    """Find by words; a visitor without an account finds guides alone. Nothing for no words."""
    wanted = text.strip()[:LONGEST]
    if not wanted:
        return []
    makers: list[tuple[str, Callable[[], Iterable[Hit]]]] = [("Guides", lambda: _guides(wanted))]
    if user.is_authenticated:
        makers = [
            ("Markets", lambda: _markets(wanted)),
            ("Strategies", lambda: _strategies(user, wanted)),
            ("Backtests", lambda: _backtests(user, wanted)),
            ("Optimizations", lambda: _studies(user, wanted)),
            *makers,
        ]
    groups = [Group(title, tuple(make())) for title, make in makers]
    return [group for group in groups if group.hits]


def _markets(wanted: str) -> Iterable[Hit]:
    for row in instrument_search(wanted, limit=MOST_OF_A_KIND):
        yield Hit(row.symbol, row.name, reverse("instrument", args=[row.symbol]))


def _strategies(user: Any, wanted: str) -> Iterable[Hit]:
    for row in strategy_list(user).filter(name__icontains=wanted)[:MOST_OF_A_KIND]:
        note = rule_name(row.key)
        yield Hit(row.name, note, reverse("strategy_detail", args=[row.pk]))


def _backtests(user: Any, wanted: str) -> Iterable[Hit]:
    for row in backtest_list(user_id=user.pk, search=wanted)[:MOST_OF_A_KIND]:
        note = f"{rule_name(row.strategy_key)} on {row.instrument.symbol} {row.note}".strip()
        yield Hit(f"#{row.pk}", note, reverse("backtest", args=[row.pk]))


def _studies(user: Any, wanted: str) -> Iterable[Hit]:
    for row in study_list(user_id=user.pk, search=wanted)[:MOST_OF_A_KIND]:
        note = f"{rule_name(row.strategy_key)} on {row.instrument.symbol} {row.note}".strip()
        yield Hit(f"#{row.pk}", note, reverse("study", args=[row.pk]))


def _guides(wanted: str) -> Iterable[Hit]:
    word = wanted.lower()
    texts = guides.document_list("guides")
    named = [text for text in texts if word in text.title.lower()]
    told = [text for text in texts if text not in named and word in text.body.lower()]
    for text in (*named, *told)[:MOST_OF_A_KIND]:
        yield Hit(text.title, text.summary, reverse("guide", args=[text.slug]))
