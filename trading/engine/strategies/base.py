"""What every strategy is made of: parameters, features, a rule and its words.

A strategy is four functions on plain values, gathered in a `StrategySpec`:
`warm_up(params)`, `prepare(bars, params)`, `decide(features, i, state)` and
`narrate(features, i, state, proposal)`. Optional `targets(features)` gives the rule's 0/1 targets
for all bars at once, for rules that look at nothing but prices and their own position; optional
`Features.table` gives what each bar says, which the compiled loop reads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from marketdata.types import Bars
from trading.engine.adaptive import OFF, ON, RULES, SWITCH, AdaptiveBase
from trading.engine.errors import EngineError, ParameterInvalid
from trading.engine.explanation import ParameterNow, SizingLine
from trading.engine.kernels import FloatArray, IntArray
from trading.engine.regimes import RegimeSeries
from trading.engine.rules import RuleTable
from trading.engine.schedule import MEANINGS, schedule_convert
from trading.engine.state import StrategyState
from trading.engine.types import Regime

ParameterValue = float | int | str
Params = Mapping[str, ParameterValue]

INT = "INT"
FLOAT = "FLOAT"
CHOICE = "CHOICE"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter a person may set: its kind, default, bounds, step and meaning.

    `kind` is INT, FLOAT or CHOICE; `choices` is only for CHOICE, bounds and step only for numbers.
    """

    key: str
    kind: str
    default: ParameterValue
    meaning: str
    low: float | None = None
    high: float | None = None
    step: float | None = None
    choices: tuple[str, ...] = ()
    unit: str = ""

    @property
    def bounds_text(self) -> str:
        """Say between what a number must lie; empty where nothing bounds it.

        Examples
        --------
        >>> Parameter("fast", "INT", 20, "Bars", 1, 200).bounds_text
        '1 to 200'
        >>> Parameter("level", "FLOAT", 0.0, "Level", high=5.0).bounds_text
        'at most 5'
        """
        if self.low is None and self.high is None:
            return ""
        if self.high is None:
            return f"at least {self.low:g}"
        return f"at most {self.high:g}" if self.low is None else f"{self.low:g} to {self.high:g}"


class ArraysOnDemand(Mapping[str, FloatArray]):
    """Arrays by name, each computed when it is first looked at.

    For what explains a decision and is not needed to take it. `listed` returns a function for each
    name; it is not called either before somebody looks.
    """

    def __init__(self, listed: Callable[[], Mapping[str, Callable[[], FloatArray]]]) -> None:
        self._listed = listed
        self._made: dict[str, FloatArray] = {}

    @cached_property
    def _makers(self) -> Mapping[str, Callable[[], FloatArray]]:
        return self._listed()

    def __getitem__(self, name: str) -> FloatArray:
        """Return an array, computed now if nobody asked before."""
        if name not in self._made:
            self._made[name] = self._makers[name]()
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        """Go through the names."""
        return iter(self._makers)

    def __len__(self) -> int:
        """Count the names."""
        return len(self._makers)


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """Causal arrays of one series under one set of parameters; value at i uses bars 0..i only.

    `first` is the first index with every value defined. `table`, where a rule has one, decides
    exactly as `StrategySpec.decide` does.
    """

    bars: Bars
    params: Params
    regimes: RegimeSeries
    first: int
    arrays: Mapping[str, FloatArray]
    table: RuleTable | None = None


@dataclass(frozen=True, slots=True)
class Proposal:
    """What the rule wants after one bar, before quantities and blocks.

    Attributes
    ----------
    target_weight : float
        Share of equity to hold, signed.
    signal : float
        Forecast in [-1, 1].
    rule : str
        Short key of the rule that spoke, for counting reasons.
    kind : str
        Which entry it is, kept with the position.
    uses_all_cash : bool
        Buy with all cash at the fill instead of by weight.
    rebalances : bool
        Whether an open position follows `target_weight`; otherwise only 0 or a new entry trades.
    no_trade_band : float
        Weight differences up to this are left alone.
    stop_distance, target_distance : float or None
        Price distances from the entry fill.
    cost_rate : float
        Cost per side as a fraction, which a target must earn first; 0 for a target before costs.
    holding_limit : int
        Bars after which the position an entry opens is closed; 0 for none fixed by the entry.
    trail_distance : float or None
        Price distance behind each close; the stop of an open position follows, never back.
    rests_protection : bool
        Whether stop and target of the position an entry opens rest at the market as orders, filled
        inside a bar; otherwise the rule itself watches them at each close.
    """

    target_weight: float
    signal: float
    rule: str
    kind: str = ""
    uses_all_cash: bool = False
    rebalances: bool = False
    no_trade_band: float = 0.0
    stop_distance: float | None = None
    target_distance: float | None = None
    cost_rate: float = 0.0
    holding_limit: int = 0
    trail_distance: float | None = None
    rests_protection: bool = False


@dataclass(frozen=True, slots=True)
class Narrative:
    """The words and numbers of one decision.

    `reason` says why the rule wants its weight; `would_change` what would have changed it;
    `size_reason` what the weight of a position that follows it was made from.
    """

    reason: str
    would_change: str
    inputs: Mapping[str, float | None] = field(default_factory=dict)
    parameters: tuple[ParameterNow, ...] = ()
    sizing: tuple[SizingLine, ...] = ()
    size_reason: str = ""


