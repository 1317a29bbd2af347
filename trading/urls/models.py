"""Addresses of regimes and of models in training."""

from django.urls import URLPattern, path

from trading.api import markets as markets_api
from trading.api import trainings as trainings_api
from trading.views import regimes, trainings

PAGES: list[URLPattern] = [
    path("models/regimes/", regimes.regimes, name="regimes"),
    path(
        "models/trainings/<int:training_id>/cancel/",
        trainings.training_stop,
        name="training_cancel",
    ),
]

DOORS: list[URLPattern] = [
    path("regimes/", markets_api.RegimeListApi.as_view(), name="api_regimes"),
    path(
        "regimes/definition/",
        markets_api.RegimeDefinitionApi.as_view(),
        name="api_regimes_definition",
    ),
    path("regimes/changes/", markets_api.RegimeChangesApi.as_view(), name="api_regimes_changes"),
    path("regimes/now/", markets_api.RegimeNowListApi.as_view(), name="api_regimes_now"),
    path(
        "regimes/transitions/",
        markets_api.RegimeTransitionsApi.as_view(),
        name="api_regimes_transitions",
    ),
    path(
        "regimes/volatility/",
        markets_api.RegimeVolatilityApi.as_view(),
        name="api_regimes_volatility",
    ),
    path("models/trainings/", trainings_api.TrainingListApi.as_view(), name="api_trainings"),
    path(
        "models/trainings/<int:training_id>/cancel/",
        trainings_api.TrainingCancelApi.as_view(),
        name="api_training_cancel",
    ),
]
