"""Everything that is the same in development, testing and production."""

import hashlib
import os
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import environ
from csp.constants import NONE, SELF

from elson.common.redis import broker_url_of, channel_layer_settings
from elson.schedule import SCHEDULE
from elson.settings.environment import (
    EXIT_CONFIGURATION,
    SettingsFaults,
    check_environment,
    environment_kind,
    read_dotenv,
)
from elson.settings.logging import logging_settings
from elson.settings.variables import BASE_DIR

read_dotenv(os.environ)
try:
    VALUES = check_environment(os.environ)
except SettingsFaults as faults:
    sys.stderr.write(f"{faults}\n")
    raise SystemExit(EXIT_CONFIGURATION) from None

IS_DEVELOPMENT = environment_kind(os.environ) == "development"
STATE_DIR = Path(VALUES["ELSON_STATE_DIR"]).absolute()
STATE_DIR.mkdir(parents=True, exist_ok=True)
SECRET_KEY = VALUES["ELSON_SECRET_KEY"]
DEBUG = VALUES["ELSON_DEBUG"]
ALLOWED_HOSTS = VALUES["ELSON_ALLOWED_HOSTS"]
PUBLIC_URL = VALUES["ELSON_PUBLIC_URL"].rstrip("/")
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL] if PUBLIC_URL.startswith("https://") else []
ELSON_VERSION = "0.1.0"

INSTALLED_APPS = [
    "elson.apps.StaffAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "csp",
    "django_htmx",
    "django_filters",
    "rest_framework",
    "drf_spectacular",
    "channels",
    "django_celery_beat",
    "django_celery_results",
    "djstripe",
    "billing.apps.PayPalIPNConfig",
    "django_prometheus",
    "simple_history",
    "elson.common.apps.CommonConfig",
    "elson.apps.ElsonConfig",
    "accounts.apps.AccountsConfig",
    "marketdata.apps.MarketdataConfig",
    "trading.apps.TradingConfig",
    "billing.apps.BillingConfig",
    "monitoring.apps.MonitoringConfig",
]

MIDDLEWARE = [
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "elson.common.middleware.RequestIdMiddleware",
    "elson.common.middleware.ApiErrorMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "elson.common.staticfiles.StaticFilesMiddleware",
    "csp.middleware.CSPMiddleware",
    "monitoring.middleware.ProbeMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "simple_history.middleware.HistoryRequestMiddleware",
    "accounts.middleware.PreferencesMiddleware",
    "elson.common.middleware.NulMiddleware",
    "elson.common.middleware.DomainErrorMiddleware",
    "elson.middleware.KernelsMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]

ROOT_URLCONF = "elson.urls"
ASGI_APPLICATION = "elson.asgi.application"
WSGI_APPLICATION = "elson.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "elson.context.shell",
            ],
        },
    },
]

# --- Database ---------------------------------------------------------------------------------
SQLITE_OPTIONS = {
    "timeout": 20,
    "transaction_mode": "IMMEDIATE",
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; "
    # Rows that are never changed are not to be replaced either.
    "PRAGMA recursive_triggers=ON;",
}


def database_settings(url: str) -> dict[str, object]:
    """Database entry for a URL; the embedded SQLite with its proven options when empty."""
    if not url or url.startswith("sqlite:"):
        name = urlsplit(url).path if url else ""
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": name or STATE_DIR / "elson.sqlite3",
            "OPTIONS": dict(SQLITE_OPTIONS),
        }
    entry: dict[str, Any] = environ.Env.db_url_config(url)
    entry["CONN_MAX_AGE"] = VALUES["ELSON_DATABASE_CONN_MAX_AGE"]
    entry["CONN_HEALTH_CHECKS"] = True
    options = entry.setdefault("OPTIONS", {})
    options.setdefault("connect_timeout", 2)
    options.setdefault("application_name", "elson")
    # Nothing waits for ever: a statement 30 s, a lock 2 s, an open transaction at rest 10 s.
    options.setdefault(
        "options",
        "-c statement_timeout=30000 -c lock_timeout=2000"
        " -c idle_in_transaction_session_timeout=10000",
    )
    return entry


DATABASES = {"default": database_settings(VALUES["DATABASE_URL"])}
# dj-stripe's own 518 operations take a minute; the generated squash has the same schema (ADR 0005).
MIGRATION_MODULES = {"djstripe": "billing.djstripe_migrations"}

# --- Redis, live messages, jobs ---------------------------------------------------------------


