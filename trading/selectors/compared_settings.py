"""A run of a comparison, and in which settings and parameters such runs differ."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from elson.common.formatting import label_of
from trading.models import Backtest
from trading.selectors.parameter_words import COSTS, parameter_label, term_label

# What is no instrument among the benchmarks.
BENCHMARKS = {"": "holding what it trades", "CASH": "cash"}
# Key of the setting whose values are keys of strategies.
STRATEGY = "strategy_key"


@dataclass(frozen=True, slots=True)
class ComparedRun:
    """One column: the run, its letter, and the days its bars cover."""

    letter: str
    backtest: Backtest
    first_on: dt.date | None
    last_on: dt.date | None

    @property
    def result(self) -> Any:
        """What it found, None while it has not finished."""
        return self.backtest.result if self.backtest.status == "SUCCEEDED" else None


@dataclass(frozen=True, slots=True)
class SettingRow:
    """A setting in which the runs differ; None where a run does not know it."""

    key: str
    label: str
    values: tuple[Any, ...]


def market_of(run: ComparedRun) -> str:
    """Name what a run trades."""
    return ", ".join(sorted(run.backtest.symbols)) or run.backtest.instrument.symbol


def settings_differing(runs: Sequence[ComparedRun]) -> Iterable[SettingRow]:
    """List settings and parameters with more than one value; of finished runs as they ran."""
    columns = [_settings_of(run) for run in runs]
    labels = {key: label for column in columns for key, (label, _) in column.items()}
    for key, label in labels.items():
        values = tuple(column[key][1] if key in column else None for column in columns)
        if any(value != values[0] for value in values):
            yield SettingRow(key, label, values)


def _settings_of(run: ComparedRun) -> dict[str, tuple[str, Any]]:
    """Return label and value of each setting by its key."""
    row = run.backtest
    parameters = run.result.manifest["params"] if run.result else row.parameters
    outside = row.out_of_sample_from or f"last {row.out_of_sample_share:.0%}"
    return {
        STRATEGY: ("Strategy", row.strategy_key),
        "market": ("Market", market_of(run)),
        "timeframe": ("Bars", row.timeframe),
        "from": ("From", run.first_on or row.start_date),
        "to": ("To", run.last_on or row.end_date),
        "cash": ("Capital", float(row.cash)),
        **{name: (label, getattr(row, name)) for name, label in COSTS.items()},
        **_prefixed("allocation", row.allocation),
        **{f"limits.{name}": (term_label(name), v) for name, v in row.limits.items()},
        "out_of_sample": ("Out of sample", outside),
        "walk_forward_folds": ("Walk-forward folds", row.walk_forward_folds or "none"),
        "benchmark": ("Benchmark", BENCHMARKS.get(row.benchmark, row.benchmark)),
        "seed": ("Seed", row.seed),
        **{f"parameters.{name}": (parameter_label(name), v) for name, v in parameters.items()},
    }


def _prefixed(group: str, values: Mapping[str, Any]) -> dict[str, tuple[str, Any]]:
    return {f"{group}.{name}": (label_of(name), value) for name, value in values.items()}
