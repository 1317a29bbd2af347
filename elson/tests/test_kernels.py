"""A page never compiles: it says that something is being prepared, and asks again by itself."""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numba
import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django.utils.log import log_response
from django_htmx.middleware import HtmxDetails

from elson import kernels
from elson.middleware import KernelsMiddleware
from elson.serving.children import child_by_name, kernels_child
from trading.engine.kernel_cache import KernelMissing, compile_elsewhere, compile_here
from trading.engine.kernels import kernel

ASKED = RequestFactory()


def tripled(x: float) -> float:
    return 3.0 * x


def impossible(x: float) -> float:
    return x.no_such_thing  # type: ignore[attr-defined,no-any-return]


# What another process finds under the name it was told.
tripled_nb, impossible_nb = tripled, impossible


@pytest.fixture
def folder(tmp_path: Path, settings, monkeypatch) -> Path:
    """An installation on which nothing was compiled yet."""
    settings.STATE_DIR = tmp_path
    monkeypatch.setattr(kernels, "_started", [])
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "numba"))
    for name in ("tripled", "impossible"):
        monkeypatch.setitem(globals(), name, kernel(globals()[f"{name}_nb"]))
    yield tmp_path
    compile_here()


def missing_of(name: str) -> KernelMissing:
    """What a web process raises for a kernel that is not there."""
    compile_elsewhere()
    try:
        with pytest.raises(KernelMissing) as missing:
            globals()[name](1.0)
    finally:
        compile_here()
    return missing.value


def answer(request: HttpRequest, error: Exception) -> HttpResponse | None:
    """What the middleware says; somebody compiles already, so nothing is started."""
    request.htmx = HtmxDetails(request)  # type: ignore[attr-defined]
    with kernels._alone():
        return KernelsMiddleware(lambda _: HttpResponse()).process_exception(request, error)


def test_a_page_says_that_it_is_being_prepared_and_loads_again_by_itself(folder):
    response = answer(ASKED.get("/markets/SPX/?frame=1y"), missing_of("tripled"))

    page = response.content.decode()
    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert "Being prepared…" in page
    assert 'hx-get="/preparing/"' in page
    assert 'href="/markets/SPX/?frame=1y"' in page


def test_waiting_is_no_error_in_the_log_and_a_kernel_that_failed_is(folder, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("django.request"), "propagate", True)
    waiting = answer(ASKED.get("/"), missing_of("tripled"))
    monkeypatch.setattr(kernels, "kernel_want", lambda _: "it cannot be compiled")
    failed = answer(ASKED.get("/"), missing_of("tripled"))

    for response in (waiting, failed):
        log_response("%s", "told", response=response, request=ASKED.get("/"), level="error")

    assert len([row for row in caplog.records if row.name == "django.request"]) == 1


def test_a_part_of_a_page_asks_for_itself_again(folder):
    request = ASKED.get("/strategies/1/tracking/?a=1", headers={"HX-Request": "true"})

    response = answer(request, missing_of("tripled"))

    part = response.content.decode()
    assert response.status_code == 202  # htmx leaves out what is answered with 503
    assert 'hx-get="/strategies/1/tracking/?a=1"' in part
    assert 'hx-trigger="load delay:2s"' in part
    assert "<html" not in part


def test_what_was_sent_is_refused_and_not_sent_again(folder):
    response = answer(ASKED.post("/orders/new/"), missing_of("tripled"))

    assert response.status_code == 503
    assert "hx-get" not in response.content.decode()


def test_the_api_answers_a_problem_that_says_when_to_ask_again(folder):
    response = answer(ASKED.get("/api/v1/regimes/"), missing_of("tripled"))

    problem = json.loads(response.content)
    assert (response.status_code, problem["code"]) == (503, "BEING_PREPARED")
    assert response["Retry-After"] == "5"


def test_other_errors_are_left_to_django(folder):
    assert answer(ASKED.get("/"), ValueError("no kernel")) is None
    assert not kernels.is_waited_for()


def test_the_page_loads_again_once_nothing_is_waited_for(folder, client):
    with kernels._alone():
        kernels.kernel_want(missing_of("tripled"))
        waiting = client.get("/preparing/")
    for asked in (folder / "kernels").glob("*.wanted"):
        asked.unlink()
    ready = client.get("/preparing/")

    assert "HX-Refresh" not in waiting.headers
    assert ready["HX-Refresh"] == "true"


def done(folder: Path) -> None:
    """Say that all parts are there, as an earlier run left it."""
    kernels._state_write(kernels.KernelState(kernels.kernels_stamp(), 3, 3))


def compiled(*, is_forced: bool = False) -> int:
    return kernels.kernels_compile(say=lambda text: None, show=lambda *_: None, is_forced=is_forced)


