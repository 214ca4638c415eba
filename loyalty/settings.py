"""Every setting, read once from the environment. A bad value stops the start with a sentence that names the variable.

``LOYALTY_ENV`` says where we run: ``production`` (the default, strict), ``demo`` or ``test``.
"""

import base64
import binascii
import re
import warnings
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()


def refuse(variable: str, sentence: str) -> ImproperlyConfigured:
    """The error that stops the start: always names the variable to set."""
    return ImproperlyConfigured(f"{variable}: {sentence}")


def boolean(variable: str, *, default: bool) -> bool:
    """A yes-or-no variable; anything but the usual words stops the start."""
    raw = env.str(variable, "").strip().lower()
    if not raw:
        return default
    if raw in {"1", "true", "yes", "on"}:
        return True
    if raw in {"0", "false", "no", "off"}:
        return False
    raise refuse(variable, f"{raw!r} is neither true nor false. Write true or false.")


def whole_number(variable: str, *, default: int, lowest: int, highest: int) -> int:
    """A whole number between two bounds, both allowed."""
    raw = env.str(variable, "").strip()
    if not raw:
        return default
    try:
        value = int(raw)
    except ValueError as error:
        raise refuse(variable, f"{raw!r} is not a whole number.") from error
    if not lowest <= value <= highest:
        raise refuse(variable, f"{value} is not between {lowest} and {highest}.")
    return value


def address(variable: str, raw: str, *, schemes: set[str], example: str) -> SplitResult:
    """An address with one of these schemes, a host and, if it names one, a real port. The value is never repeated."""
    sentence = f"it is not an address such as {example}."
    try:
        parts = urlsplit(raw)
        usable = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError as error:  # a port that is no number, or a bracket too many
        raise refuse(variable, sentence) from error
    if not usable:
        raise refuse(variable, sentence)
    return parts


ENVIRONMENT = env.str("LOYALTY_ENV", "production").strip().lower()
if ENVIRONMENT not in {"production", "demo", "test"}:
    raise refuse("LOYALTY_ENV", f"{ENVIRONMENT!r} is unknown. Write production, demo or test.")
PRODUCTION = ENVIRONMENT == "production"

DEBUG = boolean("DEBUG", default=False)
if PRODUCTION and DEBUG:
    raise refuse("DEBUG", "it must be off in production. Remove it, or set LOYALTY_ENV=demo on your own machine.")

SECRET_KEY = env.str("SECRET_KEY", "")
if not SECRET_KEY:
    if PRODUCTION:
        raise refuse("SECRET_KEY", "it is missing. Set it to at least 50 random characters and keep it secret.")
    SECRET_KEY = "not-secret-for-demo-and-tests-only-0123456789-abcdefghijklmnop"  # noqa: S105 (never in production)
if PRODUCTION and len(SECRET_KEY) < 50:
    raise refuse("SECRET_KEY", "it is shorter than 50 characters. Use a longer random value.")

CREDENTIALS_KEYS = [key.strip() for key in env.list("CREDENTIALS_KEYS", default=[])]
if not CREDENTIALS_KEYS:
    if PRODUCTION:
        raise refuse(
            "CREDENTIALS_KEYS",
            "it is missing. Shop credentials are encrypted with it: set one Fernet key, or several separated by "
            "commas with the newest first.",
        )
    CREDENTIALS_KEYS = [base64.urlsafe_b64encode(b"demo-and-test-credentials-key-32").decode()]
for _key in CREDENTIALS_KEYS:
    try:
        _decoded = base64.urlsafe_b64decode(_key.encode())
    except (binascii.Error, ValueError) as error:
        raise refuse(
            "CREDENTIALS_KEYS", "a key is not url-safe base64. Make one with Fernet.generate_key()."
        ) from error
    if len(_decoded) != 32:
        raise refuse("CREDENTIALS_KEYS", "a key does not hold 32 bytes. Make one with Fernet.generate_key().")

