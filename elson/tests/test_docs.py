"""What the documents say is so: steps, settings, links, commands, examples."""

from __future__ import annotations

import ast
import doctest
import importlib
import re
import shlex
from pathlib import Path

import pytest
from django.core.management import load_command_class
from django.core.management.base import BaseCommand
from django.urls import Resolver404, resolve
from django.utils.text import slugify

from elson.bootstrap import ROOT
from elson.serving.people import DEMO_EMAIL
from elson.settings.variables import VARIABLES
from elson.tests.test_architecture import modules_under
from marketdata.providers.replay import EPISODES
from trading.selectors.comparison import METRICS
from trading.views.backtest_metrics import METRICS as GROUPS
from trading.views.backtest_metrics import term_of

pytestmark = pytest.mark.house

DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
STEP = re.compile(r"`([\w/.-]+\.py):([A-Za-z_][\w.]*)(?:\(\))?`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"```.*?```", re.DOTALL)
TERM = re.compile(r'{% term "([^"]+)"(?: "([^"]+)")? %}')
NAMES = {variable.name for variable in VARIABLES}


def steps() -> list[tuple[str, str, str]]:
    """Every `path.py:name` of ARCHITECTURE.md and the documents."""
    return [
        (str(path.relative_to(ROOT)), file, name)
        for path in DOCUMENTS
        for file, name in STEP.findall(path.read_text(encoding="utf-8"))
    ]


def defined_names(path: Path) -> set[str]:
    """Names a module defines, methods as Class.method, names it lends from elsewhere included."""
    names: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            inner = (n for n in node.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))
            names |= {f"{node.name}.{child.name}" for child in inner}
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names


def glossary_anchors() -> set[str]:
    """Ids of the entries of the glossary."""
    text = (ROOT / "docs/guides/60-glossary.md").read_text(encoding="utf-8")
    return {slugify(title) for title in re.findall(r"^#{2,3} (.+)$", text, re.MULTILINE)}


def test_each_guide_has_a_number_of_its_own():
    numbers = [path.name.split("-")[0] for path in (ROOT / "docs/guides").glob("*.md")]

    assert len(numbers) == len(set(numbers))


def test_every_figure_linked_in_a_template_has_its_entry_in_the_glossary():
    linked = {
        anchor or slugify(label)
        for path in ROOT.glob("templates/**/*.html")
        for label, anchor in TERM.findall(path.read_text(encoding="utf-8"))
    }
    named = {term_of(key) for key, _ in METRICS}
    named |= {term_of(key) for _, lines in GROUPS for _, key, _ in lines}

    assert linked
    assert (linked | named) - glossary_anchors() == set()


def test_every_step_named_in_a_document_exists():
    missing = [
        f"{document}: {file}:{name}"
        for document, file, name in steps()
        if not (ROOT / file).is_file() or name not in defined_names(ROOT / file)
    ]

    assert missing == []


def test_architecture_tells_its_lives_as_steps():
    told = [step for step in steps() if step[0] == "ARCHITECTURE.md"]

    assert len(told) >= 15, "ARCHITECTURE.md names its steps as `path.py:name`"


def test_env_example_lists_every_variable_and_no_other():
    text = (ROOT / ".env.example").read_text(encoding="utf-8")

    assert set(re.findall(r"^#?\s?([A-Z][A-Z0-9_]+)=", text, re.MULTILINE)) == NAMES


def test_configuration_page_documents_every_variable_and_no_other():
    text = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^(?:\|\s*|#+\s*)`([A-Z][A-Z0-9_]+)`", text, re.MULTILINE))

    assert documented == NAMES


def leads_somewhere(document: Path, target: str) -> bool:
    """Tell whether a link leads to a file beside the document or to a page of the product."""
    if target.startswith("mailto:"):
        return True
    if not target.startswith("/"):
        return (document.parent / target).exists()
    try:
        page = resolve(target)
    except Resolver404:
        return False
    slug = page.kwargs.get("slug")
    return slug is None or any(ROOT.glob(f"docs/**/*{slug}.md"))


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_inside_the_documents_lead_somewhere(path):
    text = FENCE.sub("", path.read_text(encoding="utf-8"))
    targets = [link.split("#")[0] for link in LINK.findall(text) if "://" not in link]

    missing = [target for target in targets if target and not leads_somewhere(path, target)]

    assert missing == []


def test_every_make_target_in_a_document_exists():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    code = re.compile(r"`[^`\n]+`|```.*?```", re.DOTALL)

    named = {
        target
        for path in DOCUMENTS
        for block in code.findall(path.read_text(encoding="utf-8"))
        for target in re.findall(r"\bmake ([a-z][a-z-]*)", block)
    }

    assert named - targets == set()


def test_every_manage_command_in_a_document_exists():
    from django.core.management import get_commands

    named = {
        command
        for path in DOCUMENTS
        for command in re.findall(r"manage\.py ([a-z_]+)", path.read_text(encoding="utf-8"))
    }

    assert named - set(get_commands()) == set()


@pytest.mark.parametrize("module", modules_under("trading.engine"))
def test_examples_in_the_engine_give_what_they_show(module):
    result = doctest.testmod(importlib.import_module(module))

    assert result.failed == 0


# What the replays watch is there after the first start.
EMBEDDED = {symbol for episode in EPISODES.values() for symbol in episode.watch}
COMMANDS = sorted(
    (app.removesuffix(".management"), name)
    for name, app in (
        (path.stem, ".".join(path.relative_to(ROOT).parts[:2]))
        for path in ROOT.glob("*/management/commands/*.py")
    )
    if name != "__init__"
)


def examples_of(command: BaseCommand) -> list[str]:
    """Return the example lines of a command's help, each as one line."""
    text = re.sub(r"\\\n\s*", "", getattr(command, "examples", ""))
    return re.findall(r"^\s+manage\.py (.+?)(?:\s{3,}.*)?$", text, re.MULTILINE)


@pytest.mark.parametrize(("app", "name"), COMMANDS)
def test_the_examples_of_a_command_could_be_typed(app, name):
    command = load_command_class(app, name)

    for example in examples_of(command):
        called, *words = shlex.split(example)
        given = vars(command.create_parser("manage.py", called).parse_args(words))

        assert called == name
        symbols = given.get("symbol") or []
        assert set([symbols] if isinstance(symbols, str) else symbols) <= EMBEDDED
        assert given.get("user") in (None, DEMO_EMAIL)
