"""WebSocket addresses of trading."""

websocket_urlpatterns: list[object] = []
