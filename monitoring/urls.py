"""Addresses of monitoring."""

from django.urls import path
from django.views.decorators.http import require_safe

from monitoring import api
from monitoring.views import models, probes

urlpatterns = [
    path("livez", require_safe(probes.livez), name="livez"),
    path("readyz", require_safe(probes.readyz), name="readyz"),
    path("startupz", require_safe(probes.startupz), name="startupz"),
    path("metrics", require_safe(probes.metrics), name="metrics"),
    path("status/", require_safe(probes.status), name="status"),
    path("models/", models.models, name="models"),
    path("models/<int:version_id>/", models.model_version, name="model_version"),
    path("api/v1/models/", api.ModelListApi.as_view(), name="api_models"),
    path("api/v1/models/<int:version_id>/", api.ModelDetailApi.as_view(), name="api_model"),
    path(
        "api/v1/models/<int:version_id>/transitions/",
        api.ModelTransitionListApi.as_view(),
        name="api_model_transitions",
    ),
    path(
        "api/v1/models/<int:version_id>/drift/",
        api.ModelDriftListApi.as_view(),
        name="api_model_drift",
    ),
    path(
        "api/v1/models/<int:version_id>/reliability/",
        api.ModelReliabilityApi.as_view(),
        name="api_model_reliability",
    ),
    path(
        "api/v1/models/<int:version_id>/data-problems/",
        api.ModelDataProblemListApi.as_view(),
        name="api_model_data_problems",
    ),
    path(
        "api/v1/models/verifications/",
        api.VerificationListApi.as_view(),
        name="api_model_verifications",
    ),
    path("status.json", require_safe(probes.status_json), name="status_json"),
]