PUBLIC_URL = env.str("PUBLIC_URL", "" if PRODUCTION else "http://127.0.0.1:8000").rstrip("/")
if not PUBLIC_URL:
    raise refuse("PUBLIC_URL", "it is missing. Set it to where customers reach this, as https://rewards.example.com.")
_public = address("PUBLIC_URL", PUBLIC_URL, schemes={"http", "https"}, example="https://rewards.example.com")
if _public.path or _public.query or _public.fragment or _public.username:
    raise refuse("PUBLIC_URL", "it may hold a scheme, a host and a port, and nothing else.")
if PRODUCTION and _public.scheme != "https":
    raise refuse("PUBLIC_URL", "it must start with https:// in production.")

ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[_public.hostname] if PRODUCTION else ["*"])
BEHIND_PROXY = boolean("BEHIND_PROXY", default=False)
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]

INSTALLED_APPS = [
    "loyalty.accounts",
    "loyalty.common.adminkit.apps.DeskAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.staticfiles",
    "django.forms",
    "csp",
    "pgtrigger",
    "django_filters",
    "rest_framework",
    "drf_spectacular",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "loyalty.merchant",
    "loyalty.events",
    "loyalty.jobs",
    "platforms",
    "loyalty.customers",
    "loyalty.points",
    "rewards",
    "loyalty.program",
    "loyalty.insights",
    "loyalty.webhooks",
    "loyalty.messages",
    "loyalty.segments",
    "loyalty.merging",
    "loyalty.erasure",
    "loyalty.hooks",
    "loyalty.api",
    "loyalty.cockpit",
    "loyalty.demo",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "loyalty.cockpit.embedding.EmbeddingMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "loyalty.cockpit.speech.SpeechMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
]

ROOT_URLCONF = "loyalty.urls"
WSGI_APPLICATION = "loyalty.wsgi.application"
APPEND_SLASH = True

FORM_RENDERER = "django.forms.renderers.TemplatesSetting"  # our templates may replace those of form fields
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
            ],
        },
    },
]

# Database: PostgreSQL only.
DATABASE_URL = env.str("DATABASE_URL", "")
if not DATABASE_URL:
    raise refuse(
        "DATABASE_URL",
        "it is missing. Set it to postgres://user:password@host:5432/name, or run `make demo`, which starts a "
        "PostgreSQL of its own.",
    )
if DATABASE_URL.partition("://")[0] not in {"postgres", "postgresql"}:
    raise refuse("DATABASE_URL", "only PostgreSQL (15 or newer) is supported: postgres://user:password@host:5432/name.")
try:
    _database = env.db_url("DATABASE_URL")
except (ImproperlyConfigured, ValueError) as error:
    raise refuse("DATABASE_URL", "it is not an address such as postgres://user:password@host:5432/name.") from error
if not _database["NAME"] or not _database["HOST"]:
    raise refuse("DATABASE_URL", "the host or the name of the database is missing at its end.")
_database["CONN_MAX_AGE"] = whole_number("DATABASE_CONN_MAX_AGE", default=600, lowest=0, highest=86_400)
_database["CONN_HEALTH_CHECKS"] = True
_database.setdefault("OPTIONS", {})["server_side_binding"] = True
# How long one statement may take, a wait for a lock included; 0: as long as it takes. For web servers; files are exempt.
if _seconds := whole_number("DATABASE_STATEMENT_SECONDS", default=0, lowest=0, highest=3600):
    _given = _database["OPTIONS"].get("options", "")
    _database["OPTIONS"]["options"] = f"{_given} -c statement_timeout={_seconds * 1000}".strip()
DATABASES = {"default": _database}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Broker: Redis or Valkey (RabbitMQ by CELERY_BROKER_URL). A doorbell only.
REDIS_URL = env.str("REDIS_URL", "")
CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", "") or REDIS_URL
if not CELERY_BROKER_URL:
    raise refuse("REDIS_URL", "it is missing (CELERY_BROKER_URL would do as well). Set it to redis://host:6379/0.")
