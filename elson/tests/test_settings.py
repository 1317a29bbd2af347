from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from elson.bootstrap import ROOT
from elson.settings.documents import configuration_page, env_example
from elson.settings.environment import (
    EXIT_CONFIGURATION,
    SettingsFaults,
    check_environment,
    read_dotenv,
)
from elson.settings.variables import BY_NAME, VARIABLES

PRODUCTION = {
    "DJANGO_SETTINGS_MODULE": "elson.settings.production",
    "ELSON_SECRET_KEY": "k" * 25 + "0123456789abcdefghijklmnopqrstuvwxyz",
    "ELSON_ALLOWED_HOSTS": "elson.example.com",
    "ELSON_PUBLIC_URL": "https://elson.example.com",
    "DATABASE_URL": "postgres://elson:word@db.example.com:5432/elson",
    "REDIS_URL": "redis://redis.example.com:6379/0",
}
# One value of each class that must be refused, for the kinds and checks that can tell.
WRONG_TYPE = {"int": "many", "bool": "perhaps"}
OUT_OF_RANGE = {
    "ELSON_SECRET_KEY": "short",
    "ELSON_PUBLIC_URL": "https://",
    "DATABASE_URL": "postgres://db.example.com",
    "ELSON_DATABASE_CONN_MAX_AGE": "-1",
    "REDIS_URL": "sentinel://a:26379/0",
    "CELERY_BROKER_URL": "cluster://a:6379",
    "PORT": "70000",
    "ELSON_BIND_HOST": "not a host",
    "ELSON_WORKER_PROCESSES": "0",
    "ELSON_LOG_LEVEL": "LOUD",
    "ELSON_LOG_FORMAT": "xml",
    "ELSON_EMAIL_URL": "pigeon://loft",
    "ELSON_EMAIL_FROM": "Elson <nobody@@nowhere>",
    "ELSON_TRUSTED_PROXY_COUNT": "9",
    "ELSON_METRICS_TOKEN": "short",
    "ELSON_REPLAY_EPISODE": "../etc",
    "ELSON_REPLAY_SPEED": "601",
    "ELSON_STRIPE_SECRET_KEY": "pk_test_000000000000000000000000",
    "ELSON_PAYPAL_RECEIVER_EMAIL": "nobody",
}
URLS = [variable.name for variable in VARIABLES if variable.name.endswith("_URL")]
ANY_TEXT = {"ELSON_ALLOWED_HOSTS", "ELSON_STATE_DIR"}


def faults_of(**environment: str) -> list[str]:
    try:
        check_environment(environment)
    except SettingsFaults as faults:
        return faults.lines
    return []


@pytest.mark.parametrize("variable", VARIABLES, ids=lambda variable: variable.name)
def test_missing_or_blank_variable_means_its_default(variable):
    values = [check_environment(given)[variable.name] for given in ({}, {variable.name: " \r\n"})]

    assert values == [variable.default, variable.default]


@pytest.mark.parametrize("name", [name for v in VARIABLES for name in v.required_in and [v.name]])
@pytest.mark.parametrize("given", [None, "", "   "], ids=["missing", "empty", "blank"])
def test_production_asks_for_what_it_needs(name, given):
    environment = {key: value for key, value in PRODUCTION.items() if key != name}
    if given is not None:
        environment[name] = given

    lines = faults_of(**environment)

    assert [line.partition(":")[0] for line in lines] == [name]
    assert "required in production; example:" in lines[0]


@pytest.mark.parametrize(
    "variable", [v for v in VARIABLES if v.kind in WRONG_TYPE], ids=lambda variable: variable.name
)
def test_value_of_the_wrong_type_is_refused(variable):
    lines = faults_of(**{variable.name: WRONG_TYPE[variable.kind]})

    assert len(lines) == 1
    assert lines[0].startswith(f"{variable.name}: ")


@pytest.mark.parametrize(
    "variable",
    [v for v in VARIABLES if v.kind != "bool" and v.name not in ANY_TEXT],
    ids=lambda variable: variable.name,
)
def test_value_out_of_range_is_refused_with_an_example(variable):
    lines = faults_of(**{variable.name: OUT_OF_RANGE[variable.name]})

    assert len(lines) == 1
    assert lines[0].startswith(f"{variable.name}: ")
    assert f"example: {variable.name}=" in lines[0] or "example: CELERY_BROKER_URL=" in lines[0]


@pytest.mark.parametrize("variable", VARIABLES, ids=lambda variable: variable.name)
@pytest.mark.parametrize("quote", ["'", '"'])
def test_kept_quotes_are_refused(variable, quote):
    lines = faults_of(**{variable.name: f"{quote}{variable.example}{quote}"})

    assert len(lines) == 1
    assert "remove them" in lines[0]


@pytest.mark.parametrize("variable", VARIABLES, ids=lambda variable: variable.name)
def test_line_break_inside_a_value_is_refused(variable):
    lines = faults_of(**{variable.name: f"{variable.example}\r\n{variable.example}"})

    assert [line for line in lines if "line break" in line and line.startswith(variable.name)]


