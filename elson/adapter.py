"""How django-allauth makes our people: through the one sign-up service, with careful e-mail."""

from __future__ import annotations

from smtplib import SMTPException
from typing import Any

import structlog
from allauth.account.adapter import DefaultAccountAdapter
from django.contrib.sites.shortcuts import get_current_site
from django.forms import BaseForm
from django.http import HttpRequest
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme

from accounts.models import User
from elson.signup import person_sign_up

logger = structlog.get_logger(__name__)


class AccountAdapter(DefaultAccountAdapter):
    """E-mail is the only name; signing up makes a portfolio as well."""

    error_messages = DefaultAccountAdapter.error_messages | {
        "email_password_mismatch": "This e-mail address and password do not belong together.",
        "too_many_login_attempts": "Too many failed attempts to sign in. "
        "Wait five minutes or reset the password.",
        "incorrect_password": "This is not your password.",
        "incorrect_code": "This code is wrong or no longer valid. Codes change every 30 seconds.",
        "rate_limited": "Too many attempts. Wait five minutes, then try again.",
    }

    def save_user(
        self, request: HttpRequest, user: User, form: BaseForm, commit: bool = True
    ) -> User:
        """Hash the password first, then store the person and all that belongs to them at once."""
        user = super().save_user(request, user, form, commit=False)
        if commit:
            person_sign_up(
                user=user,
                time_zone=form.cleaned_data.get("time_zone", ""),
                now=timezone.now(),  # noqa: TID251 - the adapter is a door
            )
        return user

    def is_safe_url(self, url: str | None) -> bool:
        """Allow addresses of the host that was asked, not of every host the site answers to."""
        return url_has_allowed_host_and_scheme(
            url,
            allowed_hosts={self.request.get_host()},
            require_https=self.request.is_secure(),
        )

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Send, but let no broken mail server stop a person from signing up or in."""
        site = {"name": "Elson", "domain": get_current_site(self.request).domain}
        try:
            super().send_mail(template_prefix, email, {"current_site": site, **context})
        except (SMTPException, OSError) as error:
            logger.error("mail_not_sent", template=template_prefix, error=str(error)[:300])  # noqa: TRY400

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        """Count failures per address and client, so that nobody can lock another person out."""
        key = super()._get_login_attempts_cache_key(request, **credentials)
        return f"{key}:{self.get_client_ip(request)}"