if CELERY_BROKER_URL.startswith(("unix://", "redis+socket://")):
    CELERY_BROKER_URL = CELERY_BROKER_URL.replace("unix://", "redis+socket://", 1).replace("?db=", "?virtual_host=")
else:
    address(
        "CELERY_BROKER_URL" if env.str("CELERY_BROKER_URL", "") else "REDIS_URL",
        CELERY_BROKER_URL,
        schemes={"redis", "rediss", "amqp", "amqps"},
        example="redis://host:6379/0 or amqp://user:password@host:5672//",
    )

CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_TIME_LIMIT = 120
CELERY_TASK_SOFT_TIME_LIMIT = 90
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TIMEZONE = "UTC"
if CELERY_BROKER_URL.startswith("redis"):
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "visibility_timeout": 300,
        "unacked_restore_interval": 15,
        "unacked_restore_throttle": 1,
        "socket_connect_timeout": 2,
        "socket_timeout": 30,
    }
else:
    CELERY_TASK_DEFAULT_QUEUE_TYPE = "quorum"
    CELERY_WORKER_DETECT_QUORUM_QUEUES = True
# The sweeps: each takes a bounded batch, may run twice or late, and expires so that beats never pile up.
CELERY_BEAT_SCHEDULE = {
    "sweep-issuing": {"task": "rewards.sweep_issuing", "schedule": 5.0, "options": {"expires": 5}},
    "sweep-payouts": {"task": "rewards.sweep_payouts", "schedule": 5.0, "options": {"expires": 5}},
    "sweep-cancellations": {"task": "rewards.sweep_cancellations", "schedule": 10.0, "options": {"expires": 10}},
    "sweep-probes": {"task": "rewards.sweep_probes", "schedule": 60.0, "options": {"expires": 60}},
    "sweep-extensions": {"task": "rewards.sweep_extensions", "schedule": 10.0, "options": {"expires": 10}},
    "sweep-reconciliations": {
        "task": "rewards.sweep_reconciliations",  # it knows what is due: at night what moved, once a week all codes
        "schedule": 30.0,
        "options": {"expires": 30},
    },
    "sweep-expiry": {"task": "rewards.sweep_expiry", "schedule": 60.0, "options": {"expires": 60}},
    "ask-silent-payout-accounts": {
        "task": "rewards.ask_silent_payout_accounts",
        "schedule": 30.0,
        "options": {"expires": 30},
    },
    "watch-shops": {"task": "rewards.watch_shops", "schedule": 30.0, "options": {"expires": 30}},
    "watch-pools": {"task": "rewards.watch_pools", "schedule": 60.0, "options": {"expires": 60}},
    "sweep-webhooks": {"task": "hooks.sweep_webhooks", "schedule": 5.0, "options": {"expires": 5}},
    "poll-orders": {"task": "hooks.poll_orders", "schedule": 30.0, "options": {"expires": 30}},
    "register-webhooks": {"task": "hooks.register_webhooks", "schedule": 86400.0, "options": {"expires": 3600}},
    "remind-of-privacy-requests": {
        "task": "hooks.remind_of_wishes",
        "schedule": 3600.0,
        "options": {"expires": 3600},
    },
    "forget-webhook-bodies": {"task": "hooks.forget_bodies", "schedule": 300.0, "options": {"expires": 300}},
    "forget-api-answers": {"task": "api.forget_answers", "schedule": 3600.0, "options": {"expires": 3600}},
    "sweep-tiers": {"task": "program.sweep_tiers", "schedule": 5.0, "options": {"expires": 5}},
    "settle-points": {"task": "points.settle_due", "schedule": 60.0, "options": {"expires": 60}},
    "release-due-holds": {"task": "points.release_due_holds", "schedule": 60.0, "options": {"expires": 60}},
    "sweep-jobs": {"task": "jobs.sweep", "schedule": 10.0, "options": {"expires": 10}},
    "forget-job-rows": {"task": "jobs.forget_rows", "schedule": 3600.0, "options": {"expires": 3600}},
    "read-events-for-messages": {"task": "messages.read_events", "schedule": 5.0, "options": {"expires": 5}},
    "tell-of-points": {"task": "messages.tell_of_points", "schedule": 300.0, "options": {"expires": 300}},
    "send-messages": {"task": "messages.send", "schedule": 10.0, "options": {"expires": 10}},
    "forget-texts-of-messages": {"task": "messages.forget_texts", "schedule": 3600.0, "options": {"expires": 3600}},
    "read-events-for-webhooks": {"task": "webhooks.read_events", "schedule": 5.0, "options": {"expires": 5}},
    "send-webhooks": {"task": "api.send_webhooks", "schedule": 5.0, "options": {"expires": 5}},
    "forget-webhooks": {"task": "webhooks.forget", "schedule": 3600.0, "options": {"expires": 3600}},
    "forward-points-of-merged": {"task": "merging.sweep", "schedule": 30.0, "options": {"expires": 30}},
    "sweep-erasures": {"task": "erasure.sweep", "schedule": 60.0, "options": {"expires": 60}},
    "sweep-referrals": {"task": "program.sweep_referrals", "schedule": 30.0, "options": {"expires": 30}},
    "sweep-activities": {"task": "program.sweep_activities", "schedule": 15.0, "options": {"expires": 15}},
    "give-due-rewards": {"task": "program.give_due_rewards", "schedule": 60.0, "options": {"expires": 60}},
    "give-of-days": {"task": "program.give_of_days", "schedule": 900.0, "options": {"expires": 900}},
    "give-to-members": {"task": "program.give_to_members", "schedule": 10.0, "options": {"expires": 10}},
    "collect-shortfalls": {"task": "points.collect_shortfalls", "schedule": 300.0, "options": {"expires": 300}},
}

