"""The set-up form of a backtest: all of it in the URL, parameters from the strategy's schema."""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Mapping
from typing import Any, cast

from django import forms

from elson.common.formatting import parse_whole
from elson.common.forms import JudgedForm
from marketdata.selectors import instrument_list, series_map
from trading.engine.adaptive import SWITCH
from trading.engine.errors import UnknownStrategy
from trading.engine.schedule import MEANINGS
from trading.engine.strategies import STRATEGIES, Parameter, StrategySpec, strategy_get
from trading.engine.types import Regime
from trading.selectors.parameter_shares import is_share, share_read, share_typed
from trading.selectors.parameter_words import (
    bounds_words,
    choice_words,
    fault_words,
    parameter_label,
    term_label,
    unit_words,
)
from trading.selectors.versions import regime_grid
from trading.services.backtests.benchmarks import CASH
from trading.services.backtests.draft_fields import MOST_FOLDS, MOST_SYMBOLS
from trading.services.backtests.drafts import LIMITS, BacktestDraft, BacktestInvalid, draft_read
from trading.views.backtest_address import (
    COST_NUMBERS,
    LIMIT_PREFIX,
    PREFIX,
    WEIGHT_PREFIX,
    plain_number,
)

DEFAULT_STRATEGY = "volatility_adaptive_trend"
DEFAULT_SYMBOL = "SPX"
TIMEFRAMES = (
    ("1d", "1 day"),
    ("1h", "1 hour"),
    ("15m", "15 min"),
    ("5m", "5 min"),
    ("1m", "1 min"),
)
SHARES = (
    ("0.3", "Last 30%"),
    ("0.2", "Last 20%"),
    ("0.4", "Last 40%"),
    ("0.5", "Last half"),
    ("0", "None"),
)
FOLDS = (
    ("0", "No"),
    ("2", "2 folds"),
    ("3", "3 folds"),
    ("5", "5 folds"),
    ("10", "10 folds"),
    ("20", "20 folds"),
)
BENCHMARKS = (("", "Holding what it trades"), (CASH, "Cash"))
FIXED_WEIGHT = "FIXED_WEIGHT"
ALLOCATIONS = (
    ("EQUAL_WEIGHT", "Equal weight"),
    ("EQUAL_RISK", "Equal risk"),
    (FIXED_WEIGHT, "Fixed weights"),
)
PORTFOLIO_FIELDS = ("symbols", "allocation", "max_positions", "gross_cap")
DEFAULTS = {
    "timeframe": "1d",
    "cash": "100000",
    "commission_bps": "0",
    "slippage_bps": "2",
    "has_regime_costs": "on",
    "out_of_sample_share": "0.3",
    "seed": "7",
}
PLAIN_FIELDS = (
    "strategy_key", "symbol", "timeframe", "start_date", "end_date", "cash", "commission_bps",
    "slippage_bps", "has_regime_costs", "is_free_confirmed", "out_of_sample_share",
    "out_of_sample_from", "walk_forward_folds", "benchmark", "seed", "note", "tags",
    "carries_rest", "has_usual_slippage", *COST_NUMBERS, *PORTFOLIO_FIELDS,
)  # fmt: skip


