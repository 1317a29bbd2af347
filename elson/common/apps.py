"""The shared floor as a Django app."""

from django.apps import AppConfig


class CommonConfig(AppConfig):
    """Outbox, errors, API conventions, formats: no business words."""

    name = "elson.common"
    label = "common"
    verbose_name = "Common"
