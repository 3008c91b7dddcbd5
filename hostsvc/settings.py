"""Django's settings, all read from the environment (see env); nothing here decides anything at run
time.
"""

from __future__ import annotations

import socket
from typing import Any

from django.templatetags.static import static

from hostsvc.env import BASE_DIR as BASE_DIR
from hostsvc.env import load

_env = load()

MODE = _env.choice("HOSTSVC_MODE", ("development", "production"), "development")
DEBUG = False
SECRET_KEY = _env.text("HOSTSVC_SECRET_KEY")
# The key that wraps tenants' data keys, and those before it that still unwrap (docs/security.md).
# A key provider of another kind needs none of them.
MASTER_KEY_FILE = _env.file_of("HOSTSVC_MASTER_KEY")
KEY_PROVIDER = _env.text(
    "HOSTSVC_KEY_PROVIDER",
    f"tenants.keyproviders.{'FileKeys' if MASTER_KEY_FILE else 'EnvironmentKeys'}",
)
MASTER_KEY, *_others = (
    _env.keys("HOSTSVC_MASTER_KEY", 32)
    if KEY_PROVIDER.startswith("tenants.keyproviders.")
    else [b""]
)
MASTER_KEYS_PREVIOUS = [*_others, *_env.keys("HOSTSVC_MASTER_KEY_PREVIOUS", 32, default="")]
VAR_DIR = _env.path("HOSTSVC_VAR", BASE_DIR / "var")
ALLOWED_HOSTS = _env.names("HOSTSVC_ALLOWED_HOSTS", "127.0.0.1,localhost")
CSRF_TRUSTED_ORIGINS = _env.names("HOSTSVC_TRUSTED_ORIGINS", "")

# Which database role this process runs under; each has a URL of its own.
DATABASE_ROLE = _env.choice("HOSTSVC_DATABASE_ROLE", ("app", "owner", "staff"), "app")
_DATABASE_URL = {
    "app": "DATABASE_URL",
    "owner": "DATABASE_OWNER_URL",
    "staff": "DATABASE_STAFF_URL",
}
# Where threads last, each keeps its connection. Under ASGI every request has a thread of its own,
# which would leave its connection behind: there, connections are lent from a pool of this size.
# Few are kept idle: once the database was away, each is found dead in turn and with longer pauses.
DATABASE_POOL = _env.number("HOSTSVC_DATABASE_POOL", 0, 0, 500)
_database: dict[str, Any] = _env.database(_DATABASE_URL[DATABASE_ROLE])
# Parameters travel apart from the statement, and a statement that comes again is planned once. A
# host that is lost says no goodbye: either side gives the other up after ten seconds or so, not
# after the hours that systems take, in which a lost host's locks would stand. What the URL says of
# these goes first.
_KEEPALIVE = {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3}
_GIVEN_UP_AFTER_MS = 10_000
_OF_THE_SERVER = " ".join(
    f"-c tcp_{name}={number}"
    for name, number in {**_KEEPALIVE, "user_timeout": _GIVEN_UP_AFTER_MS}.items()
)
_database["OPTIONS"] = {
    "server_side_binding": True,
    "prepare_threshold": 5,
    "connect_timeout": 5,
    **_KEEPALIVE,
    "tcp_user_timeout": _GIVEN_UP_AFTER_MS,
    **_database["OPTIONS"],
    "options": f"{_OF_THE_SERVER} {_database['OPTIONS'].get('options', '')}".strip(),
}
if DATABASE_POOL:
    _pool = {"min_size": 1, "max_size": DATABASE_POOL, "max_idle": 30, "timeout": 5}
    _database["OPTIONS"] = {**_database["OPTIONS"], "pool": _pool}
DATABASES = {
    "default": {
        **_database,
        "CONN_MAX_AGE": 0 if DATABASE_POOL else None,
        "CONN_HEALTH_CHECKS": True,
    }
}
REDIS_URL = _env.text("REDIS_URL")
# Servers that are reached without TLS, because a network that is only ours leads to them.
PLAIN_SERVERS = _env.names("HOSTSVC_PLAIN_SERVERS", "")

