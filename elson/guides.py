"""Guides and legal texts: Markdown files of docs/, rendered without any raw HTML."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import slugify
from markdown_it import MarkdownIt
from markdown_it.token import Token

# docs/<folder>/<order>-<slug>.md
FILE_NAME = re.compile(r"^(?P<order>\d+)-(?P<slug>[a-z0-9-]+)\.md$")


@dataclass(frozen=True)
class Heading:
    """A second-level heading and the id to link it by."""

    text: str
    slug: str


@dataclass(frozen=True)
class Document:
    """One text: its title, its first paragraph in plain words, and its body as HTML."""

    slug: str
    title: str
    summary: str
    body: SafeString
    headings: tuple[Heading, ...]


def document_list(folder: str) -> list[Document]:
    """Return the texts of docs/<folder>/ in the order their file names give."""
    return [_read(path, path.stat().st_mtime_ns) for path in _paths(folder)]


def document_get(folder: str, slug: str) -> Document | None:
    """Return one text, None where there is none of that name."""
    path = next((path for path in _paths(folder) if _slug(path) == slug), None)
    return _read(path, path.stat().st_mtime_ns) if path else None


def _paths(folder: str) -> list[Path]:
    found = (Path(settings.BASE_DIR) / "docs" / folder).glob("*.md")
    return sorted(path for path in found if FILE_NAME.match(path.name))


def _slug(path: Path) -> str:
    match = FILE_NAME.match(path.name)
    return match["slug"] if match else path.stem


@lru_cache(maxsize=64)
def _read(path: Path, changed_at: int) -> Document:
    """Render a file; the time of its last change is part of the key, so an edit shows at once."""
    parser = MarkdownIt("commonmark", {"html": False, "typographer": False}).enable("table")
    tokens = parser.parse(path.read_text(encoding="utf-8"))
    title, summary, tokens = _opening(tokens)
    headings = _name_headings(tokens)
    parser.add_render_rule("table_open", _table_open)
    parser.add_render_rule("table_close", _table_close)
    # Safe: the parser escapes everything and was told to let no HTML through.
    body = mark_safe(parser.renderer.render(tokens, parser.options, {}))  # noqa: S308
    return Document(_slug(path), title, summary, body, tuple(headings))


def _opening(tokens: list[Token]) -> tuple[str, str, list[Token]]:
    """Take off the title and the first paragraph, which the page shows in its head."""
    if [token.type for token in tokens[:6]] != [
        "heading_open", "inline", "heading_close", "paragraph_open", "inline", "paragraph_close",
    ]:  # fmt: skip
        raise ValueError("a document begins with a title and one paragraph that sums it up")
    return tokens[1].content, tokens[4].content, tokens[6:]


def _name_headings(tokens: Sequence[Token]) -> list[Heading]:
    """Give every heading an id; return those of the second level."""
    found = []
    for token, inside in pairwise(tokens):
        if token.type == "heading_open":
            slug = slugify(inside.content)
            token.attrSet("id", slug)
            if token.tag == "h2":
                found.append(Heading(inside.content, slug))
    return found


def _table_open(renderer: Any, tokens: Sequence[Token], i: int, options: Any, env: Any) -> str:
    """Open a table in a scrolling region named by the heading above it."""
    above = [
        inside.content for token, inside in pairwise(tokens[:i]) if token.type == "heading_open"
    ]
    return format_html(
        '<div class="table-wrap" role="region" tabindex="0" aria-label="{}"><table class="table">',
        above[-1] if above else "Table",
    )


def _table_close(renderer: Any, tokens: Sequence[Token], i: int, options: Any, env: Any) -> str:
    return "</table></div>\n"
