"""What a person asks for, read from a form, a JSON body or a command line, and checked as a whole.

One reader for every door: the page, the API and the command refuse the same values with the same
sentences, and all faults are found at once.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from elson.common.errors import DomainError
from elson.common.formatting import NumberNotUnderstood, parse_decimal
from trading.engine.allocation import AllocationRule
from trading.engine.errors import EngineError
from trading.engine.strategies import resolve_params, strategy_get

Faults = dict[str, str]
TRADE_COST_FIELDS = (
    "commission_bps", "slippage_bps", "has_regime_costs", "spread_bps", "commission_per_unit",
    "commission_minimum", "range_share", "impact",
)  # fmt: skip
HOLDING_COST_FIELDS = ("borrow_bps_per_day", "financing_bps_per_year")
COST_FIELDS = (*TRADE_COST_FIELDS, *HOLDING_COST_FIELDS)
EQUAL_WEIGHT = "EQUAL_WEIGHT"
MOST_SYMBOLS = 40
DAY = "1d"
DEFAULT_CASH = Decimal(100_000)
DEFAULT_OUT_OF_SAMPLE = 0.3
DEFAULT_SEED = 7
LARGEST_BPS = 1_000
LARGEST_CASH = Decimal(10) ** 12
LARGEST_SEED = 2**31 - 1
TRUE_WORDS = frozenset({"1", "true", "on", "yes"})
FALSE_WORDS = frozenset({"", "0", "false", "off", "no"})


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
    borrow_bps_per_day: float | None = None
    financing_bps_per_year: float = 0.0
    max_participation: float | None = None
    carries_rest: bool = False
    symbols: tuple[str, ...] = ()
    allocation: str = EQUAL_WEIGHT
    max_positions: int | None = None
    gross_cap: float = 1.0
    is_free_confirmed: bool = False
    out_of_sample_share: float = DEFAULT_OUT_OF_SAMPLE
    seed: int = DEFAULT_SEED
    note: str = ""

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
        name: _attempt(faults, name, reader, values[name])
        for name, reader in _READERS.items()
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
    _check_span(faults, read.get("start_date"), read.get("end_date"))
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
        name: _attempt(faults, name, _READERS[name], given[name])
        for name in COST_FIELDS
        if given.get(name) not in (None, "")
    }
    if read and not faults and not any(read.get(name) for name in TRADE_COST_FIELDS):
        faults["has_regime_costs"] = (
            "Every cost is 0; no market trades for free. "
            "Set a cost, or take the usual costs of this market."
        )
    if faults:
        raise BacktestInvalid(faults)
    return {name: value for name, value in read.items() if value}


def _attempt(faults: Faults, name: str, reader: Callable[[str, Any], Any], value: Any) -> Any:
    try:
        return reader(name, value)
    except _Fault as fault:
        faults[name] = str(fault)
    except NumberNotUnderstood as error:
        faults[name] = error.message
    return None


class _Fault(ValueError):
    """One field cannot be read; the text is for the person."""


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
    for parameter in spec.parameters:
        if parameter.key in given:
            try:
                resolve_params(spec, {parameter.key: given[parameter.key]})
            except EngineError as error:
                # A rule between two parameters names both; it is told once, below.
                if str(error).startswith(f"parameter {parameter.key} "):
                    found[f"parameters.{parameter.key}"] = _sentence(error)
    faults.update(found or {"parameters": whole})
    return {}


def _check_span(faults: Faults, start: dt.date | None, end: dt.date | None) -> None:
    if start and end and start >= end:
        faults["end_date"] = f"The end {end} must be after the start {start}."


def _check_costs(faults: Faults, read: Mapping[str, Any]) -> None:
    has_cost = any(name in faults or read.get(name) for name in TRADE_COST_FIELDS)
    if not has_cost and not read.get("is_free_confirmed"):
        faults["is_free_confirmed"] = (
            "Every cost is 0; no market trades for free. "
            "Set a cost, or confirm that you know this is unrealistic."
        )


def _text(limit: int) -> Callable[[str, Any], str]:
    def read(name: str, value: Any) -> str:
        text = str(value).strip()
        if len(text) > limit:
            raise _Fault(f"{_label(name)} has {len(text)} characters; the limit is {limit}.")
        if any(ord(character) < 32 for character in text):
            raise _Fault(f"{_label(name)} contains a control character.")
        return text

    return read


def _date(name: str, value: Any) -> dt.date:
    if isinstance(value, dt.date):
        return value
    try:
        return dt.date.fromisoformat(str(value).strip())
    except ValueError:
        raise _Fault(
            f"{_label(name)} “{value!s:.20}” is not a date; write it like 2008-08-01."
        ) from None


def _decimal(value: Any) -> Decimal:
    if isinstance(value, bool):
        raise NumberNotUnderstood("NUMBER_INVALID", "A number is needed, not true or false.")
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        number = parse_decimal(str(value))
    if not number.is_finite():
        raise NumberNotUnderstood("NUMBER_INVALID", f"“{value!s:.40}” is not a finite number.")
    return number


def _between(low: Decimal | int, high: Decimal | int, unit: str) -> Callable[[str, Any], Decimal]:
    def read(name: str, value: Any) -> Decimal:
        number = _decimal(value)
        if not low <= number <= high:
            raise _Fault(
                f"{_label(name)} {number:,f}{unit} must lie between "
                f"{low:,}{unit} and {high:,}{unit}."
            )
        return number

    return read


def _amount(most: float) -> Callable[[str, Any], float]:
    def read(name: str, value: Any) -> float:
        return float(_between(0, Decimal(str(most)), "")(name, value))

    return read


def _participation(name: str, value: Any) -> float:
    number = float(_decimal(value))
    if not 0.0 < number <= 1.0:
        raise _Fault(f"{_label(name)} {number:g} must lie above 0 and be at most 1.")
    return number


def _positions(name: str, value: Any) -> int:
    number = _between(1, MOST_SYMBOLS, "")(name, value)
    if number != number.to_integral_value():
        raise _Fault(f"{_label(name)} {number:f} must be a whole number.")
    return int(number)


def _symbols(name: str, value: Any) -> tuple[str, ...]:
    given = value.replace(",", " ").split() if isinstance(value, str) else value
    if not isinstance(given, list | tuple):
        raise _Fault("The instruments must be a list of symbols.")
    found = tuple(dict.fromkeys(_text(24)("symbol", symbol) for symbol in given if symbol))
    if len(found) > MOST_SYMBOLS:
        raise _Fault(f"{len(found)} instruments are chosen; the limit is {MOST_SYMBOLS}.")
    return found


def _allocation(name: str, value: Any) -> str:
    known = (EQUAL_WEIGHT, str(AllocationRule.EQUAL_RISK))
    if value not in known:
        raise _Fault(f"Allocation “{value!s:.20}” is unknown; it is one of {', '.join(known)}.")
    return str(value)


def _bps(name: str, value: Any) -> float:
    return float(_between(0, LARGEST_BPS, " bp")(name, value))


def _share(name: str, value: Any) -> float:
    number = float(_decimal(value))
    if not math.isfinite(number) or not (number == 0.0 or 0.1 <= number <= 0.9):
        raise _Fault(f"{_label(name)} {number:g} must be 0 or lie between 0.1 and 0.9.")
    return number


def _seed(name: str, value: Any) -> int:
    number = _between(0, LARGEST_SEED, "")(name, value)
    if number != number.to_integral_value():
        raise _Fault(f"{_label(name)} {number:f} must be a whole number.")
    return int(number)


def _flag(name: str, value: Any) -> bool:
    word = str(value).strip().lower()
    if word not in TRUE_WORDS | FALSE_WORDS:
        raise _Fault(f"{_label(name)} “{value!s:.20}” must be true or false.")
    return word in TRUE_WORDS


def _timeframe(name: str, value: Any) -> str:
    known = ("1m", "5m", "15m", "1h", "1d")
    if value not in known:
        raise _Fault(f"{_label(name)} “{value!s:.10}” is unknown; it is one of {', '.join(known)}.")
    return str(value)


def _label(name: str) -> str:
    return _LABELS.get(name, name.replace("_", " ").capitalize())


def _sentence(error: EngineError) -> str:
    return str(error)


_LABELS = {
    "cash": "Starting cash",
    "commission_bps": "Commission",
    "slippage_bps": "Slippage",
    "spread_bps": "Half spread",
    "range_share": "Share of the bar's range",
    "impact": "Impact",
    "borrow_bps_per_day": "Borrow a day",
    "financing_bps_per_year": "Financing a year",
    "max_participation": "Share of the volume",
    "max_positions": "Positions at once",
    "gross_cap": "Invested at most",
    "out_of_sample_share": "Out-of-sample share",
    "start_date": "Start",
    "end_date": "End",
}
_READERS: dict[str, Callable[[str, Any], Any]] = {
    "symbol": _text(24),
    "timeframe": _timeframe,
    "start_date": _date,
    "end_date": _date,
    "cash": _between(1, LARGEST_CASH, ""),
    "commission_bps": _bps,
    "slippage_bps": _bps,
    "has_regime_costs": _flag,
    "spread_bps": _bps,
    "commission_per_unit": _amount(1_000),
    "commission_minimum": _amount(100_000),
    "range_share": _amount(1),
    "impact": _amount(10),
    "borrow_bps_per_day": _bps,
    "financing_bps_per_year": _amount(10_000),
    "max_participation": _participation,
    "carries_rest": _flag,
    "symbols": _symbols,
    "allocation": _allocation,
    "max_positions": _positions,
    "gross_cap": _amount(1),
    "is_free_confirmed": _flag,
    "out_of_sample_share": _share,
    "seed": _seed,
    "note": _text(200),
}
