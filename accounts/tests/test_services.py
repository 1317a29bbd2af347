from __future__ import annotations

import datetime as dt

import pytest
from allauth.account.models import EmailAddress

from accounts import services
from accounts.entitlements import FREE
from accounts.models import Entitlement, Profile, User
from accounts.selectors import entitlement_value, profile_css, profile_get
from accounts.services import Preferences
from accounts.tests.factories import PASSWORD, person_make

NOW = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)
pytestmark = pytest.mark.django_db


def unsaved(email: str = "New@Example.com") -> User:
    user = User(email=email)
    user.set_password(PASSWORD)
    return user


def test_user_signup_stores_person_unverified_address_and_profile():
    services.user_signup(user=unsaved(), time_zone="Europe/Berlin")

    user = User.objects.get(email="new@example.com")
    address = EmailAddress.objects.get(user=user)
    assert (address.email, address.primary, address.verified) == ("new@example.com", True, False)
    assert user.profile.time_zone == "Europe/Berlin"
    assert user.check_password(PASSWORD)


def test_user_signup_takes_utc_for_an_unknown_time_zone():
    profile = services.user_signup(user=unsaved(), time_zone="Mars/Olympus")

    assert profile.time_zone == "UTC"


def test_user_signup_refuses_a_taken_address_in_any_case():
    services.user_signup(user=unsaved("a@example.com"))

    with pytest.raises(services.EmailTaken):
        services.user_signup(user=unsaved("A@EXAMPLE.com"))

    assert User.objects.count() == Profile.objects.count() == 1


def test_preferences_update_stores_every_preference_and_its_history():
    user = person_make()

    services.preferences_update(
        user=user,
        preferences=Preferences("Asia/Tokyo", "ja-JP", "DARK", "COLOR_BLIND_SAFE"),
    )

    assert profile_css(profile_get(User.objects.get(pk=user.pk))) == {
        "theme": "dark",
        "updown": "cb",
        "locale": "ja-JP",
        "time_zone": "Asia/Tokyo",
    }
    assert user.profile.history.count() == 2


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("time_zone", "Nowhere/Else"),
        ("number_format", "xx-XX"),
        ("theme", "PINK"),
        ("up_down", "NONE"),
    ],
)
def test_preferences_update_refuses_unknown_values_and_names_the_field(field, value):
    user = person_make(time_zone="Asia/Tokyo")

    with pytest.raises(services.PreferenceInvalid, match=value) as caught:
        services.preferences_update(user=user, preferences=Preferences(**{field: value}))

    assert caught.value.field == field
    assert Profile.objects.get(user=user).time_zone == "Asia/Tokyo"


def test_preferences_update_makes_a_profile_for_staff_made_without_one():
    user = User.objects.create_superuser("boss@example.com", PASSWORD)

    services.preferences_update(user=user, preferences=Preferences(theme="DARK"))

    assert Profile.objects.get(user=user).theme == "DARK"


def test_onboarding_finish_keeps_the_first_time():
    user = person_make()

    services.onboarding_finish(user=user, now=NOW)
    services.onboarding_finish(user=user, now=NOW + dt.timedelta(days=1))

    assert Profile.objects.get(user=user).onboarded_at == NOW


def test_checklist_step_finish_ticks_a_step_once():
    user = person_make()

    services.checklist_step_finish(user=user, step="why")
    services.checklist_step_finish(user=user, step="why")

    assert Profile.objects.get(user=user).checklist_steps == ["why"]


def test_entitlement_value_is_the_free_plan_without_a_grant():
    user = person_make()

    assert entitlement_value(user, "watchlists", now=NOW) == FREE["watchlists"] == 2


def test_entitlement_value_is_the_best_of_what_was_granted():
    user = person_make()
    services.entitlement_grant(user=user, key="watchlists", value=10, source="plan:plus")
    services.entitlement_grant(user=user, key="watchlists", value=1, source="staff:test")

    assert entitlement_value(user, "watchlists", now=NOW) == 10


def test_entitlement_value_ends_with_its_time():
    user = person_make()
    services.entitlement_grant(
        user=user, key="watchlists", value=10, source="plan:plus", expires_at=NOW
    )

    assert entitlement_value(user, "watchlists", now=NOW - dt.timedelta(seconds=1)) == 10
    assert entitlement_value(user, "watchlists", now=NOW) == 2


def test_entitlement_grant_by_the_same_source_replaces_its_value():
    user = person_make()

    services.entitlement_grant(user=user, key="watchlists", value=10, source="plan:plus")
    services.entitlement_grant(user=user, key="watchlists", value=50, source="plan:plus")

    assert [row.value for row in Entitlement.objects.all()] == [50]


def test_entitlement_grant_refuses_a_key_no_plan_knows():
    with pytest.raises(services.EntitlementUnknown, match="watchlist_s"):
        services.entitlement_grant(user=person_make(), key="watchlist_s", source="plan:plus")


def test_entitlement_revoke_takes_back_one_source_and_leaves_the_other():
    user = person_make()
    services.entitlement_grant(user=user, key="watchlists", value=10, source="plan:plus")
    services.entitlement_grant(user=user, key="api.tokens", value=3, source="plan:plus")
    services.entitlement_grant(user=user, key="api.tokens", value=2, source="staff:test")

    n_revoked = services.entitlement_revoke(user=user, source="plan:plus")

    assert n_revoked == 2
    assert entitlement_value(user, "api.tokens", now=NOW) == 2
    assert Entitlement.history.filter(history_type="-").count() == 2