# Where each process listens. TLS files: the server's certificate and key, and the bundle that its
# clients' certificates chain to.
WEB_LISTEN = _env.address("HOSTSVC_WEB_LISTEN", "127.0.0.1:8000")
ADMIN_LISTEN = _env.address("HOSTSVC_ADMIN_LISTEN", "127.0.0.1:8001")
EDL_LISTEN = _env.address("HOSTSVC_EDL_LISTEN", "127.0.0.1:8100")
# For control points without TLS, and whose tunnel each network is that they may come from: see
# docs/security.md. Without an address, there is no such listener.
EDL_PLAIN_LISTEN = (
    _env.address("HOSTSVC_EDL_PLAIN_LISTEN", "")
    if _env.text("HOSTSVC_EDL_PLAIN_LISTEN", "")
    else None
)
EDL_TUNNELS = _env.owned_networks("HOSTSVC_EDL_TUNNELS")
INBOUND_LISTEN = _env.address("HOSTSVC_INBOUND_LISTEN", "127.0.0.1:8443")
# Figures for Prometheus, of this process; nowhere where it is not set.
METRICS_LISTEN = _env.address_or_none("HOSTSVC_METRICS_LISTEN")
INBOUND_URL = _env.text("HOSTSVC_INBOUND_URL", "https://{}:{}".format(*INBOUND_LISTEN))
TLS_CERTIFICATE = _env.path("HOSTSVC_TLS_CERTIFICATE", VAR_DIR / "tls" / "host.pem")
TLS_KEY = _env.path("HOSTSVC_TLS_KEY", VAR_DIR / "tls" / "host.key")
EDL_CLIENT_CA = _env.path("HOSTSVC_EDL_CLIENT_CA", VAR_DIR / "tls" / "ca.pem")
INBOUND_CLIENT_CA = _env.path("HOSTSVC_INBOUND_CLIENT_CA", VAR_DIR / "tls" / "ca.pem")
# Networks that are not public and yet may be connected to, as the simulator's is.
ALLOWED_NETWORKS = _env.networks("HOSTSVC_ALLOWED_NETWORKS")

# How much one client certificate may ask of the inbound application: requests a second, at once
# after a rest, and under way at a time in one process; and megabytes of bodies it may have there.
INBOUND_RATE = _env.number("HOSTSVC_INBOUND_RATE", 1_000, 1, 1_000_000)
INBOUND_BURST = _env.number("HOSTSVC_INBOUND_BURST", 2_000, 1, 1_000_000)
INBOUND_AT_ONCE = _env.number("HOSTSVC_INBOUND_AT_ONCE", 256, 1, 100_000)
INBOUND_HELD_MB = _env.number("HOSTSVC_INBOUND_HELD_MB", 128, 64, 65_536)
# Set, the API's process (hostsvc.web) ends TLS itself; clients' certificates chain to the bundle.
WEB_TLS_CERTIFICATE = _env.text("HOSTSVC_WEB_TLS_CERTIFICATE", "")
WEB_TLS_KEY = _env.path("HOSTSVC_WEB_TLS_KEY", VAR_DIR / "tls" / "host.key")
WEB_CLIENT_CA = _env.path("HOSTSVC_WEB_CLIENT_CA", VAR_DIR / "tls" / "ca.pem")
PROFILE_DIR = _env.path("HOSTSVC_PROFILES", VAR_DIR / "profiles")

# EDT files: where they lie, where trading points connect, and what each may use (docs/files.md).
FILES_DIR = _env.path("HOSTSVC_FILES", VAR_DIR / "files")
SFTP_LISTEN = _env.address("HOSTSVC_SFTP_LISTEN", "127.0.0.1:8022")
FTPS_LISTEN = _env.address("HOSTSVC_FTPS_LISTEN", "127.0.0.1:8021")
# Ports of FTP's data connections; none means whichever the system gives. The address is that under
# which clients reach them, where it is not the one they connected to.
FTPS_DATA_PORTS = _env.ports("HOSTSVC_FTPS_DATA_PORTS")
FTPS_ADDRESS = _env.text("HOSTSVC_FTPS_ADDRESS", "")
FILES_QUOTA_MB = _env.number("HOSTSVC_FILES_QUOTA_MB", 2_048, 1, 10_000_000)
FILES_QUOTA = _env.number("HOSTSVC_FILES_QUOTA", 1_000, 1, 1_000_000)
FILES_ARCHIVE_MB = _env.number("HOSTSVC_FILES_ARCHIVE_MB", 8_192, 1, 100_000_000)
FILES_ARCHIVE_DAYS = _env.number("HOSTSVC_FILES_ARCHIVE_DAYS", 90, 1, 36_500)
FILES_SESSIONS = _env.number("HOSTSVC_FILES_SESSIONS", 8, 1, 10_000)
FILES_SESSIONS_ALL = _env.number("HOSTSVC_FILES_SESSIONS_ALL", 500, 1, 100_000)

