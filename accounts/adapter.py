"""What our people need of django-allauth beyond its defaults, without knowing portfolios."""

from __future__ import annotations

import base64
import hashlib

from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings

from accounts.models import User


class MFAAdapter(DefaultMFAAdapter):
    """Keeps authenticator secrets and recovery codes encrypted in the database."""

    error_messages = DefaultMFAAdapter.error_messages | {
        "unverified_email": "Confirm your e-mail address first; a link is under E-mail.",
        "incorrect_code": "This code is wrong or no longer valid. Codes change every 30 seconds.",
    }

    def generate_authenticator_name(self, user: User, type: Authenticator.Type) -> str:  # noqa: A002
        """Return a number as the name; the person can change it."""
        n_keys = Authenticator.objects.filter(user=user, type=type).count()
        return f"Key {n_keys + 1}"

    def encrypt(self, text: str) -> str:
        """Encrypt with a key derived from SECRET_KEY."""
        return _fernet().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """Decrypt with SECRET_KEY or one of SECRET_KEY_FALLBACKS."""
        return _fernet().decrypt(encrypted_text.encode()).decode()


def _fernet() -> MultiFernet:
    """Build the key ring: the first key encrypts, all of them decrypt."""
    secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    digests = [hashlib.sha256(f"elson.mfa:{secret}".encode()).digest() for secret in secrets]
    return MultiFernet([Fernet(base64.urlsafe_b64encode(digest)) for digest in digests])
