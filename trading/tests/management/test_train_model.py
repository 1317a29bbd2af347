"""`manage.py train_model`: from stored bars or a folder, refused by name."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from trading.models import ModelTraining, ModelVersion
from trading.services.models import local
from trading.services.models import training as training_module
from trading.tests.services.model_rows import source

pytestmark = pytest.mark.django_db


@pytest.fixture
def walks_stored(monkeypatch):
    monkeypatch.setattr(local, "symbols_stored", lambda: [f"WALK{k}" for k in range(6)])
    monkeypatch.setattr(training_module, "bars_of_database", source)


def train(*arguments: str) -> str:
    out = StringIO()
    call_command("train_model", *arguments, stdout=out)
    return out.getvalue()


def test_it_trains_here_and_prints_figures_with_their_sample(walks_stored):
    text = train("--note", "by hand")

    version = ModelVersion.objects.get()
    assert f"hybrid model 1: {version.state}, LOGISTIC" in text
    assert "EXTREME" in text
    assert "candidates out of sample" in text
    assert ModelTraining.objects.get().note == "by hand"


def test_json_is_one_object(walks_stored):
    values = json.loads(train("--json"))

    assert values["content_hash"] == ModelVersion.objects.get().content_hash
    assert values["metrics"]["all"]["n"] == values["n_tested"]


def test_an_empty_database_and_a_missing_folder_are_refused():
    with pytest.raises(CommandError, match="no daily series"):
        train()
    with pytest.raises(CommandError, match="nowhere"):
        train("--data", "/nowhere")
    assert not ModelTraining.objects.exists()