# Whose word on a client is taken: X-Forwarded-For for its address, X-SSL-Client-Cert for its
# certificate. From anybody else the first is not read and the second is refused.
TRUSTED_PROXIES = _env.networks("HOSTSVC_TRUSTED_PROXIES")

# Requests a minute to the API: of a tenant, of one of its keys, and of failed ones from an address.
# A tenant's own quotas, set by the vendor, go before these.
TENANT_QUOTA = _env.number("HOSTSVC_TENANT_QUOTA", 6000, 1, 10_000_000)
KEY_QUOTA = _env.number("HOSTSVC_KEY_QUOTA", 1200, 1, 10_000_000)
FAILURE_QUOTA = _env.number("HOSTSVC_FAILURE_QUOTA", 30, 1, 10_000_000)

# Uploads to the Single Markets Platform: megabytes and rows of one file, and a tenant's jobs that
# are not finished. Limits of capacity in MW that what is registered is held against.
SMP_UPLOAD_MB = _env.number("HOSTSVC_SMP_UPLOAD_MB", 1024, 1, 1_000_000)
SMP_ROWS = _env.number("HOSTSVC_SMP_ROWS", 2_000_000, 1, 100_000_000)
SMP_OPEN_JOBS = _env.number("HOSTSVC_SMP_OPEN_JOBS", 20, 1, 10_000)
SITE_LIMIT_MW = _env.number("HOSTSVC_SITE_LIMIT_MW", 100, 1, 1_000_000)
PORTFOLIO_LIMIT_MW = _env.number("HOSTSVC_PORTFOLIO_LIMIT_MW", 300, 1, 1_000_000)

# The circuit breaker of an endpoint opens after so many failures in a row; how many per cent of a
# process's threads one endpoint may take up; and deliveries that wait, of a tenant and of the host,
# beyond which nothing more is taken that could wait outside (docs/promises.md).
BREAKER_FAILURES = _env.number("HOSTSVC_BREAKER_FAILURES", 5, 1, 1_000)
ENDPOINT_SHARE = _env.number("HOSTSVC_ENDPOINT_SHARE", 25, 1, 100)
TENANT_BACKLOG = _env.number("HOSTSVC_TENANT_BACKLOG", 20_000, 1, 10_000_000)
HOST_BACKLOG = _env.number("HOSTSVC_HOST_BACKLOG", 200_000, 1, 100_000_000)

# Event streams that a tenant may have open at once in one process; seconds without an answer after
# which an instruction is escalated where the tenant has no ladder of its own; authorities of
# webhooks beside the system's; and days of failure after which a webhook is disabled.
EVENT_STREAMS = _env.number("HOSTSVC_EVENT_STREAMS", 10, 1, 10_000)
ESCALATION_SECONDS = _env.seconds("HOSTSVC_ESCALATION_SECONDS", "30,60,90,110")
WEBHOOK_CA = _env.text("HOSTSVC_WEBHOOK_CA", "")
WEBHOOK_FAILING_DAYS = _env.number("HOSTSVC_WEBHOOK_FAILING_DAYS", 5, 1, 365)

