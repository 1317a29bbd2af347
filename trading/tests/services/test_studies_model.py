"""A study of the hybrid asks one model version, whatever becomes active while it runs."""

import datetime as dt

import pytest
from django.db.models import ProtectedError

from trading.models import ModelArtifact, ModelVersion, Study
from trading.selectors.studies import study_get
from trading.serializers.studies import StudySerializer
from trading.services.bindings import models_of
from trading.services.studies.drafts import study_draft_read
from trading.services.studies.requests import study_extend, study_request
from trading.services.studies.setup import setup_of
from trading.services.studies.work import study_work
from trading.tests.factories import NOW, bars_make, instrument_make
from trading.tests.services.model_rows import version_make, version_trained, walk
from trading.tests.study_rows import ASKED, member_make, study_finish

pytestmark = pytest.mark.django_db
SPACE = {"veto_share": {"low": 0.1, "high": 0.9, "step": 0.2}}


@pytest.fixture(autouse=True)
def stored_walk():
    bars = walk(1)
    rows = zip(bars.open, bars.high, bars.low, bars.close, strict=True)
    closes = [dt.datetime.fromtimestamp(at / 1e9, tz=dt.UTC) for at in bars.closed_at]
    bars_make(instrument_make("ABC"), [tuple(map(float, row)) for row in rows], closes=closes)


def active_make(**values) -> ModelVersion:
    found = version_trained(**values)
    ModelVersion.objects.exclude(pk=found.pk).update(state="RETIRED")
    ModelVersion.objects.filter(pk=found.pk).update(state="ACTIVE")
    found.refresh_from_db()
    return found


def study_of_hybrid(user=None, **asked) -> Study:
    values = {"strategy_key": "hybrid", "symbol": "ABC", "space": SPACE, "n_trials": 5}
    draft = study_draft_read({**ASKED, **values, **asked})
    return study_request(user=user or member_make(), draft=draft, now=NOW)


def sharpes(study: Study) -> list[float]:
    return list(study.trials.order_by("number").values_list("bar_sharpe", flat=True))


def test_its_trials_are_decided_by_the_version_active_at_the_request():
    version = active_make()

    study = study_finish(study_of_hybrid())

    setup = setup_of(study)
    features = setup.spec.prepare(setup.search_bars, setup.params({"veto_share": 0.1}))
    assert study.model_version == version
    assert (features.arrays["probability"] >= 0.0).any()
    assert len(set(sharpes(study))) > 1


def test_a_version_promoted_meanwhile_changes_none_of_its_trials():
    active_make()
    user = member_make()
    alone, watched = study_finish(study_of_hybrid(user)), study_of_hybrid(user)

    challenger = active_make(seed=8, n=4)
    study_finish(watched)

    assert challenger.content_hash != watched.model_version.content_hash
    assert sharpes(watched) == sharpes(alone)
    assert sharpes(study_finish(study_of_hybrid(user))) != sharpes(alone)


def test_more_trials_and_the_hold_out_ask_the_version_of_the_first():
    version = active_make()
    study = study_finish(study_of_hybrid(method="tpe", n_trials=2))
    active_make(seed=8, n=4)

    longer = study_extend(study=study, n_trials=4, now=NOW)

    assert study_finish(longer).model_version == version
    assert setup_of(longer).spec.prepare.keywords["models"] == models_of(version)


def test_without_an_active_version_the_rule_searches_alone_and_so_to_the_end():
    user = member_make()
    study = study_of_hybrid(user)
    active_make()

    study_finish(study)

    assert study.model_version is None
    assert len(set(sharpes(study))) == 1


def test_a_version_that_cannot_be_read_fails_the_study_instead_of_changing_it():
    version = version_make(state="ACTIVE")
    ModelArtifact.objects.create(
        training=version.training, valid_from=NOW, artifact={"format": 99}, content_hash="0",
        n_train=1,
    )  # fmt: skip
    study = study_of_hybrid()

    assert study_work(study_id=study.pk, clock=lambda: NOW) == "FAILED"
    study.refresh_from_db()
    assert "format 99" in study.error


def test_a_version_a_study_asked_is_kept():
    version = active_make()
    study_of_hybrid()

    with pytest.raises(ProtectedError):
        version.delete()


def test_other_strategies_have_no_version():
    active_make()
    space = {"fast": {"low": 3, "high": 7}}

    assert study_of_hybrid(strategy_key="sma_cross", space=space).model_version is None


def test_the_page_and_the_api_name_the_version(client):
    version, user = active_make(), member_make()
    study = study_finish(study_of_hybrid(user))
    client.force_login(user)

    page = client.get(f"/optimizations/{study.pk}/").content.decode()

    found = StudySerializer(study_get(user_id=user.pk, study_id=study.pk)).data["model"]
    assert found == {"number": 1, "kind": "LOGISTIC", "content_hash": version.content_hash}
    assert f'<a href="/models/{version.pk}/">model 1</a>' in page
    assert version.content_hash[:8] in page


def test_the_page_says_that_the_rule_ran_alone(client):
    user = member_make()
    study = study_of_hybrid(user)
    client.force_login(user)

    assert "rule without a model" in client.get(f"/optimizations/{study.pk}/").content.decode()
