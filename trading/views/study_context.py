"""What the pages of an optimization show, in plain values: leaders, heatmap, scatter, verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest

from elson.common.formatting import ratio
from elson.common.listing import page_of
from elson.common.templatetags.components.words import term
from trading.engine.search.judgement import GOOD_DEFLATED
from trading.selectors.parameter_words import choice_words, parameter_label
from trading.selectors.strategies import rule_name
from trading.selectors.studies import best_so_far, study_pace, trial_list, trials_ranked
from trading.selectors.study_maps import heat, stable_zone
from trading.services.studies.progress import progress_values
from trading.views.backtest_words import caution_words

MOST_POINTS = 400


def list_row(study: Any) -> dict[str, Any]:
    """Return one line of the list."""
    verdict = study.judgement or {}
    return {
        "study": study,
        "strategy": rule_name(study.strategy_key),
        "percent": 100.0 * study.n_done / study.n_trials if study.n_trials else 0.0,
        "verdict": verdict_word(verdict),
        "deflated": verdict.get("deflated_sharpe"),
        "pbo": verdict.get("probability_of_overfitting"),
    }


def verdict_word(verdict: dict[str, Any]) -> tuple[str, str]:
    """Return tone and word of a judgement; ("", "") while there is none."""
    if not verdict:
        return "", ""
    if verdict["pick"] is None:
        return "warn", "Nothing ranked"
    return ("crit", "Overfit") if verdict["is_overfit"] else ("ok", "Holds up")


def live_context(request: HttpRequest, study: Any, chosen: dict[str, Any]) -> dict[str, Any]:
    """Return everything that changes while trials finish."""
    ranked = trials_ranked(study)
    zone = stable_zone(study, ranked)
    verdict = study.judgement or {}
    pace, steps = study_pace(study), best_so_far(study)
    named = _named(study, verdict)
    pick = named.get(verdict.get("pick"))
    page = page_of(request, _unpinned(study, chosen))
    return {
        "progress": progress_values(study),
        "percent": 100.0 * study.n_done / study.n_trials if study.n_trials else 0.0,
        "pace": pace,
        "page": page,
        "leaders": _leaders(study, ranked, list(page.object_list), chosen, zone, verdict),
        "n_ranked": len(ranked),
        "n_unranked": trial_list(study).count() - len(ranked),
        "failed": list(trial_list(study, failed=True)[:20]) if study.n_failed else [],
        "best_steps": steps,
        "best_values": [value for _, value in steps],
        "heat_axes": [("x", chosen["x"]), ("y", chosen["y"])],
        "heat": heat(ranked, zone, chosen["x"], chosen["y"]),
        "points": scatter_points(ranked, verdict.get("pick")),
        "scatter_label": f"Sharpe ratio in sample and out of sample of {len(ranked)} trials",
        "verdict": verdict,
        "checks": checks(verdict),
        "importance": [
            (parameter_label(name), share)
            for name, share in sorted(
                (verdict.get("importance") or {}).items(), key=lambda item: -item[1]
            )
        ],
        "caution": caution_words(study.strategy_key, study.fixed | pick.parameters) if pick else "",
        "pick_values": _valued(pick.parameters) if pick else [],
        "pick": pick,
        "best": named.get(verdict.get("best")),
        "chosen": chosen,
        "moving": [(name, parameter_label(name)) for name in study.space],
    }


def _named(study: Any, verdict: dict[str, Any]) -> dict[Any, Any]:
    """Return the trials a verdict names, by number: the suggestion and the highest one."""
    numbers = [verdict[name] for name in ("pick", "best") if verdict.get(name) is not None]
    rows = trial_list(study).filter(number__in=numbers, objective__isnull=False)
    return {trial.number: trial for trial in rows} if numbers else {}


def _valued(parameters: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [(parameter_label(name), choice_words(name, v)) for name, v in parameters.items()]


def _leaders(
    study: Any,
    ranked: Sequence[Any],
    shown: Sequence[Any],
    chosen: dict[str, Any],
    zone: set[int],
    verdict: dict[str, Any],
) -> list[dict[str, Any]]:
    """Return the trials of this page, behind the pinned ones, which stand on every page."""
    ranks = {trial.number: rank for rank, trial in enumerate(ranked, 1)}
    pins = chosen["pins"]
    pinned = list(trial_list(study).filter(number__in=pins)) if pins else []
    return [
        {
            "trial": trial,
            "rank": ranks.get(trial.number),
            "values": _valued({name: trial.parameters.get(name) for name in study.space}),
            "is_pinned": trial.number in pins,
            "pin_query": _pin_query(chosen, trial.number),
            "is_stable": trial.number in zone,
            "is_pick": trial.number == verdict.get("pick"),
        }
        for trial in (*pinned, *shown)
    ]


def _unpinned(study: Any, chosen: dict[str, Any]) -> Any:
    rows = trial_list(study, sort=chosen["sort"], best_percent=chosen["percent"])
    return rows.exclude(number__in=chosen["pins"]) if chosen["pins"] else rows


def _pin_query(chosen: dict[str, Any], number: int) -> str:
    """Return the address that pins this trial, or lets it go."""
    pins = chosen["pins"] ^ {number}
    kept = [(name, chosen[name]) for name in ("sort", "x", "y")]
    if chosen["percent"] < 100.0:
        kept.append(("best", f"{chosen['percent']:.0f}"))
    return urlencode([*kept, *(("pin", pin) for pin in sorted(pins))])


def scatter_points(ranked: Sequence[Any], pick: int | None) -> list[dict[str, Any]]:
    """Return trials by in-sample (across) and out-of-sample (up) Sharpe ratio, at most some 400."""
    step = max(len(ranked) // MOST_POINTS, 1)
    return [
        {
            "x": trial.in_sample_sharpe,
            "y": trial.out_of_sample_sharpe,
            "is_pick": trial.number == pick,
            "title": f"trial {trial.number}: {ratio(trial.in_sample_sharpe)} in, "
            f"{ratio(trial.out_of_sample_sharpe)} out",
        }
        for k, trial in enumerate(ranked)
        if k % step == 0 or trial.number == pick
    ]


def checks(verdict: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of the overfit box."""
    if not verdict or verdict.get("pick") is None:
        return []
    return [
        *_luck_rows(verdict), *_split_rows(verdict), _procedure_row(verdict), _zone_row(verdict)
    ]  # fmt: skip