class BacktestForm(JudgedForm):
    """Fields of a backtest; `draft_read` judges the values, so page and API say the same."""

    strategy_key = forms.ChoiceField(label="Strategy", required=False)
    symbol = forms.ChoiceField(label="Instrument", required=False)
    timeframe = forms.ChoiceField(label="Bars", choices=TIMEFRAMES, required=False)
    start_date = forms.CharField(
        label="From", required=False, widget=forms.DateInput(attrs={"type": "date"})
    )
    end_date = forms.CharField(
        label="To", required=False, widget=forms.DateInput(attrs={"type": "date"})
    )
    out_of_sample_share = forms.ChoiceField(
        label="Kept out of sample",
        choices=SHARES,
        required=False,
        help_text="Judged apart, shown first. Nothing is fitted to the rest.",
    )
    out_of_sample_from = forms.CharField(
        label="Out of sample from",
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text="A day of your own; goes before the share.",
    )
    cash = forms.CharField(label="Starting cash", required=False)
    has_regime_costs = forms.BooleanField(label="Usual costs of this market", required=False)
    commission_bps = forms.CharField(label="Commission a side", required=False)
    slippage_bps = forms.CharField(label="Slippage a side", required=False)
    spread_bps = forms.CharField(label="Half spread a side", required=False)
    commission_per_unit = forms.CharField(label="Commission a unit", required=False)
    commission_minimum = forms.CharField(label="Least commission", required=False)
    range_share = forms.CharField(
        label="Slippage by range",
        required=False,
        help_text="Share of the signal bar's range, 0 to 1.",
    )
    impact = forms.CharField(
        label="Impact",
        required=False,
        help_text="Price moved = this × a bar's volatility × √(quantity ÷ volume). 1 is measured.",
    )
    has_usual_slippage = forms.BooleanField(
        label="Usual slippage and impact of this market", required=False
    )
    borrow_bps_per_day = forms.CharField(
        label="Borrow a day", required=False, help_text="Of shorts. Empty for the market's usual."
    )
    financing_bps_per_year = forms.CharField(label="Financing a year", required=False)
    max_participation = forms.CharField(
        label="Share of the volume",
        required=False,
        help_text="Most one order takes of a bar, above 0 to 1. Empty for no limit.",
    )
    carries_rest = forms.BooleanField(label="Carry the rest to the next bars", required=False)
    symbols = forms.CharField(
        label="Also trade",
        required=False,
        help_text="Symbols, separated by commas. All share the starting cash.",
    )
    allocation = forms.ChoiceField(label="Shares", choices=ALLOCATIONS, required=False)
    max_positions = forms.CharField(
        label="Positions at once", required=False, help_text="Empty for one each."
    )
    gross_cap = forms.CharField(label="Invested at most", required=False)
    is_free_confirmed = forms.BooleanField(label="I know this is unrealistic", required=False)
    walk_forward_folds = forms.ChoiceField(
        label="Walk-forward",
        choices=FOLDS,
        required=False,
        help_text="Judges equal parts one after another. Nothing is fitted between them.",
    )
    benchmark = forms.ChoiceField(
        label="Benchmark",
        required=False,
        help_text="The verdict always compares with holding what is traded.",
    )
    seed = forms.CharField(
        label="Seed", required=False, help_text="Of the random entries it is compared with."
    )
    note = forms.CharField(label="Note", required=False, max_length=200)
    tags = forms.CharField(
        label="Tags",
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text="Words to find it by, separated by commas.",
    )
    client_key = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, spec: StrategySpec, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.spec = spec
        self.draft: BacktestDraft | None = None
        self._choose("strategy_key", [(s.key, s.name) for s in STRATEGIES.values()])
        known = _symbol_choices()
        self._choose("symbol", known)
        self._choose("benchmark", [*BENCHMARKS, *((s, f"Holding {name}") for s, name in known)])
        self._choose("out_of_sample_share", _shares(self["out_of_sample_share"].value()))
        self._choose("walk_forward_folds", _folds(self["walk_forward_folds"].value()))
        for name in ("cash", "commission_bps", "slippage_bps", "gross_cap", *COST_NUMBERS):
            self.fields[name].widget.attrs.update({"inputmode": "decimal", "autocomplete": "off"})
        self.fields["seed"].widget.attrs["inputmode"] = "numeric"
        for parameter in spec.parameters:
            self.fields[PREFIX + parameter.key] = _parameter_field(parameter)
        self.own_names = own_names(spec, self.data or self.initial)
        given = self.data or self.initial
        self.limited = [name for name in LIMITS if given.get(LIMIT_PREFIX + name)]
        for name in (*self.own_names, *(LIMIT_PREFIX + name for name in self.limited)):
            self.fields[name] = forms.CharField(required=False, widget=forms.HiddenInput)
        self.weighted = weighted_symbols(self.data or self.initial)
        for symbol in self.weighted:
            self.fields[WEIGHT_PREFIX + symbol] = _weight_field(symbol, len(self.weighted))

    def own_fields(self) -> list[tuple[Any, str]]:
        """Return the hidden fields of what a version has beyond the schema, named in words."""
        return [
            (self[name], _lowered(parameter_label(name.removeprefix(PREFIX))))
            for name in self.own_names
        ]

    def limit_fields(self) -> list[tuple[Any, str]]:
        """Return the hidden fields of own limits, each with its name in words."""
        return [(self[LIMIT_PREFIX + name], _lowered(term_label(name))) for name in self.limited]

    def _choose(self, name: str, choices: list[tuple[str, str]]) -> None:
        field = cast(forms.ChoiceField, self.fields[name])
        field.choices = choices

    def parameter_fields(self) -> list[tuple[Any, str]]:
        """Return each parameter's bound field with its unit."""
        return [(self[PREFIX + p.key], unit_words(p)) for p in self.spec.parameters]

    def weight_fields(self) -> list[Any]:
        """Return the share of each instrument, as a bound field; none unless they are fixed."""
        return [self[WEIGHT_PREFIX + symbol] for symbol in self.weighted]

    @property
    def has_more_costs(self) -> bool:
        """Tell whether the rarer costs are in use or at fault, so that they are shown open."""
        return self._is_used("carries_rest", "has_usual_slippage", *COST_NUMBERS)

    @property
    def has_portfolio(self) -> bool:
        """Tell whether several instruments are asked for or their settings are at fault."""
        is_divided = self["allocation"].value() not in (None, "", ALLOCATIONS[0][0])
        return is_divided or self._is_used("symbols", "max_positions")

    def _is_used(self, *names: str) -> bool:
        return any(self[name].value() not in (None, "", "0", False) or self[name].errors
                   for name in names)  # fmt: skip

    def clean(self) -> dict[str, Any]:
        """Read everything as one request; every fault lands at its own field."""
        given = {name: self.data.get(name, "") for name in PLAIN_FIELDS}
        given["parameters"] = {
            p.key: share_read(self.data.get(PREFIX + p.key, "")) for p in self.spec.parameters
        } | {name.removeprefix(PREFIX): self.data.get(name, "") for name in self.own_names}
        given["weights"] = {
            symbol: self.data.get(WEIGHT_PREFIX + symbol, "") for symbol in self.weighted
        }
        given["limits"] = {name: self.data.get(LIMIT_PREFIX + name) for name in self.limited}
        try:
            self.draft = draft_read(given)
        except BacktestInvalid as error:
            for name, message in error.data["errors"].items():
                self._say(self.place_of(name), fault_words(message))
        return self.cleaned_data

    def _say(self, place: str | None, message: str) -> None:
        """Put our sentence at its field, in place of Django's about the same value."""
        if place is not None:
            self.errors.pop(place, None)
        self.add_error(place, message)

    def place_of(self, name: str | None) -> str | None:
        """Return the field of a name such as `parameters.fast`."""
        if not name:
            return None
        place = name.replace("parameters.", PREFIX).replace("weights.", WEIGHT_PREFIX)
        place = place.replace("limits.", LIMIT_PREFIX)
        place = "allocation" if place == "weights" else place
        return place if place in self.fields else None


