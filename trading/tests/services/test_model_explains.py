"""What a decision of the hybrid says about its model, and what it goes on saying afterwards."""

from __future__ import annotations

import numpy as np
import pytest

from accounts.services import entitlement_grant
from marketdata.models import ReplaySession
from marketdata.selectors import bars_get, instant
from trading.engine.strategies.hybrid_words import contributions
from trading.models import Decision, ModelVersion
from trading.selectors.decision_scores import score_of
from trading.services.bindings import models_of
from trading.services.deployments import deployment_start
from trading.services.models.registry import version_promote, version_shadow
from trading.services.runner import portfolio_advance
from trading.services.strategies import strategy_create
from trading.tests.factories import NOW, portfolio_make, user_make
from trading.tests.services.model_rows import PASSED, version_trained
from trading.tests.services.test_model_predictions import stored_walk

pytestmark = pytest.mark.django_db


@pytest.fixture
def champion() -> ModelVersion:
    found = version_trained()
    ModelVersion.objects.update(state="ACTIVE")
    found.refresh_from_db()
    return found


def challenger_of(champion: ModelVersion) -> ModelVersion:
    found = version_trained(kind="LOGISTIC", seed=8, symbols=[f"WALK{k}" for k in range(4)])
    gates = [gate | {"champion": champion.number} for gate in PASSED]
    ModelVersion.objects.filter(pk=found.pk).update(state="CANDIDATE", gates=gates)
    found.refresh_from_db()
    return found


def decided(version, instrument, bars, i):
    """The decision of a strategy that begins flat right before a bar."""
    portfolio = portfolio_make(
        version.strategy.user, lead=instrument, cursor_at=instant(int(bars.closed_at[i - 1]))
    )
    deployment = deployment_start(
        version=version, portfolio=portfolio, instrument=instrument, now=NOW
    )
    until = instant(int(bars.closed_at[i]))
    ReplaySession.objects.filter(pk=portfolio.replay_id).update(cursor_at=until)
    portfolio_advance(portfolio_id=portfolio.pk, until=until, now=NOW)
    return Decision.objects.get(deployment=deployment, market_at=until)


def scored(features, i, models):
    found = contributions(features, i, models)
    pairs = zip(found.names, found.values, strict=True)
    inputs = {f"contribution:{name}": value for name, value in pairs}
    inputs |= {"score_base": found.base, "score": found.score, "score_is_log_odds": 1.0}
    return score_of(Decision(inputs={"probability": features.arrays["probability"][i]} | inputs))


def test_a_promoted_model_is_named_by_new_decisions_and_old_ones_stay(champion):
    instrument, _, asked = stored_walk()
    bars = bars_get("ABC", "1d")
    first, later = int(asked[-2]), int(asked[-1])
    owner = user_make()
    entitlement_grant(user=owner, key="strategies.running", value=5, source="test")
    version = strategy_create(user=owner, key="hybrid", name="Dips")
    before = decided(version, instrument, bars, first)
    told = (before.reason, dict(before.inputs))

    challenger = challenger_of(champion)
    version_shadow(version=challenger, actor=version.strategy.user, reason="watch it", now=NOW)
    version_promote(version=challenger, actor=version.strategy.user, reason="better", now=NOW)
    after = decided(version, instrument, bars, later)

    old, new = models_of(champion)[-1].model, models_of(challenger)[-1].model
    assert old.content_hash != new.content_hash
    assert f"model {old.content_hash[:8]} gives" in before.reason
    assert f"model {new.content_hash[:8]} gives" in after.reason
    before.refresh_from_db()
    assert (before.reason, before.inputs) == told


def test_the_contributions_shown_add_up_and_order_bars_like_the_probability(champion):
    _, features, asked = stored_walk()
    models = models_of(champion)
    model_of, probability = features.arrays["model"], features.arrays["probability"]
    known = [i for i in asked if probability[i] >= 0]
    # The model of the year with the most candidates; each year has one of its own.
    years = [int(model_of[i]) for i in known]
    busiest = max(set(years), key=years.count)
    bars = [i for i, year in zip(known, years, strict=True) if year == busiest]
    scores = [scored(features, int(i), models) for i in bars]

    shown = [
        score.base + sum(row.value for row in score.contributions) + score.left_out
        for score in scores
    ]
    totals = np.array([score.total for score in scores])
    assert len(bars) >= 5
    assert np.allclose(shown, totals, rtol=0.0, atol=1e-9)
    assert np.allclose(1.0 / (1.0 + np.exp(-totals)), probability[bars], atol=2e-4)
