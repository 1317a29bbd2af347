"""Logs: readable text in development, one JSON object a line in production."""

from __future__ import annotations

import logging.config
from typing import Any

import structlog

from elson.common.logs import component_add, line_breaks_escape, secrets_redact

# How much of each library's own talk is kept.
LOGGERS: dict[str, dict[str, Any]] = {
    # Django would mail administrators and print to a handler of its own.
    "django": {"handlers": [], "level": "INFO", "propagate": True},
    "django.server": {"handlers": [], "level": "INFO", "propagate": True},
    # The request's own line says status and path.
    "django.request": {"level": "ERROR"},
    "django.security.DisallowedHost": {"level": "CRITICAL"},
    "uvicorn.error": {"level": "INFO"},
    "uvicorn.access": {"level": "WARNING"},
    "celery.worker.strategy": {"level": "WARNING"},
    "celery.app.trace": {"level": "WARNING"},
    "celery.beat": {"level": "WARNING"},
    "django_celery_beat": {"level": "WARNING"},
    "stripe": {"level": "WARNING"},
    "numba": {"level": "WARNING"},
    "httpx": {"level": "WARNING"},
}


def logging_settings(*, level: str, form: str) -> dict[str, Any]:
    """Configure structlog and the standard library onto one formatter; return its dictConfig."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        component_add,
    ]
    renderer = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    structured = {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": shared,
        "processors": [
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            secrets_redact,
            line_breaks_escape,
            renderer,
        ],
    }
    config: dict[str, Any] = {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"structured": structured},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structured"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": LOGGERS,
    }
    logging.config.dictConfig(config)
    return config