def embedded_redis_socket(state_dir: Path) -> Path:
    """Socket of the private Redis; a short folder of our own where the path would be too long."""
    socket = state_dir / "redis" / "redis.sock"
    if len(os.fsencode(socket)) <= 100:  # the kernel's limit is 104 to 108 bytes
        return socket
    name = hashlib.sha256(os.fsencode(state_dir)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"elson-{os.getuid()}-{name}" / "redis.sock"


EMBEDDED_REDIS_SOCKET = embedded_redis_socket(STATE_DIR)
HAS_EMBEDDED_REDIS = not VALUES["REDIS_URL"]
REDIS_URL = VALUES["REDIS_URL"] or f"redis+socket://{EMBEDDED_REDIS_SOCKET}"
CHANNEL_LAYERS = {"default": channel_layer_settings(REDIS_URL)}
CACHES = {"default": {"BACKEND": "elson.common.cache.ElsonRedisCache", "LOCATION": REDIS_URL}}
SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"

_broker = urlsplit(VALUES["CELERY_BROKER_URL"] or REDIS_URL)
CELERY_BROKER_URL = broker_url_of(VALUES["CELERY_BROKER_URL"] or REDIS_URL)
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = {
    "visibility_timeout": 600,
    "unacked_restore_interval": 5,
    "unacked_restore_throttle": 1,
    # Longer than the worker's own blocking reads; sending has a shorter limit of its own (jobs.py).
    "socket_timeout": 10,
    "socket_connect_timeout": 2,
    "socket_keepalive": True,
}
if _broker.scheme == "sentinel":
    CELERY_BROKER_TRANSPORT_OPTIONS["master_name"] = parse_qs(_broker.query)["master_name"][0]
CELERY_RESULT_BACKEND = "django-db"
CELERY_RESULT_EXTENDED = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_TRACK_STARTED = True
CELERY_TASK_SOFT_TIME_LIMIT = 90
CELERY_TASK_TIME_LIMIT = 120
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True
CELERY_TASK_IGNORE_RESULT = False
# Asked to stop, a worker waits this long for its tasks, then hands them back to the queue.
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 4.0
CELERY_TIMEZONE = "UTC"
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULE = SCHEDULE
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"

# --- People -----------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/dashboard/"
ACCOUNT_ADAPTER = "elson.adapter.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "optional"
ACCOUNT_LOGOUT_REDIRECT_URL = "landing"
ACCOUNT_SIGNUP_REDIRECT_URL = "onboarding"
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_EMAIL_NOTIFICATIONS = True  # tell people when how they sign in was changed
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_FORMS = {
    "signup": "accounts.forms.SignupForm",
    "login": "accounts.forms.LoginForm",
    "reset_password": "accounts.forms.ResetPasswordForm",
    "reset_password_from_key": "accounts.forms.ResetPasswordKeyForm",
    "set_password": "accounts.forms.SetPasswordForm",
    "change_password": "accounts.forms.ChangePasswordForm",
    "add_email": "accounts.forms.ChangeEmailForm",
    "reauthenticate": "accounts.forms.ReauthenticateForm",
}
# Failed sign-ins count per client and per address-and-client; the rest are allauth's defaults.
ACCOUNT_RATE_LIMITS = {"login_failed": "10/m/ip,5/5m/key", "reset_password": "20/m/ip,5/h/key"}
ACCOUNT_SESSION_REMEMBER = True
ALLAUTH_TRUSTED_PROXY_COUNT = VALUES["ELSON_TRUSTED_PROXY_COUNT"]
MFA_ADAPTER = "accounts.adapter.MFAAdapter"
MFA_FORMS = {
    "authenticate": "accounts.forms.CodeForm",
    "reauthenticate": "accounts.forms.CodeReauthenticateForm",
    "activate_totp": "accounts.forms.ActivateTOTPForm",
    "add_webauthn": "accounts.forms.AddWebAuthnForm",
}
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_TOLERANCE = 0
MFA_TOTP_ISSUER = "Elson"

# --- Language, time, formats --------------------------------------------------------------------
LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

# --- Static files -------------------------------------------------------------------------------
STATIC_URL = "/static/"
STATIC_ROOT = STATE_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
# Hashed names and compressed copies are for the production shape; on one machine files are sent as
# they are, so a first start need not prepare them and an edit shows at once.
HAS_HASHED_STATIC_FILES = not (DEBUG or IS_DEVELOPMENT)
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "elson.common.staticfiles.ModuleManifestStorage"
        if HAS_HASHED_STATIC_FILES
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = not HAS_HASHED_STATIC_FILES
WHITENOISE_AUTOREFRESH = not HAS_HASHED_STATIC_FILES
WHITENOISE_MAX_AGE = 60 if HAS_HASHED_STATIC_FILES else 0

# --- Security -----------------------------------------------------------------------------------
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF, "ws:" if PUBLIC_URL.startswith("http://") else "wss:"],
        "manifest-src": [SELF],
        "worker-src": [SELF],
        "form-action": [SELF, "https://checkout.stripe.com", "https://www.paypal.com"],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
        "object-src": [NONE],
        "report-uri": ["/csp-report/"],
    }
}
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 60 * 60 * 24 * 14
CSRF_COOKIE_SAMESITE = "Lax"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 256 * 1024  # elson/common/asgi.py refuses more before it is read
DATA_UPLOAD_MAX_NUMBER_FIELDS = 500
STAFF_NEEDS_SECOND_FACTOR = False
CSRF_FAILURE_VIEW = "elson.views.csrf_failure"

