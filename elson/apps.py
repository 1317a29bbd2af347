"""The composition root as a Django app, so that its commands are found."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class ElsonConfig(AppConfig):
    """Commands that put the whole platform together: serve, create_demo, validate_env."""

    name = "elson"
    verbose_name = "Elson"

    def ready(self) -> None:
        """Make our Celery application current, so that every process sends to our broker."""
        from elson import celery  # noqa: F401


class StaffAdminConfig(AdminConfig):
    """Django's admin with our site in it."""

    default_site = "elson.admin_site.StaffSite"