class ReportForm(forms.Form):
    """What the owner of a failed run says about it."""

    text = forms.CharField(required=False)


class WordsForm(JudgedForm):
    """Note and tags of a run; `backtest_describe` judges them."""

    note = forms.CharField(label="Note", required=False)
    tags = forms.CharField(
        label="Tags",
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text="Up to 8 words to find it by, separated by commas.",
    )


def weighted_symbols(values: Mapping[str, Any]) -> list[str]:
    """Return the instruments whose shares are fixed, in the order `draft_read` takes them."""
    if values.get("allocation") != FIXED_WEIGHT:
        return []
    chosen = list(dict.fromkeys(str(values.get("symbols") or "").replace(",", " ").split()))
    first = str(values.get("symbol") or "")
    symbols = chosen if not first or first in chosen else [first, *chosen]
    return symbols[:MOST_SYMBOLS] if len(symbols) > 1 else []


def form_for(values: Mapping[str, str], *, is_bound: bool = False) -> BacktestForm:
    """Make the form for a strategy, prefilled from the URL or from what was posted."""
    spec = spec_of(values.get("strategy_key", ""))
    if is_bound:
        return BacktestForm(values, spec=spec)
    initial: dict[str, Any] = {**DEFAULTS, "symbol": default_symbol()}
    initial |= {PREFIX + p.key: plain_number(p.default) for p in spec.parameters}
    if values.get("strategy_key"):
        # A shared URL says everything: what it leaves out of the boxes is not ticked.
        initial |= {"has_regime_costs": "", "is_free_confirmed": ""}
    initial |= {name: value for name, value in values.items() if value}
    shares = {PREFIX + p.key for p in spec.parameters if is_share(p.key)}
    initial |= {name: share_typed(initial[name]) for name in shares}
    initial |= {"strategy_key": spec.key, "client_key": uuid.uuid4().hex}
    return BacktestForm(initial=initial, spec=spec)


