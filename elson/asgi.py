"""ASGI entry: pages by Django, /ws/ by Channels, only from our own origin."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "elson.settings.development")

from django.core.asgi import get_asgi_application

django_application = get_asgi_application()

from channels.auth import AuthMiddlewareStack  # noqa: E402  needs the apps loaded
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.security.websocket import AllowedHostsOriginValidator  # noqa: E402

from elson.common.asgi import RequestLimits  # noqa: E402
from elson.common.beats import HeartbeatLifespan  # noqa: E402
from elson.common.models import Component  # noqa: E402
from elson.routing import websocket_urlpatterns  # noqa: E402
from trading.engine.kernel_cache import compile_elsewhere  # noqa: E402

application = ProtocolTypeRouter(
    {
        "http": RequestLimits(django_application),
        "websocket": AllowedHostsOriginValidator(
            AuthMiddlewareStack(URLRouter(websocket_urlpatterns))
        ),
        # Servers that speak lifespan (uvicorn) keep the web process's sign of life going.
        "lifespan": HeartbeatLifespan(Component.WEB, at_start=compile_elsewhere),
    }
)
