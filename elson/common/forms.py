"""Forms whose values a service judges."""

from __future__ import annotations

from django import forms

from elson.common.errors import DomainError


class JudgedForm(forms.Form):
    """Takes over what a service refuses, at the field it names."""

    def refuse(self, error: DomainError) -> None:
        """Show each sentence at its field, or above the form."""
        faults = error.data.get("errors") or {error.field: error.message}
        for name, message in faults.items():
            self.add_error(self.place_of(name), message)

    def place_of(self, name: str | None) -> str | None:
        """Return the field a service means by a name; None for no one field."""
        return name if name in self.fields else None