def test_line_end_of_a_windows_file_is_forgiven():
    assert check_environment({"PORT": "8001\r\n"})["PORT"] == 8001


@pytest.mark.parametrize("name", URLS)
def test_url_without_scheme_is_refused(name):
    lines = faults_of(**{name: "db.example.com/elson"})

    assert len(lines) == 1
    assert "no scheme" in lines[0]


@pytest.mark.parametrize(
    "variable", [v for v in VARIABLES if v.is_secret], ids=lambda variable: variable.name
)
def test_secret_is_never_printed(variable):
    canary = "canary-7c1f"

    shown = "\n".join(
        line
        for given in (canary, f"{canary}://x", f"'{canary}'", f"{canary}\n{canary}")
        for line in faults_of(**{variable.name: given})
    )

    assert canary not in shown


def test_all_faults_are_told_at_once():
    lines = faults_of(PORT="x", ELSON_LOG_FORMAT="xml", ELSON_TYPO="1", REDIS_URL="cluster://a:1")

    assert [line.partition(":")[0] for line in lines] == [
        "PORT",
        "ELSON_LOG_FORMAT",
        "ELSON_TYPO",
        "CELERY_BROKER_URL",
    ]


def test_redis_cluster_is_fine_beside_another_broker():
    assert faults_of(REDIS_URL="cluster://a:1", CELERY_BROKER_URL="redis://b:6379/0") == []


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"ELSON_DEBUG": "1"}, "ELSON_DEBUG"),
        ({"ELSON_ALLOWED_HOSTS": "*"}, "ELSON_ALLOWED_HOSTS"),
        ({"ELSON_PUBLIC_URL": "http://elson.example.com"}, "ELSON_PUBLIC_URL"),
        ({"ELSON_SECRET_KEY": BY_NAME["ELSON_SECRET_KEY"].default}, "ELSON_SECRET_KEY"),
        ({"ELSON_STRIPE_LIVE_MODE": "1", "ELSON_STRIPE_SECRET_KEY": "sk_test_" + "0" * 24},
         "ELSON_STRIPE_SECRET_KEY"),
        ({"ELSON_STRIPE_LIVE_MODE": "1", "ELSON_PAYPAL_RECEIVER_EMAIL": "pay@example.com"},
         "ELSON_PAYPAL_SANDBOX"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_production_refuses_what_is_unsafe(changed, name):
    assert [line.partition(":")[0] for line in faults_of(**{**PRODUCTION, **changed})] == [name]


def test_debug_pages_are_refused_on_a_public_address():
    lines = faults_of(ELSON_DEBUG="1", ELSON_BIND_HOST="0.0.0.0")  # noqa: S104  refused, not bound

    assert [line.partition(":")[0] for line in lines] == ["ELSON_DEBUG"]


def test_value_comes_from_a_file_without_its_line_end(tmp_path):
    secret = tmp_path / "token"
    secret.write_text("t" * 20 + "\n")
    secret.chmod(0o600)

    values = check_environment({"ELSON_METRICS_TOKEN_FILE": str(secret)})

    assert values["ELSON_METRICS_TOKEN"] == "t" * 20


def test_secret_file_open_to_everyone_is_refused(tmp_path):
    secret = tmp_path / "token"
    secret.write_text("t" * 20)
    secret.chmod(0o644)

    assert "chmod 600" in faults_of(ELSON_METRICS_TOKEN_FILE=str(secret))[0]


def test_environment_wins_over_the_dotenv_file(tmp_path):
    (tmp_path / ".env").write_text("PORT=1\nELSON_LOG_LEVEL=ERROR\n")
    environment = {"PORT": "2"}

    read_dotenv(environment, tmp_path / ".env")

    assert environment == {"PORT": "2", "ELSON_LOG_LEVEL": "ERROR"}


def test_written_documents_follow_the_list_of_variables():
    assert (ROOT / ".env.example").read_text(encoding="utf-8") == env_example()
    assert (ROOT / "docs/configuration.md").read_text(encoding="utf-8") == configuration_page()


def manage(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("ELSON_")
        and name not in BY_NAME
        and name != "DJANGO_SETTINGS_MODULE"
    }
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT, env={**inherited, **environment}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


def test_command_line_ends_with_78_and_one_line_a_fault():
    done = manage("validate_env", "--json", PORT="x", ELSON_TYPO="1")

    assert done.returncode == EXIT_CONFIGURATION
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == ["PORT", "ELSON_TYPO"]
    assert json.loads(done.stdout)["ok"] is False


def test_validate_env_lists_every_variable_and_no_secret(tmp_path):
    done = manage(
        "validate_env", "--json", ELSON_STATE_DIR=str(tmp_path), ELSON_METRICS_TOKEN="c" * 20
    )

    report = json.loads(done.stdout)
    assert done.returncode == 0
    assert [row["name"] for row in report["variables"]] == [variable.name for variable in VARIABLES]
    assert "c" * 20 not in done.stdout


def test_production_settings_pass_the_deployment_check(tmp_path):
    done = manage(
        "check", "--deploy", "--fail-level", "WARNING",
        ELSON_STATE_DIR=str(tmp_path), **PRODUCTION,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
