from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest


@pytest.fixture
def unused_port() -> Iterator[int]:
    """A port of this machine where nobody listens, and nobody else can begin to."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield int(holder.getsockname()[1])


class FrozenServer:
    """Takes calls and never says a word."""

    def __init__(self, listener: socket.socket) -> None:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        listener.setblocking(False)
        self._listener = listener
        self.url = f"redis://127.0.0.1:{listener.getsockname()[1]}/0"

    def n_callers(self) -> int:
        """Count who has called since the last look; nobody has to be there any more."""
        n = 0
        while True:
            try:
                self._listener.accept()[0].close()
            except BlockingIOError:
                return n
            n += 1


@pytest.fixture
def frozen_server() -> Iterator[FrozenServer]:
    with socket.socket() as listener:
        yield FrozenServer(listener)
