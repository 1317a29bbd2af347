"""How django-allauth makes and names our users."""

from allauth.account.adapter import DefaultAccountAdapter


class AccountAdapter(DefaultAccountAdapter):
    """E-mail is the only name; sign-up goes through our own form and service."""
