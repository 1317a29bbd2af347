from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from elson.common import asgi
from elson.common.asgi import RequestLimits


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(len(body)).encode()})


async def ask(chunks: list[bytes], *, is_slow: bool = False, **scope: Any) -> tuple[int, Any]:
    """Send a request piece by piece; return status and body."""
    sent: list[dict[str, Any]] = []
    pieces = list(chunks)

    async def receive() -> dict[str, Any]:
        if not pieces or is_slow:
            await asyncio.Event().wait()
        piece = pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await RequestLimits(application)(
        {"type": "http", "headers": [], "raw_path": b"/", "query_string": b"", **scope},
        receive,
        send,
    )
    return sent[0]["status"], json.loads(sent[1]["body"])


async def test_body_within_the_limit_reaches_the_application():
    assert await ask([b"a" * 1000, b"b" * 1000]) == (200, 2000)


async def test_body_at_the_limit_passes_and_one_byte_more_does_not():
    assert (await ask([b"a" * asgi.BODY_BYTES_MAX]))[0] == 200
    assert (await ask([b"a" * asgi.BODY_BYTES_MAX, b"a"]))[0] == 413


async def test_announced_length_over_the_limit_is_refused_before_a_byte_is_read():
    status, problem = await ask([], is_slow=True, headers=[(b"content-length", b"262145")])

    assert (status, problem["code"]) == (413, "TOO_LARGE")


async def test_long_address_is_414():
    assert (await ask([b""], query_string=b"a" * 9000))[0] == 414


async def test_large_headers_are_431():
    assert (await ask([b""], headers=[(b"x", b"a" * 17_000)]))[0] == 431


async def test_slow_body_is_408(monkeypatch):
    monkeypatch.setattr(asgi, "BODY_SECONDS_MAX", 0.05)

    status, problem = await ask([b"a"], is_slow=True)

    assert (status, problem["code"]) == (408, "BODY_TOO_SLOW")


@pytest.mark.parametrize("headers", [[(b"content-length", b"-1")], [(b"content-length", b"many")]])
async def test_odd_length_header_is_not_believed(headers):
    assert (await ask([b"a" * 300_000], headers=headers))[0] == 413
