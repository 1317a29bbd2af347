"""Addresses of trading; long because all of them are looked up here, one entry each."""

from django.urls import URLPattern, URLResolver, include, path, re_path

from trading.api import backtest_parts as backtest_parts_api
from trading.api import backtests as backtests_api
from trading.api import deployments as deployments_api
from trading.api import markets as markets_api
from trading.api import orders as orders_api
from trading.api import portfolios as portfolios_api
from trading.api import strategies as strategies_api
from trading.api import strategy_board as board_api
from trading.api import strategy_parts as strategy_parts_api
from trading.api import studies as studies_api
from trading.api import study_parts as study_parts_api
from trading.api import study_repeats as repeats_api
from trading.api import tracking as tracking_api
from trading.api import trainings as trainings_api
from trading.views import (
    backtest_adopt,
    backtest_share,
    backtest_trade,
    backtests,
    compare,
    dashboard,
    decision_log,
    decisions,
    markets,
    orders,
    portfolio,
    regimes,
    replay,
    strategies,
    strategy_ends,
    strategy_list,
    strategy_parameters,
    strategy_tracking,
    strategy_versions,
    studies,
    study_actions,
    study_page,
    trainings,
)

BACKTEST_PATTERNS: list[URLPattern | URLResolver] = [
    path("backtests/", backtests.backtests, name="backtests"),
    path("backtests/new/", backtests.backtest_new, name="backtest_new"),
    path("backtests/compare/", compare.backtest_compare, name="backtest_compare"),
    path("backtests/compare/rerun/", compare.backtest_compare_rerun, name="backtest_compare_rerun"),
    path("backtests/<int:backtest_id>/", backtests.backtest, name="backtest"),
    path(
        "backtests/<int:backtest_id>/progress/",
        backtests.backtest_progress,
        name="backtest_progress",
    ),
    path(
        "backtests/<int:backtest_id>/trades/<int:number>/",
        backtest_trade.backtest_trade,
        name="backtest_trade",
    ),
    path("backtests/<int:backtest_id>/cancel/", backtests.backtest_stop, name="backtest_cancel"),
    path("backtests/<int:backtest_id>/rerun/", backtests.backtest_again, name="backtest_rerun"),
    path(
        "backtests/<int:backtest_id>/adopt/",
        backtest_adopt.backtest_adopt_page,
        name="backtest_adopt",
    ),
    path(
        "backtests/<int:backtest_id>/share/",
        backtest_share.backtest_share,
        name="backtest_share",
    ),
    re_path(
        r"^shared/backtests/(?P<token>[A-Za-z0-9_-]{43})/$",
        backtest_share.backtest_shared,
        name="backtest_shared",
    ),
    path(
        "backtests/<int:backtest_id>/report/",
        backtests.backtest_failure,
        name="backtest_report",
    ),
    path(
        "backtests/<int:backtest_id>/describe/",
        backtests.backtest_words,
        name="backtest_describe",
    ),
    path(
        "api/v1/backtests/compare/",
        backtests_api.BacktestCompareApi.as_view(),
        name="api_backtests_compare",
    ),
    path("api/v1/backtests/", backtests_api.BacktestListApi.as_view(), name="api_backtests"),
    path(
        "api/v1/backtests/<int:backtest_id>/",
        backtests_api.BacktestDetailApi.as_view(),
        name="api_backtest",
    ),
    path(
        "api/v1/backtests/<int:backtest_id>/result/",
        backtests_api.BacktestResultApi.as_view(),
        name="api_backtest_result",
    ),
    path(
        "api/v1/backtests/<int:backtest_id>/split/",
        backtests_api.BacktestSplitApi.as_view(),
        name="api_backtest_split",
    ),
    path(
        "api/v1/backtests/<int:backtest_id>/trades.csv",
        backtests_api.BacktestTradesApi.as_view(),
        name="api_backtest_trades",
    ),
    path(
        "api/v1/backtests/<int:backtest_id>/cancel/",
        backtests_api.BacktestCancelApi.as_view(),
        name="api_backtest_cancel",
    ),
    path(
        "api/v1/backtests/<int:backtest_id>/rerun/",
        backtests_api.BacktestRerunApi.as_view(),
        name="api_backtest_rerun",
    ),
    path(
        "api/v1/backtests/<int:backtest_id>/share/",
        backtests_api.BacktestShareApi.as_view(),
        name="api_backtest_share",
    ),
    path(
        "api/v1/backtests/<int:backtest_id>/report/",
        backtests_api.BacktestReportApi.as_view(),
        name="api_backtest_report",
    ),
    path(
        "api/v1/backtests/<int:backtest_id>/adopt/",
        backtests_api.BacktestAdoptApi.as_view(),
        name="api_backtest_adopt",
    ),
]

