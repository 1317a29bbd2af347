from __future__ import annotations

import importlib

import pytest
from django.apps import apps


@pytest.fixture
def db(db):
    """The stored plans as well: a test that empties the tables may have run before."""
    importlib.import_module("billing.migrations.0002_plans").store_plans(apps, None)