# The mail server, where there is one: smtp://, smtp+starttls:// or smtps://, user and password.
_mail = _env.mail("HOSTSVC_MAIL_URL")
EMAIL_HOST, EMAIL_PORT = _mail.host, _mail.port
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _mail.user, _mail.password
EMAIL_USE_TLS, EMAIL_USE_SSL = _mail.starttls, _mail.tls
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = _env.text("HOSTSVC_MAIL_FROM", "hostsvc@localhost")
# Seconds between e-mails to one tenant: what happens in between is told in one.
MAIL_EVERY_SECONDS = _env.number("HOSTSVC_MAIL_EVERY_SECONDS", 30, 1, 86_400)

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "hostsvc.apps.HostsvcConfig",
    "tenants.audit.apps.AuditConfig",
    "tenants.apps.TenantsConfig",
    "messaging.apps.MessagingConfig",
]
MIDDLEWARE = [
    "hostsvc.measured.measured",
    "hostsvc.content_policy.ContentPolicy",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
# No file of a form is left behind by a process that is killed.
FILE_UPLOAD_HANDLERS = [
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "tenants.spooling.UnnamedFileUploadHandler",
]
# The API answers tenants under the application's role; the admin is a process of its own under the
# staff role.
ROOT_URLCONF = "hostsvc.urls_admin" if DATABASE_ROLE == "staff" else "hostsvc.urls"
ASGI_APPLICATION = "hostsvc.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "hostsvc" / "templates"],  # before the theme's own
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("MinimumLengthValidator", "CommonPasswordValidator", "NumericPasswordValidator")
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LOGIN_REDIRECT_URL = "admin:index"
SESSION_ENGINE = "hostsvc.sessions"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = MODE == "production"
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en-gb"
STATIC_URL = "static/"
# Files are served from where the packages have them: there is no step that collects them to be
# forgotten.
WHITENOISE_USE_FINDERS = True

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["tenants.api.authentication.CredentialAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["tenants.api.bounded.BoundedJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "hostsvc.problems.answer",
    # An answer's type is asked for by Accept and by nothing else.
    "URL_FORMAT_OVERRIDE": None,
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "hostsvc",
    "DESCRIPTION": "The tenant's side of an intermediate host for the GB Balancing Mechanism.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "ENUM_NAME_OVERRIDES": {
        "TenantState": "tenants.models.Tenant.State",
        "EndpointState": "tenants.models.Endpoint.State",
        "DeliveryState": "messaging.states.DeliveryState",
        "EventType": "messaging.events.types.EventType",
        "Way": "messaging.events.types.Way",
        "WebhookState": "messaging.events.models.Webhook.State",
        "WebhookDeliveryState": "messaging.events.models.WebhookDelivery.State",
        "LampState": "messaging.states.LampState",
        "NoticeState": "messaging.states.NoticeState",
        "MemberState": "tenants.models.Member.State",
        "CredentialState": "tenants.api.keys.CredentialState",
        "Role": "tenants.permissions.Role",
        "Permission": "tenants.permissions.Permission",
        "CertificateState": "tenants.keys.life.CertificateState",
        "CertificatePurpose": "tenants.keys.life.CertificatePurpose",
        "Environment": "tenants.models.Environment",
        "SmpJobKind": "messaging.smp_models.SmpJob.Kind",
        "SmpJobState": "messaging.smp_models.SmpJob.State",
        "SmpBatchState": "messaging.smp_models.SmpBatch.State",
        "InstructionKind": "messaging.domain.instructions.InstructionKind",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "hostsvc.openapi.complete",
    ],
}
UNFOLD = {
    "SITE_TITLE": "hostsvc",
    "SITE_HEADER": "hostsvc",
    "SITE_SYMBOL": "bolt",
    "SHOW_HISTORY": False,
    "DASHBOARD_CALLBACK": "messaging.overview.page.first_page",
    "SITE_FAVICONS": [
        {
            "rel": "icon",
            "type": "image/svg+xml",
            "href": lambda request: static("messaging/icon.svg"),
        }
    ],
    "STYLES": [lambda request: static("messaging/admin.css")],
}

