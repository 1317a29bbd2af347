"""Asking for a backtest, calling it off, and asking for it again."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog
from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Q

from accounts.selectors import entitlement_value
from elson.common import jobs
from elson.common.errors import Conflict, DomainError, TooMany
from marketdata.selectors import closes_at, coverage_get, instant, instrument_get
from trading.engine.counts import counted
from trading.models import Backtest, BacktestTag
from trading.selectors import backtests as selectors
from trading.selectors.strategies import rules_of
from trading.services.backtests.benchmarks import CASH
from trading.services.backtests.draft_fields import READERS
from trading.services.backtests.drafts import BacktestDraft, BacktestInvalid, attempt
from trading.services.backtests.loading import bars_between, closes_between
from trading.services.backtests.progress import announce
from trading.services.keys import key_check
from trading.services.leases import lease_lapse
from trading.services.quotas import DayQuota, day_of

if TYPE_CHECKING:
    from accounts.models import User
    from marketdata.models import Instrument

logger = structlog.get_logger(__name__)

TASK = "trading.backtest_run"
LONGEST_REPORT = 500
PER_DAY = "backtests.per_day"
AT_ONCE = "backtests.at_once"
# A message normally arrives within a second; the sweeper looks again after this long.
SWEEP_AFTER = dt.timedelta(seconds=15)
MOST_ATTEMPTS = 3
FEWEST_BARS = 30
FEWEST_EITHER_SIDE = 10
# A market that rests for a weekend and holidays is marked at its last close meanwhile.
LONGEST_PAUSE_NS = 5 * 86_400 * 10**9
COST_FIELDS = (
    "spread_bps", "commission_per_unit", "commission_minimum", "range_share", "impact",
    "has_usual_slippage", "borrow_bps_per_day", "financing_bps_per_year", "max_participation",
    "carries_rest",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestQuota(DayQuota):
    """What a person may still run today, and at once."""

    n_unfinished: int
    at_once: int


def backtest_quota(*, user: User, now: dt.datetime) -> BacktestQuota:
    """Read the limits of a person's plan and what was used of them today."""
    midnight, resets_at = day_of(now)
    usage = selectors.backtest_usage(user_id=user.pk, since=midnight)
    return BacktestQuota(
        n_used=usage.n_requested,
        per_day=entitlement_value(user, PER_DAY, now=now),
        n_unfinished=usage.n_unfinished,
        at_once=entitlement_value(user, AT_ONCE, now=now),
        resets_at=resets_at,
    )


@transaction.atomic
def backtest_request(
    *,
    user: User,
    draft: BacktestDraft,
    now: dt.datetime,
    client_key: str = "",
    rerun_of: Backtest | None = None,
) -> Backtest:
    """Store and enqueue a run; the same client key again returns the run it made the first time.

    Raises KeyReused when the key made another run, BacktestInvalid when the data does not cover it,
    TooMany when the plan allows no more.
    """
    # The lock makes two requests of one person count each other.
    get_user_model().objects.select_for_update().get(pk=user.pk)
    if client_key and (
        found := selectors.backtest_find_by_key(user_id=user.pk, client_key=client_key)
    ):
        asked = _asked(draft)
        stored = {name: getattr(found, name) for name in asked}
        key_check(
            f"backtest #{found.pk}",
            stored={**stored, "symbol": found.instrument.symbol},
            wanted={**asked, "symbol": draft.symbol},
        )
        return found
    instrument = _covered_instrument(draft, draft.symbol)
    legs = [_covered_instrument(draft, symbol, field="symbols") for symbol in draft.symbols]
    _check_benchmark(draft, legs or [instrument])
    _check_quota(backtest_quota(user=user, now=now))
    backtest = Backtest.objects.create(
        user=user,
        instrument=instrument,
        **_asked(draft),
        note=draft.note,
        client_key=client_key,
        rerun_of=rerun_of,
        lease_expires_at=now + SWEEP_AFTER,
        log=[{"at": now.isoformat(), "text": "Queued"}],
    )
    _tag(backtest, draft.tags)
    jobs.enqueue(TASK, backtest_id=backtest.pk)
    return backtest


