"""What others did to a strategy's position, until its next decision has told it.

INPUT    sales of units that a strategy holds, made by somebody else
OUTPUT   a memory of them, and the sentence that tells it
LOOKBACK since the last decision
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from trading.engine.types import Fill

_SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class OutsideSales:
    """Units of a position that others sold since the last decision.

    Attributes
    ----------
    held : float
        Units before the first of the sales, > 0.
    quantity : float
        Units sold in all, > 0 after the first.
    n_sales : int
        Executions.
    first_at, last_at : int
        When the first and the last were executed, nanoseconds UTC.
    """

    held: float
    quantity: float
    n_sales: int
    first_at: int
    last_at: int

    def sentence(self, quantity: float, *, is_overruled: bool) -> str:
        """Say what was sold and how the strategy goes on.

        Parameters
        ----------
        quantity : float
            Units held now.
        is_overruled : bool
            As in the state: whether the sales still bind the strategy.

        Examples
        --------
        >>> sold = OutsideSales(200.0, 120.0, 1, 0, 0)
        >>> sold.sentence(80.0, is_overruled=True)[:60]
        '120 of its 200 units were sold by hand on 1970-01-01; the st'
        >>> OutsideSales(2.5, 2.5, 2, 0, 86_400 * _SECOND).sentence(0.0, is_overruled=True)[:75]
        'all of its 2.5 units were sold by hand between 1970-01-01 and 1970-01-02; t'
        """
        is_all = self.quantity >= self.held
        part = "all" if is_all else units_text(self.quantity)
        sold = f"{part} of its {units_text(self.held)} units were sold by hand {self._when}"
        if quantity != 0.0:
            after = f"the strategy goes on with {units_text(quantity)} and adds nothing to them"
        elif is_overruled:
            after = "the strategy is flat and waits for a fresh signal"
        elif is_all:
            after = "the strategy is flat, and its next signal is a fresh one"
        else:
            after = "its own order sold the rest"
        return f"{sold}; {after}"

    @property
    def _when(self) -> str:
        first, last = _date(self.first_at), _date(self.last_at)
        return f"on {first}" if first == last else f"between {first} and {last}"


def sales_after(sales: OutsideSales | None, held: float, fill: Fill) -> OutsideSales:
    """Return the memory after one more sale; ``held`` are the units before it, > 0.

    Examples
    --------
    >>> from trading.engine.types import OrderSide
    >>> sale = Fill("1", "SPX", OrderSide.SELL, 3.0, 10.0, 0.0, bar=0, filled_at=7)
    >>> sales_after(sales_after(None, 9.0, sale), 6.0, sale)
    OutsideSales(held=9.0, quantity=6.0, n_sales=2, first_at=7, last_at=7)
    """
    if sales is None:
        return OutsideSales(held, fill.quantity, 1, fill.filled_at, fill.filled_at)
    return OutsideSales(
        sales.held,
        sales.quantity + fill.quantity,
        sales.n_sales + 1,
        min(sales.first_at, fill.filled_at),
        max(sales.last_at, fill.filled_at),
    )


def units_text(quantity: float) -> str:
    """Write units for a sentence: thousands separated, up to eight places, no trailing zeros.

    Examples
    --------
    >>> units_text(1_200.0), units_text(0.25)
    ('1,200', '0.25')
    """
    text = f"{quantity:,.8f}"
    return text.rstrip("0").rstrip(".")


def _date(at: int) -> str:
    return f"{dt.datetime.fromtimestamp(at // _SECOND, dt.UTC):%Y-%m-%d}"
