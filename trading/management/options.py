"""Options that several commands read the same way: bars, name=value pairs, what ends a run."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError
from django.utils import timezone

from elson.common.commands import REFUSED, USAGE

# The engine takes a second to import, so `--help` and a wrong option do not wait for it.
if TYPE_CHECKING:
    from accounts.models import User
    from marketdata.types import Bars
    from trading.services.backtests.drafts import BacktestDraft


def bars_add(parser: ArgumentParser) -> None:
    """Declare which bars: files or stored series, their span, the price orders meet."""
    add = parser.add_argument
    add("--data", metavar="FILE", type=Path, action="append", default=[],
        help="CSV, CSV.GZ or Parquet; no database is used; repeatable for one account")  # fmt: skip
    add("--symbol", metavar="S", action="append", default=[],
        help="instrument in the database, or name for --data; repeatable likewise")  # fmt: skip
    add("--timeframe", metavar="T", default="",
        help="1m 5m 15m 1h 1d (default: 1d, or the file's)")  # fmt: skip
    add("--start", metavar="DATE", help="first day, YYYY-MM-DD")
    add("--end", metavar="DATE", help="last day, inclusive")
    add("--exec-price", choices=("open", "close"), default="open",
        help="price of the next bar that orders meet; close for close-only series")  # fmt: skip


def charges_add(parser: ArgumentParser) -> None:
    """Declare the two costs and the cash every run has."""
    add = parser.add_argument
    add("--commission-bps", metavar="N", default="0", help="per side, basis points (default 0)")
    add("--slippage-bps", metavar="N", default="0", help="per side, basis points (default 0)")
    add("--cash", metavar="N", default="100000", help="starting cash (default 100000)")


def symbol_of(options: dict[str, Any]) -> str:
    """Return the first symbol; a word for it where a file needs none."""
    return options["symbol"][0] if options["symbol"] else "FILE"


def user_named(email: str) -> User:
    """Return the person of an address; refuse one nobody has."""
    from accounts.selectors import user_get_by_email

    user = user_get_by_email(email)
    if user is None:
        raise CommandError(f"There is no user {email!r}.", returncode=REFUSED)
    return user


def bars_check(options: dict[str, Any]) -> None:
    """Refuse a call that names no bars."""
    if not options["data"] and not options["symbol"]:
        raise CommandError("Name the bars: --data FILE or --symbol S.", returncode=USAGE)


def bars_read(draft: BacktestDraft, options: dict[str, Any]) -> list[Bars]:
    """Read every series asked for, from the files or else from the database."""
    if not options["data"]:
        from trading.services.backtests.loading import bars_stored

        return [
            bars_stored(
                symbol=symbol,
                timeframe=draft.timeframe,
                start=draft.start_date,
                end=draft.end_date,
            )
            for symbol in draft.symbols or (draft.symbol,)
        ]
    from trading.services.backtests.files import bars_from_file

    return [
        bars_from_file(
            path=path,
            symbol=options["symbol"][0] if options["symbol"] else "",
            timeframe=options["timeframe"],
            exec_price=options["exec_price"].upper(),
            start=draft.start_date,
            end=draft.end_date,
            now=timezone.now(),
        )
        for path in options["data"]
    ]


def pairs_read(option: str, given: list[str]) -> dict[str, str]:
    """Read ``name=value`` pairs; raise CommandError for another form or a name given twice."""
    pairs: dict[str, str] = {}
    for pair in given:
        name, mark, value = (part.strip() for part in pair.partition("="))
        if not mark or not name or not value:
            raise CommandError(f"{option} {pair!r} must be written name=value.", returncode=USAGE)
        if name in pairs:
            raise CommandError(f"{option} {name} is given twice.", returncode=USAGE)
        pairs[name] = value
    return pairs


def refusals() -> tuple[type[Exception], ...]:
    """Return the errors that refuse what was asked for, with one sentence."""
    from elson.common.errors import DomainError
    from marketdata.types import BarsError
    from trading.engine.errors import EngineError

    return DomainError, EngineError, BarsError


def outages() -> tuple[type[Exception], ...]:
    """Return the errors of a database that does not answer."""
    from django.db import DatabaseError

    return (DatabaseError,)