def backtest_unstored(*, user: User, draft: BacktestDraft) -> Backtest:
    """Return the row a request would make, not stored and not enqueued; for the command."""
    return Backtest(user=user, instrument=instrument_get(draft.symbol), **_asked(draft))


@transaction.atomic
def backtest_cancel(*, backtest: Backtest, now: dt.datetime) -> Backtest:
    """Call a run off: at once while it waits, at the worker's next chunk while it runs.

    Asking twice is the same as once; raises Conflict when it has already ended.
    """
    row = Backtest.objects.select_for_update().get(pk=backtest.pk)
    if row.status == Backtest.Status.CANCELED:
        return row
    if row.status not in selectors.UNFINISHED:
        ended = row.get_status_display().lower()
        raise Conflict("BACKTEST_FINISHED", f"Backtest #{row.pk} has already ended: {ended}.")
    row.is_cancel_requested = True
    # Nobody holds a waiting run, nor one whose worker fell silent: end it here.
    if row.status == Backtest.Status.QUEUED or _is_abandoned(row, now):
        row.status = Backtest.Status.CANCELED
        row.finished_at = now
        row.lease_key = None
        row.detail = "Canceled"
        row.so_far = {}
    row.save()
    announce(row)
    return row


@transaction.atomic
def backtest_describe(*, backtest: Backtest, note: str, tags: str | Sequence[str]) -> Backtest:
    """Replace a run's note and tags, at any time; raises BacktestInvalid naming what is too long.

    They name a run for people and decide nothing about its result.
    """
    faults: dict[str, str] = {}
    values = {"note": note, "tags": tags}
    read = {name: attempt(faults, name, READERS[name], value) for name, value in values.items()}
    if faults:
        raise BacktestInvalid(faults)
    # The lock makes two tabs follow each other.
    Backtest.objects.select_for_update().filter(pk=backtest.pk).get()
    Backtest.objects.filter(pk=backtest.pk).update(note=read["note"])
    backtest.note = read["note"]
    backtest.tags.all().delete()
    _tag(backtest, read["tags"])
    return backtest


@transaction.atomic
def backtest_report(*, backtest: Backtest, text: str, now: dt.datetime) -> Backtest:
    """Put a failed run before the people who run this site, with what its owner says.

    Once more replaces the words. Raises Conflict for a run that did not fail, BacktestInvalid for
    too many words.
    """
    row = Backtest.objects.select_for_update().get(pk=backtest.pk)
    if row.status != Backtest.Status.FAILED:
        status = row.get_status_display().lower()
        raise Conflict("BACKTEST_NOT_FAILED", f"Backtest #{row.pk} is {status}, not failed.")
    if len(text) > LONGEST_REPORT:
        found = f"Report has {len(text)} characters; the limit is {LONGEST_REPORT}."
        raise BacktestInvalid({"text": found})
    row.report, row.reported_at = text.strip(), row.reported_at or now
    row.save(update_fields=["report", "reported_at", "updated_at"])
    logger.warning("backtest_reported", backtest_id=row.pk, error_code=row.error_code)
    return row


def backtest_rerun(*, backtest: Backtest, now: dt.datetime, client_key: str = "") -> Backtest:
    """Ask for the same run again, with the same seed; the quota counts it.

    The same client key again returns the run it made the first time.
    """
    return backtest_request(
        user=backtest.user,
        draft=draft_of(backtest),
        now=now,
        client_key=client_key,
        rerun_of=backtest,
    )


