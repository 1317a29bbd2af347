"""The set-up form of an optimization: a backtest's fields, and a row per parameter."""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.http import QueryDict

from trading.engine.strategies.base import CHOICE, INT, Parameter, StrategySpec
from trading.selectors.parameter_shares import is_share, share_read, share_typed, shares_in
from trading.selectors.parameter_words import (
    choice_words,
    fault_words,
    parameter_label,
    unit_words,
)
from trading.selectors.studies import METHODS
from trading.services.studies.drafts import NUMBERS, StudyDraft, StudyInvalid, study_draft_read
from trading.views.backtest_address import PREFIX, plain_number
from trading.views.backtest_form import (
    DEFAULTS,
    BacktestForm,
    default_symbol,
    own_names,
    spec_of,
)

SPACE = "s_"
# How the service names a parameter of the space.
IN_SPACE = "space."
# A new form moves the first two numbers of a strategy, in about this many steps each.
N_MOVING = 2
N_STEPS = 10
PLAIN = (
    "strategy_key", "symbol", "timeframe", "start_date", "end_date", "cash", "commission_bps",
    "slippage_bps", "has_regime_costs", "has_usual_slippage", "is_free_confirmed", "seed", "note",
    "method", *NUMBERS,
)  # fmt: skip
# What an address takes from a search as it is, and as ticks.
COPIED = (
    "strategy_key", "timeframe", "cash", "commission_bps", "slippage_bps", "seed", "note", "method",
)  # fmt: skip
FLAGS = ("has_regime_costs", "has_usual_slippage")
HINTS = {
    "n_trials": "Combinations that are tried.",
    "n_folds": "Each is judged on bars after those before it.",
    "holdout_share": "Never searched; opens once, at the end. 15% to 50%.",
    "dispersion_weight": "Taken off the middle of the folds: this times how much they differ.",
    "fewest_trades": "Trials with fewer are not ranked.",
    "deepest_drawdown": "Deeper ones are not ranked; -100% allows all.",
}


@dataclass(frozen=True, slots=True)
class SpaceRow:
    """One parameter in the table of the space: its bound fields."""

    parameter: Parameter
    label: str
    unit: str
    moves: Any
    low: Any = None
    high: Any = None
    step: Any = None
    log: Any = None
    choices: Any = None
    value: Any = None


