"""Forms of the trading pages: they read what a person typed, services judge it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django import forms

from elson.common.errors import DomainError
from elson.common.formatting import parse_decimal
from marketdata.selectors import instrument_list
from trading.engine.errors import EngineError
from trading.engine.strategies.base import Parameter, StrategySpec, parameter_convert
from trading.engine.types import OrderSide, OrderType, TimeInForce
from trading.selectors.parameter_shares import is_share, share_read, share_text, share_typed
from trading.selectors.parameter_words import (
    bounds_words,
    choice_words,
    fault_words,
    parameter_label,
    unit_words,
)
from trading.services.backtests.drafts import BacktestInvalid, costs_read
from trading.services.own_limits import OWN_LIMITS, OwnLimit, OwnLimitInvalid, limits_read

ORDER_TYPES = [
    (OrderType.MARKET.value, "Market: fills at the next bar's open"),
    (OrderType.LIMIT.value, "Limit: this price or better"),
    (OrderType.STOP_MARKET.value, "Stop: market order once this price is touched"),
    (OrderType.STOP_LIMIT.value, "Stop-limit: limit order once the stop is touched"),
]
TIMES_IN_FORCE = [
    (TimeInForce.GTC.value, "Until canceled"),
    (TimeInForce.DAY.value, "This day only"),
    (TimeInForce.IOC.value, "Immediately, cancel the rest"),
    (TimeInForce.FOK.value, "All at once or not at all"),
]

PARAMETER_PREFIX, LIMIT_PREFIX, COST_PREFIX = "p_", "limit_", "cost_"
COST_FLAGS = ("has_regime_costs", "has_usual_slippage")
COST_LABELS = {
    "has_regime_costs": ("Usual costs of the market", "", "By asset class and regime."),
    "commission_bps": ("Commission a side", "bp", ""),
    "slippage_bps": ("Slippage a side", "bp", ""),
    "spread_bps": ("Half spread a side", "bp", ""),
    "commission_per_unit": ("Commission a unit", "", ""),
    "commission_minimum": ("Least commission", "", ""),
    "range_share": ("Slippage by range", "", "Share of the signal bar’s range, 0 to 1."),
    "impact": ("Impact", "", "× a bar’s volatility × √(quantity ÷ volume)."),
    "has_usual_slippage": ("Usual slippage and impact", "", "With the usual costs alone."),
    "borrow_bps_per_day": ("Borrow a day", "bp", "Of shorts."),
    "financing_bps_per_year": ("Financing a year", "bp", ""),
}


class LocalDecimalField(forms.CharField):
    """A decimal as this person writes numbers; ambiguous ones are asked back."""

    def __init__(self, *, echo: str = "qty", **options: Any) -> None:
        widget = forms.TextInput(
            attrs={"inputmode": "decimal", "autocomplete": "off", "data-echo": echo}
        )
        super().__init__(widget=widget, max_length=40, **options)

    def prepare_value(self, value: Any) -> Any:
        """Write a whole number without its empty decimals; what was typed stays as it is."""
        return int(value) if isinstance(value, float) and value.is_integer() else value

    def clean(self, value: Any) -> Decimal | None:
        """Return the number, None for an empty optional field."""
        text = super().clean(value)
        if not text:
            return None
        try:
            return parse_decimal(text)
        except DomainError as error:
            raise forms.ValidationError(error.message, code=error.code) from error


class ShareField(LocalDecimalField):
    """A share in percent; a number without the sign is the share itself: 95% or 0.95."""

    def __init__(self, *, echo: str = "share", **options: Any) -> None:
        super().__init__(echo=echo or "share", **options)

    def prepare_value(self, value: Any) -> Any:
        """Write a number in percent; what was typed stays as it is."""
        return value if isinstance(value, str) or value is None else share_typed(value)

    def clean(self, value: Any) -> Decimal | None:
        """Return the share."""
        return super().clean(share_read(value))


class ClientKeyField(forms.CharField):
    """A hidden key, new for each form that is shown: however many clicks, one thing is made."""

    def __init__(self) -> None:
        super().__init__(
            widget=forms.HiddenInput,
            max_length=80,
            required=False,
            initial=lambda: uuid.uuid4().hex,
        )


class TicketForm(forms.Form):
    """An order as typed: side, quantity, type and prices."""

    side = forms.ChoiceField(
        choices=[(OrderSide.BUY.value, "Buy"), (OrderSide.SELL.value, "Sell")],
        widget=forms.RadioSelect,
        initial=OrderSide.BUY.value,
    )
    quantity = LocalDecimalField(label="Quantity")
    order_type = forms.ChoiceField(
        label="Order type", choices=ORDER_TYPES, initial=OrderType.MARKET.value
    )
    limit_price = LocalDecimalField(label="Limit price", echo="money:USD", required=False)
    stop_price = LocalDecimalField(label="Stop price", echo="money:USD", required=False)
    time_in_force = forms.ChoiceField(
        label="Time in force", choices=TIMES_IN_FORCE, initial=TimeInForce.GTC.value
    )

    def clean(self) -> dict[str, Any]:
        """Leave out a price the chosen type does not use: the page hides its field."""
        cleaned = super().clean() or {}
        kind = cleaned.get("order_type")
        if kind not in (OrderType.LIMIT, OrderType.STOP_LIMIT):
            cleaned["limit_price"] = None
        elif cleaned.get("limit_price") is None and "limit_price" not in self.errors:
            self.add_error("limit_price", "Enter the limit price.")
        if kind not in (OrderType.STOP_MARKET, OrderType.STOP_LIMIT):
            cleaned["stop_price"] = None
        elif cleaned.get("stop_price") is None and "stop_price" not in self.errors:
            self.add_error("stop_price", "Enter the stop price.")
        return cleaned


class SendForm(forms.Form):
    """A reviewed order on its way out: exact values, the preview it was judged by, one key."""

    symbol = forms.CharField(max_length=24)
    side = forms.CharField(max_length=4)
    quantity = forms.DecimalField(max_digits=24, decimal_places=8)
    order_type = forms.CharField(max_length=12)
    limit_price = forms.DecimalField(max_digits=24, decimal_places=8, required=False)
    stop_price = forms.DecimalField(max_digits=24, decimal_places=8, required=False)
    time_in_force = forms.CharField(max_length=3)
    client_order_id = forms.CharField(max_length=80)
    previewed_price = forms.DecimalField(max_digits=24, decimal_places=8)
    previewed_at = forms.DateTimeField()


def new_order_key() -> str:
    """Key that makes one order of however many clicks."""
    return f"web-{uuid.uuid4().hex}"


class ParameterForm(forms.Form):
    """The parameters of a rule, each checked against its bounds next to its field."""

    def __init__(self, spec: StrategySpec, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.spec = spec
        for parameter in spec.parameters:
            self.fields[PARAMETER_PREFIX + parameter.key] = _parameter_field(parameter)

    def clean(self) -> dict[str, Any]:
        """Put what a parameter does not allow next to its field."""
        cleaned = super().clean() or {}
        for parameter in self.checked_parameters():
            name = PARAMETER_PREFIX + parameter.key
            if cleaned.get(name) is None:
                continue
            try:
                parameter_convert(self.spec.key, parameter, cleaned[name])
            except EngineError as error:
                self.add_error(name, fault_words(str(error)))
        return cleaned

    def checked_parameters(self) -> list[Parameter]:
        """Return every parameter whose bounds the form knows."""
        return list(self.spec.parameters)

    def parameters(self) -> dict[str, Any]:
        """Return the parameters as typed; the service checks them together."""
        return {
            parameter.key: self.cleaned_data[PARAMETER_PREFIX + parameter.key]
            for parameter in self.spec.parameters
        }

    def parameter_fields(self) -> list[tuple[Any, str]]:
        """Return the bound field of each parameter with its unit, in the rule's order."""
        return [(self[PARAMETER_PREFIX + p.key], unit_words(p)) for p in self.spec.parameters]


