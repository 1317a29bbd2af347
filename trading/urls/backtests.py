"""Addresses of backtests: their pages, comparisons, shared links and doors."""

from django.urls import URLPattern, path, re_path

from trading.api import backtest_parts as backtest_parts_api
from trading.api import backtests as backtests_api
from trading.views import backtest_adopt, backtest_share, backtest_trade, backtests, compare

PAGES: list[URLPattern] = [
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
]

DOORS: list[URLPattern] = [
    path(
        "backtests/compare/",
        backtests_api.BacktestCompareApi.as_view(),
        name="api_backtests_compare",
    ),
    path("backtests/", backtests_api.BacktestListApi.as_view(), name="api_backtests"),
    path(
        "backtests/<int:backtest_id>/",
        backtests_api.BacktestDetailApi.as_view(),
        name="api_backtest",
    ),
    path(
        "backtests/<int:backtest_id>/result/",
        backtests_api.BacktestResultApi.as_view(),
        name="api_backtest_result",
    ),
    path(
        "backtests/<int:backtest_id>/split/",
        backtests_api.BacktestSplitApi.as_view(),
        name="api_backtest_split",
    ),
    path(
        "backtests/<int:backtest_id>/trades.csv",
        backtests_api.BacktestTradesApi.as_view(),
        name="api_backtest_trades",
    ),
    path(
        "backtests/<int:backtest_id>/cancel/",
        backtests_api.BacktestCancelApi.as_view(),
        name="api_backtest_cancel",
    ),
    path(
        "backtests/<int:backtest_id>/rerun/",
        backtests_api.BacktestRerunApi.as_view(),
        name="api_backtest_rerun",
    ),
    path(
        "backtests/<int:backtest_id>/share/",
        backtests_api.BacktestShareApi.as_view(),
        name="api_backtest_share",
    ),
    path(
        "backtests/<int:backtest_id>/report/",
        backtests_api.BacktestReportApi.as_view(),
        name="api_backtest_report",
    ),
    path(
        "backtests/<int:backtest_id>/adopt/",
        backtests_api.BacktestAdoptApi.as_view(),
        name="api_backtest_adopt",
    ),
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
