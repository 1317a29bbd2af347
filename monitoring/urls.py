"""Addresses of monitoring."""

from django.urls import path
from django.views.decorators.http import require_safe

from monitoring import views

urlpatterns = [
    path("livez", require_safe(views.livez), name="livez"),
    path("readyz", require_safe(views.readyz), name="readyz"),
    path("startupz", require_safe(views.startupz), name="startupz"),
    path("metrics", require_safe(views.metrics), name="metrics"),
    path("status/", require_safe(views.status), name="status"),
    path("status.json", require_safe(views.status_json), name="status_json"),
]
