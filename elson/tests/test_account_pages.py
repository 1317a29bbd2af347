"""The pages of django-allauth in our shell: complete, strict, silent about who is registered."""

from __future__ import annotations

import re
from urllib.parse import urljoin, urlsplit

import pytest
from allauth.account.forms import default_token_generator
from allauth.account.models import EmailConfirmationHMAC
from allauth.account.utils import user_pk_to_url_str
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal import auth as totp
from django.core import mail
from django.urls import reverse

from accounts.tests.factories import PASSWORD, person_make
from elson.tests.test_templates import faults_of

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
ELSEWHERE = (
    "https://evil.example/", "//evil.example/", "///evil.example", "/\\evil.example",
    "\\\\evil.example", "http:evil.example", "https:/evil.example", "javascript:alert(1)",
    "data:text/html,x", "\thttps://evil.example", " //evil.example", "http://[::1]/",
    "https://testserver@evil.example/", "https://testserver.evil.example/", "/\t/evil.example",
    "%2f%2fevil.example", "/%09/evil.example", "//testserver:x@evil.example", "ftp://evil.example",
    "https:///evil.example", "http://localhost/", "mailto:x@evil.example", "\x00//evil.example",
)  # fmt: skip
pytestmark = pytest.mark.django_db


@pytest.fixture
def person():
    return person_make()


@pytest.fixture
def desk(client, person):
    """Signed in, and the password was given once more a moment ago."""
    client.post("/accounts/login/", {"login": person.email, "password": PASSWORD})
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    return client


def assert_in_shell(response, status: int = 200) -> str:
    assert response.status_code == status
    text = response.content.decode()
    assert faults_of(text) == []
    assert 'class="topbar"' in text
    assert "css/components.css" in text
    assert len(re.findall(r"<h1[ >]", text)) == 1
    assert "script-src 'self'" in response["Content-Security-Policy"]
    assert "unsafe" not in response["Content-Security-Policy"]
    return text


@pytest.mark.parametrize(
    "name",
    [
        "account_login", "account_signup", "account_reset_password", "account_reset_password_done",
        "account_reset_password_from_key_done", "account_email_verification_sent",
        "account_inactive",
    ],
)  # fmt: skip
def test_a_page_for_strangers_is_in_the_shell(client, name):
    assert_in_shell(client.get(reverse(name)))


@pytest.mark.parametrize(
    "name",
    [
        "account_logout", "account_email", "account_change_password", "account_reauthenticate",
        "account_reset_password", "mfa_index", "mfa_activate_totp", "mfa_list_webauthn",
        "mfa_add_webauthn",
    ],
)  # fmt: skip
def test_a_page_for_members_is_in_the_shell(desk, name):
    assert_in_shell(desk.get(reverse(name)))


def test_setting_a_first_password_is_in_the_shell(client, person):
    person.set_unusable_password()
    person.save()
    client.force_login(person)

    assert_in_shell(client.get(reverse("account_set_password")))


@pytest.mark.parametrize(
    "name",
    [
        "mfa_index", "mfa_deactivate_totp", "mfa_view_recovery_codes",
        "mfa_generate_recovery_codes", "mfa_list_webauthn", "mfa_reauthenticate",
    ],
)  # fmt: skip
def test_a_page_of_the_second_factor_is_in_the_shell(desk, person, name):
    totp.TOTP.activate(person, SECRET)
    RecoveryCodes.activate(person)
    Authenticator.objects.create(
        user=person, type=Authenticator.Type.WEBAUTHN, data={"name": "Laptop", "credential": {}}
    )

    assert_in_shell(desk.get(reverse(name)))


@pytest.mark.parametrize("name", ["mfa_edit_webauthn", "mfa_remove_webauthn"])
def test_a_page_of_one_key_is_in_the_shell(desk, person, name):
    key = Authenticator.objects.create(
        user=person, type=Authenticator.Type.WEBAUTHN, data={"name": "Laptop", "credential": {}}
    )

    assert "Laptop" in assert_in_shell(desk.get(reverse(name, args=[key.pk])))


def test_signing_in_asks_for_the_second_factor_in_the_shell(client, person):
    totp.TOTP.activate(person, SECRET)

    response = client.post(
        "/accounts/login/", {"login": person.email, "password": PASSWORD}, follow=True
    )

    assert response.redirect_chain[-1][0] == reverse("mfa_authenticate")
    assert_in_shell(response)


def test_the_link_to_confirm_an_address_works_once_and_says_so(client):
    person = person_make(is_verified=False)
    key = EmailConfirmationHMAC(person.emailaddress_set.get()).key
    url = reverse("account_confirm_email", args=[key])

    assert person.email in assert_in_shell(client.get(url))
    client.post(url)

    assert person.emailaddress_set.get().verified
    assert "no longer works" in assert_in_shell(
        client.get(reverse("account_confirm_email", args=["nonsense"]))
    )


def test_a_password_is_reset_by_the_link_and_the_link_dies(client, person):
    key = default_token_generator.make_token(person)
    uid = user_pk_to_url_str(person)
    url = reverse("account_reset_password_from_key", args=[uid, key])
    form_url = client.get(url)["Location"]

    assert_in_shell(client.get(form_url))
    client.post(
        form_url, {"password1": "a brand new password", "password2": "a brand new password"}
    )
    client.logout()

    assert client.login(email=person.email, password="a brand new password")
    client.logout()
    assert "no longer works" in assert_in_shell(client.get(url, follow=True))


