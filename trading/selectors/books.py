"""The ledger as a list that pages cut from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

from trading.models import Portfolio
from trading.selectors.ledger import LedgerRow, ledger_rows


class LedgerListing(Sequence[LedgerRow]):
    """Rows of one account, newest first; reads only the page that is asked for."""

    def __init__(self, portfolio: Portfolio, kind: str) -> None:
        self._portfolio = portfolio
        self._kind = kind
        self._n_rows = ledger_rows(portfolio, kind=kind, page=1, size=1)[1]

    def __len__(self) -> int:
        return self._n_rows

    @overload
    def __getitem__(self, index: int) -> LedgerRow: ...
    @overload
    def __getitem__(self, index: slice) -> list[LedgerRow]: ...
    def __getitem__(self, index: int | slice) -> LedgerRow | list[LedgerRow]:
        if isinstance(index, int):
            return ledger_rows(self._portfolio, kind=self._kind, page=index + 1, size=1)[0][0]
        start, stop, _ = index.indices(self._n_rows)
        size = stop - start
        if size <= 0:
            return []
        # Pages are numbered by their size; a last, shorter page is cut from its full one.
        whole = max(size, (index.stop or stop) - start)
        return ledger_rows(self._portfolio, kind=self._kind, page=start // whole + 1, size=whole)[0]

    def __iter__(self) -> Iterator[LedgerRow]:
        if self._n_rows:
            rows, _ = ledger_rows(self._portfolio, kind=self._kind, page=1, size=self._n_rows)
            yield from rows


def ledger_listing(portfolio: Portfolio, *, kind: str) -> LedgerListing:
    """Return the postings of one account of a portfolio."""
    return LedgerListing(portfolio, kind)