def draft_of(backtest: Backtest) -> BacktestDraft:
    """Return the request a stored run was made from."""
    return BacktestDraft(
        strategy_key=backtest.strategy_key,
        symbol=backtest.instrument.symbol,
        parameters=dict(backtest.parameters),
        timeframe=backtest.timeframe,
        start_date=backtest.start_date,
        end_date=backtest.end_date,
        cash=backtest.cash,
        commission_bps=backtest.commission_bps,
        slippage_bps=backtest.slippage_bps,
        has_regime_costs=backtest.has_regime_costs,
        **{name: getattr(backtest, name) for name in COST_FIELDS},
        symbols=tuple(backtest.symbols),
        **backtest.allocation,
        limits=dict(backtest.limits),
        is_free_confirmed=True,
        out_of_sample_share=backtest.out_of_sample_share,
        out_of_sample_from=backtest.out_of_sample_from,
        walk_forward_folds=backtest.walk_forward_folds,
        benchmark=backtest.benchmark,
        seed=backtest.seed,
        note=backtest.note,
        tags=tuple(tag.name for tag in backtest.tags.order_by("pk")),
    )


def backtests_sweep(*, now: dt.datetime) -> int:
    """Send waiting runs again and take over those whose worker fell silent; return how many."""
    due = Backtest.objects.filter(status__in=selectors.UNFINISHED).filter(
        Q(lease_expires_at__lt=now) | Q(lease_expires_at__isnull=True)
    )
    return sum(_revive(row, now) for row in due.order_by("pk")[:200])


@transaction.atomic
def _revive(row: Backtest, now: dt.datetime) -> bool:
    became = lease_lapse(
        row,
        now=now,
        wait=SWEEP_AFTER,
        most_attempts=MOST_ATTEMPTS,
        sentence=f"The worker stopped {MOST_ATTEMPTS} times while running this backtest.",
        so_far={},
    )
    if became == Backtest.Status.FAILED:
        announce(Backtest.objects.get(pk=row.pk))
    if became != Backtest.Status.QUEUED:
        return False
    jobs.enqueue(TASK, backtest_id=row.pk)
    return True


def _is_abandoned(row: Backtest, now: dt.datetime) -> bool:
    return row.lease_expires_at is None or row.lease_expires_at < now


def _check_quota(quota: BacktestQuota) -> None:
    if quota.n_used >= quota.per_day:
        raise TooMany(
            "BACKTESTS_PER_DAY",
            f"You ran {quota.n_used} of {quota.per_day} backtests today; "
            f"more from {quota.resets_at:%H:%M} UTC.",
            used=quota.n_used,
            limit=quota.per_day,
            resets_at=quota.resets_at.isoformat(),
        )
    if quota.n_unfinished >= quota.at_once:
        raise TooMany(
            "BACKTESTS_AT_ONCE",
            f"{quota.n_unfinished} of your backtests are still running and your plan runs "
            f"{quota.at_once} at once; wait for one to end or cancel it.",
            used=quota.n_unfinished,
            limit=quota.at_once,
        )


def _asked(draft: BacktestDraft) -> dict[str, Any]:
    """Return the columns that decide the result; note and tags only name it."""
    return {
        "strategy_key": draft.strategy_key,
        "timeframe": draft.timeframe,
        "start_date": draft.start_date,
        "end_date": draft.end_date,
        "parameters": draft.parameters,
        "cash": draft.cash,
        "commission_bps": draft.commission_bps,
        "slippage_bps": draft.slippage_bps,
        "has_regime_costs": draft.has_regime_costs,
        **{name: getattr(draft, name) for name in COST_FIELDS},
        "symbols": list(draft.symbols) if draft.is_portfolio else [],
        "allocation": _allocation_of(draft) if draft.is_portfolio else {},
        "limits": dict(draft.limits),
        "out_of_sample_share": draft.out_of_sample_share,
        "out_of_sample_from": draft.out_of_sample_from,
        "walk_forward_folds": draft.walk_forward_folds,
        "benchmark": draft.benchmark,
        "seed": draft.seed,
    }


def _allocation_of(draft: BacktestDraft) -> dict[str, Any]:
    names = ("allocation", "max_positions", "gross_cap")
    return {**{name: getattr(draft, name) for name in names}, "weights": dict(draft.weights)}


def _tag(backtest: Backtest, tags: Sequence[str]) -> None:
    BacktestTag.objects.bulk_create(BacktestTag(backtest=backtest, name=tag) for tag in tags)


