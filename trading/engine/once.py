"""What is computed from a series once, however often it is asked for.

INPUT    a pure function of `Bars` and a few hashable values
OUTPUT   the same function; what it returned is kept while those bars live
LOOKBACK that of the function

Trials of one search, reruns of one backtest and strategies on one chart ask the same of the same
bars. Values are found by the identity of the `Bars`, which never change, and end with them; nobody
may write into an array that came from here.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import wraps
from threading import Lock
from typing import Concatenate, ParamSpec, TypeVar, cast
from weakref import WeakKeyDictionary

from marketdata.types import Bars

MOST_VALUES = 4

P = ParamSpec("P")
T = TypeVar("T")
OfBars = Callable[Concatenate[Bars, P], T]


def once_per_bars(function: OfBars[P, T]) -> OfBars[P, T]:
    """Compute a function of bars once for each set of its other arguments.

    Parameters
    ----------
    function : callable
        Pure; takes `Bars` first, the rest by position and hashable. What it returns must not hold
        the bars themselves, which would keep both alive.

    Returns
    -------
    callable
        Equal results. For each series the newest ``MOST_VALUES`` are kept.

    Examples
    --------
    >>> import numpy as np
    >>> price = np.array([1.0, 2.0])
    >>> bars = Bars("X", "1d", np.arange(2), price, price, price, price, price)
    >>> doubled = once_per_bars(lambda bars, times: times * bars.close)
    >>> doubled(bars, 2.0) is doubled(bars, 2.0), doubled(bars, 3.0).tolist()
    (True, [3.0, 6.0])
    """
    kept: WeakKeyDictionary[Bars, OrderedDict[tuple[object, ...], T]] = WeakKeyDictionary()
    lock = Lock()

    @wraps(function)
    def once(bars: Bars, *args: P.args, **kwargs: P.kwargs) -> T:
        if kwargs:
            raise TypeError(f"{function.__name__} takes its arguments by position")
        with lock:
            values = kept.get(bars)
            if values is None:
                values = kept.setdefault(bars, OrderedDict())
            if args in values:
                values.move_to_end(args)
                return values[args]
        # Outside: two threads may compute the same, but none waits for what another computes.
        found = function(bars, *args, **kwargs)
        with lock:
            values[args] = found
            if len(values) > MOST_VALUES:
                values.popitem(last=False)
        return found

    return cast(OfBars[P, T], once)
