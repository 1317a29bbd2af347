"""What a search pays: the usual slippage and impact of a market come on top where asked for."""

from __future__ import annotations

import numpy as np
import pytest

from marketdata.selectors import bars_hash
from trading.engine.costs import CostModel
from trading.models import Study, TrialLedgerEntry
from trading.services.backtests.experiment import costs_of
from trading.services.studies.drafts import StudyInvalid, study_draft_read
from trading.services.studies.renewal import _draft_of
from trading.services.studies.setup import search_content, setup_of
from trading.tests.backtest_rows import asked
from trading.tests.study_rows import ASKED, figures, member_make, study_finish, study_make

pytestmark = pytest.mark.django_db
USUAL = {"has_regime_costs": True}
MORE = USUAL | {"has_usual_slippage": True}


@pytest.fixture
def owner():
    return member_make()


def test_trials_are_worth_less_once_slippage_and_impact_are_paid(owner):
    usual, more = (study_finish(study_make(owner, **costs)) for costs in (USUAL, MORE))

    pairs = list(zip(figures(usual), figures(more), strict=True))
    assert all(a[:2] == b[:2] for a, b in pairs)
    assert all(b[3] < a[3] for a, b in pairs if np.isfinite(a[3]))
    # Other costs are other trials.
    assert TrialLedgerEntry.objects.count() == 2 * len(pairs)


def test_a_search_pays_what_a_backtest_that_asks_for_the_same_pays(owner):
    study = study_make(owner, **MORE, slippage_bps=1)
    run = asked(owner, **MORE, slippage_bps=1)

    paid = setup_of(study).config.costs

    assert paid == costs_of(run, run.instrument)
    assert paid == CostModel(5.0, 1.0, "EQUITY", preset_slippage=1.0, preset_impact=1.0)


def test_without_them_a_search_is_named_as_before(owner):
    setup = setup_of(study_make(owner, **USUAL))

    assert search_content(setup.search_bars, setup.config, None) == {
        "bars": bars_hash(setup.search_bars),
        "start": setup.config.start_index,
        "cash": 100_000.0,
        "costs": [5.0, 0.0, "EQUITY"],
        "model": None,
    }


def test_they_are_refused_without_the_usual_costs():
    with pytest.raises(StudyInvalid, match="on top of the usual costs") as refused:
        study_draft_read(ASKED | {"has_usual_slippage": True})

    assert refused.value.field == "has_usual_slippage"


def test_a_repeated_search_pays_them_too(owner):
    study = study_make(owner, **MORE)

    draft = _draft_of(study, study.end_date)

    assert (draft.base.has_regime_costs, draft.base.has_usual_slippage) == (True, True)
    assert Study.objects.get().has_usual_slippage