def _covered_instrument(draft: BacktestDraft, symbol: str, *, field: str = "symbol") -> Instrument:
    """Return the instrument, or say which span it has; a run needs enough bars to say anything."""
    try:
        instrument = instrument_get(symbol)
        coverage = coverage_get(instrument, draft.timeframe)
    except DomainError as error:
        place = field if error.field in (None, "symbol") else error.field
        raise BacktestInvalid({place: error.message}) from error
    first, last = coverage.first_at.date(), coverage.last_at.date()
    span = f"{instrument.symbol} has {draft.timeframe} bars from {first} to {last}"
    if draft.start_date and draft.start_date > last:
        fault = {"start_date": f"The start {draft.start_date} lies after the data: {span}."}
    elif draft.end_date and draft.end_date < first:
        fault = {"end_date": f"The end {draft.end_date} lies before the data: {span}."}
    else:
        n_bars = bars_between(instrument, draft.timeframe, draft.start_date, draft.end_date)
        if n_bars >= FEWEST_BARS:
            _check_warm_up(draft, n_bars, span)
            if field == "symbol":
                _check_split(draft, instrument, n_bars, span)
                _check_folds(draft, n_bars, span)
            return instrument
        found = f"The span holds {counted(n_bars, 'bar')} and {FEWEST_BARS} are needed"
        fault = {"start_date": f"{found}: {span}."}
    raise BacktestInvalid(fault)


def _check_warm_up(draft: BacktestDraft, n_bars: int, span: str) -> None:
    """Refuse parameters that would still be warming up at the last bar."""
    spec = rules_of(draft.strategy_key)
    n_needed = spec.warm_up({**spec.defaults, **draft.parameters})
    if n_bars <= n_needed:
        text = f"These parameters need {n_needed} bars of warm-up and the span holds {n_bars}: "
        raise BacktestInvalid({"start_date": f"{text}{span}."})


def _check_split(draft: BacktestDraft, instrument: Instrument, n_bars: int, span: str) -> None:
    """Both sides of a chosen split need enough bars to say anything."""
    day = draft.out_of_sample_from
    if day is None:
        return
    n_after = bars_between(instrument, draft.timeframe, day, draft.end_date)
    for n, side in ((n_bars - n_after, "before"), (n_after, "from")):
        if n < FEWEST_EITHER_SIDE:
            text = (
                f"{counted(n, 'bar')} lie {side} {day} and {FEWEST_EITHER_SIDE} are needed: {span}."
            )
            raise BacktestInvalid({"out_of_sample_from": text})


def _check_folds(draft: BacktestDraft, n_bars: int, span: str) -> None:
    """Each fold needs as many bars as a run of its own."""
    n_folds = draft.walk_forward_folds
    if n_folds and n_bars < n_folds * FEWEST_BARS:
        text = f"{n_folds} folds need {n_folds * FEWEST_BARS} bars and the span holds {n_bars}: "
        raise BacktestInvalid({"walk_forward_folds": f"{text}{span}."})


def _check_benchmark(draft: BacktestDraft, instruments: Sequence[Instrument]) -> None:
    """Another instrument to hold needs a price at the first bar of the run and until its end."""
    if draft.benchmark in ("", CASH):
        return
    try:
        known = closes_at(draft.benchmark, draft.timeframe)
    except DomainError as error:
        raise BacktestInvalid({"benchmark": error.message}) from error
    # An account runs from the first bar of any of its instruments to the last of any.
    spans = [
        closes_between(instrument, draft.timeframe, draft.start_date, draft.end_date)[[0, -1]]
        for instrument in instruments
    ]
    begin, end = min(first for first, _ in spans), max(last for _, last in spans)
    if known[0] > begin or known[-1] + LONGEST_PAUSE_NS < end:
        has, runs = (_span_text(*span) for span in ((known[0], known[-1]), (begin, end)))
        text = f"{draft.benchmark} has {draft.timeframe} bars {has}; the run goes {runs}."
        raise BacktestInvalid({"benchmark": text})


def _span_text(first: int, last: int) -> str:
    return f"from {instant(first):%Y-%m-%d %H:%M} to {instant(last):%Y-%m-%d %H:%M} UTC"
