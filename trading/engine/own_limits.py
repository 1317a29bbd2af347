"""Limits a strategy sets itself: what it asks for is cut to them, with the limit's own sentence.

INPUT    the wanted weight, what is held, the account it trades in
OUTPUT   the weight the limits leave, and why
LOOKBACK the equity at the begin of the day

They bind what adds risk. A position that has grown past a limit by itself is not sold, and getting
out is always possible. The same function cuts in the backtest and in the live runner.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import NamedTuple

from trading.engine.errors import ConfigInvalid
from trading.engine.explanation import RuleResult
from trading.engine.types import RuleStatus

SIZE_LIMIT, LOSS_LIMIT = "SIZE_LIMIT", "LOSS_LIMIT"
BY_ITSELF = "set by the strategy itself"


@dataclass(frozen=True, slots=True)
class OwnLimits:
    """Limits of one strategy; None leaves one to the account.

    Attributes
    ----------
    max_position_weight : float or None
        Largest size of the position, share of the account's equity, > 0.
    max_gross_exposure : float or None
        Largest worth of all positions of the account together, share of its equity, > 0.
    max_order_notional : float or None
        Largest worth of one order that adds risk, currency, > 0.
    max_daily_loss_ratio : float or None
        Loss since the begin of the day, share of that equity, from which nothing is added, > 0.

    Raises
    ------
    ConfigInvalid
        When a limit is no finite number above 0.

    Examples
    --------
    >>> OwnLimits(max_position_weight=0.2).is_empty, OwnLimits().is_empty
    (False, True)
    """

    max_position_weight: float | None = None
    max_gross_exposure: float | None = None
    max_order_notional: float | None = None
    max_daily_loss_ratio: float | None = None

    def __post_init__(self) -> None:
        """Refuse what is no limit."""
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None and not 0.0 < value < math.inf:
                raise ConfigInvalid(f"{field.name} {value} must be a finite number above 0")

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing is limited."""
        # Asked at every bar, mostly of the very limits that limit nothing.
        return self is NO_LIMITS or self == NO_LIMITS


NO_LIMITS = OwnLimits()


class AccountView(NamedTuple):
    """The account a strategy trades in, currency and signed units.

    `gross_exposure` is the worth of everything held, with what others have on order, and `quantity`
    all that is held of the instrument, the strategy's own part included in both.
    """

    equity: float
    gross_exposure: float
    quantity: float
    day_start_equity: float


class Cut(NamedTuple):
    """What the limits leave: a weight, and where they cut, the rule and the sentence of why."""

    weight: float
    rule: str = ""
    because: str = ""


def cut_to_limits(
    weight: float,
    limits: OwnLimits,
    account: AccountView,
    *,
    equity: float,
    quantity: float,
    close: float,
) -> Cut:
    """Return the weight of a book that its strategy's own limits leave.

    Parameters
    ----------
    weight : float
        Wanted, signed share of the book's own equity.
    limits : OwnLimits
        See there.
    account : AccountView
        What the limits are measured against: the book itself, or the account around it.
    equity, quantity : float
        The book's own equity in currency and its signed units.
    close : float
        Price per unit, > 0.

    Returns
    -------
    Cut
        The same weight with an empty rule where nothing binds; never more than ``weight`` in size
        and never less than what is held, unless less was wanted.

    Examples
    --------
    >>> account = AccountView(1_000.0, 0.0, 0.0, 1_000.0)
    >>> cut = cut_to_limits(
    ...     0.5, OwnLimits(max_position_weight=0.2), account, equity=1_000.0, quantity=0.0,
    ...     close=10.0,
    ... )
    >>> cut.weight, cut.because
    (0.2, 'largest position 20.0% of equity, set by the strategy itself')
    """
    held = abs(quantity) * close if weight * quantity > 0.0 else 0.0
    if equity <= 0.0 or abs(weight) * equity <= held:
        return Cut(weight)
    loss = _loss_sentence(limits, account)
    if loss:
        return Cut(math.copysign(held / equity, weight), LOSS_LIMIT, f"{loss}, {BY_ITSELF}")
    side = math.copysign(1.0, weight)
    own = side * quantity * close
    caps = _caps(limits, account, side, own, close)
    most = min(caps, key=lambda cap: (cap.room, cap.words), default=None)
    if most is None or abs(weight) * equity <= most.room:
        return Cut(weight)
    left = max(most.room, held) / equity
    return Cut(math.copysign(left, weight), SIZE_LIMIT, f"{most.words}, {BY_ITSELF}")


