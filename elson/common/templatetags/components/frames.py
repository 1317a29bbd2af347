"""Frames of a block: cards, dialogs, tables with sorting and pages."""

from __future__ import annotations

from typing import Any

from django.core.paginator import Page
from django.template.context import Context
from django.template.loader import render_to_string
from django.utils.html import strip_tags

from elson.common.templatetags.components.library import query, register, rendered, request_of


@register.simple_block_tag
def card(
    content: str,
    title: str = "",
    span: int = 0,
    id: str = "",  # noqa: A002  the attribute is called so
    meta: str = "",
    href: str = "",
    link_text: str = "Open",
    level: int = 2,
    flush: bool = False,
    foot: str = "",
    extra: str = "",
) -> str:
    """Frame of a block; `flush` lets a table or list reach the edges."""
    return render_to_string(
        "components/_card.html",
        {
            "body": rendered(content),
            "title": title,
            "heading_id": f"{id or _slug(title)}-h",
            "span": span,
            "id": id,
            "meta": meta,
            "href": href,
            "link_text": link_text,
            "level": level,
            "flush": flush,
            "foot": foot,
            "extra": extra,
        },
    )


@register.simple_block_tag
def dialog(content: str, id: str, title: str) -> str:  # noqa: A002  the attribute is called so
    """Native dialog; a button with data-dialog="id" opens it."""
    return render_to_string(
        "components/_dialog.html", {"id": id, "title": title, "body": rendered(content)}
    )


@register.simple_block_tag
def datatable(
    content: str,
    label: str,
    lines: bool = False,
    compact: bool = False,
    roomy: bool = False,
    id: str = "",  # noqa: A002  the attribute is called so
    extra: str = "",
) -> str:
    """Table inside a named scroll region; write thead and tbody between the tags.

    `lines` turns rows into two lines below 480 px: mark cells with cell-main and cell-value,
    give the others data-label.
    """
    return render_to_string(
        "components/_datatable.html",
        {
            "body": rendered(content),
            "label": label,
            "lines": lines,
            "compact": compact,
            "roomy": roomy,
            "id": id,
            "extra": extra,
        },
    )


@register.inclusion_tag("components/_sort_th.html", takes_context=True)
def sort_th(
    context: Context, label: str, key: str, num: bool = False, extra: str = ""
) -> dict[str, Any]:
    """Column head that sorts by `?sort=key` and `?sort=-key`, keeping the other parameters.

    `extra` is a class, such as the `cell-l` of a column that narrow cards leave out.
    """
    current = request_of(context).GET.get("sort", "")
    direction = "ascending" if current == key else "descending" if current == f"-{key}" else ""
    following = f"-{key}" if current == key or (num and current != f"-{key}") else key
    return {
        "key": key,
        "label": label,
        "css": " ".join(filter(None, ("num" if num else "", extra))),
        "direction": direction,
        "href": query(context, sort=following, page=None),
    }


@register.inclusion_tag("components/_sort_select.html", takes_context=True)
def sort_select(context: Context, *columns: str) -> dict[str, Any]:
    """Choice of the order for narrow screens, whose tables show no column heads.

    Key and label of each column by turns, as its `sort_th` has them.
    """
    sent = request_of(context).GET
    pairs = zip(columns[::2], columns[1::2], strict=True)
    return {
        "options": [
            (f"{sign}{key}", f"{label}, {words}")
            for key, label in pairs
            for sign, words in (("-", "falling"), ("", "rising"))
        ],
        "now": sent.get("sort", ""),
        "kept": [
            (name, value)
            for name, values in sent.lists()
            if name not in ("sort", "page")
            for value in values
        ],
    }


@register.inclusion_tag("components/_pager.html", takes_context=True)
def pager(context: Context, page: Page[Any], csv: bool = True) -> dict[str, Any]:
    """Where one is in a list, 25, 50 or 100 rows a page, and the filtered set as CSV."""
    current_size = page.paginator.per_page
    return {
        "page": page,
        "links": [
            {
                "label": number,
                "current": number == page.number,
                "href": query(context, page=number) if isinstance(number, int) else "",
            }
            for number in page.paginator.get_elided_page_range(
                page.number, on_each_side=1, on_ends=1
            )
        ],
        "previous_href": query(context, page=page.number - 1),
        "next_href": query(context, page=page.number + 1),
        "sizes": [
            {
                "label": size,
                "current": size == current_size,
                "href": query(context, size=size, page=None),
            }
            for size in (25, 50, 100)
        ],
        "csv_href": query(context, format="csv", page=None, size=None) if csv else "",
    }


def _slug(text: Any) -> str:
    """Plain text as an element id."""
    plain = "".join(c.lower() if c.isalnum() else "-" for c in strip_tags(str(text)))
    return "-".join(part for part in plain.split("-") if part)[:40] or "card"
