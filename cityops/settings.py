"""Settings of every process. All of them come from the environment; deploy/up writes it.

CITYOPS_PROCESS names the process and chooses its database role and connection handling:
web, live, relay, worker, beat, or manage (the default: management commands, as owner).
"""

from ipaddress import ip_network
from pathlib import Path
from typing import Any

import environ
import pyogrio
import shapely
from csp.constants import NONCE, NONE, SELF
from django.utils.translation import gettext_lazy as _

env = environ.Env()

BASE_DIR = Path(__file__).resolve().parent.parent
HOME = Path(env.str("CITYOPS_HOME", default=str(BASE_DIR / ".local"))).resolve()
PROCESS = env.str("CITYOPS_PROCESS", default="manage")

SECRET_KEY = env.str("SECRET_KEY")
DEBUG = env.bool("DEBUG", default=False)
DEMO = env.bool("CITYOPS_DEMO", default=False)  # shows demo sign-ins and the demo watermark
DEMO_PASSWORD_FILE = HOME / "demo_password"
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
CSRF_FAILURE_VIEW = "cityops.refusals.refuse_old_token"

# Debian's GDAL 3.6.2 raises gis.W001; the wheels carry newer ones (architecture.md §8).


def _wheel_library(package: Any, stem: str) -> str:
    """Return the path of the shared library `stem` inside a wheel's own `.libs` folder."""
    folder = Path(package.__file__).parent
    return str(next((folder.parent / f"{folder.name}.libs").glob(f"{stem}-*.so*")))


GDAL_LIBRARY_PATH = _wheel_library(pyogrio, "libgdal")
GEOS_LIBRARY_PATH = _wheel_library(shapely, "libgeos_c")

INSTALLED_APPS = [
    "cityops.accounts",
    "cases",
    "scoring",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.gis",
    "django.contrib.postgres",
    "django.contrib.humanize",
    "channels",
    "csp",
    "django_htmx",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "leaflet",
    "rest_framework",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django_permissions_policy.PermissionsPolicyMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "cityops.refusals.refuse_nul",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "cityops.limits.bulkheads",
    "cityops.refusals.refuse_other_user",
    "cityops.accounts.middleware.require_password_change",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "cityops.refusals.RefusalPages",
]

ROOT_URLCONF = "cityops.urls"
WSGI_APPLICATION = "cityops.wsgi.application"
ASGI_APPLICATION = "cityops.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "cityops.accounts.context.site",
                "cases.views.filling.filling",
                "cases.views.preferences.preferences",
            ],
        },
    },
]

# --- database -----------------------------------------------------------------------------------

_OWNER = env.str("DATABASE_URL")
_DATABASE_URL = {
    "web": env.str("DATABASE_URL_WEB", default=_OWNER),
    "live": env.str("DATABASE_URL_WEB", default=_OWNER),
    "relay": env.str("DATABASE_URL_SYSTEM", default=_OWNER),
    "worker": env.str("DATABASE_URL_SYSTEM", default=_OWNER),
    "beat": env.str("DATABASE_URL_SYSTEM", default=_OWNER),
}.get(PROCESS, _OWNER)

# As PostgreSQL reads them; management commands and migrations may take long. A worker's four tries
# for a lock (ledger.retrying) end within the lease of its effect, also late in a scan of 8 s. One
# that is frozen, or behind a cut cable, must not keep the locks it holds.
_BRIEF = "-c lock_timeout=2s -c statement_timeout=10s -c idle_in_transaction_session_timeout=5s"
_KEEPALIVE = "-c tcp_keepalives_idle=30 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3"
_LONG = "-c lock_timeout=1500ms -c statement_timeout=120s"
_TIMEOUTS = {
    **dict.fromkeys(("web", "live", "relay", "beat"), f"{_BRIEF} {_KEEPALIVE}"),
    "worker": f"{_LONG} -c idle_in_transaction_session_timeout=15s {_KEEPALIVE}",
}.get(PROCESS, "")

DATABASES = {
    "default": {
        **env.db_url_config(_DATABASE_URL, engine="django.contrib.gis.db.backends.postgis"),
        # A worker that connected for every task would do little else.
        "CONN_MAX_AGE": 300 if PROCESS in {"web", "worker"} else 0,
        "CONN_HEALTH_CHECKS": PROCESS in {"web", "worker"},
        "OPTIONS": {
            "application_name": f"cityops-{PROCESS}",
            "options": _TIMEOUTS,
            # PostgreSQL plans a statement once a connection, not each time: a third of its work.
            "server_side_binding": True,
            "prepare_threshold": 2,
            # The live process serves many coroutines, so it shares a small pool.
            **({"pool": {"min_size": 1, "max_size": 6}} if PROCESS == "live" else {}),
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Redis: disposable, never in a request's way (architecture.md §0) ---------------------------

_BROKER = env.str("REDIS_URL", default="redis://127.0.0.1:6379/0")
_CHANNELS = env.str("REDIS_CHANNELS_URL", default="redis://127.0.0.1:6380").rstrip("/")
CHANNELS_REDIS_URL = f"{_CHANNELS}/0"

CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [CHANNELS_REDIS_URL]},
    }
}
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": f"{_CHANNELS}/1",
        "OPTIONS": {"socket_timeout": 1, "socket_connect_timeout": 1},
    }
}

CELERY_BROKER_URL = _BROKER
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "socket_timeout": 10,
    "socket_connect_timeout": 5,
    "socket_keepalive": True,
    "health_check_interval": 10,
}
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TASK_CREATE_MISSING_QUEUES = True
CELERY_TASK_DEFAULT_QUEUE = "dispatch.city"
# Celery closes the connection after every task unless told otherwise; the task itself lets go of
# one that broke. Connecting anew costs several times what a dispatch does.
CELERY_DB_REUSE_MAX = 1000
CELERY_BEAT_SCHEDULER = "cases.ticks:Scheduler"
CELERY_TIMEZONE = "Asia/Shanghai"