def own_names(spec: StrategySpec, given: Mapping[str, Any]) -> list[str]:
    """Return the fields of known own values, switches and schedule among what was given."""
    suffixes = (*(regime.value for regime in Regime), SWITCH)
    known = {
        f"{PREFIX}{row.name}.{suffix}" for row in regime_grid(spec.key, {}) for suffix in suffixes
    } | {PREFIX + name for name in MEANINGS}
    return sorted(name for name in known if given.get(name) not in (None, ""))


def _lowered(label: str) -> str:
    """Begin a label small inside a sentence; an ATR stays one."""
    return label[:1].lower() + label[1:]


def spec_of(key: str) -> StrategySpec:
    """Return the strategy of that key, or the default one."""
    try:
        return strategy_get(key)
    except UnknownStrategy:
        return STRATEGIES.get(DEFAULT_STRATEGY) or next(iter(STRATEGIES.values()))


def _symbol_choices() -> list[tuple[str, str]]:
    instruments = list(instrument_list())
    known = {pk for timeframe, _ in TIMEFRAMES for pk in series_map(instruments, timeframe)}
    return [(i.symbol, f"{i.symbol} · {i.name}") for i in instruments if i.pk in known]


def default_symbol() -> str:
    """Return the usual instrument, or the first one with bars."""
    symbols = [symbol for symbol, _ in _symbol_choices()]
    return DEFAULT_SYMBOL if DEFAULT_SYMBOL in symbols else symbols[0] if symbols else ""


def _shares(chosen: Any) -> list[tuple[str, str]]:
    """Offer the usual shares, and the one a run asked for by REST has."""
    known = dict(SHARES)
    if re.fullmatch(r"0\.\d{1,6}", str(chosen or "")) and chosen not in known:
        return [(str(chosen), f"Last {100 * float(chosen):g}%"), *SHARES]
    return list(SHARES)


def _folds(chosen: Any) -> list[tuple[str, str]]:
    """Offer the usual counts, and the one a run asked for by REST has."""
    number = parse_whole(str(chosen or ""))
    if number is None or str(number) in dict(FOLDS) or not 2 <= number <= MOST_FOLDS:
        return list(FOLDS)
    return [(str(number), f"{number} folds"), *FOLDS]


def _weight_field(symbol: str, n_symbols: int) -> forms.Field:
    return forms.CharField(
        label=f"Share of {symbol}",
        required=False,
        # Rounded down, so that the shares offered never add up to more than all.
        initial=f"{math.floor(10_000 / n_symbols) / 10_000:g}",
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
    )


def _parameter_field(parameter: Parameter) -> forms.Field:
    label = parameter_label(parameter.key)
    if parameter.choices:
        choices = [(choice, choice_words(parameter.key, choice)) for choice in parameter.choices]
        return forms.ChoiceField(
            label=label, choices=choices, required=False, help_text=parameter.meaning
        )
    return forms.CharField(
        label=label,
        required=False,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
        help_text=". ".join(filter(None, (parameter.meaning, bounds_words(parameter)))) + ".",
    )
