"""The rules of the house that no linter knows: layers at run time, names, lengths."""

from __future__ import annotations

import ast
import importlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from elson.bootstrap import ROOT

pytestmark = pytest.mark.house

APPS = ("elson", "accounts", "marketdata", "trading", "billing", "monitoring")
PURE = ("trading.engine", "marketdata.types")
# Whatever the pure floor must not bring in, in any way.
REFUSED = (
    *("django", "celery", "channels", "rest_framework", "redis", "requests", "httpx", "structlog"),
    *("elson", "accounts", "billing", "monitoring"),
)
MAX_FUNCTION_LINES = 50
MAX_FILE_LINES = 400


def sources(*, tests: bool = True) -> list[Path]:
    """Every Python file we wrote; generated migrations are not."""
    return [
        path
        for app in APPS
        for path in sorted((ROOT / app).rglob("*.py"))
        if not {"migrations", "djstripe_migrations"} & set(path.parts)
        and (tests or "tests" not in path.parts)
    ]


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def where(path: Path, node: ast.AST) -> str:
    return f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"


def modules_under(package: str) -> list[str]:
    """Names of the package and all modules in it, or of the one module."""
    path = ROOT / package.replace(".", "/")
    files = sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]
    return [
        str(file.relative_to(ROOT).with_suffix("")).replace("/", ".").removesuffix(".__init__")
        for file in files
    ]


# --- layers -------------------------------------------------------------------------------------


def test_import_contracts_of_pyproject_are_kept():
    from elson.tests.check import lint_imports

    done = subprocess.run(lint_imports(), cwd=ROOT, capture_output=True, text=True)

    assert done.returncode == 0, done.stdout + done.stderr


IMPORT_WITH_REFUSAL = """
import importlib, sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {refused!r}:
            raise ImportError("the pure floor imports " + name)

sys.meta_path.insert(0, Refuse())
for name in {modules!r}:
    importlib.import_module(name)
"""


def test_pure_floor_imports_without_any_framework():
    """A static contract does not see an import in `trading/__init__.py`; a fresh process does."""
    modules = [module for package in PURE for module in modules_under(package)]
    program = IMPORT_WITH_REFUSAL.format(refused=REFUSED, modules=modules)

    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("app", APPS)
def test_app_package_is_empty(app):
    """An import there would escape every contract."""
    assert (ROOT / app / "__init__.py").read_text(encoding="utf-8").strip() == ""


def test_models_are_never_fetched_by_name():
    """`apps.get_model` goes around every import contract."""
    found = [
        where(path, node)
        for path in sources(tests=False)
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Attribute) and node.attr == "get_model"
    ]

    assert found == []


RELATIONS = {"ForeignKey", "OneToOneField", "ManyToManyField"}


def test_relations_to_other_apps_are_strings():
    """A relation by class needs an import of the other app's tables."""
    found = []
    for path in sources(tests=False):
        if "models" not in str(path.relative_to(ROOT)):
            continue
        tree = tree_of(path)
        foreign = names_from_other_apps(tree, path.relative_to(ROOT).parts[0])
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and name_of(node.func) in RELATIONS and node.args:
                target = node.args[0]
                if isinstance(target, ast.Name | ast.Attribute) and root_name(target) in foreign:
                    found.append(where(path, node))

    assert found == []


def names_from_other_apps(tree: ast.Module, own: str) -> set[str]:
    others = tuple(app for app in APPS if app != own)
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in others:
            names |= {alias.asname or alias.name for alias in node.names}
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names} & set(others)
    return names


def name_of(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def root_name(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute):
        node = node.value
    return getattr(node, "id", "")


def test_domain_code_connects_no_django_signal():
    """Domain events are function calls; receivers only where a library offers nothing else."""
    allowed = {"billing/webhooks.py", "billing/apps.py", "elson/apps.py"}
    found = [
        where(path, node)
        for path in sources(tests=False)
        if str(path.relative_to(ROOT)) not in allowed
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ImportFrom)
        and node.module in ("django.db.models.signals", "django.dispatch")
    ]

    assert found == []


def test_the_product_imports_only_what_its_own_lock_installs():
    """A package of the tools' lock is there in development and missing on every other machine."""
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    installed = {simple(name) for name in re.findall(r"^([A-Za-z0-9._-]+)==", lock, re.MULTILINE)}
    carriers = packages_distributions()
    missing = {
        f"{package} in {where(path, node)}"
        for path in sources(tests=False)
        for node in ast.walk(tree_of(path))
        for package in imported_packages(node)
        if package in carriers and not {simple(name) for name in carriers[package]} & installed
    }

    assert missing == set()


def simple(name: str) -> str:
    """Spell a distribution's name as locks do."""
    return re.sub(r"[-_.]+", "-", name).lower()


def imported_packages(node: ast.AST) -> list[str]:
    if isinstance(node, ast.ImportFrom):
        return [(node.module or "").split(".")[0]]
    if isinstance(node, ast.Import):
        return [alias.name.split(".")[0] for alias in node.names]
    return []