class TermsMixin(forms.Form):
    """A version's own risk limits and the costs of its backtests; services judge the texts.

    `account` has the portfolio's limits, which the own ones may only tighten.
    """

    def __init__(self, *args: Any, account: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.account = account
        for limit in OWN_LIMITS:
            self.fields[LIMIT_PREFIX + limit.name] = _limit_field(limit, account)
        for name, (label, _, hint) in COST_LABELS.items():
            kind = forms.BooleanField if name in COST_FLAGS else forms.CharField
            self.fields[COST_PREFIX + name] = kind(label=label, required=False, help_text=hint)

    def clean(self) -> dict[str, Any]:
        """Put what the services refuse next to its field."""
        cleaned = super().clean() or {}
        try:
            limits_read(self.limits(), self.account)
        except OwnLimitInvalid as error:
            self._refuse(LIMIT_PREFIX, error.data["errors"])
        try:
            costs_read(self.costs())
        except BacktestInvalid as error:
            self._refuse(COST_PREFIX, error.data["errors"])
        return cleaned

    def limits(self) -> dict[str, Any]:
        """Return the own limits as typed; what is empty is left to the portfolio."""
        return {name: share_read(value) for name, value in self._typed(LIMIT_PREFIX).items()}

    def costs(self) -> dict[str, Any]:
        """Return the costs as typed; nothing at all stands for the usual ones."""
        return self._typed(COST_PREFIX)

    def limit_fields(self) -> list[tuple[Any, str]]:
        """Return the bound fields of the limits with their units."""
        units = {"ratio": "", "money": "USD", "count": ""}
        return [(self[LIMIT_PREFIX + limit.name], units[limit.unit]) for limit in OWN_LIMITS]

    def cost_fields(self) -> list[tuple[Any, str]]:
        """Return the bound fields of the costs with their units."""
        return [(self[COST_PREFIX + name], unit) for name, (_, unit, _) in COST_LABELS.items()]

    @property
    def has_more_costs(self) -> bool:
        """Tell whether the rarer costs are in use or at fault, so that they are shown open."""
        rare = [bound for bound, _ in self.cost_fields()[3:]]
        return any(bound.value() or bound.errors for bound in rare)

    def _typed(self, prefix: str) -> dict[str, Any]:
        return {
            name.removeprefix(prefix): value
            for name, value in self.cleaned_data.items()
            if name.startswith(prefix) and value not in (None, "", False)
        }

    def _refuse(self, prefix: str, faults: Mapping[str, str]) -> None:
        for name, message in faults.items():
            self.add_error(prefix + name, message)


def terms_initial(limits: Mapping[str, Any], costs: Mapping[str, Any]) -> dict[str, Any]:
    """Return a version's limits and costs under the names of the form's fields."""
    ratios = {limit.name for limit in OWN_LIMITS if limit.unit == "ratio"}
    named = {
        LIMIT_PREFIX + name: share_typed(value) if name in ratios else f"{value:g}"
        for name, value in limits.items()
    }
    return named | {
        COST_PREFIX + name: value if value is True else f"{value:g}"
        for name, value in costs.items()
    }


class RunForm(forms.Form):
    """Where a version is put to work, and with how much."""

    client_key = ClientKeyField()
    symbol = forms.ChoiceField(label="Instrument")
    capital = LocalDecimalField(label="Capital", echo="money:USD", initial="10000")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["symbol"] = symbol_field()


def _limit_field(limit: OwnLimit, account: Any) -> forms.CharField:
    cap = float(getattr(account, limit.name))
    hint = f"The portfolio’s is {limit.text(cap)}."
    if limit.unit == "ratio":
        hint = f"Of equity: 10% or 0.1. The portfolio’s is {share_text(cap)}."
    return forms.CharField(
        label=limit.label,
        required=False,
        max_length=40,
        help_text=hint,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
    )


def symbol_field() -> forms.ChoiceField:
    """Offer the instruments that can be traded."""
    tradable = [item for item in instrument_list() if item.is_tradable]
    return forms.ChoiceField(
        label="Instrument",
        choices=[(item.symbol, f"{item.symbol} · {item.name}") for item in tradable],
    )


def number_field(key: str) -> type[LocalDecimalField]:
    """Return the kind of field in which a parameter's number is typed."""
    return ShareField if is_share(key) else LocalDecimalField


def _parameter_field(parameter: Parameter) -> forms.Field:
    label = parameter_label(parameter.key)
    if parameter.choices:
        return forms.ChoiceField(
            label=label,
            choices=[(choice, choice_words(parameter.key, choice)) for choice in parameter.choices],
            initial=parameter.default,
            help_text=parameter.meaning,
        )
    told = bounds_words(parameter)
    bounds = f" {told}." if told else ""
    return number_field(parameter.key)(
        label=label, echo="", initial=parameter.default, help_text=f"{parameter.meaning}.{bounds}"
    )
