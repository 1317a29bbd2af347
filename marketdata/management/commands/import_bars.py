"""`manage.py import_bars`: bars out of files or packages into the database."""

from __future__ import annotations

import json
import sys
from argparse import RawDescriptionHelpFormatter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError
from django.utils import timezone

from elson.common.progress import Bar
from marketdata import services
from marketdata.providers.base import VENUE_OF_ASSET_CLASS, ProviderError, SeriesOffer
from marketdata.providers.folders import ReadOptions, offers_in
from marketdata.providers.registry import provider_named
from marketdata.types import TIMEFRAME_SECONDS

EXIT_REFUSED = 1
EXIT_LATER = 75
EXIT_INTERRUPTED = 130
SHOWN_FAULTS = 10
EXAMPLES = """
examples:
  manage.py import_bars --source embedded
  manage.py import_bars prices/            (all .csv, .csv.gz, .parquet; manifest.csv if there)
  manage.py import_bars BTCUSD_1H.csv.gz --timeframe 1h --asset-class crypto
  manage.py import_bars spx.csv --symbol SPX_OWN --json

columns: timestamp,open,high,low,close,volume; docs/data.md says how each is checked.
exit: 0 stored or already stored, 1 something was refused, 2 usage, 75 try again later.
"""


class _Line:
    """Progress of one file: how much of it is read, in the unit its reader counts."""

    def __init__(self, symbol: str, source: str) -> None:
        self._label = symbol
        self._unit = "rows" if source.endswith(".parquet") else "bytes"
        self._bar: Bar | None = None

    def show(self, done: int, total: int) -> None:
        """Draw it; the total is known with the first call."""
        if self._bar is None:
            self._bar = Bar(self._label, total=total, unit=self._unit)
        self._bar.show(done)

    def close(self) -> None:
        """Clear the line."""
        if self._bar is not None:
            self._bar.close()


class Command(BaseCommand):
    """Import bars; each file is stored or refused as a whole."""

    help = "Import bars from CSV or Parquet files, or from the packages that carry real prices."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Keep the line breaks of the examples."""
        return super().create_parser(
            prog_name, subcommand, epilog=EXAMPLES, formatter_class=RawDescriptionHelpFormatter,
            **kwargs,
        )  # fmt: skip

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments of contracts.md."""
        parser.add_argument("paths", nargs="*", type=Path, metavar="DIR|FILE")
        parser.add_argument("--source", default="", help="a provider's name: embedded")
        parser.add_argument("--symbol", default="", help="one series only: its symbol")
        parser.add_argument(
            "--timeframe", default="", choices=["", *TIMEFRAME_SECONDS],
            help="length of a bar; default: manifest, then file name, then 1d",
            metavar="|".join(TIMEFRAME_SECONDS),
        )  # fmt: skip
        parser.add_argument(
            "--asset-class", default="", type=str.lower, metavar="CLASS",
            choices=[name.lower() for name in VENUE_OF_ASSET_CLASS],
            help=f"one of {', '.join(VENUE_OF_ASSET_CLASS).lower()}; it decides the venue",
        )  # fmt: skip
        parser.add_argument(
            "--timestamp-is", default="open", choices=["open", "close"],
            help="what an intraday timestamp says (default: open); daily bars are dates",
        )  # fmt: skip
        parser.add_argument(
            "--mode", default="all", choices=["all", "skip"],
            help="all: one bad row refuses the file (default); skip: bad rows are left out",
        )  # fmt: skip
        parser.add_argument("--json", action="store_true", help="one JSON object on stdout")

    def handle(self, *args: Any, **options: Any) -> None:
        """Import everything named; exit by what was refused."""
        if bool(options["paths"]) == bool(options["source"]):
            raise CommandError("Name files or folders, or a --source, and not both.", returncode=2)
        runs: list[dict[str, Any]] = []
        try:
            runs.extend(self._import(offer, options) for offer in self._offers(options))
        except ProviderError as error:
            raise CommandError(str(error), returncode=EXIT_REFUSED) from error
        except OperationalError as error:
            raise CommandError(f"The database refused: {error}", returncode=EXIT_LATER) from error
        except KeyboardInterrupt:
            self.stderr.write("Stopped. Files reported above are stored, the rest is untouched.")
            sys.exit(EXIT_INTERRUPTED)
        self._finish(runs, options)

    def _offers(self, options: dict[str, Any]) -> Iterator[SeriesOffer]:
        if options["source"]:
            wanted = options["symbol"].upper()
            offers = provider_named(options["source"]).offers()
            found = [offer for offer in offers if wanted in ("", offer.spec.symbol)]
            if not found:
                raise CommandError(f"The source {options['source']} has no {wanted}.")
            yield from found
            return
        reading = ReadOptions(
            symbol=options["symbol"], timeframe=options["timeframe"],
            asset_class=options["asset_class"], stamps_are=options["timestamp_is"],
            now=timezone.now(),
        )  # fmt: skip
        if reading.symbol and len(options["paths"]) > 1:
            raise CommandError("--symbol names one series; give one file.", returncode=2)
        for path in options["paths"]:
            yield from offers_in(path, reading)

    def _import(self, offer: SeriesOffer, options: dict[str, Any]) -> dict[str, Any]:
        line = _Line(offer.spec.symbol, offer.source)
        try:
            run = services.offer_ingest(
                offer=offer, now=timezone.now(), mode=options["mode"], progress=line.show
            )
        finally:
            line.close()
        report = {
            "symbol": offer.spec.symbol, "timeframe": offer.timeframe, "source": offer.source,
            "status": run.status, "n_rows": run.n_rows, "n_stored": run.n_stored,
            "n_gaps": run.n_gaps, "n_faults": run.n_faults, "faults": run.faults,
        }  # fmt: skip
        if not options["json"]:
            self._print(report)
        return report

    def _print(self, report: dict[str, Any]) -> None:
        gaps = f", {report['n_gaps']} gaps" if report["n_gaps"] else ""
        self.stdout.write(
            f"{report['symbol']:<12} {report['timeframe']:<3} {report['status'].lower():<9} "
            f"{report['n_rows']:>9,} rows, {report['n_stored']:>9,} new{gaps}"
        )
        for fault in report["faults"][:SHOWN_FAULTS]:
            place = f"row {fault['row']}: " if fault["row"] is not None else ""
            what = f"{fault['column']} {fault['value']!r} " if fault["column"] else ""
            if not fault["column"] and fault["row"] is None:
                what = f"{fault['value']} " if fault["value"] else ""
            self.stdout.write(f"    {place}{what}{fault['reason']}")
        more = report["n_faults"] - min(SHOWN_FAULTS, len(report["faults"]))
        if more > 0:
            self.stdout.write(f"    and {more:,} more")

    def _finish(self, runs: list[dict[str, Any]], options: dict[str, Any]) -> None:
        refused = [run for run in runs if run["status"] == "REFUSED"]
        totals = {
            "n_series": len(runs),
            "n_rows": sum(run["n_rows"] for run in runs),
            "n_stored": sum(run["n_stored"] for run in runs),
            "n_gaps": sum(run["n_gaps"] for run in runs),
            "n_refused": len(refused),
        }
        if options["json"]:
            self.stdout.write(json.dumps({**totals, "series": runs}))
        else:
            self.stdout.write(
                f"{totals['n_series']} series, {totals['n_rows']:,} rows read, "
                f"{totals['n_stored']:,} new bars, {totals['n_refused']} refused"
            )
        if refused:
            sys.exit(EXIT_REFUSED)
