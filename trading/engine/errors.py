"""Errors of the engine: each names the value, its place and the limit it broke."""


class EngineError(ValueError):
    """Base of everything the engine refuses; `code` is stable, the message is for people.

    `parameter` names the strategy's parameter at fault, "" where it is none or not one alone.
    """

    code = "engine_error"
    parameter = ""


class UnknownStrategy(EngineError):
    """No strategy is registered under the given key."""

    code = "strategy_unknown"


class ParameterInvalid(EngineError):
    """A strategy parameter is unknown, of the wrong kind or outside its bounds."""

    code = "parameter_invalid"


class InsufficientBars(EngineError):
    """Fewer bars than the calculation needs."""

    code = "bars_insufficient"


class NonFiniteInput(EngineError):
    """NaN or infinity where a number is needed."""

    code = "input_not_finite"


class ConfigInvalid(EngineError):
    """A setting of a backtest, cost model or sizing rule is outside its bounds."""

    code = "config_invalid"


class GridTooLarge(EngineError):
    """A sweep has more combinations than its caller allows."""

    code = "grid_too_large"


class OrderInvalid(EngineError):
    """An order misses a price it needs or carries an impossible one."""

    code = "order_invalid"


class StateInvalid(EngineError):
    """A stored strategy state cannot be read back."""

    code = "state_invalid"


class TransitionInvalid(EngineError):
    """An order status cannot follow the one before it."""

    code = "transition_invalid"


class StrategyInvalid(EngineError):
    """A strategy that cannot be registered."""

    code = "strategy_invalid"


class StrategyFaulty(EngineError):
    """A developer's own strategy raised, or returned what cannot be used; names it and its bar."""

    code = "strategy_faulty"