# The cache counts sign-in attempts, nothing else; in PostgreSQL, so that the limits hold while the broker is down.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "sign_in_counters",
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    }
}

# Signing in.
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["loyalty.accounts.backends.Backend"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "loyalty.messages.sign_in.MailingAdapter"
ACCOUNT_FORMS = {
    "request_login_code": "loyalty.cockpit.forms.AskForCodeForm",
    "reset_password": "loyalty.cockpit.forms.AskForPasswordForm",
}
ACCOUNT_PASSWORD_RESET_TOKEN_GENERATOR = "django.contrib.auth.tokens.PasswordResetTokenGenerator"  # noqa: S105 (asks no table)
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_MAX_EMAIL_ADDRESSES = 1
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_BY_CODE_ENABLED = True
ACCOUNT_LOGIN_BY_CODE_TIMEOUT = 600
ACCOUNT_LOGIN_BY_CODE_MAX_ATTEMPTS = 5
ACCOUNT_LOGIN_BY_CODE_SUPPORTS_RESEND = True
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_RESEND = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_RATE_LIMITS = {"claim_referral": "20/h/ip"}  # the others as they are
ALLAUTH_TRUSTED_PROXY_COUNT = 1 if BEHIND_PROXY else 0  # else the limit per address would count the proxy
MFA_ADAPTER = "loyalty.accounts.adapter.SecondFactorAdapter"
MFA_TOTP_ISSUER = "Loyalty Desk"
STAFF_SECOND_FACTOR = boolean("STAFF_SECOND_FACTOR", default=PRODUCTION)

# An address typed without its scheme means https, as from Django 6.0 on. The setting goes when Django 6 comes.
FORMS_URLFIELD_ASSUME_HTTPS = True
warnings.filterwarnings("ignore", message="The FORMS_URLFIELD_ASSUME_HTTPS transitional setting is deprecated")

# Words and time. Instants are UTC in the database; pages use the programme's zone.
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch"), ("pl", "Polski"), ("ja", "日本語")]
LOCALE_PATHS = [BASE_DIR / "templates" / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

# Files.
STATIC_URL = "static/"
STATIC_ROOT = env.str("STATIC_ROOT", str(BASE_DIR / "staticfiles") if PRODUCTION else "") or None
STATICFILES_DIRS = [BASE_DIR / "templates" / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if PRODUCTION
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = not PRODUCTION
DATA_UPLOAD_MAX_MEMORY_SIZE = 2_621_440
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2_000  # the confirmation of 500 rows sends two for each

# Mail: outside production to the console unless EMAIL_URL says otherwise. Sign-in codes go by e-mail, so production
# must say.
_email_url = env.str("EMAIL_URL", "") or ("" if PRODUCTION else "consolemail://")
if not _email_url:
    raise refuse("EMAIL_URL", "it is missing. Customers sign in by e-mail: set smtp+tls://user:password@host:587.")
try:
    vars().update(environ.Env.email_url_config(_email_url))
except (ImproperlyConfigured, ValueError) as error:
    raise refuse("EMAIL_URL", "it is not an address such as smtp+tls://user:password@host:587.") from error
EMAIL_TIMEOUT = whole_number("EMAIL_TIMEOUT", default=10, lowest=1, highest=60)  # seconds a mail server may be silent
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", f"rewards@{_public.hostname}")

# Security headers. No inline script or style anywhere: the policy has no exception.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:", "https:"],
        "object-src": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
if PRODUCTION:
    SECURE_SSL_REDIRECT = boolean("SECURE_SSL_REDIRECT", default=True)
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_PROXY else None
    SECURE_HSTS_SECONDS = whole_number("SECURE_HSTS_SECONDS", default=31_536_000, lowest=0, highest=63_072_000)
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
    SECURE_REDIRECT_EXEMPT = [r"^health/"]

# API.
API_RATE_LIMIT = whole_number("API_RATE_LIMIT", default=10, lowest=1, highest=10_000)  # requests a second for each key
# Pages of these origins may ask with a customer's token, beside those of the shops we are connected to.
STOREFRONT_ORIGINS = [origin.strip() for origin in env.list("STOREFRONT_ORIGINS", default=[])]
for _origin in STOREFRONT_ORIGINS:
    if not re.fullmatch(r"https?://[a-z0-9.\[\]:-]+", _origin):
        raise refuse("STOREFRONT_ORIGINS", f"{_origin!r} is no origin. Write one such as https://shop.example.")
# Some clients look for 400 instead of 422 when a change would make a balance negative.
API_NEGATIVE_BALANCE_STATUS = whole_number("API_NEGATIVE_BALANCE_STATUS", default=422, lowest=400, highest=422)
REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "UNAUTHENTICATED_USER": None,
}
# The check of a deployment reads the API as its own document does.
SPECTACULAR_SETTINGS = {
    "DEFAULT_GENERATOR_CLASS": "loyalty.api.v1.schema.Generator",
    "ENUM_NAME_OVERRIDES": {
        "CustomerState": "loyalty.customers.models.CustomerState",
        "JobStep": "loyalty.jobs.models.Step",
        "JobState": "loyalty.jobs.models.JobState",
        "JobVerdict": "loyalty.jobs.models.Verdict",
        "HoldState": "loyalty.points.models.HoldState",
        "TransactionKind": "loyalty.points.models.TransactionKind",
        "FulfillmentStatus": "rewards.models.FulfillmentStatus",
        "UsageStatus": "rewards.models.UsageStatus",
        "RewardType": "rewards.models.RewardType",
        "Origin": "rewards.models.Origin",
        "RewardStatus": "rewards.queries.Status",
        "WebhookBody": "loyalty.webhooks.models.BodyStyle",
        "WebhookDeliveryState": "loyalty.webhooks.models.DeliveryState",
        "WebhookEndpointState": "loyalty.webhooks.models.EndpointState",
    },
}
# Shops: how long a customer waits for a code, and whether a shop may stand on a private address.
ISSUE_LEASE_SECONDS = whole_number("ISSUE_LEASE_SECONDS", default=60, lowest=2, highest=600)
# How many calls a worker makes to one shop at the same time, unless the shop bears fewer; and how many workers at once.
ISSUE_CALLS_AT_ONCE = whole_number("ISSUE_CALLS_AT_ONCE", default=32, lowest=1, highest=200)
ISSUE_WORKERS_PER_SHOP = whole_number("ISSUE_WORKERS_PER_SHOP", default=1, lowest=1, highest=50)
# How many codes one call may make, where the shop takes several; 1: each by a call of its own.
ISSUE_CODES_A_CALL = whole_number("ISSUE_CODES_A_CALL", default=100, lowest=1, highest=250)
ABSENCE_PROVED_AFTER_SECONDS = whole_number("ABSENCE_PROVED_AFTER_SECONDS", default=30, lowest=1, highest=600)
REDEEM_DEADLINE_SECONDS = whole_number("REDEEM_DEADLINE_SECONDS", default=10, lowest=1, highest=60)
# Shops: after how many minutes of waiting, and from what share of failures within an hour, staff are told.
ALERT_PENDING_MINUTES = whole_number("ALERT_PENDING_MINUTES", default=15, lowest=1, highest=10_080)
ALERT_FAILED_PERCENT = whole_number("ALERT_FAILED_PERCENT", default=20, lowest=1, highest=100)
ALLOW_PRIVATE_SHOP_ADDRESSES = boolean("ALLOW_PRIVATE_SHOP_ADDRESSES", default=not PRODUCTION)
# Bulk work: how long a worker may be silent before another goes on with its job.
JOB_LEASE_SECONDS = whole_number("JOB_LEASE_SECONDS", default=60, lowest=2, highest=600)
# How many days after its end a job's table is kept: addresses, notes. What became of each row is kept for good.
JOB_ROWS_KEPT_DAYS = whole_number("JOB_ROWS_KEPT_DAYS", default=90, lowest=1, highest=3650)
# How many days after it was sent an e-mail's words and address are kept.
MAIL_TEXTS_KEPT_DAYS = whole_number("MAIL_TEXTS_KEPT_DAYS", default=90, lowest=1, highest=3650)
# How many days after it came a webhook's body and headers are kept, once it is done with: they tell of people.
WEBHOOK_BODIES_KEPT_DAYS = whole_number("WEBHOOK_BODIES_KEPT_DAYS", default=30, lowest=3, highest=3650)
# Webhooks out: how many are on their way at once, how many days what became of them is kept, and whether endpoints may
# stand on private addresses.
WEBHOOKS_AT_ONCE = whole_number("WEBHOOKS_AT_ONCE", default=4, lowest=1, highest=200)
WEBHOOKS_KEPT_DAYS = whole_number("WEBHOOKS_KEPT_DAYS", default=30, lowest=4, highest=3650)
ALLOW_PRIVATE_WEBHOOK_ADDRESSES = boolean("ALLOW_PRIVATE_WEBHOOK_ADDRESSES", default=not PRODUCTION)

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name} {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", "INFO").upper()},
    "loggers": {"httpx2": {"level": "WARNING"}, "httpcore2": {"level": "WARNING"}},
}
if LOGGING["root"]["level"] not in {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}:  # type: ignore[index]
    raise refuse("LOG_LEVEL", "write DEBUG, INFO, WARNING, ERROR or CRITICAL.")

# auth.W004: e-mail is unique by a constraint that ignores case, which the check does not see.
SILENCED_SYSTEM_CHECKS = ["auth.W004"]
