"""Addresses of markets, orders, holdings and the replay they live in."""

from django.urls import URLPattern, path

from trading.api import orders as orders_api
from trading.api import portfolios as portfolios_api
from trading.views import dashboard, markets, orders, portfolio, replay

PAGES: list[URLPattern] = [
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
]

DOORS: list[URLPattern] = [
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
]
