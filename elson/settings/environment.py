"""Reading the environment by the list of `variables`: typed values, or every fault at once."""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ

from elson.settings.variables import BASE_DIR, BY_NAME, SAMPLE_SECRET_KEY, VARIABLES, Variable

EXIT_CONFIGURATION = 78  # EX_CONFIG of sysexits.h
_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}


class SettingsFaults(Exception):
    """Every fault found in the environment, one line each."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        super().__init__("\n".join(lines))


def read_dotenv(environment: MutableMapping[str, str], path: Path = BASE_DIR / ".env") -> None:
    """Add what the .env file says; the environment itself wins."""
    if path.is_file():
        reader: Any = type("DotenvReader", (environ.Env,), {"ENVIRON": environment})
        reader.read_env(path, overwrite=False)


def environment_kind(environment: Mapping[str, str]) -> str:
    """Name of the settings in use: development, testing or production."""
    module = environment.get("DJANGO_SETTINGS_MODULE", "elson.settings.development")
    return module.rsplit(".", 1)[-1]


def read(name: str, environment: Mapping[str, str]) -> Any:
    """Typed value of one declared variable; its default where it is absent or empty."""
    variable = BY_NAME[name]
    raw = _raw(name, environment)
    if raw is None:
        return variable.default
    fault = _kind_fault(variable, raw)
    if fault:
        raise SettingsFaults([_line(variable, fault)])
    env = environ.Env()
    env.ENVIRON = {name: raw}
    return getattr(env, variable.kind)(name)


def check_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    """Read every variable; raise SettingsFaults naming all that is wrong at once."""
    kind = environment_kind(environment)
    values: dict[str, Any] = {}
    lines: list[str] = []
    for variable in VARIABLES:
        raw = _raw(variable.name, environment)
        fault = _fault(variable, raw, environment, kind)
        if fault:
            lines.append(_line(variable, fault))
            continue
        values[variable.name] = read(variable.name, environment)
    lines += _unknown_names(environment)
    faulty = {line.partition(":")[0] for line in lines}
    together = {**{variable.name: variable.default for variable in VARIABLES}, **values}
    combined = _combined_faults(together, kind)
    lines += [line for line in combined if line.partition(":")[0] not in faulty]
    if lines:
        raise SettingsFaults(lines)
    return values


def _raw(name: str, environment: Mapping[str, str]) -> str | None:
    """Text of the variable, or of the file that NAME_FILE points to, without blank ends."""
    file_name = environment.get(f"{name}_FILE", "").strip()
    if file_name and Path(file_name).is_file():
        return Path(file_name).read_text(encoding="utf-8").strip() or None
    return environment.get(name, "").strip() or None


def _fault(
    variable: Variable, raw: str | None, environment: Mapping[str, str], kind: str
) -> str | None:
    file_name = environment.get(f"{variable.name}_FILE", "").strip()
    if file_name and not Path(file_name).is_file():
        return f"{variable.name}_FILE names {file_name}, which is not a file"
    if file_name and variable.is_secret and Path(file_name).stat().st_mode & 0o007:
        return f"{file_name} is open to everyone on this machine; chmod 600 it"
    if raw is None:
        return f"it is required in {kind}" if kind in variable.required_in else None
    if raw[0] in "\"'" or raw[-1] in "\"'":
        return "the quotes are part of the value; remove them"
    if any(letter in raw for letter in "\r\n\0"):
        return "it contains a line break"
    fault = _kind_fault(variable, raw)
    if fault or variable.check is None:
        return fault
    fault = variable.check(read(variable.name, {variable.name: raw}))
    if fault and variable.is_secret and raw in fault:
        return "the value is not usable"
    return fault


def _kind_fault(variable: Variable, raw: str) -> str | None:
    shown = "the value" if variable.is_secret else repr(raw)
    if variable.kind == "bool" and raw.lower() not in _TRUE | _FALSE:
        return f"{shown} is not a yes or no (1 or 0)"
    if variable.kind == "int" and not re.fullmatch(r"[+-]?[0-9]{1,9}", raw):
        return f"{shown} is not a whole number"
    return None


def _unknown_names(environment: Mapping[str, str]) -> list[str]:
    """Name every ELSON_ variable nobody reads: a mistyped one would silently do nothing."""
    known = set(BY_NAME) | {f"{name}_FILE" for name in BY_NAME}
    return [
        f"{name}: no such variable; docs/configuration.md lists them all"
        for name in sorted(environment)
        if name.startswith("ELSON_") and name not in known and not name.startswith("ELSON_TEST_")
    ]


def _combined_faults(values: Mapping[str, Any], kind: str) -> list[str]:
    lines = []
    redis_url = values["CELERY_BROKER_URL"] or values["REDIS_URL"]
    if urlsplit(redis_url).scheme == "cluster":
        lines.append(
            "CELERY_BROKER_URL: REDIS_URL is a Redis Cluster, which cannot carry Celery's queue; "
            "example: CELERY_BROKER_URL=redis://redis.example.com:6379/1"
        )
    if values["ELSON_DEBUG"] and kind != "production" and not _is_loopback(values):
        lines.append(_line(BY_NAME["ELSON_DEBUG"], "debug pages must not be open to others"))
    if kind == "production":
        lines += _production_faults(values)
    return lines


def _is_loopback(values: Mapping[str, Any]) -> bool:
    hosts = {urlsplit(values["ELSON_PUBLIC_URL"]).hostname, values["ELSON_BIND_HOST"]}
    return hosts <= {"localhost", "127.0.0.1", "::1"}


def _production_faults(values: Mapping[str, Any]) -> list[str]:
    lines = []
    if values["ELSON_SECRET_KEY"] == SAMPLE_SECRET_KEY:
        lines.append(_line(BY_NAME["ELSON_SECRET_KEY"], "it is the public sample key"))
    if values["ELSON_DEBUG"]:
        lines.append(_line(BY_NAME["ELSON_DEBUG"], "it must be off in production"))
    if "*" in values["ELSON_ALLOWED_HOSTS"]:
        lines.append(_line(BY_NAME["ELSON_ALLOWED_HOSTS"], "'*' would answer to any host name"))
    if not values["ELSON_PUBLIC_URL"].startswith("https://"):
        lines.append(_line(BY_NAME["ELSON_PUBLIC_URL"], "it must begin with https://"))
    has_paypal = values["ELSON_PAYPAL_RECEIVER_EMAIL"] and values["ELSON_PAYPAL_SANDBOX"]
    if has_paypal and values["ELSON_STRIPE_LIVE_MODE"]:
        fault = "it is on while ELSON_STRIPE_LIVE_MODE charges real cards"
        lines.append(f"ELSON_PAYPAL_SANDBOX: {fault}; example: ELSON_PAYPAL_SANDBOX=0")
    key = values["ELSON_STRIPE_SECRET_KEY"]
    wanted = "live" if values["ELSON_STRIPE_LIVE_MODE"] else "test"
    if key and f"_{wanted}_" not in key:
        lines.append(
            _line(
                BY_NAME["ELSON_STRIPE_SECRET_KEY"],
                f"it is not a {wanted} key as ELSON_STRIPE_LIVE_MODE says",
            )
        )
    return lines


def _line(variable: Variable, fault: str) -> str:
    return f"{variable.name}: {fault}; example: {variable.name}={variable.example}"
