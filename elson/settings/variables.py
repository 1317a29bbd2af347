"""Every environment variable Elson reads, declared once, checked all at once.

Settings, `validate_env`, `.env.example` and docs/configuration.md all follow this list.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from email.utils import parseaddr
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import environ

BASE_DIR = Path(__file__).resolve().parents[2]
EXIT_CONFIGURATION = 78  # EX_CONFIG of sysexits.h
SAMPLE_SECRET_KEY = "development-only-secret-key-never-use-it-beyond-one-machine-0000"  # noqa: S105  public by intent
_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}


class SettingsFaults(Exception):
    """Every fault found in the environment, one line each."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        super().__init__("\n".join(lines))


@dataclass(frozen=True)
class Variable:
    """One environment variable: what it is, how it is read, what is allowed."""

    name: str
    kind: str
    default: Any
    help: str
    example: str
    is_secret: bool = False
    required_in: tuple[str, ...] = ()
    check: Callable[[Any], str | None] | None = None


def _between(low: float, high: float) -> Callable[[Any], str | None]:
    def check(value: float) -> str | None:
        return None if low <= value <= high else f"{value:g} is outside {low:g} to {high:g}"

    return check


def _one_of(*allowed: str) -> Callable[[Any], str | None]:
    def check(value: str) -> str | None:
        return None if value in allowed else f"{value!r} is not one of {', '.join(allowed)}"

    return check


def _scheme(*allowed: str) -> Callable[[Any], str | None]:
    def check(value: str) -> str | None:
        if not value:
            return None
        scheme = urlsplit(value).scheme
        if not scheme:
            return "the URL has no scheme"
        return None if scheme in allowed else f"its scheme is not one of {', '.join(allowed)}"

    return check


_REDIS_SCHEMES = ("redis", "rediss", "redis+socket", "sentinel", "cluster")


def _redis_url(value: str) -> str | None:
    fault = _scheme(*_REDIS_SCHEMES)(value)
    if fault or not value:
        return fault
    query = parse_qs(urlsplit(value).query)
    if urlsplit(value).scheme == "sentinel" and "master_name" not in query:
        return "a sentinel URL needs ?master_name="
    return None


def _broker_url(value: str) -> str | None:
    if urlsplit(value).scheme == "cluster":
        return "Celery cannot use a Redis Cluster as its broker; give a single server or Sentinel"
    return _redis_url(value)


def _secret_key(value: str) -> str | None:
    return None if len(value) >= 50 else f"it has {len(value)} characters; at least 50 are needed"


_DATABASE_SCHEMES = ("sqlite", "postgres", "postgresql")


def _database_url(value: str) -> str | None:
    fault = _scheme(*_DATABASE_SCHEMES)(value)
    if fault or not value:
        return fault
    parts = urlsplit(value)
    if parts.scheme != "sqlite" and not (parts.hostname and parts.path.strip("/")):
        return "the URL names no host or no database"
    return None


def _slug(value: str) -> str | None:
    return (
        None if re.fullmatch(r"[a-z0-9-]{1,40}", value) else f"{value!r} is no name of an episode"
    )


def _public_url(value: str) -> str | None:
    fault = _scheme("http", "https")(value)
    if fault:
        return fault
    return None if urlsplit(value).hostname else "the URL names no host"


def _email_address(value: str) -> str | None:
    is_address = not value or re.fullmatch(r"[^@\s<>]+@[^@\s<>]+", value)
    return None if is_address else f"{value!r} is not an e-mail address"


def _sender(value: str) -> str | None:
    return _email_address(parseaddr(value)[1] or "nobody")


def _stripe_key(value: str) -> str | None:
    if not value or re.fullmatch(r"(sk|rk)_(test|live)_[A-Za-z0-9]{24,}", value):
        return None
    return "it is not a Stripe secret key (sk_test_… or sk_live_… and 24 characters or more)"


def _host(value: str) -> str | None:
    return None if re.fullmatch(r"[A-Za-z0-9.:_-]+", value) else f"{value!r} is no address"


def _metrics_token(value: str) -> str | None:
    if not value or len(value) >= 16:
        return None
    return f"it has {len(value)} characters; at least 16 are needed"