class ChoicesInput(forms.CheckboxSelectMultiple):
    """A tick per choice, also for choices written in one text, as an address has them."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[str]:
        """Return the choices that were ticked or written."""
        return codes_of(data.get(name, ""))


class ChoicesField(forms.MultipleChoiceField):
    """Which choices of a parameter are tried; `study_draft_read` judges them."""

    widget = ChoicesInput

    def prepare_value(self, value: Any) -> Any:
        """Take written choices apart."""
        return codes_of(value)

    def validate(self, value: Any) -> None:
        """Leave it to the service, which says the same at every door."""


class StudyForm(BacktestForm):
    """Fields of an optimization; `study_draft_read` judges the values."""

    method = forms.ChoiceField(label="Method", choices=METHODS, required=False)

    def __init__(self, *args: Any, spec: StrategySpec, **kwargs: Any) -> None:
        super().__init__(*args, spec=spec, **kwargs)
        self.study_draft: StudyDraft | None = None
        for name in ("out_of_sample_share", "walk_forward_folds", "benchmark"):
            del self.fields[name]
        self.fields["seed"].help_text = "Decides which combinations are drawn."
        for name, (_, _, _, _, label) in NUMBERS.items():
            if name != "n_workers":
                self.fields[name] = _number_field(label, HINTS[name])
        for parameter in spec.parameters:
            del self.fields[PREFIX + parameter.key]
            for part, field in _space_fields(parameter).items():
                self.fields[f"{SPACE}{parameter.key}_{part}"] = field

    def space_rows(self) -> list[SpaceRow]:
        """Return each parameter with its fields, in the order of the schema."""
        return [
            SpaceRow(
                parameter=p,
                label=parameter_label(p.key),
                unit=unit_words(p),
                **{part: self[f"{SPACE}{p.key}_{part}"] for part in _space_fields(p)},
            )
            for p in self.spec.parameters
        ]

    def clean(self) -> dict[str, Any]:
        """Read everything as one request; every fault lands at its own field or at the top."""
        try:
            self.study_draft = study_draft_read(request_values(self.data, self.spec))
        except StudyInvalid as error:
            for name, message in error.data["errors"].items():
                told = shares_in(message) if is_share(name) else fault_words(message)
                self._say(self.place_of(name), told)
        return self.cleaned_data

    def place_of(self, name: str | None) -> str | None:
        """Return the field of a name such as `space.fast`: the first of its row that is used."""
        if name is None or not name.startswith(IN_SPACE):
            return super().place_of(name)
        named = next((p for p in self.spec.parameters if IN_SPACE + p.key == name), None)
        if named is None:
            return None
        moves = self.data.get(f"{SPACE}{named.key}_moves")
        part = "value" if not moves else "choices" if named.kind == CHOICE else "low"
        return f"{SPACE}{named.key}_{part}"


def codes_of(written: Any) -> list[str]:
    """Return the choices of a list, or of a text that parts them by commas."""
    given = written.split(",") if isinstance(written, str) else written or []
    return [code.strip() for code in given if code.strip()]


def sent_values(sent: QueryDict) -> dict[str, str]:
    """Return what a form or an address sends as one text a name, ticked choices joined."""
    return {
        name: ", ".join(sent.getlist(name)) if name.endswith("_choices") else str(sent[name])
        for name in sent
    }


def request_values(data: Mapping[str, Any], spec: StrategySpec) -> dict[str, Any]:
    """Return posted values, or those of a URL, as `study_draft_read` takes them."""
    values: dict[str, Any] = {name: share_read(data.get(name, "")) for name in PLAIN}
    space: dict[str, Any] = {}
    fixed: dict[str, Any] = {}
    for p in spec.parameters:
        names = {part: f"{SPACE}{p.key}_{part}" for part in _space_fields(p)}
        given = {part: share_read(data.get(name, "")) for part, name in names.items()}
        if given.pop("moves"):
            space[p.key] = _range_of(p, given)
        elif given["value"] not in ("", str(p.default)):
            fixed[p.key] = given["value"]
    fixed |= {name.removeprefix(PREFIX): data[name] for name in own_names(spec, data)}
    return values | {"space": space, "fixed": fixed}


def study_values(study: Any) -> dict[str, str]:
    """Return the values of an address that set the form up as a search was asked for.

    Parameters its rules have no longer are left out.
    """
    values = {
        **{name: plain_number(getattr(study, name)) for name in (*COPIED, *NUMBERS)},
        "symbol": study.instrument.symbol,
        "end_date": f"{study.end_date_asked or ''}",
        "start_date": f"{study.start_date or ''}",
        "n_trials": str(study.n_trials_asked or study.n_trials),
        **{name: "on" if getattr(study, name) else "" for name in FLAGS},
        "is_free_confirmed": "on" if not _has_costs(study) else "",
    }
    spec = spec_of(study.strategy_key)
    known = {p.key: p for p in spec.parameters}
    for key, ends in study.space.items():
        if key in known:
            values |= {f"{SPACE}{key}_{part}": text for part, text in _range_texts(ends).items()}
    for key, value in study.fixed.items():
        name = f"{SPACE}{key}_value" if key in known else PREFIX + key
        values[name] = plain_number(value)
    return {name: value for name, value in values.items() if value}


def _has_costs(study: Any) -> bool:
    return bool(study.commission_bps or study.slippage_bps or study.has_regime_costs)


def _range_texts(ends: Mapping[str, Any]) -> dict[str, str]:
    """Write one moving parameter as its fields hold it."""
    if "choices" in ends:
        return {"moves": "on", "choices": ", ".join(ends["choices"])}
    shown = {part: ends.get(part) for part in ("low", "high", "step")}
    texts = {part: plain_number(value) for part, value in shown.items() if value is not None}
    return {"moves": "on", "log": "on" if ends.get("log") else "", **texts}


def study_form_for(values: Mapping[str, str], *, is_bound: bool = False) -> StudyForm:
    """Make the form for a strategy, prefilled from the URL or from what was posted."""
    spec = spec_of(values.get("strategy_key", ""))
    if is_bound:
        return StudyForm(values, spec=spec)
    initial: dict[str, Any] = {**DEFAULTS, "symbol": default_symbol(), "method": "RANDOM"}
    initial |= {name: f"{default:g}" for name, (default, *_) in NUMBERS.items()}
    moving = [p.key for p in spec.parameters if p.kind != CHOICE][:N_MOVING]
    for p in spec.parameters:
        begun = values.get(PREFIX + p.key, "")
        initial |= {
            f"{SPACE}{p.key}_{part}": value
            for part, value in _space_defaults(p, begun, moves=p.key in moving).items()
        }
    if "method" in values:
        # The form itself is sent: what it leaves out of the boxes is not ticked.
        initial |= {"has_regime_costs": "", "is_free_confirmed": ""}
        for p in spec.parameters:
            if f"{SPACE}{p.key}_value" in values:
                parts = ("moves", "log", "choices")
                initial |= {f"{SPACE}{p.key}_{part}": "" for part in parts}
    initial |= {name: value for name, value in values.items() if value}
    initial |= {name: share_typed(initial[name]) for name in _share_fields(spec) if initial[name]}
    initial |= {"strategy_key": spec.key, "client_key": uuid.uuid4().hex}
    return StudyForm(initial=initial, spec=spec)


def _range_of(parameter: Parameter, given: Mapping[str, Any]) -> dict[str, Any]:
    if parameter.kind == CHOICE:
        return {"choices": codes_of(given["choices"])}
    found: dict[str, Any] = {
        name: given[name] for name in ("low", "high", "step") if given[name] != ""
    }
    return found | {"log": bool(given["log"])}


def _space_fields(parameter: Parameter) -> dict[str, forms.Field]:
    """Return the fields of one row; its legend names the parameter."""
    fields: dict[str, forms.Field] = {
        "moves": forms.BooleanField(label=f"Move {parameter_label(parameter.key)}", required=False)
    }
    if parameter.kind == CHOICE:
        words = [(choice, choice_words(parameter.key, choice)) for choice in parameter.choices]
        return fields | {
            "choices": ChoicesField(label="Choices tried", required=False, choices=words),
            "value": forms.ChoiceField(label="Fixed value", required=False, choices=words),
        }
    fields |= {
        part: _number_field(word, "")
        for part, word in (("low", "Lowest"), ("high", "Highest"), ("step", "Step"))
    }
    fields["log"] = forms.BooleanField(label="Log scale", required=False)
    return fields | {"value": forms.CharField(label="Fixed value", required=False)}


def _share_fields(spec: StrategySpec) -> list[str]:
    """Return the fields of a search in which a share is typed."""
    parts = ("low", "high", "step", "value")
    names = [f"{SPACE}{p.key}_{part}" for p in spec.parameters if is_share(p.key) for part in parts]
    return [*names, *(name for name in NUMBERS if is_share(name))]


def _space_defaults(parameter: Parameter, begun: str, *, moves: bool) -> dict[str, Any]:
    """Return a row around the value of the version that is searched, or around the default."""
    ticked = "on" if moves else ""
    value = begun or parameter.default
    if parameter.kind == CHOICE:
        return {"moves": ticked, "choices": ", ".join(parameter.choices), "value": value}
    middle = _number_of(share_read(value), float(parameter.default))
    unit = parameter.step or (1.0 if parameter.kind == INT else 0.01)
    ends = sorted((_snapped(middle * 0.5, unit), _snapped(middle * 1.5, unit)))
    low = ends[0] if parameter.low is None else max(ends[0], parameter.low)
    high = ends[1] if parameter.high is None else min(ends[1], parameter.high)
    step = max(_snapped((high - low) / N_STEPS, unit), unit)
    return {
        "moves": ticked, "low": f"{low:g}", "high": f"{high:g}", "step": f"{step:g}",
        "value": f"{middle:g}",
    }  # fmt: skip


def _number_of(value: Any, default: float) -> float:
    """Read where a row begins; the form is judged when it is sent."""
    try:
        number = float(value)
    except ValueError:
        return default
    return number if math.isfinite(number) else default


def _snapped(value: float, unit: float) -> float:
    return round(round(value / unit) * unit, 10)


def _number_field(label: str, hint: str) -> forms.CharField:
    return forms.CharField(
        label=label,
        required=False,
        help_text=hint,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
    )
