"""What every test of the house can rely on: private places, a real Redis, loopback only."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from elson.tests import chromium, environment, servers

DATABASE_FIXTURES = {"db", "transactional_db", "live_server", "django_db_setup"}
JOURNEYS = Path(__file__).parent / "elson" / "tests" / "journeys"
JOURNEY_SECONDS = 1_200
_resources = contextlib.ExitStack()

# The same examples every time and no limit of time: no failure of a law comes and goes.
settings.register_profile(
    "suite", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("suite")


def pytest_configure(config: pytest.Config) -> None:
    """Start the embedded Redis of this process, where the environment names no other."""
    socket = environment.private_socket()
    is_controller = bool(config.getoption("numprocesses", None)) and not hasattr(
        config, "workerinput"
    )
    if socket and not is_controller:
        _resources.enter_context(servers.private_redis_on(socket))


def pytest_unconfigure() -> None:
    _resources.close()
    for folder in environment.throw_away_folders():
        shutil.rmtree(folder, ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark by what a test uses, so that nobody has to remember to."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if item.get_closest_marker("django_db") or fixtures & DATABASE_FIXTURES:
            item.add_marker(pytest.mark.database)
        if JOURNEYS in item.path.parents:
            item.add_marker(pytest.mark.journey)
            # The product is started once, and the first journey waits for it.
            item.add_marker(pytest.mark.timeout(JOURNEY_SECONDS))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Hand a file to one worker, and all journeys to one: the product is started once."""
    from elson.tests.scheduling import ByFile

    return ByFile(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """Store the plans again that a test emptied with all tables: migrations did it only once."""
    yield
    if nextitem is None:
        return  # the database is gone with its last test
    marker = item.get_closest_marker("django_db")
    empties = marker is not None and marker.kwargs.get("transaction", False)
    if empties or {"transactional_db", "live_server"} & set(getattr(item, "fixturenames", ())):
        from django.apps import apps
        from pytest_django.plugin import blocking_manager_key

        with item.config.stash[blocking_manager_key].unblock():
            import_module("billing.migrations.0002_plans").store_plans(apps, None)


@pytest.fixture(scope="session")
def django_db_keepdb(request: pytest.FixtureRequest) -> bool:
    """Start from a copy of the migrated SQLite file when no migration changed since it was made."""
    from django.db import connection

    template = environment.database_template(connection.vendor)
    if template and template.exists():
        shutil.copyfile(template, environment.database_name(os.environ))
        return True
    return bool(request.config.getoption("reuse_db"))


@pytest.fixture(scope="session")
def django_db_modify_db_settings(request: pytest.FixtureRequest) -> None:
    """Give each parallel worker its own PostgreSQL database; SQLite has a folder of its own."""
    from django.db import connection

    if connection.vendor != "sqlite":
        request.getfixturevalue("django_db_modify_db_settings_parallel_suffix")


@pytest.fixture(scope="session")
def django_db_setup(
    request: pytest.FixtureRequest, django_db_setup: None, django_db_blocker: Any
) -> None:
    """Keep a freshly migrated SQLite file for the next run."""
    from django.db import connection

    template = environment.database_template(connection.vendor)
    if template and not template.exists():
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        part = template.with_suffix(f".{os.getpid()}")
        shutil.copyfile(environment.database_name(os.environ), part)
        part.replace(template)


@pytest.fixture(scope="session")
def redis_url() -> str:
    """URL of a real Redis-protocol server that belongs to this process alone."""
    return os.environ["REDIS_URL"]


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Path of a real Chromium; its absence is a failure, never a skip."""
    path = chromium.chromium_found()
    if path is None:
        pytest.fail("No Chromium on this machine: `make journeys` fetches one.")
    return path


@pytest.fixture(autouse=True)
def _clean_cache(request: pytest.FixtureRequest) -> Iterator[None]:
    """Empty the cache after a test that used the database: rate limits and sessions live there."""
    yield
    if request.node.get_closest_marker("database"):
        from django.core.cache import cache

        cache.clear()