VARIABLES: tuple[Variable, ...] = (
    Variable(
        "ELSON_SECRET_KEY",
        "str",
        SAMPLE_SECRET_KEY,
        "Signs sessions, tokens and links. At least 50 random characters.",
        "(50+ random characters)",
        is_secret=True,
        required_in=("production",),
        check=_secret_key,
    ),
    Variable("ELSON_DEBUG", "bool", False, "Django's debug pages and unhashed static files.", "0"),
    Variable(
        "ELSON_ALLOWED_HOSTS",
        "list",
        ["localhost", "127.0.0.1", "[::1]"],
        "Host names the site answers to, comma separated.",
        "elson.example.com",
        required_in=("production",),
    ),
    Variable(
        "ELSON_PUBLIC_URL",
        "str",
        "http://127.0.0.1:8000",
        "Address of the site as people see it; used in e-mails and allowed origins.",
        "https://elson.example.com",
        required_in=("production",),
        check=_public_url,
    ),
    Variable(
        "ELSON_STATE_DIR",
        "str",
        str(BASE_DIR / "var"),
        "Folder for the embedded database, the private Redis, logs and collected static files.",
        "/var/lib/elson",
    ),
    Variable(
        "DATABASE_URL",
        "str",
        "",
        "The one database. Empty: SQLite inside ELSON_STATE_DIR.",
        "postgres://elson:secret@db.example.com:5432/elson",
        is_secret=True,
        required_in=("production",),
        check=_database_url,
    ),
    Variable(
        "ELSON_DATABASE_CONN_MAX_AGE",
        "int",
        60,
        "Seconds a PostgreSQL connection is kept.",
        "60",
        check=_between(0, 3600),
    ),
    Variable(
        "REDIS_URL",
        "str",
        "",
        "Cache, live messages, limits: redis://, rediss://, redis+socket://, "
        "sentinel://…?master_name=, cluster://. Empty: the private server of `manage.py serve`.",
        "redis://redis.example.com:6379/0",
        is_secret=True,
        required_in=("production",),
        check=_redis_url,
    ),
    Variable(
        "CELERY_BROKER_URL",
        "str",
        "",
        "Queue of background jobs. Empty: REDIS_URL. A Redis Cluster is refused.",
        "redis://redis.example.com:6379/1",
        is_secret=True,
        check=_broker_url,
    ),
    Variable(
        "PORT", "int", 8000, "Port `manage.py serve` listens on.", "8000", check=_between(1, 65535)
    ),
    Variable(
        "ELSON_BIND_HOST",
        "str",
        "127.0.0.1",
        "Address `manage.py serve` listens on.",
        "127.0.0.1",
        check=_host,
    ),
    Variable(
        "ELSON_WORKER_PROCESSES",
        "int",
        2,
        "Background worker processes of `manage.py serve`.",
        "2",
        check=_between(1, 64),
    ),
    Variable(
        "ELSON_LOG_LEVEL",
        "str",
        "INFO",
        "DEBUG, INFO, WARNING or ERROR.",
        "INFO",
        check=_one_of("DEBUG", "INFO", "WARNING", "ERROR"),
    ),
    Variable(
        "ELSON_LOG_FORMAT",
        "str",
        "text",
        "text for people, json for machines (one object a line).",
        "json",
        check=_one_of("text", "json"),
    ),
    Variable(
        "ELSON_EMAIL_URL",
        "str",
        "consolemail://",
        "Where e-mail goes: consolemail://, filemail:///path, smtp://, smtp+tls://, smtp+ssl://.",
        "smtp+tls://user:secret@mail.example.com:587",
        is_secret=True,
        check=_scheme(
            "consolemail",
            "filemail",
            "smtp",
            "smtps",
            "smtp+tls",
            "smtp+ssl",
            "memorymail",
            "dummymail",
        ),
    ),
    Variable(
        "ELSON_EMAIL_FROM",
        "str",
        "Elson <no-reply@localhost>",
        "Sender of e-mails.",
        "Elson <no-reply@elson.example.com>",
        check=_sender,
    ),
    Variable(
        "ELSON_TRUSTED_PROXY_COUNT",
        "int",
        0,
        "Reverse proxies in front of the site whose X-Forwarded-For is believed.",
        "1",
        check=_between(0, 8),
    ),
    Variable(
        "ELSON_METRICS_TOKEN",
        "str",
        "",
        "Bearer token for /metrics from elsewhere than this machine. Empty: this machine only.",
        "(random characters)",
        is_secret=True,
        check=_metrics_token,
    ),
    Variable(
        "ELSON_REPLAY_EPISODE",
        "str",
        "sp500-2008",
        "Episode a new paper portfolio replays.",
        "sp500-2008",
        check=_slug,
    ),
    Variable(
        "ELSON_REPLAY_SPEED",
        "int",
        60,
        "Bars a minute of a new replay: 60 is one bar a second.",
        "60",
        check=_between(1, 600),
    ),
    Variable(
        "ELSON_MODEL_TWO_APPROVERS",
        "bool",
        False,
        "A trained model decides only after two people asked for it.",
        "1",
    ),
    Variable(
        "ELSON_MODEL_RETRAINING",
        "bool",
        True,
        "Train a challenger, which only predicts, when drift or newer prices give a reason.",
        "0",
    ),
    Variable(
        "ELSON_STRIPE_SECRET_KEY",
        "str",
        "",
        "Stripe secret key; test keys begin with sk_test_. Empty: card payments are off.",
        "sk_test_…",
        is_secret=True,
        check=_stripe_key,
    ),
    Variable("ELSON_STRIPE_LIVE_MODE", "bool", False, "Charge real cards.", "0"),
    Variable(
        "ELSON_PAYPAL_RECEIVER_EMAIL",
        "str",
        "",
        "PayPal account that is paid. Empty: PayPal is off.",
        "pay@elson.example.com",
        check=_email_address,
    ),
    Variable("ELSON_PAYPAL_SANDBOX", "bool", True, "Use PayPal's sandbox.", "1"),
)
BY_NAME: dict[str, Variable] = {variable.name: variable for variable in VARIABLES}


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
