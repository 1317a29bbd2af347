"""Every environment variable Elson reads, declared once; `environment` reads and checks them.

Settings, `validate_env`, `.env.example` and docs/configuration.md all follow this list.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parseaddr
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

BASE_DIR = Path(__file__).resolve().parents[2]
SAMPLE_SECRET_KEY = "development-only-secret-key-never-use-it-beyond-one-machine-0000"  # noqa: S105  public by intent


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
