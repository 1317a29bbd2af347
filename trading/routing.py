"""WebSocket addresses of trading."""

from django.urls import path

from trading.consumers import TradingStreamConsumer

websocket_urlpatterns = [path("ws/stream/", TradingStreamConsumer.as_asgi())]
