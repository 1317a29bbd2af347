"""Incidents for staff."""

from django.contrib import admin

from elson.common.admin import ReadOnlyAdmin
from monitoring.models import Incident


@admin.register(Incident)
class IncidentAdmin(ReadOnlyAdmin):
    """What went wrong, from when to when."""

    list_display = ("title", "check_key", "state", "opened_at", "resolved_at", "detail")
    list_filter = ("state", "check_key")
    search_fields = ("title", "detail")
    date_hierarchy = "opened_at"
    ordering = ("-opened_at",)
