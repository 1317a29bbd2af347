"""The accounts app."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Who the user is and what they may do."""

    name = "accounts"
    verbose_name = "Accounts"
