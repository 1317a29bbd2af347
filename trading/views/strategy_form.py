"""The forms that make a strategy or its next version: parameters, regimes, switches, schedule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.html import format_html
from django.utils.safestring import SafeString

from trading.engine.adaptive import OFF, ON, SWITCH
from trading.engine.adaptive_grid import GridRow
from trading.engine.errors import EngineError
from trading.engine.schedule import (
    DAYS,
    EVERY_BARS,
    FROM,
    MOST_BARS,
    ON_DAYS,
    SKIP_MINUTES,
    UNTIL,
    schedule_convert,
)
from trading.engine.strategies.base import FLOAT, INT, Parameter, StrategySpec
from trading.engine.types import Regime
from trading.forms import (
    PARAMETER_PREFIX,
    ClientKeyField,
    LocalDecimalField,
    ParameterForm,
    TermsMixin,
    number_field,
    symbol_field,
)
from trading.selectors.parameter_shares import is_share, share_typed, shares_in
from trading.selectors.parameter_words import fault_words, parameter_label, parameter_text

DAY_NAMES = [(day, day.title()) for day in DAYS]
SCHEDULED = (ON_DAYS, FROM, UNTIL, SKIP_MINUTES, EVERY_BARS)
NAME_LENGTH = 80


class Switch(forms.CheckboxInput):
    """A tick that says "off" when it is taken away; a form without it leaves it on."""

    def __init__(self) -> None:
        super().__init__(check_test=lambda value: value != OFF)

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        """Return what stands last: the tick comes behind the hidden "off"."""
        return OFF if data.get(name) == OFF else ON

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        """Write the tick's own value, ticked or not."""
        context = super().get_context(name, value, attrs)
        context["widget"]["value"] = ON
        return context

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        """Put the hidden "off" before the tick."""
        hidden = format_html('<input type="hidden" name="{}" value="{}">', name, OFF)
        return hidden + super().render(name, value, attrs, renderer)


class DaysInput(forms.CheckboxSelectMultiple):
    """A tick per day; days written in one text, as an address has them, are told apart."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[str]:
        """Return the days that were ticked or written."""
        given = data.getlist(name) if hasattr(data, "getlist") else [data.get(name, "")]
        return " ".join(given).replace(",", " ").upper().split()


class DaysField(forms.MultipleChoiceField):
    """Days of the week; none stands for every day."""

    widget = DaysInput

    def prepare_value(self, value: Any) -> Any:
        """Take stored days apart."""
        return value.split() if isinstance(value, str) else value

    def clean(self, value: Any) -> str:
        """Return the days as a version stores them."""
        return " ".join(super().clean(value))


class ScheduleMixin(ParameterForm):
    """When a strategy may enter, among its parameters; what is empty restricts nothing."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._schedule(ON_DAYS, DaysField(label="Days", choices=DAY_NAMES, required=False))
        clock = {"type": "time"}
        for name, label in ((FROM, "From"), (UNTIL, "Until")):
            self._schedule(name, _typed(label, forms.TimeInput(attrs=clock, format="%H:%M")))
        count = {"inputmode": "numeric", "autocomplete": "off"}
        for name, label, hint in (
            (SKIP_MINUTES, "Wait after the open", "Minutes from the open of the day’s first bar."),
            (EVERY_BARS, "Bars between additions", f"At least so many; 2 to {MOST_BARS}."),
        ):
            self._schedule(name, _typed(label, forms.TextInput(attrs=count), hint))

    def clean(self) -> dict[str, Any]:
        """Put what a schedule does not allow next to its field."""
        cleaned = super().clean() or {}
        for name in SCHEDULED:
            try:
                schedule_convert(self.spec.key, name, cleaned.get(PARAMETER_PREFIX + name))
            except EngineError as error:
                self.add_error(PARAMETER_PREFIX + name, fault_words(str(error)))
        return cleaned

    def parameters(self) -> dict[str, Any]:
        """Return the parameters as typed, with the parts of the schedule that are not empty."""
        typed = {name: self.cleaned_data[PARAMETER_PREFIX + name] for name in SCHEDULED}
        return super().parameters() | {name: value for name, value in typed.items() if value}

    @property
    def days_field(self) -> Any:
        """Return the bound days."""
        return self[PARAMETER_PREFIX + ON_DAYS]

    @property
    def schedule_fields(self) -> list[Any]:
        """Return the bound fields behind the days."""
        return [self[PARAMETER_PREFIX + name] for name in SCHEDULED[1:]]

    def _schedule(self, name: str, field: forms.Field) -> None:
        self.fields[PARAMETER_PREFIX + name] = field


