"""Backtests as pages, the API and the command read them; always one person's own."""

from __future__ import annotations

import datetime as dt
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Case, Count, Expression, F, Max, Prefetch, Q, QuerySet, When

from elson.common.errors import NotFound
from marketdata.models import Instrument
from trading.engine.metrics import FEWEST_FOR_SHARPE
from trading.models import Backtest, BacktestTag, Study
from trading.selectors.experiments import found_by, sorted_by
from trading.selectors.luck import LUCK, luck_of

UNFINISHED = (Backtest.Status.QUEUED, Backtest.Status.RUNNING)
# Reasons of a failure that no request has.
OUR_FAULT = ("INTERNAL", "WORKER_LOST")
STATUSES = Backtest.Status.choices
PHASES = Backtest.Phase.choices
TAGS_IN_ORDER = Prefetch("tags", queryset=BacktestTag.objects.order_by("pk"))
OUT_OF_SAMPLE = "result__metrics__out_of_sample"
# What only the page of one run shows: together some megabytes.
HEAVY = (
    "result__curve", "result__round_trips", "result__daily", "result__monthly", "log", "so_far",
)  # fmt: skip


def _figure(name: str, **shown: Any) -> Expression:
    """Return a figure out of sample, nothing where JSON says null or it is not shown.

    A JSON null is a value to both databases: the largest to one, the smallest to the other.
    """
    path = f"{OUT_OF_SAMPLE}__{name}"
    return Case(When(~Q(**{path: None}) & Q(**shown), then=F(path)))


# Column names people sort by, and what they mean in the tables.
SORTS: dict[str, str | Expression] = {
    "created": "created_at",
    "strategy": "strategy_key",
    "symbol": "instrument__symbol",
    "status": "status",
    "return": _figure("total_return"),
    # One over too few bars is not shown, so it leads no list either.
    "sharpe": _figure("sharpe_ratio", **{f"{OUT_OF_SAMPLE}__n_bars__gte": FEWEST_FOR_SHARPE}),
    "drawdown": _figure("max_drawdown"),
    "trades": _figure("n_round_trips"),
    "costs": _figure("cost_share"),
}


@dataclass(frozen=True, slots=True)
class BacktestUsage:
    """How many backtests were asked for since a moment, and how many are unfinished."""

    n_requested: int
    n_unfinished: int


def backtest_list(
    *,
    user_id: int,
    search: str = "",
    status: str = "",
    strategy: str = "",
    luck: str = "",
    tag: str = "",
    sort: str = "-created",
) -> QuerySet[Backtest]:
    """Return a person's backtests with instrument and result, filtered and sorted."""
    rows = (
        Backtest.objects.filter(user_id=user_id)
        .select_related("instrument", "result", "version")
        .prefetch_related(TAGS_IN_ORDER)
        .defer(*HEAVY)
    )
    if status in Backtest.Status.values:
        rows = rows.filter(status=status)
    if strategy:
        rows = rows.filter(strategy_key=strategy)
    if tag:
        rows = rows.filter(tags__name=tag)
    if luck in LUCK:
        # The panel is a JSON list of rows, which SQLite cannot look inside of.
        rows = rows.filter(pk__in=_beating(rows, luck))
    tagged = Q(pk__in=BacktestTag.objects.filter(name__icontains=search).values("backtest"))
    return sorted_by(found_by(rows, search, also=tagged), sort, SORTS)


def _beating(rows: QuerySet[Backtest], luck: str) -> list[int]:
    """Return the runs whose panel gave this status to the comparison with random entries."""
    found = rows.filter(result__isnull=False).values_list(
        "pk", "result__metrics__all", "result__honesty"
    )
    return [pk for pk, whole, honesty in found if luck_of(whole, honesty) == luck]


def strategies_tested(*, user_id: int) -> list[str]:
    """Return the keys of the rules this person ever backtested, for the filter."""
    keys = Backtest.objects.filter(user_id=user_id).values_list("strategy_key", flat=True)
    return sorted(set(keys.order_by()))


def tags_used(*, user_id: int) -> list[str]:
    """Return the tags of this person's backtests, for the filter and for suggestions."""
    names = BacktestTag.objects.filter(backtest__user_id=user_id).values_list("name", flat=True)
    return list(names.distinct().order_by("name"))


def backtest_get(*, user_id: int, backtest_id: int) -> Backtest:
    """Return one backtest of this person; raises NotFound for unknown and for foreign ones."""
    found = (
        Backtest.objects.filter(user_id=user_id, pk=backtest_id)
        .select_related("instrument__venue", "result", "version__strategy", "rerun_of")
        .prefetch_related(TAGS_IN_ORDER)
        .first()
    )
    if found is None:
        raise NotFound("backtest", f"#{backtest_id}")
    return found