def test_changing_the_password_needs_the_old_one(desk, person):
    new = "another good password"
    form = {"oldpassword": "not the old one", "password1": new, "password2": new}

    text = assert_in_shell(desk.post(reverse("account_change_password"), form))

    person.refresh_from_db()
    assert "error-summary" in text
    assert person.check_password(PASSWORD)


def test_changing_the_password_ends_other_sessions(desk, person):
    from django.test import Client

    elsewhere = Client()
    elsewhere.force_login(person)
    new = "another good password"

    desk.post(
        reverse("account_change_password"),
        {"oldpassword": PASSWORD, "password1": new, "password2": new},
    )

    assert desk.get("/settings/profile/").status_code == 200
    assert elsewhere.get("/settings/profile/").status_code == 302


def test_a_changed_password_is_told_to_the_owner(desk, person):
    new = "another good password"

    desk.post(
        reverse("account_change_password"),
        {"oldpassword": PASSWORD, "password1": new, "password2": new},
    )

    assert [(message.to, message.subject) for message in mail.outbox] == [
        ([person.email], "Your password was changed")
    ]
    assert "127.0.0.1" in mail.outbox[0].body


def test_sensitive_pages_ask_for_the_password_after_a_while(client, person):
    client.force_login(person)

    response = client.get(reverse("mfa_activate_totp"))

    assert response["Location"].startswith(reverse("account_reauthenticate"))


def test_an_unconfirmed_address_cannot_turn_on_a_second_factor(client):
    person = person_make(is_verified=False)
    client.post("/accounts/login/", {"login": person.email, "password": PASSWORD})

    response = client.get(reverse("mfa_activate_totp"), follow=True)

    assert response.redirect_chain[-1][0] == reverse("mfa_index")
    assert "note" in assert_in_shell(response)


# --- nobody learns who is registered -------------------------------------------------------------


def without_what_was_typed(content: bytes, email: str) -> str:
    text = content.decode().replace(email, "")
    text = re.sub(r'name="csrfmiddlewaretoken" value="[^"]+"', "", text)
    return re.sub(r"X-CSRFToken[^}]+}", "", text)


def test_signing_in_answers_known_and_unknown_addresses_alike(client, person):
    answers = [
        without_what_was_typed(
            client.post(
                "/accounts/login/", {"login": email, "password": "a wrong password"}
            ).content,
            email,
        )
        for email in (person.email, "nobody@example.com")
    ]

    assert "do not belong together" in answers[0]
    assert answers[0] == answers[1]


def test_a_reset_answers_known_and_unknown_addresses_alike(client, person):
    answers = []
    for email in (person.email, "nobody@example.com"):
        response = client.post(reverse("account_reset_password"), {"email": email}, follow=True)
        answers.append(without_what_was_typed(response.content, email))

    assert answers[0] == answers[1]
    assert len(mail.outbox) == 2


# --- limits --------------------------------------------------------------------------------------


def test_the_sixth_wrong_password_is_not_even_tried(client, person):
    for _ in range(5):
        client.post("/accounts/login/", {"login": person.email, "password": "wrong wrong wrong"})

    response = client.post("/accounts/login/", {"login": person.email, "password": PASSWORD})

    assert "Too many failed attempts" in assert_in_shell(response)


def test_wrong_passwords_from_elsewhere_do_not_lock_a_person_out(client, person):
    for _ in range(6):
        client.post(
            "/accounts/login/",
            {"login": person.email, "password": "wrong wrong wrong"},
            REMOTE_ADDR="192.0.2.7",
        )

    response = client.post("/accounts/login/", {"login": person.email, "password": PASSWORD})

    assert response.status_code == 302


def test_a_forged_forwarding_header_does_not_escape_the_limit(client, person):
    for i in range(5):
        client.post(
            "/accounts/login/",
            {"login": person.email, "password": "wrong wrong wrong"},
            headers={"X-Forwarded-For": f"203.0.113.{i}"},
        )

    response = client.post(
        "/accounts/login/",
        {"login": person.email, "password": PASSWORD},
        headers={"X-Forwarded-For": "203.0.113.99"},
    )

    assert response.status_code == 200


def test_too_many_requests_are_told_how_long_to_wait(client):
    form = {"email": "nobody@example.com"}
    for _ in range(5):
        client.post(reverse("account_reset_password"), form)

    response = client.post(reverse("account_reset_password"), form)

    assert "Wait an hour" in assert_in_shell(response, status=429)
    assert response["Retry-After"] == "3600"


# --- where a sign-in leads -----------------------------------------------------------------------


@pytest.mark.parametrize("target", ELSEWHERE)
@pytest.mark.parametrize("page", ["account_login", "account_logout"])
def test_next_never_leads_to_another_site(client, person, page, target):
    if page == "account_logout":
        client.force_login(person)
    form = {"login": person.email, "password": PASSWORD, "next": target}

    response = client.post(reverse(page), form)

    assert response.status_code == 302
    seen_by_a_browser = re.sub(r"[\t\n\r]", "", response["Location"]).replace("\\", "/").strip()
    assert (
        urlsplit(urljoin("http://testserver/accounts/", seen_by_a_browser)).netloc == "testserver"
    )
    assert not seen_by_a_browser.startswith(("javascript:", "data:"))


def test_next_leads_to_a_page_of_ours(client, person):
    form = {"login": person.email, "password": PASSWORD, "next": "/markets/?tab=1"}

    assert client.post("/accounts/login/", form)["Location"] == "/markets/?tab=1"