class VersionForm(ScheduleMixin, TermsMixin):
    """Changed parameters of a strategy, own values per regime, switches, terms, name and note."""

    name = forms.CharField(
        label="Name",
        required=False,
        help_text="Also of what runs; renaming makes no version.",
        widget=forms.TextInput(attrs={"maxlength": NAME_LENGTH, "autocomplete": "off"}),
    )
    note = forms.CharField(
        label="Note", max_length=200, required=False, help_text="Why you changed it; optional."
    )

    def __init__(self, spec: StrategySpec, rows: Sequence[GridRow], *args: Any, **options: Any):
        super().__init__(spec, *args, **options)
        self.rows = rows
        self.regime_parameters = [
            _regime_parameter(row, regime, value)
            for row in rows
            for regime, value in zip(Regime, row.suggested, strict=True)
        ]
        for parameter in self.regime_parameters:
            self.fields[PARAMETER_PREFIX + parameter.key] = _regime_field(parameter)
        for row in rows:
            if row.has_switch:
                self.fields[_switch(row)] = _switch_field(row)

    def checked_parameters(self) -> list[Parameter]:
        """Return the parameters of the rule and those of each regime."""
        return [*super().checked_parameters(), *self.regime_parameters]

    def parameters(self) -> dict[str, Any]:
        """Return the parameters as typed, the values per regime not left empty, the switches."""
        own = {
            parameter.key: self.cleaned_data[PARAMETER_PREFIX + parameter.key]
            for parameter in self.regime_parameters
        }
        switches = {
            f"{row.name}.{SWITCH}": self.cleaned_data[_switch(row)]
            for row in self.rows
            if row.has_switch
        }
        kept = {key: value for key, value in own.items() if value is not None}
        return super().parameters() | kept | switches

    def clean(self) -> dict[str, Any]:
        """Refuse a name that is none together with all else; whether it is taken is asked last."""
        cleaned = super().clean()
        n_characters = len(self.new_name().strip())
        if not 1 <= n_characters <= NAME_LENGTH:
            self.add_error(
                "name",
                f"the name has {n_characters} characters; 1 to {NAME_LENGTH} are allowed",
            )
        return cleaned

    def new_name(self) -> str:
        """Return the name as typed; the one it has where the form has no field for it."""
        return str(self.data.get("name", self.initial["name"]))

    def adaptive_rows(self) -> list[tuple[GridRow, Any, list[Any], tuple[str, str]]]:
        """Return each row of the grid with its switch, if any, a field per regime, and its words.

        The words are its bounds and what the regimes make of it.
        """
        fields = [self[PARAMETER_PREFIX + parameter.key] for parameter in self.regime_parameters]
        n = len(Regime)
        return [
            (
                row,
                self[_switch(row)] if row.has_switch else None,
                fields[n * k : n * (k + 1)],
                _told(row),
            )
            for k, row in enumerate(self.rows)
        ]


class DeployForm(ScheduleMixin, TermsMixin):
    """A rule put to work on paper: name, instrument, capital, parameters, schedule and terms."""

    key = forms.CharField(widget=forms.HiddenInput, max_length=60)
    client_key = ClientKeyField()
    name = forms.CharField(label="Name", max_length=NAME_LENGTH)
    symbol = forms.ChoiceField(label="Instrument")
    capital = LocalDecimalField(label="Capital", echo="money:USD")

    def __init__(self, spec: StrategySpec, *args: Any, **options: Any) -> None:
        options.setdefault("initial", {"key": spec.key, "name": spec.name, "capital": "10000"})
        super().__init__(spec, *args, **options)
        self.fields["symbol"] = symbol_field()


def _switch(row: GridRow) -> str:
    return f"{PARAMETER_PREFIX}{row.name}.{SWITCH}"


def _switch_field(row: GridRow) -> forms.Field:
    # Named after its row for whoever hears one field at a time.
    label = parameter_label(_switch(row).removeprefix(PARAMETER_PREFIX))
    return forms.ChoiceField(
        label=label, choices=[(ON, ON), (OFF, OFF)], required=False, widget=Switch()
    )


def _told(row: GridRow) -> tuple[str, str]:
    low, high = (parameter_text(row.name, value) for value in (row.low, row.high))
    words = shares_in(row.in_words) if is_share(row.name) else row.in_words
    return f"{low} to {high}", words


def _typed(label: str, widget: forms.Widget, hint: str = "") -> forms.Field:
    return forms.CharField(
        label=label, required=False, max_length=40, widget=widget, help_text=hint
    )


def _regime_parameter(row: GridRow, regime: Regime, suggested: float) -> Parameter:
    return Parameter(
        key=f"{row.name}.{regime.value}",
        kind=INT if row.is_whole else FLOAT,
        default=suggested,
        meaning=parameter_label(f"{row.name}.{regime.value}"),
        low=row.low,
        high=row.high,
    )


def _regime_field(parameter: Parameter) -> forms.Field:
    field = number_field(parameter.key)(label=parameter.meaning, echo="", required=False)
    default = float(parameter.default)
    shown = share_typed(default) if is_share(parameter.key) else f"{default:g}"
    field.widget.attrs["placeholder"] = shown
    return field
