from __future__ import annotations

import json
import subprocess
import sys

import pytest

from elson.bootstrap import ROOT
from elson.common.logs import line_breaks_escape, secrets_redact


@pytest.mark.parametrize(
    "name", ["password", "api_key", "Authorization", "csrf_token", "sessionCookie", "stripe_secret"]
)
def test_secret_by_name_is_redacted_at_any_depth(name):
    event = secrets_redact(None, "", {"a": {"b": [{name: "canary"}]}, name: "canary"})

    assert "canary" not in json.dumps(event)


@pytest.mark.parametrize(
    "text",
    [
        "key sk_live_canary0000000000 used",
        "Bearer canary0000000",
        "redis://user:canary@host:6379/0",
        "/shared/backtests/canary-_0/",
        "Not Found: /accounts/password/reset/key/1-canary/",
        "/accounts/confirm-email/MQ:canary/",
    ],
)
def test_secret_by_its_look_is_redacted_in_any_text(text):
    assert "canary" not in secrets_redact(None, "", {"event": text})["event"]


def test_ordinary_values_stay():
    event = {"event": "order", "quantity": 3, "path": "/shared/backtests/", "n_tokens": 5}

    assert secrets_redact(None, "", dict(event)) == event


def test_line_break_from_outside_cannot_begin_a_line_of_ours():
    event = line_breaks_escape(None, "", {"event": "x\r\n2026 [info] forged", "n": 1})

    assert event == {"event": "x\\r\\n2026 [info] forged", "n": 1}


# Logging is set up once a process, so the whole way to the line is tried in a process of its own.
SCRIPT = """
import logging
import structlog
from elson.settings.logging import logging_settings

logging_settings(level="INFO", form="{form}")
structlog.contextvars.bind_contextvars(request_id="request-0001")
structlog.get_logger("trading").info("order\\nforged", password="canary", quantity="3")
logging.getLogger("other.library").warning("cannot reach %s", "redis://u:canary@h")
try:
    int("what was wrong")
except ValueError:
    logging.getLogger("trading").exception("failed")
"""


def lines_of(form: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.replace("{form}", form)],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stderr.splitlines()


def test_production_writes_one_json_object_a_line_with_the_request_id():
    ours, theirs, failed = (json.loads(line) for line in lines_of("json"))

    assert ours["event"] == "order\\nforged"
    assert (ours["request_id"], ours["quantity"]) == ("request-0001", "3")
    assert (theirs["request_id"], theirs["level"]) == ("request-0001", "warning")
    assert "canary" not in json.dumps([ours, theirs])
    assert "ValueError: invalid literal" in failed["exception"]


def test_development_writes_text_without_secrets():
    lines = lines_of("text")

    assert "order\\nforged" in lines[0]
    assert "canary" not in "".join(lines)
