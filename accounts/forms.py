"""Forms of sign-up and settings."""

from __future__ import annotations

from typing import ClassVar

from allauth.account.adapter import get_adapter
from allauth.account.app_settings import EmailVerificationMethod
from allauth.account.forms import (
    AddEmailForm as AllauthAddEmailForm,
)
from allauth.account.forms import (
    ChangePasswordForm as AllauthChangePasswordForm,
)
from allauth.account.forms import (
    LoginForm as AllauthLoginForm,
)
from allauth.account.forms import (
    ReauthenticateForm as AllauthReauthenticateForm,
)
from allauth.account.forms import (
    ResetPasswordForm as AllauthResetPasswordForm,
)
from allauth.account.forms import (
    ResetPasswordKeyForm as AllauthResetPasswordKeyForm,
)
from allauth.account.forms import (
    SetPasswordForm as AllauthSetPasswordForm,
)
from allauth.account.forms import (
    SignupForm as AllauthSignupForm,
)
from allauth.account.internal.flows.login import perform_login
from allauth.account.models import Login
from allauth.mfa.base.forms import (
    AuthenticateForm as AllauthCodeForm,
)
from allauth.mfa.base.forms import (
    ReauthenticateForm as AllauthCodeReauthenticateForm,
)
from allauth.mfa.totp.forms import ActivateTOTPForm as AllauthActivateTOTPForm
from allauth.mfa.webauthn.forms import AddWebAuthnForm as AllauthAddWebAuthnForm
from django import forms
from django.http import HttpRequest, HttpResponse, QueryDict

from accounts.models import NumberFormat, Profile, Theme, UpDown, User
from accounts.selectors import user_get_by_email
from accounts.services import EmailTaken, Preferences
from accounts.time_zones import time_zone_choices

CODE_HINT = "Six digits from your authenticator app, or one of your recovery codes."
PASSWORD_HINT = "At least 12 characters. A sentence or a password manager works well."  # noqa: S105


class Worded:
    """Gives allauth's fields our labels and hints, and no placeholder that repeats a label."""

    labels: ClassVar[dict[str, str]] = {}
    hints: ClassVar[dict[str, str]] = {}
    fields: dict[str, forms.Field]  # of the form it is mixed into

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            field.widget.attrs.pop("placeholder", None)
            field.label = self.labels.get(name, field.label)
            field.help_text = self.hints.get(name, "")


class LoginForm(Worded, AllauthLoginForm):
    """E-mail and password."""

    labels: ClassVar = {"login": "E-mail address"}


class ResetPasswordForm(Worded, AllauthResetPasswordForm):
    """Where to send the link."""

    labels: ClassVar = {"email": "E-mail address"}


class ResetPasswordKeyForm(Worded, AllauthResetPasswordKeyForm):
    """The new password, after following the link."""

    labels: ClassVar = {"password1": "New password", "password2": "New password again"}
    hints: ClassVar = {"password1": PASSWORD_HINT}


class SetPasswordForm(Worded, AllauthSetPasswordForm):
    """A first password for somebody who signs in with a passkey."""

    labels: ClassVar = {"password1": "Password", "password2": "Password again"}
    hints: ClassVar = {"password1": PASSWORD_HINT}


class ChangePasswordForm(Worded, AllauthChangePasswordForm):
    """Old and new password."""

    labels: ClassVar = {
        "oldpassword": "Current password",
        "password1": "New password",
        "password2": "New password again",
    }
    hints: ClassVar = {"password1": PASSWORD_HINT}


class ChangeEmailForm(Worded, AllauthAddEmailForm):
    """The address that replaces the present one once its link was followed."""

    labels: ClassVar = {"email": "New e-mail address"}


class ReauthenticateForm(Worded, AllauthReauthenticateForm):
    """The password once more, before something sensitive."""