@dataclass(frozen=True, slots=True)
class StrategySpec:
    """A registered strategy; see the module's docstring for its functions.

    `adaptive` gives the base of its adaptive parameters, None when none adapts; `adapts` names
    those of `adaptive.RULES` that it uses. `by_regime` names parameters of its own that are the
    same in every regime until a person sets one apart.
    `caution` gives a sentence about valid parameters that turn its meaning around, "" for others.
    """

    key: str
    name: str
    summary: str
    when_it_fails: str
    parameters: tuple[Parameter, ...]
    warm_up: Callable[[Params], int]
    prepare: Callable[[Bars, Params], Features]
    decide: Callable[[Features, int, StrategyState], Proposal]
    narrate: Callable[[Features, int, StrategyState, Proposal], Narrative]
    targets: Callable[[Features, int], IntArray] | None = None
    check: Callable[[Params], None] | None = None
    adaptive: Callable[[Params], AdaptiveBase] | None = None
    by_regime: tuple[str, ...] = ()
    caution: Callable[[Params], str] | None = None
    adapts: tuple[str, ...] = tuple(RULES)

    @property
    def defaults(self) -> dict[str, ParameterValue]:
        """Return the default of every parameter."""
        return {parameter.key: parameter.default for parameter in self.parameters}


def resolve_params(
    spec: StrategySpec, given: Mapping[str, object] | None
) -> dict[str, ParameterValue]:
    """Complete and check parameters: text from a command line or form is converted.

    Parameters
    ----------
    spec : StrategySpec
        Whose parameters.
    given : mapping or None
        Names to values; missing ones take their default.

    Returns
    -------
    dict
        Every parameter of the strategy, converted to its kind, the values per regime and switches
        that were given (see `engine.adaptive`) and the schedule (see `engine.schedule`). A switch
        that is on and a schedule that restricts nothing are left out: absent says the same.

    Raises
    ------
    ParameterInvalid
        For an unknown name, a wrong kind, or a value outside its bounds; the message says which.
    """
    given = given or {}
    resolved = {
        p.key: parameter_convert(spec.key, p, given.get(p.key, p.default)) for p in spec.parameters
    }
    for name in given:
        if name not in resolved and (value := _extra(spec, name, given[name])) is not None:
            resolved[name] = value
    if spec.check is not None:
        spec.check(resolved)
    return resolved


def _extra(spec: StrategySpec, name: str, value: object) -> ParameterValue | None:
    """Convert what is no parameter of the schema: schedule, switch or value in a regime."""
    if name in MEANINGS:
        return schedule_convert(spec.key, name, value)
    base_name, _, suffix = name.partition(".")
    if suffix == SWITCH and spec.adaptive is not None and base_name in spec.adapts:
        switch = Parameter(name, CHOICE, ON, "Whether it follows the regime", choices=(ON, OFF))
        found = parameter_convert(spec.key, switch, value)
        return None if found == ON else found
    return parameter_convert(spec.key, _regime_parameter(spec, name), value)


def _regime_parameter(spec: StrategySpec, name: str) -> Parameter:
    """Describe the value of a parameter in one regime, such as `size_factor.HIGH`."""
    base_name, _, regime = name.partition(".")
    rule = RULES.get(base_name)
    is_regime = regime in Regime.__members__
    if is_regime and base_name in spec.by_regime:
        own = next(parameter for parameter in spec.parameters if parameter.key == base_name)
        return replace(own, key=name, meaning=f"{own.meaning}, while {regime}")
    if spec.adaptive is None or rule is None or base_name not in spec.adapts or not is_regime:
        names = ", ".join(sorted(parameter.key for parameter in spec.parameters))
        raise ParameterInvalid(f"{spec.key} has no parameter {name!r}; it has {names}")
    kind = INT if rule.is_whole else FLOAT
    return Parameter(name, kind, rule.low, f"Value while {regime}", rule.low, rule.high)


def in_regimes(params: Params, name: str) -> tuple[float, ...]:
    """Return a parameter in LOW to EXTREME: its value, or what a person set for the regime.

    Examples
    --------
    >>> in_regimes({"veto_share": 0.1, "veto_share.HIGH": 0.3}, "veto_share")
    (0.1, 0.1, 0.3, 0.1)
    """
    return tuple(float(params.get(f"{name}.{regime}", params[name])) for regime in Regime)


def parameter_convert(strategy_key: str, parameter: Parameter, value: object) -> ParameterValue:
    """Convert one value to the parameter's kind, or refuse it with `ParameterInvalid`."""
    try:
        return _converted(strategy_key, parameter, value)
    except ParameterInvalid as error:
        error.parameter = parameter.key
        raise


def _converted(strategy_key: str, parameter: Parameter, value: object) -> ParameterValue:
    place = f"parameter {parameter.key} of {strategy_key}"
    if parameter.kind == CHOICE:
        if value not in parameter.choices:
            raise ParameterInvalid(
                f"{place} is {value!r}; it must be one of {', '.join(parameter.choices)}"
            )
        return str(value)
    number = finite_number(place, value)
    if parameter.kind == INT and number != math.floor(number):
        raise ParameterInvalid(f"{place} is {number:g}; it must be a whole number")
    for bound, is_broken, word in (
        (parameter.low, parameter.low is not None and number < parameter.low, "at least"),
        (parameter.high, parameter.high is not None and number > parameter.high, "at most"),
    ):
        if is_broken:
            raise ParameterInvalid(f"{place} is {number:g}; it must be {word} {bound:g}")
    return int(number) if parameter.kind == INT else number


def finite_number(place: str, value: object, error: type[EngineError] = ParameterInvalid) -> float:
    """Convert text or a number to a float; raise ``error`` naming ``place`` for anything else.

    Examples
    --------
    >>> finite_number("low", "2.5")
    2.5
    """
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise error(f"{place} is {value!r:.60}; it must be a number") from None
    except OverflowError:
        raise error(f"{place} is beyond the largest number there is") from None
    if not math.isfinite(number):
        raise error(f"{place} is {value!r:.60}; it must be a finite number")
    return number
