"""Logs: readable text in development, one JSON object a line in production."""

from __future__ import annotations

import logging.config
import re
from typing import Any

import structlog

_SECRET_NAMES = re.compile(r"(password|secret|token|authorization|cookie|api_key)", re.IGNORECASE)


def redact_secrets(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
    """Replace values whose name says secret, at any depth of the event's own fields."""
    return {
        name: "[redacted]" if _SECRET_NAMES.search(name) else value for name, value in event.items()
    }


def logging_settings(*, level: str, form: str) -> dict[str, Any]:
    """Configure structlog and the standard library onto one formatter; return its dictConfig."""
    shared = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        redact_secrets,
    ]
    renderer = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    config = {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "structured": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": shared,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.format_exc_info,
                    renderer,
                ],
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structured"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "django.server": {"level": "INFO"},
            "uvicorn.error": {"level": "INFO"},
            "uvicorn.access": {"level": "WARNING"},
            "stripe": {"level": "WARNING"},
            "numba": {"level": "WARNING"},
            "httpx": {"level": "WARNING"},
        },
    }
    logging.config.dictConfig(config)
    return config