# --- jobs, migrations ---------------------------------------------------------------------------


def enqueued_names() -> dict[str, str]:
    """Name of every job that is enqueued or scheduled, and where."""
    from elson.schedule import SCHEDULE

    names = {entry["task"]: "elson/schedule.py" for entry in SCHEDULE.values()}
    for path in sources(tests=False):
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Call) and name_of(node.func) == "enqueue" and node.args:
                names[job_name(path, node.args[0])] = where(path, node)
    return names


def job_name(path: Path, argument: ast.expr) -> str:
    """Return the text given to `enqueue`: written out, or a constant of the module."""
    if isinstance(argument, ast.Constant):
        return argument.value
    assert isinstance(argument, ast.Name), f"{where(path, argument)}: name the job by a constant"
    module = str(path.relative_to(ROOT).with_suffix("")).replace("/", ".")
    return getattr(importlib.import_module(module), argument.id)


def test_every_enqueued_job_is_a_registered_task():
    from elson.celery import app

    app.autodiscover_tasks(force=True)
    app.autodiscover_tasks(["elson.common"], force=True)

    unknown = {name: place for name, place in enqueued_names().items() if name not in app.tasks}

    assert unknown == {}


@pytest.mark.django_db
def test_models_have_all_their_migrations():
    from django.core.management import call_command

    call_command("makemigrations", "--check", "--dry-run", verbosity=0)


# --- length -------------------------------------------------------------------------------------


def functions(path: Path) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef, int]]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node, code_lines(node)


def code_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its docstring."""
    total = (node.end_lineno or node.lineno) - node.lineno + 1
    if not ast.get_docstring(node):
        return total
    docstring = node.body[0]
    return total - ((docstring.end_lineno or docstring.lineno) - docstring.lineno + 1)


def says_why(words: str | None) -> bool:
    """A reason for the length has the word "long"."""
    return bool(re.search(r"\blong\b", words or "", re.IGNORECASE))


def test_long_functions_say_why_they_are_long():
    """Above 50 lines of code, docstring aside, the docstring has the reason."""
    silent = [
        f"{where(path, node)} {node.name}: {n_lines} lines"
        for path in sources()
        for node, n_lines in functions(path)
        if n_lines > MAX_FUNCTION_LINES and not says_why(ast.get_docstring(node))
    ]

    assert silent == []


def pages() -> list[Path]:
    """Every template, sheet and script we wrote; what packages bring is not."""
    return [
        path
        for folder, pattern in (("templates", "*.html"), ("static", "*.css"), ("static", "*.js"))
        for path in sorted((ROOT / folder).rglob(pattern))
        if "vendor" not in path.parts
    ]


def silent_files(paths: list[Path]) -> list[str]:
    """Files above 400 lines whose docstring, or first comment, gives no reason."""
    found = []
    for path in paths:
        text = path.read_text(encoding="utf-8")
        n_lines = text.count("\n")
        head = "\n".join(text.splitlines()[:5])
        words = ast.get_docstring(ast.parse(text)) if path.suffix == ".py" else head
        if n_lines > MAX_FILE_LINES and not says_why(words):
            found.append(f"{path.name}: {n_lines} lines")
    return found


def test_long_files_say_why_they_are_long():
    assert silent_files([*sources(), *pages()]) == []


FORBIDDEN_MODULE_NAMES = {"utils", "helpers", "misc", "manager", "managers", "common_utils", "tmp"}


def test_no_module_has_a_name_that_says_nothing():
    found = [
        str(path.relative_to(ROOT)) for path in sources() if path.stem in FORBIDDEN_MODULE_NAMES
    ]

    assert found == []


# --- the tests of the rules ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "head", "n_lines", "is_found"),
    [
        ("a.py", '"""Words."""', 401, True),
        ("a.py", '"""Words; long as each is needed."""', 401, False),
        ("a.py", '"""Words."""', 400, False),
        ("a.py", "# Long, but no docstring.", 401, True),
        ("a.css", "/* Words. */", 401, True),
        ("a.css", "/* Long as each is needed. */", 401, False),
    ],
)
def test_a_long_file_is_found_unless_it_says_why(tmp_path, name, head, n_lines, is_found):
    path = tmp_path / name
    path.write_text(head + "\n" * n_lines)

    assert bool(silent_files([path])) is is_found


@pytest.mark.parametrize(
    "line",
    ["import django", "from celery import shared_task", "import elson.common.errors"],
)
def test_framework_free_import_catches_a_bad_line(tmp_path, line):
    """The companion must be able to fail: one planted import, one refusal."""
    (tmp_path / "planted.py").write_text(line)
    program = IMPORT_WITH_REFUSAL.format(refused=REFUSED, modules=["planted"])

    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
    )

    assert "the pure floor imports" in done.stderr
