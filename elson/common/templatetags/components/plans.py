"""What a plan does not have: said where it would be, with which plan has it and its price."""

from __future__ import annotations

from typing import Any

from django.template.context import Context
from django.template.loader import render_to_string

from elson.common.templatetags.components.library import register, rendered


@register.simple_block_tag(takes_context=True)
def locked(
    context: Context,
    content: str,
    keys: str,
    what: str,
    why: str = "",
    many: bool = False,
    above: int = 0,
    source: str = "",
    href: str = "",
    action: str = "",
) -> str:
    """Panel in place of what the plan does not have; a sample stands between the tags.

    `what` is the subject of "… is part of Plus"; `many` makes that "are".

    `keys` names entitlements, the first of which opens it: the plans shown have more than `above`
    of it, what the reader has. `source` says where the sample is from; without both there is none.
    """
    first, *_ = names = keys.split()
    plans = [plan for plan in _plans(context) if plan["amounts"].get(first, 0) > above]
    sample = rendered(content)
    return render_to_string(
        "components/_locked.html",
        {
            "what": what,
            "verb": "are" if many else "is",
            "why": why,
            "plan": plans[0] if plans else None,
            "plans": plans,
            "is_proposed": any(plan["is_proposed"] for plan in plans),
            "rows": [_row(name, plans) for name in names] if plans else [],
            "sample": sample if source and sample.strip() else "",
            "source": source,
            "href": href,
            "action": action,
        },
    )


def _plans(context: Context) -> list[dict[str, Any]]:
    shell = context.get("shell") or {}
    return shell["plans"] or [] if "plans" in shell else []


def _row(name: str, plans: list[dict[str, Any]]) -> dict[str, Any]:
    return {"label": plans[0]["labels"][name], "amounts": [plan["words"][name] for plan in plans]}
