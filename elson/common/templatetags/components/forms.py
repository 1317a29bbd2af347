"""Forms: fields with hint and errors, the summary above them."""

from __future__ import annotations

from typing import Any

from django.forms import (
    BaseForm,
    BoundField,
    CheckboxInput,
    CheckboxSelectMultiple,
    RadioSelect,
)

from elson.common.templatetags.components.library import register


@register.inclusion_tag("components/_field.html")
def field(
    field: BoundField,
    hint: str = "",
    suffix: str = "",
    hide_label: bool = False,
    mark_optional: bool = False,
) -> dict[str, Any]:
    """Label, control, hint and errors of one form field, tied together for assistive technology."""
    widget = field.field.widget
    hint_text = hint or field.help_text
    hint_id, error_id = (
        f"{field.id_for_label or field.auto_id}_hint",
        f"{field.id_for_label or field.auto_id}_error",
    )
    described = " ".join([*([hint_id] if hint_text else []), *([error_id] if field.errors else [])])
    kind = (
        "checkbox"
        if isinstance(widget, CheckboxInput)
        else "ticks"
        if isinstance(widget, CheckboxSelectMultiple)
        else "radios"
        if isinstance(widget, RadioSelect)
        else "input"
    )
    attributes: dict[str, Any] = {}
    if described:
        attributes["aria-describedby"] = described
    if field.errors:
        attributes["aria-invalid"] = "true"
    return {
        "field": field,
        "kind": kind,
        "control": ""
        if kind in ("radios", "ticks") or field.is_hidden
        else field.as_widget(attrs=attributes),
        "hint": hint_text,
        "hint_id": hint_id,
        "error_id": error_id,
        "described_by": described,
        "suffix": suffix,
        "hide_label": hide_label,
        "mark_optional": mark_optional,
    }


@register.inclusion_tag("components/_error_summary.html")
def error_summary(form: BaseForm) -> dict[str, Any]:
    """Everything wrong with a form, above it, each with a link to its field."""
    entries: list[dict[str, str]] = []
    if form.is_bound:
        entries = [{"text": str(text), "href": "", "label": ""} for text in form.non_field_errors()]
        entries += [
            {
                "text": str(text),
                "href": f"#{bound.id_for_label or bound.auto_id}",
                "label": str(bound.label),
            }
            for bound in form
            for text in bound.errors
        ]
    return {"form": form, "entries": entries}


@register.inclusion_tag("components/_form_fields.html")
def form_fields(form: BaseForm) -> dict[str, Any]:
    """All fields of a form, the summary first."""
    return {"form": form}