STAND_IN = """
import fcntl, pathlib
fcntl.flock(pathlib.Path(__file__).with_name("door").open("a"), fcntl.LOCK_SH)
"""


@pytest.fixture
def compiler(folder, settings) -> Iterator[Path]:
    """What is started instead of the compiler; it is there until the door is opened."""
    (folder / "manage.py").write_text(STAND_IN)
    settings.BASE_DIR = folder
    with door_shut(folder):
        yield folder
    ended()


@contextlib.contextmanager
def door_shut(folder: Path) -> Iterator[None]:
    with (folder / "door").open("a") as door:
        fcntl.flock(door, fcntl.LOCK_EX)
        yield


def ended() -> None:
    """Wait for the end of all that were started."""
    for process in kernels._started:
        process.wait(timeout=60)


def test_what_somebody_waits_for_is_compiled_and_found_by_a_process_that_does_not(folder):
    done(folder)
    with kernels._alone():
        assert kernels.kernel_want(missing_of("tripled")) == ""

    assert compiled() == 0

    assert not kernels.is_waited_for()
    compile_elsewhere()
    assert kernel(tripled_nb)(1.0) == 3.0


def test_a_kernel_that_cannot_be_compiled_is_told_with_its_reason_and_not_tried_again(folder):
    done(folder)
    missing = missing_of("impossible")
    with kernels._alone():
        kernels.kernel_want(missing)
    compiled()

    response = answer(ASKED.get("/"), missing)

    assert response.status_code == 503
    assert "impossible cannot be compiled" in response.content.decode()
    assert not kernels.is_waited_for()


def test_what_could_not_be_compiled_is_tried_again_by_force(folder, monkeypatch):
    monkeypatch.setattr(kernels.preparation, "parts", lambda: iter([]))
    missing = missing_of("impossible")
    with kernels._alone():
        kernels.kernel_want(missing)
    compiled()

    compiled(is_forced=True)

    with kernels._alone():
        assert kernels.kernel_want(missing) == ""


def test_the_page_that_waits_starts_the_compiling_again_after_its_process_died(compiler, client):
    with kernels._alone():
        kernels.kernel_want(missing_of("tripled"))

    client.get("/preparing/")
    kernels._started[-1].kill()
    ended()
    client.get("/preparing/")

    assert kernels._started[-1].poll() is None


def test_one_that_is_on_its_way_is_not_started_again(compiler, client):
    kernels.kernel_want(missing_of("tripled"))
    client.get("/preparing/")
    client.get("/preparing/")

    assert len(kernels._started) == 1


def test_nothing_is_started_while_nothing_is_waited_for(compiler, client):
    client.get("/preparing/")

    assert not kernels._started


def test_one_kernel_is_asked_for_by_many_threads_at_once(folder):
    missing = missing_of("tripled")
    with kernels._alone(), ThreadPoolExecutor(8) as threads:
        said = list(threads.map(lambda _: kernels.kernel_want(missing), range(400)))

    assert said == [""] * 400
    assert [path.suffix for path in (folder / "kernels").iterdir() if path.name != "lock"] == [
        ".wanted"
    ]


def test_one_process_compiles_at_a_time(folder):
    done(folder)

    with kernels._alone():
        assert kernels.is_compiling()
        with pytest.raises(kernels.KernelsBusy):
            compiled()

    assert not kernels.is_compiling()


def test_parts_are_gone_through_again_for_other_sources_and_not_for_the_same(folder, monkeypatch):
    gone_through = []
    few = [("one", lambda: gone_through.append(1)), ("two", lambda: gone_through.append(2))]
    monkeypatch.setattr(kernels.preparation, "parts", lambda: iter(few))

    first, second = compiled(), compiled()
    kernels._state_write(kernels.KernelState("another stamp", 2, 2))
    third = compiled()

    assert (first, second, third) == (2, 0, 2)
    assert gone_through == [1, 2, 1, 2]
    assert kernels.kernels_state().is_done


def test_an_interrupted_run_is_not_taken_for_done(folder, monkeypatch):
    def stop() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(kernels.preparation, "parts", lambda: iter([("one", int), ("two", stop)]))

    with pytest.raises(KeyboardInterrupt):
        compiled()

    assert (kernels.kernels_state().n_done, kernels.kernels_state().is_done) == (1, False)


def test_what_is_written_down_is_read_by_its_owner_only(folder):
    with kernels._alone():
        kernels.kernel_want(missing_of("tripled"))

    (waiting,) = (folder / "kernels").glob("*.wanted")
    assert waiting.stat().st_mode & 0o777 == 0o600
    assert os.stat(folder / "kernels").st_mode & 0o777 == 0o700


def test_serve_compiles_once_in_a_process_of_its_own():
    child = kernels_child()

    assert child.is_once
    assert child.program[-2:] == ("--only", "kernels")
    assert child_by_name("kernels", "") is not None