def judged_windows(*, backtest: Backtest) -> list[tuple[str, str]]:
    """Return the out-of-sample spans this person judged other ideas on, first and last bar.

    Of earlier finished runs on the instrument; the same rule with the same parameters is no
    other idea.
    """
    finished = Backtest.objects.filter(
        user_id=backtest.user_id, instrument_id=backtest.instrument_id,
        timeframe=backtest.timeframe, result__isnull=False,
    )  # fmt: skip
    if backtest.pk is not None:
        finished = finished.filter(pk__lt=backtest.pk)
    earlier = finished.values_list(
        "strategy_key", "parameters", "result__metrics__out_of_sample__first_at",
        "result__metrics__out_of_sample__last_at",
    )  # fmt: skip
    # An idea that was run twice on the same days is one look at them.
    looks = {
        (key, repr(sorted(parameters.items())), first, last)
        for key, parameters, first, last in earlier
        if first and (key, parameters) != (backtest.strategy_key, backtest.parameters)
    }
    return sorted((first, last) for *_, first, last in looks)


def backtest_find_by_key(*, user_id: int, client_key: str) -> Backtest | None:
    """Return the backtest an earlier request with this Idempotency-Key made."""
    return Backtest.objects.filter(user_id=user_id, client_key=client_key).first()


def backtest_newest(
    *,
    user_id: int,
    strategy_key: str,
    instrument: Instrument | None = None,
    parameters: Mapping[str, Any] | None = None,
) -> Backtest | None:
    """Return this person's newest finished run of a rule, of one instrument alone if given.

    One of exactly the given parameters comes before a newer one of others.
    """
    rows = Backtest.objects.filter(
        user_id=user_id, strategy_key=strategy_key, status=Backtest.Status.SUCCEEDED
    )
    if instrument is not None:
        # The figures of a portfolio are not those of its first instrument.
        rows = rows.filter(instrument=instrument, symbols=[])
    rows = rows.select_related("result", "instrument").defer(*HEAVY).order_by("-pk")
    same = None if parameters is None else rows.filter(parameters=dict(parameters)).first()
    return same or rows.first()


def backtests_newest(*, user_id: int) -> dict[str, Backtest]:
    """Return this person's newest finished run of each rule, by its key."""
    done = Backtest.objects.filter(user_id=user_id, status=Backtest.Status.SUCCEEDED)
    newest = done.values("strategy_key").annotate(newest=Max("pk")).values("newest")
    rows = Backtest.objects.filter(pk__in=newest).select_related("result", "instrument")
    return {run.strategy_key: run for run in rows.defer(*HEAVY)}


def backtest_usage(*, user_id: int, since: dt.datetime) -> BacktestUsage:
    """Count what the quota counts: requests since then, and those still unfinished.

    A run that failed through a fault of the platform is not counted.
    """
    counted = Backtest.objects.filter(user_id=user_id).aggregate(
        requested=Count("pk", filter=Q(created_at__gte=since) & ~Q(error_code__in=OUR_FAULT)),
        unfinished=Count("pk", filter=Q(status__in=UNFINISHED)),
    )
    return BacktestUsage(counted["requested"], counted["unfinished"])


def queue_position(*, backtest: Backtest) -> int:
    """Return how many unfinished backtests of anybody were asked for before this one, plus 1."""
    earlier = Backtest.objects.filter(status__in=UNFINISHED, pk__lt=backtest.pk)
    return earlier.count() + 1


def study_overfitting(*, backtest: Backtest, n_recent: int = 20) -> float | None:
    """Return the overfitting probability of the study these parameters were tried in, if any."""
    studies = Study.objects.filter(
        user_id=backtest.user_id,
        strategy_key=backtest.strategy_key,
        instrument_id=backtest.instrument_id,
        timeframe=backtest.timeframe,
        judgement__isnull=False,
    ).order_by("-pk")
    params = backtest.parameters
    for study in studies[:n_recent]:
        wanted = {name: params.get(name) for name in study.space}
        has_fixed = all(params.get(name) == value for name, value in study.fixed.items())
        if has_fixed and study.trials.filter(parameters=wanted).exists():
            value = (study.judgement or {}).get("probability_of_overfitting")
            return None if value is None else float(value)
    return None


def backtests_are_waiting() -> bool:
    """Tell whether somebody waits for a backtest or is having one run."""
    return Backtest.objects.filter(status__in=UNFINISHED).exists()


def usual_seconds(*, n_recent: int = 20) -> float | None:
    """Return the median seconds the latest finished runs of everybody took; None without one."""
    recent = Backtest.objects.filter(
        status=Backtest.Status.SUCCEEDED, started_at__isnull=False, finished_at__isnull=False
    ).order_by("-pk")
    spans = recent.values_list("started_at", "finished_at")[:n_recent]
    seconds = [(end - begin).total_seconds() for begin, end in spans if begin and end]
    return statistics.median(seconds) if seconds else None
