"""Addresses of market data."""

from django.urls import path

from marketdata import api

urlpatterns = [
    path("api/v1/instruments/", api.InstrumentListApi.as_view(), name="api_instruments"),
    path(
        "api/v1/instruments/<str:symbol>/",
        api.InstrumentDetailApi.as_view(),
        name="api_instrument",
    ),
    path("api/v1/bars/", api.BarListApi.as_view(), name="api_bars"),
    path("api/v1/watchlists/", api.WatchlistListApi.as_view(), name="api_watchlists"),
    path(
        "api/v1/watchlists/<str:watchlist_id>/",
        api.WatchlistDetailApi.as_view(),
        name="api_watchlist",
    ),
    path(
        "api/v1/watchlists/<str:watchlist_id>/items/",
        api.WatchlistItemListApi.as_view(),
        name="api_watchlist_items",
    ),
    path(
        "api/v1/watchlists/<str:watchlist_id>/items/<str:symbol>/",
        api.WatchlistItemDetailApi.as_view(),
        name="api_watchlist_item",
    ),
    path("api/v1/replay/", api.ReplayDetailApi.as_view(), name="api_replay"),
    path("api/v1/replay/pause/", api.ReplayPauseApi.as_view(), name="api_replay_pause"),
    path("api/v1/replay/resume/", api.ReplayResumeApi.as_view(), name="api_replay_resume"),
    path("api/v1/replay/speed/", api.ReplaySpeedApi.as_view(), name="api_replay_speed"),
]
