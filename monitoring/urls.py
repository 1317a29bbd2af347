"""Addresses of monitoring."""

from django.urls import path
from django.views.decorators.http import require_safe

from monitoring.api import cards as cards_api
from monitoring.api import changes as changes_api
from monitoring.api import models as models_api
from monitoring.views import models, probes

urlpatterns = [
    path("livez", require_safe(probes.livez), name="livez"),
    path("readyz", require_safe(probes.readyz), name="readyz"),
    path("startupz", require_safe(probes.startupz), name="startupz"),
    path("metrics", require_safe(probes.metrics), name="metrics"),
    path("status/", require_safe(probes.status), name="status"),
    path("models/", models.models, name="models"),
    path("models/<int:version_id>/", models.model_version, name="model_version"),
    path("api/v1/models/", models_api.ModelListApi.as_view(), name="api_models"),
    path("api/v1/models/<int:version_id>/", models_api.ModelDetailApi.as_view(), name="api_model"),
    path(
        "api/v1/models/<int:version_id>/card/",
        cards_api.ModelCardApi.as_view(),
        name="api_model_card",
    ),
    path(
        "api/v1/models/<int:version_id>/transitions/",
        models_api.ModelTransitionListApi.as_view(),
        name="api_model_transitions",
    ),
    path(
        "api/v1/models/<int:version_id>/drift/",
        models_api.ModelDriftListApi.as_view(),
        name="api_model_drift",
    ),
    path(
        "api/v1/models/<int:version_id>/reliability/",
        models_api.ModelReliabilityApi.as_view(),
        name="api_model_reliability",
    ),
    path(
        "api/v1/models/<int:version_id>/data-problems/",
        models_api.ModelDataProblemListApi.as_view(),
        name="api_model_data_problems",
    ),
    path(
        "api/v1/models/<int:version_id>/predictions/",
        models_api.ModelPredictionListApi.as_view(),
        name="api_model_predictions",
    ),
    path(
        "api/v1/models/<int:version_id>/calibration/",
        models_api.ModelCalibrationApi.as_view(),
        name="api_model_calibration",
    ),
    path(
        "api/v1/models/<int:version_id>/shadow/",
        changes_api.ModelShadowApi.as_view(),
        name="api_model_shadow",
    ),
    path(
        "api/v1/models/<int:version_id>/promote/",
        changes_api.ModelPromoteApi.as_view(),
        name="api_model_promote",
    ),
    path(
        "api/v1/models/<int:version_id>/retire/",
        changes_api.ModelRetireApi.as_view(),
        name="api_model_retire",
    ),
    path(
        "api/v1/models/<int:version_id>/rollback/",
        changes_api.ModelRollbackApi.as_view(),
        name="api_model_rollback",
    ),
    path("api/v1/models/detector/", models_api.DetectorApi.as_view(), name="api_model_detector"),
    path(
        "api/v1/models/verifications/",
        models_api.VerificationListApi.as_view(),
        name="api_model_verifications",
    ),
    path("status.json", require_safe(probes.status_json), name="status_json"),
]
