"""Parameters that are shares: people read and type 95%, rules and addresses have 0.95."""

from __future__ import annotations

import re
from typing import Any

from elson.common import formatting
from elson.common.errors import DomainError

SHARES = frozenset(
    {
        "target_volatility",
        "max_weight",
        "pullback_share",
        "no_trade_band",
        "range_share",
        "veto_share",
        "least_share",
        "breaker_daily_loss",
        "breaker_drawdown",
        # Limits of a version, and of a search.
        "max_position_weight",
        "max_gross_exposure",
        "max_daily_loss_ratio",
        "holdout_share",
        "deepest_drawdown",
    }
)
MOST_PLACES = 4
NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w.]*\d)")


def is_share(key: str) -> bool:
    """Tell whether a parameter, or its value in one regime, is written in percent.

    Examples
    --------
    >>> is_share("max_weight"), is_share("veto_share.HIGH"), is_share("stop_atr")
    (True, True, False)
    """
    return key.partition(".")[0] in SHARES


def share_text(value: Any) -> str:
    """Write a share in percent with the digits it needs.

    Examples
    --------
    >>> share_text(0.95), share_text(0.005), share_text(-1.0)
    ('95%', '0.5%', '−100%')
    """
    percent = f"{float(value) * 100.0:.{MOST_PLACES}f}".rstrip("0").rstrip(".")
    _, _, decimals = percent.partition(".")
    return formatting.percent(value, len(decimals))


def share_typed(value: Any) -> str:
    """Write a share as a field holds it; what is no number stays as it is.

    Examples
    --------
    >>> share_typed(0.025), share_typed("0.5"), share_typed("60%"), share_typed("many")
    ('2.5%', '50%', '60%', 'many')
    """
    try:
        percent = float(value) * 100.0
    except (TypeError, ValueError):
        return str(value)
    return f"{percent:.10g}%"


def share_read(text: Any) -> Any:
    """Return what percent typed stand for, as a plain number; anything else as it is.

    Examples
    --------
    >>> share_read("95%"), share_read("2.5 %"), share_read("0.95"), share_read("x%")
    ('0.95', '0.025', '0.95', 'x%')
    """
    written = text.strip() if isinstance(text, str) else ""
    if not written.endswith("%"):
        return text
    try:
        return f"{(formatting.parse_decimal(written[:-1]) / 100).normalize():f}"
    except DomainError:
        return text


def shares_in(message: str) -> str:
    """Write the numbers of a sentence about a share in percent.

    Examples
    --------
    >>> shares_in("low 0.9 must not be above high 0.5")
    'low 90% must not be above high 50%'
    """
    return NUMBER.sub(lambda found: share_text(found[0]), message)
