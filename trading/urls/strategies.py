"""Addresses of strategies: their pages, their decisions, what puts them to work."""

from django.urls import URLPattern, path

from trading.api import deployments as deployments_api
from trading.api import strategies as strategies_api
from trading.api import strategy_board as board_api
from trading.api import strategy_parts as strategy_parts_api
from trading.api import tracking as tracking_api
from trading.views import (
    decision_log,
    decisions,
    strategies,
    strategy_ends,
    strategy_list,
    strategy_parameters,
    strategy_tracking,
    strategy_versions,
)

PAGES: list[URLPattern] = [
    path("strategies/", strategy_list.strategies, name="strategies"),
    path("strategies/new/", strategies.strategy_new, name="strategy_new"),
    path("strategies/<int:strategy_id>/", strategies.strategy_detail, name="strategy_detail"),
    path(
        "strategies/<int:strategy_id>/tracking/",
        strategy_tracking.strategy_tracking,
        name="strategy_tracking",
    ),
    path(
        "strategies/<int:strategy_id>/versions/<int:number>/preview/",
        strategy_tracking.version_preview,
        name="version_preview",
    ),
    path(
        "strategies/<int:strategy_id>/edit/", strategy_versions.strategy_edit, name="strategy_edit"
    ),
    path(
        "strategies/<int:strategy_id>/versions/<int:number>/run/",
        strategy_versions.version_run,
        name="version_run",
    ),
    path(
        "strategies/<int:strategy_id>/archive/",
        strategy_ends.strategy_away,
        name="strategy_archive",
    ),
    path(
        "strategies/<int:strategy_id>/unarchive/",
        strategy_ends.strategy_back,
        name="strategy_unarchive",
    ),
    path(
        "strategies/<int:strategy_id>/orders/",
        strategies.strategy_orders_page,
        name="strategy_orders",
    ),
    path(
        "strategies/<int:strategy_id>/parameters/",
        strategy_parameters.strategy_parameters,
        name="strategy_parameters",
    ),
    path("strategies/<int:strategy_id>/stop/", strategy_ends.strategy_stop, name="strategy_stop"),
    path("strategies/<int:strategy_id>/decisions/", decision_log.strategy_log, name="strategy_log"),
    path(
        "strategies/<int:strategy_id>/decisions/<uuid:decision_id>/",
        decisions.decision_detail,
        name="decision_detail",
    ),
    path(
        "deployments/<int:deployment_id>/<slug:action>/",
        strategy_ends.deployment_action,
        name="deployment_action",
    ),
]

DOORS: list[URLPattern] = [
    path("strategies/", strategies_api.StrategyListApi.as_view(), name="api_strategies"),
    path("strategies/board/", board_api.StrategyBoardApi.as_view(), name="api_strategy_board"),
    path(
        "strategies/<int:strategy_id>/",
        strategies_api.StrategyDetailApi.as_view(),
        name="api_strategy",
    ),
    path(
        "strategies/templates/",
        strategies_api.TemplateListApi.as_view(),
        name="api_strategy_templates",
    ),
    path(
        "strategies/<int:strategy_id>/archive/",
        strategies_api.StrategyArchiveApi.as_view(),
        name="api_strategy_archive",
    ),
    path(
        "strategies/<int:strategy_id>/unarchive/",
        strategies_api.StrategyUnarchiveApi.as_view(),
        name="api_strategy_unarchive",
    ),
    path(
        "strategies/<int:strategy_id>/orders/",
        strategy_parts_api.StrategyOrderListApi.as_view(),
        name="api_strategy_orders",
    ),
    path(
        "strategies/<int:strategy_id>/events/",
        strategy_parts_api.StrategyEventListApi.as_view(),
        name="api_strategy_events",
    ),
    path(
        "strategies/<int:strategy_id>/parameters/",
        strategy_parts_api.StrategyParametersApi.as_view(),
        name="api_strategy_parameters",
    ),
    path(
        "strategies/<int:strategy_id>/versions/",
        strategies_api.VersionListApi.as_view(),
        name="api_strategy_versions",
    ),
    path(
        "strategies/<int:strategy_id>/versions/<int:number>/diff/",
        strategies_api.VersionDiffApi.as_view(),
        name="api_strategy_version_diff",
    ),
    path(
        "strategies/<int:strategy_id>/versions/<int:number>/preview/",
        tracking_api.VersionPreviewApi.as_view(),
        name="api_strategy_version_preview",
    ),
    path(
        "strategies/<int:strategy_id>/decisions/",
        strategies_api.DecisionListApi.as_view(),
        name="api_decisions",
    ),
    path(
        "strategies/<int:strategy_id>/decisions/counts/",
        tracking_api.DecisionCountsApi.as_view(),
        name="api_decision_counts",
    ),
    path(
        "decisions/<str:decision_id>/",
        strategies_api.DecisionDetailApi.as_view(),
        name="api_decision",
    ),
    path("deployments/", deployments_api.DeploymentListApi.as_view(), name="api_deployments"),
    path(
        "deployments/quota/",
        deployments_api.DeploymentQuotaApi.as_view(),
        name="api_deployments_quota",
    ),
    path(
        "deployments/<int:deployment_id>/",
        deployments_api.DeploymentDetailApi.as_view(),
        name="api_deployment",
    ),
    path(
        "deployments/<int:deployment_id>/events/",
        strategy_parts_api.DeploymentEventListApi.as_view(),
        name="api_deployment_events",
    ),
    path(
        "deployments/<int:deployment_id>/sizing/",
        deployments_api.DeploymentSizingApi.as_view(),
        name="api_deployment_sizing",
    ),
    path(
        "deployments/<int:deployment_id>/tracking/",
        tracking_api.DeploymentTrackingApi.as_view(),
        name="api_deployment_tracking",
    ),
    path(
        "deployments/<int:deployment_id>/pause/",
        deployments_api.DeploymentPauseApi.as_view(),
        name="api_deployment_pause",
    ),
    path(
        "deployments/<int:deployment_id>/resume/",
        deployments_api.DeploymentResumeApi.as_view(),
        name="api_deployment_resume",
    ),
    path(
        "deployments/<int:deployment_id>/enter-again/",
        deployments_api.DeploymentEnterAgainApi.as_view(),
        name="api_deployment_enter_again",
    ),
    path(
        "deployments/<int:deployment_id>/halt/",
        deployments_api.DeploymentHaltApi.as_view(),
        name="api_deployment_halt",
    ),
    path(
        "deployments/<int:deployment_id>/stop/",
        deployments_api.DeploymentStopApi.as_view(),
        name="api_deployment_stop",
    ),
]