def _luck_rows(verdict: dict[str, Any]) -> list[dict[str, Any]]:
    deflated = verdict["deflated_sharpe"]
    return [
        {
            "mark": "ok" if deflated is not None and deflated >= GOOD_DEFLATED else "crit",
            "label": term("Deflated Sharpe ratio"),
            "value": _percent(deflated),
            "why": f"Probability that the suggestion beats the best of "
            f"{verdict['n_trials_counted']:,} worthless trials; {GOOD_DEFLATED:.0%} is the bar.",
        },
        {
            "mark": "info",
            "label": "Best of as many by luck",
            "value": _number(verdict["expected_max_sharpe"]),
            "why": "Sharpe ratio a year expected of the luckiest when nothing works. Every "
            "backtest and trial of this strategy on this instrument counts.",
        },
    ]


def _split_rows(verdict: dict[str, Any]) -> list[dict[str, Any]]:
    pbo, correlation = verdict["probability_of_overfitting"], verdict["rank_correlation"]
    return [
        {
            "mark": _pbo_mark(pbo),
            "label": term("Probability of overfitting", "probability-of-backtest-overfitting"),
            "value": _percent(pbo),
            "why": "How often the best of one half of history is in the worse half of the other.",
        },
        {
            "mark": "info" if correlation is None else "ok" if correlation > 0.2 else "warn",
            "label": "In-sample rank tells out-of-sample rank",
            "value": _number(correlation),
            "why": "Rank correlation; 0 means that being good before says nothing about after.",
        },
    ]


def _pbo_mark(pbo: float | None) -> str:
    if pbo is None:
        return "info"
    return "ok" if pbo < 0.25 else "warn" if pbo < 0.5 else "crit"


def _procedure_row(verdict: dict[str, Any]) -> dict[str, Any]:
    return {
        "mark": "ok" if (verdict["procedure_sharpe"] or 0.0) > 0 else "warn",
        "label": "Choosing the best each time",
        "value": _number(verdict["procedure_sharpe"]),
        "why": "Middle Sharpe ratio on the bars after each fold, had you taken its best trial.",
    }


def _zone_row(verdict: dict[str, Any]) -> dict[str, Any]:
    n_trials = len(verdict["zone"])
    return {
        "mark": "warn" if verdict["is_spike"] else "ok",
        "label": "Plateau or spike?",
        "value": "Spike" if verdict["is_spike"] else "Plateau",
        "why": f"The stable zone has {n_trials:,} trial{'' if n_trials == 1 else 's'} "
        "within one standard error.",
    }


def _percent(value: float | None) -> str:
    return "too few" if value is None else f"{value:.0%}"


def _number(value: float | None) -> str:
    return "too few" if value is None else ratio(value)
