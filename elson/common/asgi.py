"""Limits on what a caller may send, applied before a byte of it is kept.

Django reads a whole body into a temporary file before its first middleware runs, so the limits
stand in front of it.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

BODY_BYTES_MAX = 256 * 1024
BODY_SECONDS_MAX = 15.0
URL_BYTES_MAX = 8 * 1024
HEADER_BYTES_MAX = 16 * 1024


class _Refused(Exception):
    """The request is over a limit; args are status, code and sentence."""


class RequestLimits:
    """Answers 408, 413, 414 or 431 by itself; everything else reaches the application."""

    def __init__(self, application: Any) -> None:
        self._application = application

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Check what is known from the start, then count the body while it comes."""
        try:
            _check_head(scope)
            await self._application(scope, _counted(receive), send)
        except _Refused as refusal:
            await _answer(send, *refusal.args)


def _check_head(scope: dict[str, Any]) -> None:
    url = len(scope.get("raw_path") or b"") + len(scope.get("query_string") or b"")
    if url > URL_BYTES_MAX:
        raise _Refused(414, "URL_TOO_LONG", f"The address is longer than {URL_BYTES_MAX} bytes.")
    headers = scope.get("headers", [])
    if sum(len(name) + len(value) for name, value in headers) > HEADER_BYTES_MAX:
        raise _Refused(
            431, "HEADERS_TOO_LARGE", f"The headers are larger than {HEADER_BYTES_MAX} bytes."
        )
    length = dict(headers).get(b"content-length", b"0")
    if length.isdigit() and int(length) > BODY_BYTES_MAX:
        raise _too_large()


def _counted(receive: Any) -> Any:
    seen = {"bytes": 0, "is_complete": False}
    deadline = time.monotonic() + BODY_SECONDS_MAX

    async def receive_counted() -> Any:
        if seen["is_complete"]:  # from here on only "the caller has gone" can come
            return await receive()
        try:
            left = max(0.0, deadline - time.monotonic())
            message = await asyncio.wait_for(receive(), left)
        except TimeoutError:
            raise _Refused(
                408, "BODY_TOO_SLOW", f"The body took longer than {BODY_SECONDS_MAX:g} seconds."
            ) from None
        if message["type"] == "http.request":
            seen["bytes"] += len(message.get("body", b""))
            seen["is_complete"] = not message.get("more_body", False)
            if seen["bytes"] > BODY_BYTES_MAX:
                raise _too_large()
        return message

    return receive_counted


def _too_large() -> _Refused:
    return _Refused(413, "TOO_LARGE", f"The body is larger than {BODY_BYTES_MAX // 1024} KB.")


async def _answer(send: Any, status: int, code: str, detail: str) -> None:
    title = {408: "Too slow", 413: "Too large", 414: "Too long", 431: "Too large"}[status]
    body = json.dumps({"status": status, "code": code, "title": title, "detail": detail}).encode()
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", b"application/problem+json"),
                (b"content-length", str(len(body)).encode()),
                (b"connection", b"close"),
                (b"x-content-type-options", b"nosniff"),
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})
