"""Versions of a strategy: what each was made from and what it changed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from trading.engine.adaptive import ON, SWITCH
from trading.engine.adaptive_grid import GridRow, grid
from trading.engine.regimes import N_CONFIRM
from trading.engine.schedule import (
    MEANINGS,
)
from trading.engine.strategies import resolve_params
from trading.engine.strategies.base import INT, Parameter, Params, in_regimes
from trading.engine.types import Regime
from trading.models import Strategy, StrategyVersion
from trading.selectors.parameter_words import parameter_label, parameter_text, term_label
from trading.selectors.strategies import rules_of

DEFAULTS = "The rule as it is"


@dataclass(frozen=True, slots=True)
class ParameterChange:
    """One line of the difference between two sets of parameters."""

    key: str
    meaning: str
    old: Any
    new: Any
    absent: str = "the rule’s"
    named: str = ""  # what is no parameter has a name of its own
    is_typed: bool = False  # words of a person, written as they are

    @property
    def label(self) -> str:
        """Return the parameter's name as pages write it."""
        return self.named or parameter_label(self.key)

    @property
    def old_text(self) -> str:
        """Write the value before."""
        return self._text(self.old)

    @property
    def new_text(self) -> str:
        """Write the value after."""
        return self._text(self.new)

    def _text(self, value: Any) -> str:
        if value is None:
            return self.absent
        return str(value) if self.is_typed else parameter_text(self.key, value)

    @property
    def is_changed(self) -> bool:
        """Tell whether the values differ."""
        return bool(self.old != self.new)


@dataclass(frozen=True, slots=True)
class RegimeChange:
    """One adaptive parameter in each regime, LOW first, before and after, with its bounds.

    Values are 0 throughout where the strategy does not use it.
    """

    name: str
    old: tuple[float, ...]
    new: tuple[float, ...]
    low: float
    high: float

    @property
    def label(self) -> str:
        """Return the parameter's name as pages write it."""
        return parameter_label(self.name)

    @property
    def cells(self) -> tuple[tuple[str, float, float], ...]:
        """Return each regime with its value before and after."""
        return tuple(zip((regime.value for regime in Regime), self.old, self.new, strict=True))

    @property
    def is_changed(self) -> bool:
        """Tell whether a regime's value differs."""
        return self.old != self.new


@dataclass(frozen=True, slots=True)
class VersionRow:
    """One version; `changes` are against the version before, the first against the defaults."""

    pk: int
    number: int
    created_at: dt.datetime
    is_draft: bool
    source: str
    note: str
    changes: tuple[ParameterChange, ...]


def parameters_diff(
    *, strategy_key: str, old: Mapping[str, Any], new: Mapping[str, Any]
) -> list[ParameterChange]:
    """Compare two sets of parameters of a strategy, in the order of its schema.

    Own values per regime (`size_factor.HIGH`), switches (`size_factor.ADAPTIVE`) and the schedule
    (`schedule.days`) follow; None where the rule's own value counts, it adapts, or any time is
    right.
    """
    parameters = rules_of(strategy_key).parameters
    known = {parameter.key for parameter in parameters}
    own = sorted({*old, *new} - known)
    return [
        ParameterChange(p.key, p.meaning, old.get(p.key, p.default), new.get(p.key, p.default))
        for p in parameters
    ] + [_extra_change(key, old.get(key), new.get(key)) for key in own]


def _extra_change(key: str, old: Any, new: Any) -> ParameterChange:
    if key in MEANINGS:
        return ParameterChange(key, MEANINGS[key], old, new, "any")
    if key.endswith(f".{SWITCH}"):
        return ParameterChange(key, "Whether it follows the regime", old, new, ON)
    return ParameterChange(key, "Own value in a regime", old, new)


def terms_diff(
    *, old: StrategyVersion | None, limits: Mapping[str, Any], costs: Mapping[str, Any]
) -> list[ParameterChange]:
    """Compare own limits and costs with a version's, those that differ only.

    None where the portfolio's limit or the usual cost counts.
    """
    pairs = (
        (old.limits if old else {}, limits, "Own risk limit", "the portfolio’s"),
        (old.costs if old else {}, costs, "Cost of its backtests", "usual"),
    )
    return [
        ParameterChange(
            key, meaning, before.get(key), after.get(key), absent, named=term_label(key)
        )
        for before, after, meaning, absent in pairs
        for key in sorted({*before, *after})
        if before.get(key) != after.get(key)
    ]


