"""Behind TLS, on PostgreSQL and Redis."""

from elson.settings.base import *  # noqa: F403  settings are layered by Django's convention

SECURE_SSL_REDIRECT = True
SECURE_REDIRECT_EXEMPT = [r"^livez$", r"^readyz$", r"^startupz$", r"^metrics$"]
# Anyone can send this header; it is believed only where a proxy of ours sets it.
if VALUES["ELSON_TRUSTED_PROXY_COUNT"]:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_HSTS_SECONDS = 31_536_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SESSION_COOKIE_SECURE = True
SESSION_COOKIE_NAME = "__Host-sessionid"
CSRF_COOKIE_SECURE = True
CSRF_COOKIE_NAME = "__Host-csrftoken"
STAFF_NEEDS_SECOND_FACTOR = True