CELERY_BROKER_URL = REDIS_URL
CELERY_BROKER_TRANSPORT = "hostsvc.broker:Transport"
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_DEFAULT_QUEUE = "urgent"
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_BROKER_POOL_LIMIT = 20
# A broker that does not answer must cost a bounded wait: what is due stands in the database. What a
# dead worker had taken stands there too, and the sweep finds it within seconds: a book of tasks
# under way, kept in Redis, would tell of it minutes later, and cost two round trips a task.
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "ack_emulation": False,
    "socket_keepalive": True,
    "socket_keepalive_options": {
        socket.TCP_KEEPIDLE: _KEEPALIVE["keepalives_idle"],
        socket.TCP_KEEPINTVL: _KEEPALIVE["keepalives_interval"],
        socket.TCP_KEEPCNT: _KEEPALIVE["keepalives_count"],
        socket.TCP_USER_TIMEOUT: _GIVEN_UP_AFTER_MS,
    },
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
}
# Who does what: each queue has workers of its own. What is not said to be otherwise is urgent.
_QUEUES = {
    "files": (
        *("deliver_large", "collect_files", "sweep_files"),
        *("fetch_files", "look_at_servers", "tidy_files"),
    ),
    "smp": ("registrations", "sweep_smp"),
    "webhooks": ("post_webhook", "send_mail"),
    "housekeeping": (
        *("sweep", "keep_partitions_ahead", "look_after_certificates", "clear_away_old_answers"),
        *("watch_links", "watch_gates", "look_at_connections", "normalize"),
        *("escalate", "tell_tenants", "tidy_events"),
    ),
}
CELERY_TASK_ROUTES = {
    f"messaging.tasks.{task}": {"queue": queue}
    for queue, tasks in _QUEUES.items()
    for task in tasks
}
CELERY_BEAT_SCHEDULER = "hostsvc.beat:OneOfEach"
CELERY_BEAT_SCHEDULE = {
    "sweep": {"task": "messaging.tasks.sweep", "schedule": 1.0, "options": {"expires": 1.0}},
    "look at connections": {
        "task": "messaging.tasks.look_at_connections",
        "schedule": 1.0,
        "options": {"expires": 1.0},
    },
    "watch links": {
        "task": "messaging.tasks.watch_links",
        "schedule": 0.25,
        "options": {"expires": 1.0},
    },
    "look after certificates": {
        "task": "messaging.tasks.look_after_certificates",
        "schedule": 5.0,
        "options": {"expires": 5.0},
    },
    "watch gates": {
        "task": "messaging.tasks.watch_gates",
        "schedule": 5.0,
        "options": {"expires": 5.0},
    },
    "escalate": {
        "task": "messaging.tasks.escalate",
        "schedule": 1.0,
        "options": {"expires": 1.0},
    },
    "tell tenants": {
        "task": "messaging.tasks.tell_tenants",
        "schedule": 1.0,
        "options": {"expires": 1.0},
    },
    "tidy events": {"task": "messaging.tasks.tidy_events", "schedule": 3_600.0},
    "sweep files": {
        "task": "messaging.tasks.sweep_files",
        "schedule": 2.0,
        "options": {"expires": 2.0},
    },
    "look at tenants' servers": {
        "task": "messaging.tasks.look_at_servers",
        "schedule": 2.0,
        "options": {"expires": 2.0},
    },
    "tidy files": {
        "task": "messaging.tasks.tidy_files",
        "schedule": 3_600.0,
    },
    "sweep registrations": {
        "task": "messaging.tasks.sweep_smp",
        "schedule": 1.0,
        "options": {"expires": 1.0},
    },
    "clear away old answers": {
        "task": "messaging.tasks.clear_away_old_answers",
        "schedule": 600.0,
        "options": {"expires": 600.0},
    },
    "keep partitions ahead": {"task": "messaging.tasks.keep_partitions_ahead", "schedule": 86_400},
}

# For rehearsals of crashes: where this process is to die, and where it notes what it came by (see
# tenants.crash). Nothing of it works in production.
CRASH_AT = _env.text("HOSTSVC_CRASH_AT", "")
CRASH_VISITS = _env.text("HOSTSVC_CRASH_VISITS", "")

# The files that settings came from, by the variables that name them.
SECRET_FILES = _env.files

LOGGING_CONFIG = "hostsvc.logs.configure"
LOGGING = {"level": _env.text("HOSTSVC_LOG_LEVEL", "INFO")}