class CodeForm(Worded, AllauthCodeForm):
    """Second factor at sign-in."""

    labels: ClassVar = {"code": "Code"}
    hints: ClassVar = {
        "code": "Six digits from your authenticator app, or one of your recovery codes."
    }


class CodeReauthenticateForm(Worded, AllauthCodeReauthenticateForm):
    """Second factor before something sensitive."""

    labels: ClassVar = {"code": "Code"}
    hints: ClassVar = {
        "code": "Six digits from your authenticator app, or one of your recovery codes."
    }


class ActivateTOTPForm(Worded, AllauthActivateTOTPForm):
    """The first code, which proves that the app knows the secret."""

    labels: ClassVar = {"code": "Code shown by the app"}
    hints: ClassVar = {"code": "Six digits."}


class AddWebAuthnForm(Worded, AllauthAddWebAuthnForm):
    """Name of a new passkey or security key."""

    labels: ClassVar = {
        "name": "Name",
        "passwordless": "Let this key sign me in without a password",
    }
    hints: ClassVar = {
        "name": "So that you can tell your keys apart.",
        "passwordless": "Makes it a passkey: the device asks for its PIN or your fingerprint.",
    }


class SignupForm(Worded, AllauthSignupForm):
    """E-mail, one password field, and the browser's time zone in a hidden one."""

    labels: ClassVar = {"email": "E-mail address"}
    hints: ClassVar = {"password1": PASSWORD_HINT}
    time_zone = forms.CharField(required=False, max_length=64, widget=forms.HiddenInput)
    field_order: ClassVar = ["email", "password1", "time_zone"]

    def validate_unique_email(self, value: str) -> str:
        """Note a taken address instead of saying so: the answer goes to its owner by e-mail."""
        self.account_already_exists = user_get_by_email(value) is not None
        return value

    def save(self, request: HttpRequest) -> User:
        """Store the person; the adapter does it in one transaction. Raises EmailTaken."""
        adapter = get_adapter()
        return adapter.save_user(request, adapter.new_user(request), self)

    def try_save(self, request: HttpRequest) -> tuple[User | None, HttpResponse | None]:
        """Return the new person, or for a taken address the page that says to check the e-mail."""
        if not self.account_already_exists:
            try:
                return self.save(request), None
            except EmailTaken:
                pass  # taken between the check and the insert: the same answer as any taken one
        hidden = Login(
            user=None,
            email=self.cleaned_data["email"],
            email_verification=EmailVerificationMethod.MANDATORY,
            signup=True,
        )
        return None, perform_login(request, hidden)


class PreferencesForm(forms.Form):
    """How a person likes to read Elson."""

    time_zone = forms.ChoiceField(label="Time zone", choices=time_zone_choices)
    number_format = forms.ChoiceField(label="Numbers and dates", choices=NumberFormat.choices)
    theme = forms.ChoiceField(label="Theme", choices=Theme.choices, widget=forms.RadioSelect)
    up_down = forms.ChoiceField(
        label="Rising and falling prices", choices=UpDown.choices, widget=forms.RadioSelect
    )

    def __init__(self, posted: QueryDict | None, *, profile: Profile) -> None:
        stored = {
            "time_zone": profile.time_zone,
            "number_format": profile.number_format,
            "theme": profile.theme,
            "up_down": profile.up_down,
        }
        super().__init__(posted, initial=stored)

    def preferences(self) -> Preferences:
        """Return what was chosen."""
        chosen = self.cleaned_data
        return Preferences(
            time_zone=chosen["time_zone"],
            number_format=chosen["number_format"],
            theme=chosen["theme"],
            up_down=chosen["up_down"],
        )


class DisplayNameForm(forms.Form):
    """What Elson calls the person."""

    display_name = forms.CharField(
        label="Name shown to you",
        max_length=80,
        required=False,
        help_text="Empty: your e-mail address is shown.",
        widget=forms.TextInput(attrs={"autocomplete": "nickname"}),
    )
