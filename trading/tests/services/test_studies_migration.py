"""What a migration of studies may not do."""

import pytest
from django.db import connection
from django.db.migrations.exceptions import IrreversibleError
from django.db.migrations.loader import MigrationLoader


@pytest.mark.django_db
def test_chunks_are_not_taken_back_because_waiting_trials_would_be_lost():
    loader = MigrationLoader(connection)
    before = loader.project_state(("trading", "0021_order_protection"))
    chunks = loader.get_migration("trading", "0022_study_chunks")

    with pytest.raises(IrreversibleError):
        chunks.unapply(before, schema_editor=None)