def version_diff(*, old: StrategyVersion, new: StrategyVersion) -> list[ParameterChange]:
    """Compare two versions of a strategy: every parameter, then limits and costs that differ."""
    return parameters_diff(
        strategy_key=new.strategy.key, old=old.parameters, new=new.parameters
    ) + terms_diff(old=old, limits=new.limits, costs=new.costs)


def regime_grid(strategy_key: str, parameters: Mapping[str, Any]) -> list[GridRow]:
    """Lay out over the regimes what adapts and what may be set apart; empty when nothing does.

    A parameter the strategy does not use, a target of 0 for one, is left out.
    """
    spec = rules_of(strategy_key)
    params = resolve_params(spec, parameters)
    rows = grid(spec.adaptive(params)) if spec.adaptive else ()
    return [row for row in rows if row.name in spec.adapts and any(row.values)] + [
        _set_apart(parameter, params)
        for parameter in spec.parameters
        if parameter.key in spec.by_regime
    ]


def adaptive_words(strategy_key: str, parameters: Mapping[str, Any]) -> str:
    """Say when what adapts follows a change of the regime; empty when nothing does."""
    spec = rules_of(strategy_key)
    if spec.adaptive is None:
        return ""
    words = f"A rise of the regime counts at once, a fall after {N_CONFIRM} bars."
    params = resolve_params(spec, parameters)
    n_bars, share = int(params.get("blend_bars", 1)), float(params.get("blend_share", 1.0))
    if n_bars > 1 or share < 1.0:
        words += (
            f" After {n_bars} equal bars a value moves {share:.0%} of the way a bar; "
            "a smaller size counts at once."
        )
    return words


def _set_apart(parameter: Parameter, params: Params) -> GridRow:
    """Lay one parameter out that has its base value wherever a person set none."""
    base = float(params[parameter.key])
    return GridRow(
        name=parameter.key,
        base=base,
        suggested=(base,) * len(Regime),
        values=in_regimes(params, parameter.key),
        is_own=tuple(f"{parameter.key}.{regime}" in params for regime in Regime),
        low=float(parameter.low or 0.0),
        high=float(parameter.high or 0.0),
        is_whole=parameter.kind == INT,
        why_up="",
        why_down="",
    )


def regime_diff(
    *, strategy_key: str, old: Mapping[str, Any], new: Mapping[str, Any]
) -> list[RegimeChange]:
    """Compare what two sets of parameters make of each regime; empty when nothing adapts.

    A base value, an own value of a regime, or a switch of the rule may be what changed.
    """
    before = {row.name: row for row in regime_grid(strategy_key, old)}
    after = {row.name: row for row in regime_grid(strategy_key, new)}
    unused = (0.0,) * len(Regime)
    return [
        RegimeChange(
            name=name,
            old=before[name].values if name in before else unused,
            new=after[name].values if name in after else unused,
            low=(after.get(name) or before[name]).low,
            high=(after.get(name) or before[name]).high,
        )
        for name in dict.fromkeys([*before, *after])
    ]


def version_list(strategy: Strategy) -> QuerySet[StrategyVersion]:
    """Versions of a strategy, newest first."""
    return StrategyVersion.objects.filter(strategy=strategy).order_by("-number")


def _source_words(version: StrategyVersion, *, is_changed: bool) -> str:
    """Say where a version came from; nobody edited a first one that changed nothing."""
    is_first = version.number == 1 and version.source == StrategyVersion.Source.USER
    return DEFAULTS if is_first and not is_changed else version.get_source_display()


def version_rows(strategy: Strategy) -> list[VersionRow]:
    """Versions of a strategy with what each changed, newest first."""
    rows = []
    before: StrategyVersion | None = None
    for version in version_list(strategy).reverse():
        changes = parameters_diff(
            strategy_key=strategy.key,
            old=before.parameters if before else {},
            new=version.parameters,
        ) + terms_diff(old=before, limits=version.limits, costs=version.costs)
        rows.append(
            VersionRow(
                pk=version.pk,
                number=version.number,
                created_at=version.created_at,
                is_draft=version.is_draft,
                source=_source_words(version, is_changed=any(one.is_changed for one in changes)),
                note=version.note,
                changes=tuple(change for change in changes if change.is_changed),
            )
        )
        before = version
    return rows[::-1]
