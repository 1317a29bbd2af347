"""What a person asks for, read from a form, a JSON body or a command line, and checked as a whole.

One reader for every door: the page, the API and the command refuse the same values with the same
sentences, and all faults are found at once.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import Any

from elson.common.errors import DomainError
from elson.common.formatting import NumberNotUnderstood
from trading.engine.allocation import AllocationRule
from trading.engine.errors import EngineError
from trading.engine.own_limits import OwnLimits
from trading.engine.strategies import resolve_params, strategy_get
from trading.services.backtests.draft_fields import READERS, FieldFault, limit_read, weight_read

Faults = dict[str, str]
TRADE_COST_FIELDS = (
    "commission_bps", "slippage_bps", "has_regime_costs", "spread_bps", "commission_per_unit",
    "commission_minimum", "range_share", "impact", "has_usual_slippage",
)  # fmt: skip
HOLDING_COST_FIELDS = ("borrow_bps_per_day", "financing_bps_per_year")
COST_FIELDS = (*TRADE_COST_FIELDS, *HOLDING_COST_FIELDS)
LIMITS = tuple(one.name for one in fields(OwnLimits))
EQUAL_WEIGHT = "EQUAL_WEIGHT"
FEWEST_WEIGHTED = 2
DAY = "1d"
DEFAULT_CASH = Decimal(100_000)
DEFAULT_OUT_OF_SAMPLE = 0.3
DEFAULT_SEED = 7


class BacktestInvalid(DomainError):
    """A backtest cannot be run as asked; `errors` has one sentence per field."""

    title = "The backtest cannot be run as asked"

    def __init__(self, faults: Faults) -> None:
        field, message = next(iter(faults.items()))
        super().__init__("BACKTEST_INVALID", message, field=field, errors=faults)


@dataclass(frozen=True, slots=True)
class BacktestDraft:
    """A checked request: every value has its type and lies within its bounds."""

    strategy_key: str
    symbol: str
    parameters: dict[str, Any]
    timeframe: str = DAY
    start_date: dt.date | None = None
    end_date: dt.date | None = None
    cash: Decimal = DEFAULT_CASH
    commission_bps: float = 0.0
    slippage_bps: float = 0.0
    has_regime_costs: bool = False
    spread_bps: float = 0.0
    commission_per_unit: float = 0.0
    commission_minimum: float = 0.0
    range_share: float = 0.0
    impact: float = 0.0
    has_usual_slippage: bool = False
    borrow_bps_per_day: float | None = None
    financing_bps_per_year: float = 0.0
    max_participation: float | None = None
    carries_rest: bool = False
    symbols: tuple[str, ...] = ()
    allocation: str = EQUAL_WEIGHT
    max_positions: int | None = None
    gross_cap: float = 1.0
    weights: Mapping[str, float] = field(default_factory=dict)
    limits: Mapping[str, float] = field(default_factory=dict)
    is_free_confirmed: bool = False
    out_of_sample_share: float = DEFAULT_OUT_OF_SAMPLE
    # The first day that is out of sample; it goes before the share.
    out_of_sample_from: dt.date | None = None
    walk_forward_folds: int = 0
    benchmark: str = ""
    seed: int = DEFAULT_SEED
    note: str = ""
    tags: tuple[str, ...] = ()

    @property
    def is_free(self) -> bool:
        """Tell whether trading would cost nothing at all."""
        return not any(getattr(self, name) for name in TRADE_COST_FIELDS)

    @property
    def is_portfolio(self) -> bool:
        """Tell whether several instruments share the cash."""
        return len(self.symbols) > 1


def draft_read(values: Mapping[str, Any]) -> BacktestDraft:
    """Read and check a request; raises BacktestInvalid with every fault found.

    `values` maps field names to text or plain JSON values; `parameters` maps parameter names.
    """
    faults: Faults = {}
    read = {
        name: attempt(faults, name, reader, values[name])
        for name, reader in READERS.items()
        if values.get(name) not in (None, "")
    }
    given = values.get("parameters") or {}
    key = str(values.get("strategy_key") or "")
    parameters = _parameters(faults, key, given)
    chosen = read.get("symbols") or ()
    if chosen and not read.get("symbol"):
        read["symbol"] = chosen[0]
    elif chosen and read["symbol"] not in chosen:
        read["symbols"] = (read["symbol"], *chosen)
    if not read.get("symbol") and "symbol" not in faults:
        faults["symbol"] = "Choose the instrument to test on."
    _check_span(faults, read)
    read["weights"] = _weights(faults, read, values.get("weights") or {})
    read["limits"] = _limits(faults, values.get("limits") or {})
    _check_costs(faults, read)
    if faults:
        raise BacktestInvalid(faults)
    return BacktestDraft(strategy_key=key, parameters=parameters, **read)


def costs_read(given: Mapping[str, Any]) -> dict[str, Any]:
    """Read and check the costs alone, as a strategy version keeps them; left out what is empty.

    Nothing given stands for the usual costs. Raises BacktestInvalid with every fault found.
    """
    faults: Faults = {
        str(name): f"Cost {str(name)[:40]!r} is unknown; there are {', '.join(COST_FIELDS)}."
        for name in given
        if name not in COST_FIELDS
    }
    read = {
        name: attempt(faults, name, READERS[name], given[name])
        for name in COST_FIELDS
        if given.get(name) not in (None, "")
    }
    if read and not faults and not any(read.get(name) for name in TRADE_COST_FIELDS):
        faults["has_regime_costs"] = (
            "Every cost is 0; no market trades for free. "
            "Set a cost, or take the usual costs of this market."
        )
    _check_slippage(faults, read)
    if faults:
        raise BacktestInvalid(faults)
    return {name: value for name, value in read.items() if value}


def attempt(faults: Faults, name: str, reader: Callable[[str, Any], Any], value: Any) -> Any:
    """Read one field; a fault is put down under its name and None returned."""
    try:
        return reader(name, value)
    except FieldFault as fault:
        faults[name] = str(fault)
    except NumberNotUnderstood as error:
        faults[name] = error.message
    return None


def _parameters(faults: Faults, key: str, given: Any) -> dict[str, Any]:
    """Resolve against the strategy's schema, blaming single parameters where one is to blame."""
    if not isinstance(given, Mapping):
        faults["parameters"] = "parameters must be an object of names and values"
        return {}
    given = {name: value for name, value in given.items() if value not in (None, "")}
    try:
        spec = strategy_get(key)
        return resolve_params(spec, given)
    except EngineError as error:
        if error.code == "strategy_unknown":
            faults["strategy_key"] = _sentence(error)
            return {}
        whole = _sentence(error)
    found: Faults = {}
    for name, value in given.items():
        try:
            resolve_params(spec, {name: value})
        except EngineError as error:
            # A rule between two parameters names both; it is told once, below.
            if str(error).startswith(f"parameter {name} "):
                found[f"parameters.{name}"] = _sentence(error)
    faults.update(found or {"parameters": whole})
    return {}