STUDY_PATTERNS: list[URLPattern | URLResolver] = [
    path("optimizations/", studies.studies, name="studies"),
    path("optimizations/new/", studies.study_new, name="study_new"),
    path("optimizations/<int:study_id>/", study_page.study, name="study"),
    path("optimizations/<int:study_id>/live/", study_page.study_live, name="study_live"),
    path("optimizations/<int:study_id>/points/", study_page.study_points, name="study_points"),
    path(
        "optimizations/<int:study_id>/holdout/", study_actions.study_holdout, name="study_holdout"
    ),
    path("optimizations/<int:study_id>/apply/", study_actions.study_apply_page, name="study_apply"),
    path("optimizations/<int:study_id>/repeat/", study_actions.study_repeat, name="study_repeat"),
    path(
        "optimizations/<int:study_id>/<slug:action>/",
        study_actions.study_action,
        name="study_action",
    ),
    path(
        "optimization-proposals/<int:proposal_id>/<slug:action>/",
        study_actions.proposal_action,
        name="proposal_action",
    ),
]

BACKTEST_API_PATTERNS: list[URLPattern | URLResolver] = [
    path(
        "backtests/quota/",
        backtest_parts_api.BacktestQuotaApi.as_view(),
        name="api_backtests_quota",
    ),
    path(
        "backtests/compare/rerun/",
        backtest_parts_api.CompareRerunApi.as_view(),
        name="api_backtests_compare_rerun",
    ),
    path(
        "backtests/<int:backtest_id>/log/",
        backtest_parts_api.BacktestLogApi.as_view(),
        name="api_backtest_log",
    ),
    path(
        "backtests/<int:backtest_id>/daily/",
        backtest_parts_api.BacktestDailyApi.as_view(),
        name="api_backtest_daily",
    ),
    path(
        "backtests/<int:backtest_id>/trades/<int:number>/",
        backtest_parts_api.BacktestTradeApi.as_view(),
        name="api_backtest_trade",
    ),
]

STUDY_API_PATTERNS: list[URLPattern | URLResolver] = [
    path("optimizations/quota/", study_parts_api.StudyQuotaApi.as_view(), name="api_studies_quota"),
    path(
        "optimizations/estimate/",
        study_parts_api.StudyEstimateApi.as_view(),
        name="api_studies_estimate",
    ),
    path(
        "optimizations/<int:study_id>/progress/",
        study_parts_api.StudyProgressApi.as_view(),
        name="api_study_progress",
    ),
    path(
        "optimizations/<int:study_id>/leaderboard/",
        study_parts_api.LeaderboardApi.as_view(),
        name="api_study_leaderboard",
    ),
    path(
        "optimizations/<int:study_id>/heatmap/",
        study_parts_api.HeatmapApi.as_view(),
        name="api_study_heatmap",
    ),
    path(
        "optimizations/<int:study_id>/points/",
        study_parts_api.PointsApi.as_view(),
        name="api_study_points",
    ),
    path("optimizations/", studies_api.StudyListApi.as_view(), name="api_studies"),
    path(
        "optimizations/repeats/",
        repeats_api.StudyRepeatListApi.as_view(),
        name="api_study_repeats",
    ),
    path(
        "optimizations/<int:study_id>/repeat/",
        repeats_api.StudyRepeatApi.as_view(),
        name="api_study_repeat",
    ),
    path(
        "optimization-proposals/",
        repeats_api.ProposalListApi.as_view(),
        name="api_study_proposals",
    ),
    path(
        "optimization-proposals/<int:proposal_id>/",
        repeats_api.ProposalDetailApi.as_view(),
        name="api_study_proposal",
    ),
    path(
        "optimization-proposals/<int:proposal_id>/accept/",
        repeats_api.ProposalAcceptApi.as_view(),
        name="api_study_proposal_accept",
    ),
    path(
        "optimization-proposals/<int:proposal_id>/reject/",
        repeats_api.ProposalRejectApi.as_view(),
        name="api_study_proposal_reject",
    ),
    path("optimizations/<int:study_id>/", studies_api.StudyDetailApi.as_view(), name="api_study"),
    path(
        "optimizations/<int:study_id>/trials/",
        studies_api.TrialListApi.as_view(),
        name="api_study_trials",
    ),
    path(
        "optimizations/<int:study_id>/trials.csv",
        studies_api.TrialCsvApi.as_view(),
        name="api_study_trials_csv",
    ),
    path(
        "optimizations/<int:study_id>/pause/",
        studies_api.StudyPauseApi.as_view(),
        name="api_study_pause",
    ),
    path(
        "optimizations/<int:study_id>/resume/",
        studies_api.StudyResumeApi.as_view(),
        name="api_study_resume",
    ),
    path(
        "optimizations/<int:study_id>/stop/",
        studies_api.StudyStopApi.as_view(),
        name="api_study_stop",
    ),
    path(
        "optimizations/<int:study_id>/extend/",
        studies_api.StudyExtendApi.as_view(),
        name="api_study_extend",
    ),
    path(
        "optimizations/<int:study_id>/holdout/",
        studies_api.StudyHoldoutApi.as_view(),
        name="api_study_holdout",
    ),
    path(
        "optimizations/<int:study_id>/apply/",
        studies_api.StudyApplyApi.as_view(),
        name="api_study_apply",
    ),
]

