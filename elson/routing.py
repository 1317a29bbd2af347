"""Every WebSocket address; each app adds its own."""

from trading.routing import websocket_urlpatterns as trading_patterns

websocket_urlpatterns = [*trading_patterns]