def _loss_sentence(limits: OwnLimits, account: AccountView) -> str:
    """Say that the day's loss has used its limit up; empty where it has not."""
    ratio, lost = limits.max_daily_loss_ratio, _lost_today(account)
    if ratio is None or lost is None or lost < ratio:
        return ""
    return f"loss today {lost:.1%} has used up the daily loss of {ratio:.1%}"


def _lost_today(account: AccountView) -> float | None:
    """Return the share of the day's first equity that is lost; None where it is unknown."""
    if account.day_start_equity <= 0.0:
        return None
    return 1.0 - account.equity / account.day_start_equity


def limits_told(
    weight: float,
    limits: OwnLimits,
    account: AccountView,
    *,
    equity: float,
    quantity: float,
    close: float,
    whose: str,
) -> list[RuleResult]:
    """Say of each limit whether a wish keeps it; `cut_to_limits` is what they then do.

    Parameters
    ----------
    weight, limits, account, equity, quantity, close
        As for `cut_to_limits`.
    whose : str
        What the limits are measured on, for the sentence.

    Returns
    -------
    list of RuleResult
        FAIL where a limit leaves nothing to add, WARN where it leaves a part. Shares of equity, or
        currency for the largest order.
    """
    held = abs(quantity) * close if weight * quantity > 0.0 else 0.0
    worth = abs(weight) * equity
    adds = equity > 0.0 and worth > held
    found = _loss_told(limits, account, adds=adds, whose=whose)
    side = math.copysign(1.0, weight)
    for cap in _caps(limits, account, side, side * quantity * close, close):
        status = RuleStatus.PASS
        if adds and worth > cap.room:
            status = RuleStatus.FAIL if cap.room <= held else RuleStatus.WARN
        words = {
            RuleStatus.PASS: "is kept" if adds else "is not asked: nothing is added",
            RuleStatus.WARN: "leaves a part",
            RuleStatus.FAIL: "leaves nothing to add",
        }[status]
        sentence = f"{cap.words} {words}, measured on {whose}, {BY_ITSELF}"
        value = cap.value(worth) if cap.scale > 0.0 else math.inf
        found.append(RuleResult(cap.rule, status, value, cap.limit, cap.unit, sentence))
    return found


def _loss_told(
    limits: OwnLimits, account: AccountView, *, adds: bool, whose: str
) -> list[RuleResult]:
    ratio, lost = limits.max_daily_loss_ratio, _lost_today(account)
    if ratio is None or lost is None:
        return []
    is_used_up = lost >= ratio
    status = RuleStatus.PASS
    if is_used_up:
        status = RuleStatus.FAIL if adds else RuleStatus.WARN
    verb = "has used up" if is_used_up else "is within"
    sentence = f"loss today {verb} the daily loss of {ratio:.1%} of {whose}, {BY_ITSELF}"
    return [RuleResult(LOSS_LIMIT, status, lost, ratio, "ratio", sentence)]


class _Cap(NamedTuple):
    """One limit of size: its position is worth ``limit * scale + offset`` at most, currency."""

    rule: str
    words: str
    limit: float
    unit: str
    scale: float
    offset: float

    @property
    def room(self) -> float:
        """Return what the whole position may be worth."""
        return max(self.limit * self.scale + self.offset, 0.0)

    def value(self, worth: float) -> float:
        """Return what a position of that worth comes to, in the unit of the limit."""
        return (worth - self.offset) / self.scale


def _caps(
    limits: OwnLimits, account: AccountView, side: float, own: float, close: float
) -> list[_Cap]:
    """Return what each limit leaves for the whole position.

    ``own`` is what the book holds, currency, positive on the wanted side. What it holds on the
    other side is sold first: it takes room of the order, and none of the account.
    """
    caps, equity = [], account.equity
    if limits.max_position_weight is not None:
        # Others on the other side are no part of the position that the wish makes larger.
        others = max(side * account.quantity * close - own, 0.0)
        words = f"largest position {limits.max_position_weight:.1%} of equity"
        caps.append(
            _Cap("OWN_POSITION", words, limits.max_position_weight, "ratio", equity, -others)
        )
    if limits.max_gross_exposure is not None:
        others = max(account.gross_exposure - abs(own), 0.0)
        words = f"largest gross exposure {limits.max_gross_exposure:.1%} of equity"
        caps.append(
            _Cap("OWN_EXPOSURE", words, limits.max_gross_exposure, "ratio", equity, -others)
        )
    if limits.max_order_notional is not None:
        words = f"largest order {limits.max_order_notional:,.2f}"
        caps.append(_Cap("OWN_ORDER", words, limits.max_order_notional, "money", 1.0, own))
    return caps