# How many effects of one scope the relay lets wait for a worker, published, in each queue; fewer
# where a queue or a scope is named. Work in other systems is slow, so little of it waits in line.
IN_FLIGHT: int = env.int("CITYOPS_IN_FLIGHT", default=40)
IN_FLIGHT_OF: dict[str, int] = {
    "notify": 10,
    "media": 10,
    "scoring": 10,
    "report": 4,
    **env.dict("CITYOPS_IN_FLIGHT_OF", cast={"value": int}, default={}),
}

# --- the assessment (docs/periods.md) -----------------------------------------------------------

# A period closes by itself so many days after its end, unless the office sets another date, and
# so many days after it closed may be objected.
SCORE_CLOSES_AFTER_DAYS: int = env.int("CITYOPS_SCORE_CLOSES_AFTER_DAYS", default=2)
SCORE_OBJECTION_DAYS: int = env.int("CITYOPS_SCORE_OBJECTION_DAYS", default=5)

# --- people -------------------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["cityops.accounts.backends.LockingBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.ScryptPasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
LOGIN_URL = "sign_in"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "sign_in"
SESSION_ENGINE = "django.contrib.sessions.backends.db"
SESSION_COOKIE_AGE = 12 * 3600  # one shift

# --- what leaves the city: channels, webhooks, mail (docs/notifications.md) ---------------------

# Hosts a webhook may name; those of the robots are known.
OUTSIDE_HOSTS = frozenset(h.lower() for h in env.list("CITYOPS_OUTSIDE_HOSTS", default=[]))
# Networks that are not public and may be reached all the same: a mail server in the same building.
PRIVATE_NETWORKS = [ip_network(n) for n in env.list("CITYOPS_PRIVATE_NETWORKS", default=[])]
# smtps://user:password@host:465/?from=address, or starttls://, or smtp://; empty: no mail.
MAIL_SERVER = env.str("CITYOPS_MAIL", default="")

# --- language, time, numbers --------------------------------------------------------------------

LANGUAGE_CODE = "zh-hans"
LANGUAGES = [("zh-hans", _("Simplified Chinese")), ("en", _("English"))]
LOCALE_PATHS = [BASE_DIR / "cases" / "locale"]
TIME_ZONE = "Asia/Shanghai"
USE_I18N = True
USE_TZ = True

# --- files --------------------------------------------------------------------------------------

STATIC_URL = "/static/"
STATIC_ROOT = HOME / "static"
MEDIA_ROOT = HOME / "media"
MEDIA_INTERNAL_URL = "/protected-media/"  # nginx serves it only through X-Accel-Redirect
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "cityops.static.ModuleManifestStorage"},
}
# No photo is taken in while less is free: the database, which needs some, may lie on the same disk.
LEAST_FREE: int = env.int("CITYOPS_LEAST_FREE_MB", default=512) << 20
# How much of photos one person may have kept at once, and lastingly a second.
PHOTO_BURST_KB: int = env.int("CITYOPS_PHOTO_BURST_KB", default=200_000)
PHOTO_KB_PER_S: int = max(1, env.int("CITYOPS_PHOTO_KB_PER_S", default=100))
DATA_UPLOAD_MAX_MEMORY_SIZE = 12 * 1024 * 1024
FILE_UPLOAD_MAX_MEMORY_SIZE = 12 * 1024 * 1024
FILE_UPLOAD_PERMISSIONS = 0o644

# --- base map: none but our own outlines unless a key of 天地图 is given --------------------------

TIANDITU_KEY = env.str("CITYOPS_TIANDITU_KEY", default="")
_TILE_HOSTS = [f"https://t{n}.tianditu.gov.cn" for n in range(8)] if TIANDITU_KEY else []

# --- headers ------------------------------------------------------------------------------------

_HTTPS = env.bool("CITYOPS_HTTPS", default=False)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_SSL_REDIRECT = False  # nginx answers one scheme only
SILENCED_SYSTEM_CHECKS = ["security.W008"]  # the same: there is no plain http to redirect from
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _HTTPS
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if _HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = _HTTPS
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
PERMISSIONS_POLICY: dict[str, list[str]] = {
    "camera": ["self"],
    "geolocation": ["self"],
    "microphone": [],
    "payment": [],
    "usb": [],
}
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:", "blob:", *_TILE_HOSTS],
        "connect-src": [SELF],
        "font-src": [SELF],
        "manifest-src": [SELF],
        "worker-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

# --- map ----------------------------------------------------------------------------------------

LEAFLET_CONFIG: dict[str, Any] = {
    "DEFAULT_CENTER": (27.55, 109.98),
    "DEFAULT_ZOOM": 11,
    "MIN_ZOOM": 9,
    "MAX_ZOOM": 19,
    "TILES": [],
    "ATTRIBUTION_PREFIX": "",
    "RESET_VIEW": False,
    "NO_GLOBALS": False,
}

# --- API ----------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "cityops.accounts.tokens.BearerAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["cases.api.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "cases.api.problems.as_problem",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "cityops",
    "DESCRIPTION": "Cases, actions, places and assessments of the city.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

# --- logs: one line a record, no body, no query string, no person --------------------------------

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "cityops.logs.Line",
            "format": "%(asctime)s %(levelname)s %(name)s %(message)s",
        }
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "loggers": {
        "weasyprint": {"level": "WARNING"},  # it tells of every step
        # Each task arrives and ends in a line; cases.tasks says what became of its effects.
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
    },
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
}
