from __future__ import annotations

import pytest
from cryptography.fernet import InvalidToken

from accounts.adapter import MFAAdapter

SECRET = "JBSWY3DPEHPK3PXP"


def test_a_secret_is_not_readable_in_the_database():
    kept = MFAAdapter().encrypt(SECRET)

    assert SECRET not in kept
    assert MFAAdapter().decrypt(kept) == SECRET


def test_a_secret_survives_a_change_of_the_key(settings):
    kept = MFAAdapter().encrypt(SECRET)

    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another secret key of more than fifty characters, for this test"

    assert MFAAdapter().decrypt(kept) == SECRET


def test_a_secret_does_not_open_with_another_key(settings):
    kept = MFAAdapter().encrypt(SECRET)

    settings.SECRET_KEY = "another secret key of more than fifty characters, for this test"

    with pytest.raises(InvalidToken):
        MFAAdapter().decrypt(kept)
