"""The pages that follow from the list of variables: .env.example and docs/configuration.md."""

from __future__ import annotations

from typing import Any

from elson.settings.variables import BASE_DIR, VARIABLES, Variable

_KINDS = {"str": "text", "int": "whole number", "bool": "yes or no: 1 or 0", "list": "list, commas"}

_HEAD = """# Configuration

Elson reads the environment, and a file `.env` beside `manage.py` where the environment is silent.
Every variable is listed here and declared once in `elson/settings/variables.py`; this page and
`.env.example` are written from that list by `python manage.py validate_env --write-documents`.

- All faults are told at once, one line each, and the program ends with exit code 78.
- A name that begins with `ELSON_` and is not listed here is a fault: mistyped, it would do nothing.
- An empty value counts as absent. Quotes are refused: they would become part of the value.
- `NAME_FILE` may name a file that holds the value, as container secrets do. The file of a secret
  must not be open to everyone on the machine.
- `DJANGO_SETTINGS_MODULE` chooses `elson.settings.development` (the default), `.testing` or
  `.production`. `python manage.py validate_env` shows what is in force; secrets are never printed.
"""


def env_example() -> str:
    """Return the text of .env.example."""
    head = (
        "# Copy to .env and take away the # of what you change. docs/configuration.md explains.\n"
    )
    return head + "".join(
        f"\n# {variable.help}\n# {variable.name}={_example(variable)}\n" for variable in VARIABLES
    )


def configuration_page() -> str:
    """Return the text of docs/configuration.md."""
    return _HEAD + "".join(_section(variable) for variable in VARIABLES)


def documents_write() -> list[str]:
    """Write both; return their names."""
    pages = {".env.example": env_example(), "docs/configuration.md": configuration_page()}
    for name, text in pages.items():
        (BASE_DIR / name).write_text(text, encoding="utf-8")
    return list(pages)


def shown_default(variable: Variable) -> str:
    """Return the default as a person would type it; the sample key by name only."""
    if variable.name == "ELSON_SECRET_KEY":
        return "(a public sample key)"
    if variable.name == "ELSON_STATE_DIR":
        return "var/ of the checkout"
    return typed(variable.default)


def typed(value: Any) -> str:
    """Return a value in the form the environment takes."""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, list):
        return ",".join(str(item) for item in value)
    return str(value)


def _section(variable: Variable) -> str:
    facts = [_KINDS[variable.kind]]
    facts.append(
        f"default `{shown_default(variable)}`" if variable.default != "" else "empty by default"
    )
    facts += [f"required in {kind}" for kind in variable.required_in]
    if variable.is_secret:
        facts.append("secret")
    return (
        f"\n## `{variable.name}`\n\n{variable.help}\n\n"
        f"{'; '.join(facts)}. Example: `{variable.name}={variable.example}`\n"
    )


def _example(variable: Variable) -> str:
    return "" if variable.example.startswith("(") else variable.example