TRAINING_API_PATTERNS: list[URLPattern | URLResolver] = [
    path("models/trainings/", trainings_api.TrainingListApi.as_view(), name="api_trainings"),
    path(
        "models/trainings/<int:training_id>/cancel/",
        trainings_api.TrainingCancelApi.as_view(),
        name="api_training_cancel",
    ),
]

PAGE_PATTERNS: list[URLPattern | URLResolver] = [
    path("dashboard/", dashboard.dashboard, name="dashboard"),
    path("markets/", markets.markets, name="markets"),
    path("markets/lists/new/", markets.watchlist_new, name="watchlist_new"),
    path(
        "markets/lists/<str:watchlist_id>/<slug:action>/",
        markets.watchlist_change,
        name="watchlist_change",
    ),
    path("markets/<str:symbol>/", markets.instrument, name="instrument"),
    path("markets/<str:symbol>/bars/", markets.instrument_bars, name="instrument_bars"),
    path("models/regimes/", regimes.regimes, name="regimes"),
    path(
        "models/trainings/<int:training_id>/cancel/",
        trainings.training_stop,
        name="training_cancel",
    ),
    path("orders/", orders.order_list_page, name="orders"),
    path("orders/new/", orders.order_new, name="order_new"),
    path("orders/preview/", orders.order_preview_part, name="order_preview"),
    path("orders/review/", orders.order_review, name="order_review"),
    path("orders/send/", orders.order_send, name="order_send"),
    path("orders/cancel-all/", orders.order_cancel_all_action, name="order_cancel_all"),
    path("orders/<uuid:order_id>/", orders.order_detail, name="order_detail"),
    path("orders/<uuid:order_id>/cancel/", orders.order_cancel_action, name="order_cancel"),
    path("portfolio/", portfolio.portfolio_page, name="portfolio"),
    path("portfolio/ledger/", portfolio.ledger_page, name="ledger"),
    path("portfolio/activity/", portfolio.activity_page, name="activity"),
    path("replay/", replay.replay_page, name="replay"),
    path("replay/<slug:action>/", replay.replay_action, name="replay_action"),
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

API_PATTERNS: list[URLPattern | URLResolver] = [
    path("portfolio/", portfolios_api.PortfolioDetailApi.as_view(), name="api_portfolio"),
    path("positions/", portfolios_api.PositionListApi.as_view(), name="api_positions"),
    path("ledger/", portfolios_api.LedgerListApi.as_view(), name="api_ledger"),
    path(
        "ledger/balances/", portfolios_api.LedgerBalancesApi.as_view(), name="api_ledger_balances"
    ),
    path("activity/", portfolios_api.ActivityListApi.as_view(), name="api_activity"),
    path("equity/", portfolios_api.EquityListApi.as_view(), name="api_equity"),
    path("orders/", orders_api.OrderListApi.as_view(), name="api_orders"),
    path("orders/preview/", orders_api.OrderPreviewApi.as_view(), name="api_order_preview"),
    path("orders/<str:order_id>/", orders_api.OrderDetailApi.as_view(), name="api_order"),
    path(
        "orders/<str:order_id>/cancel/",
        orders_api.OrderCancelApi.as_view(),
        name="api_order_cancel",
    ),
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
    path("regimes/", markets_api.RegimeListApi.as_view(), name="api_regimes"),
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
]

urlpatterns: list[URLPattern | URLResolver] = [
    *PAGE_PATTERNS,
    *BACKTEST_PATTERNS,
    *STUDY_PATTERNS,
    path("api/v1/", include(API_PATTERNS)),
    path("api/v1/", include(BACKTEST_API_PATTERNS)),
    path("api/v1/", include(STUDY_API_PATTERNS)),
    path("api/v1/", include(TRAINING_API_PATTERNS)),
]
