"""WSGI entry for REST behind a threaded server."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "elson.settings.development")

application = get_wsgi_application()

from trading.engine.kernel_cache import compile_elsewhere  # noqa: E402  needs the apps loaded

compile_elsewhere()  # a request would wait for minutes
