"""The address and the one-at-a-time lock of `manage.py serve`."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
from pathlib import Path
from typing import IO

_BACKLOG = 1024  # callers wait here while the web process is being restarted


class Refused(Exception):
    """One sentence for the person at the terminal."""


def listening_socket(host: str, port: int) -> socket.socket:
    """Bind before anything starts; raise Refused naming the way out when it is taken."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror as error:
        raise Refused(f"ELSON_BIND_HOST {host!r} is no address of this machine: {error}") from None
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise Refused(_why(error, host, port)) from None
    return listener


def state_lock(state_dir: Path) -> IO[str]:
    """Hold the state folder; raise Refused when another `serve` has it.

    The lock lives as long as any process that inherited it: a new start never meets an old child.
    """
    handle = (state_dir / "serve.lock").open("a+", encoding="utf-8")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.seek(0)
        holder = handle.read().strip()
        handle.close()
        who = f" (process {holder})" if holder else ""
        raise Refused(
            f"Elson is already running on {state_dir}{who}; stop it first, "
            "or give this one its own folder with ELSON_STATE_DIR"
        ) from None
    handle.truncate(0)
    handle.write(str(os.getpid()))
    handle.flush()
    return handle


def _why(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is taken; PORT={_free_port_after(host, port)} make run"
    if error.errno == errno.EACCES:
        return f"port {port} is reserved for the system; PORT=8000 make run"
    return f"cannot listen on {host} port {port}: {error.strerror}"


def _free_port_after(host: str, port: int) -> int:
    for candidate in range(port + 1, min(port + 50, 65536)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, candidate))
            except OSError:
                continue
            return candidate
    return port + 1
