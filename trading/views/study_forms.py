"""The small forms on the page of an optimization; what they refuse is said at the field."""

from __future__ import annotations

import re
from typing import Any

from django import forms

from elson.common.forms import JudgedForm

WHOLE = re.compile(r"[-\N{MINUS SIGN}]?\d{1,18}")
# Opening cannot be taken back, so it takes a word.
OPEN_WORD = "open"


class WholeField(forms.CharField):
    """A whole number as people type it; whether it is too large or too small is the service's."""

    def __init__(self, *, size: int = 6, **kwargs: Any) -> None:
        shown = {"inputmode": "numeric", "autocomplete": "off", "size": size}
        super().__init__(widget=forms.TextInput(attrs=shown), max_length=20, **kwargs)

    def clean(self, value: Any) -> Any:
        """Return the number, None for nothing where nothing is allowed."""
        text = str(value or "").strip()
        if text and not WHOLE.fullmatch(text):
            raise forms.ValidationError(
                f"{self.label} “{text[:20]}” must be a whole number such as {self.sample}."
            )
        if not text and self.required:
            raise forms.ValidationError(f"{self.label} is missing: a whole number is needed.")
        return int(text.replace("\N{MINUS SIGN}", "-")) if text else None

    sample = 50


class ExtendForm(JudgedForm):
    """How many trials there shall be in all."""

    n_trials = WholeField(label="Trials in all")


class HoldoutForm(JudgedForm):
    """For which trial the hold-out is opened, and the word that says it is meant."""

    trial = WholeField(label="Trial")
    word = forms.CharField(
        label=f"Type “{OPEN_WORD}” to confirm",
        required=False,
        max_length=20,
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none"}),
    )

    def clean_word(self) -> str:
        """Ask for the word."""
        word = self.cleaned_data["word"].strip().lower()
        if word != OPEN_WORD:
            raise forms.ValidationError(f"Type “{OPEN_WORD}”: the hold-out cannot be closed again.")
        return word


class RepeatForm(JudgedForm):
    """After how many days the search is made again, and for which strategy."""

    every_days = WholeField(label="Search again every … days", required=False)
    strategy = forms.ChoiceField(label="for", required=False)

    def __init__(self, *args: Any, strategies: Any = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["strategy"]
        field.choices = [(str(one.pk), one.name) for one in strategies]  # type: ignore[attr-defined]
        field.error_messages["invalid_choice"] = "Choose one of your strategies of these rules."