def _check_span(faults: Faults, read: Mapping[str, Any]) -> None:
    start, end = read.get("start_date"), read.get("end_date")
    split = read.get("out_of_sample_from")
    if start and end and start >= end:
        faults["end_date"] = f"The end {end} must be after the start {start}."
    elif split and start and split <= start:
        faults["out_of_sample_from"] = (
            f"Out of sample from {split} must be after the start {start}."
        )
    elif split and end and split > end:
        faults["out_of_sample_from"] = (
            f"Out of sample from {split} must not be after the end {end}."
        )


def _weights(faults: Faults, read: Mapping[str, Any], given: Any) -> dict[str, float]:
    """Read the fixed share of every instrument; they may leave cash, not borrow it."""
    rule, symbols = read.get("allocation"), read.get("symbols") or ()
    if not isinstance(given, Mapping):
        faults["weights"] = "Weights must be an object of symbols and shares."
        return {}
    if rule != AllocationRule.FIXED_WEIGHT:
        if given and "allocation" not in faults:
            faults["weights"] = (
                f"Weights need the allocation FIXED_WEIGHT, not {rule or EQUAL_WEIGHT}."
            )
        return {}
    if len(symbols) < FEWEST_WEIGHTED:
        faults["weights"] = (
            f"Fixed weights need at least {FEWEST_WEIGHTED} instruments, found {len(symbols)}."
        )
        return {}
    for symbol in given:
        if symbol not in symbols:
            faults[f"weights.{symbol}"] = f"{symbol!s:.24} has a weight but is not traded."
    return _weight_each(faults, symbols, given, read.get("gross_cap"))


def _weight_each(
    faults: Faults, symbols: Sequence[str], given: Mapping[str, Any], cap: float | None
) -> dict[str, float]:
    found: dict[str, float] = {}
    for symbol in symbols:
        if given.get(symbol) in (None, ""):
            faults[f"weights.{symbol}"] = f"Weight of {symbol} is missing; give a share up to 1."
            continue
        weight = attempt(faults, f"weights.{symbol}", _weight_of(symbol), given[symbol])
        if weight is not None:
            found[symbol] = weight
    total, limit = math.fsum(found.values()), 1.0 if cap is None else cap
    if len(found) == len(symbols) and total > limit * (1.0 + 1e-9):
        faults["weights"] = f"Weights sum to {total:g}; the limit is {limit:g}."
    return found


def _limits(faults: Faults, given: Any) -> dict[str, float]:
    """Read the own limits that a bar can tell of; empty ones are none."""
    if not isinstance(given, Mapping):
        faults["limits"] = "Limits must be an object of names and values."
        return {}
    for name in given:
        if name not in LIMITS:
            faults[f"limits.{name}"] = (
                f"Limit {str(name)[:40]!r} is unknown; there are {', '.join(LIMITS)}."
            )
    return {
        name: attempt(faults, f"limits.{name}", limit_read, given[name])
        for name in LIMITS
        if given.get(name) not in (None, "")
    }


def _weight_of(symbol: str) -> Callable[[str, Any], float]:
    return lambda _, value: weight_read(symbol, value)


def _check_costs(faults: Faults, read: Mapping[str, Any]) -> None:
    has_cost = any(name in faults or read.get(name) for name in TRADE_COST_FIELDS)
    if not has_cost and not read.get("is_free_confirmed"):
        faults["is_free_confirmed"] = (
            "Every cost is 0; no market trades for free. "
            "Set a cost, or confirm that you know this is unrealistic."
        )
    _check_slippage(faults, read)


def _check_slippage(faults: Faults, read: Mapping[str, Any]) -> None:
    if read.get("has_usual_slippage") and not read.get("has_regime_costs"):
        faults["has_usual_slippage"] = (
            "Usual slippage and impact come on top of the usual costs of the market; "
            "turn those on as well."
        )


def _sentence(error: EngineError) -> str:
    return str(error)