# --- API ----------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["elson.common.api.SessionAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["elson.common.api.StrictJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "elson.common.openapi.ProblemSchema",
    "EXCEPTION_HANDLER": "elson.common.api.problem_handler",
    "DEFAULT_PAGINATION_CLASS": "elson.common.paging.CursorPagination",
    "COERCE_DECIMAL_TO_STRING": True,
    "DATETIME_FORMAT": "%Y-%m-%dT%H:%M:%S.%fZ",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Elson API",
    "DESCRIPTION": "Paper portfolios, market data, strategies and backtests. "
    "Money and quantities are decimal strings, times are ISO 8601 UTC.",
    "VERSION": ELSON_VERSION,
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
}

# --- Payments -------------------------------------------------------------------------------------
STRIPE_LIVE_MODE = VALUES["ELSON_STRIPE_LIVE_MODE"]
STRIPE_LIVE_SECRET_KEY = VALUES["ELSON_STRIPE_SECRET_KEY"] if STRIPE_LIVE_MODE else ""
STRIPE_TEST_SECRET_KEY = "" if STRIPE_LIVE_MODE else VALUES["ELSON_STRIPE_SECRET_KEY"]
STRIPE_API_VERSION = "2026-05-27.dahlia"
DJSTRIPE_FOREIGN_KEY_TO_FIELD = "id"
PAYPAL_TEST = VALUES["ELSON_PAYPAL_SANDBOX"]

# --- E-mail, logs ---------------------------------------------------------------------------------
_email = environ.Env.email_url_config(VALUES["ELSON_EMAIL_URL"])
EMAIL_BACKEND = _email["EMAIL_BACKEND"]
EMAIL_HOST = _email.get("EMAIL_HOST") or "localhost"
EMAIL_PORT = _email.get("EMAIL_PORT") or 25
EMAIL_HOST_USER = _email.get("EMAIL_HOST_USER") or ""
EMAIL_HOST_PASSWORD = _email.get("EMAIL_HOST_PASSWORD") or ""
EMAIL_USE_TLS = _email.get("EMAIL_USE_TLS", False)
EMAIL_USE_SSL = _email.get("EMAIL_USE_SSL", False)
EMAIL_FILE_PATH = _email.get("EMAIL_FILE_PATH") or None
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = VALUES["ELSON_EMAIL_FROM"]
LOGGING_CONFIG = None
LOGGING = logging_settings(level=VALUES["ELSON_LOG_LEVEL"], form=VALUES["ELSON_LOG_FORMAT"])

# --- Elson ----------------------------------------------------------------------------------------
REPLAY_EPISODE = VALUES["ELSON_REPLAY_EPISODE"]
REPLAY_SPEED = VALUES["ELSON_REPLAY_SPEED"]
METRICS_TOKEN = VALUES["ELSON_METRICS_TOKEN"]
MODEL_PROMOTION_NEEDS_TWO = VALUES["ELSON_MODEL_TWO_APPROVERS"]
MODEL_RETRAINING = VALUES["ELSON_MODEL_RETRAINING"]
LOG_LEVEL = VALUES["ELSON_LOG_LEVEL"]
LOG_FORMAT = VALUES["ELSON_LOG_FORMAT"]
SERVE_PORT = VALUES["PORT"]
SERVE_HOST = VALUES["ELSON_BIND_HOST"]
WORKER_PROCESSES = VALUES["ELSON_WORKER_PROCESSES"]
