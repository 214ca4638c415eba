"""Settings: a bad or missing variable stops the start with a sentence that names it."""

import os
import runpy
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from loyalty import settings as settings_module

SETTINGS = Path(settings_module.__file__)
KEY = "Zm9yLXRlc3RzLW9ubHktMDEyMzQ1Njc4OS0wMTIzNDU="
PRODUCTION = {
    "LOYALTY_ENV": "production",
    "SECRET_KEY": "0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNOP",
    "CREDENTIALS_KEYS": KEY,
    "PUBLIC_URL": "https://rewards.example.com",
    "DATABASE_URL": "postgres://user:password@db.example.com:5432/loyalty",
    "REDIS_URL": "redis://broker.example.com:6379/0",
    "EMAIL_URL": "smtp+tls://user:password@mail.example.com:587",
}


@pytest.fixture
def read_settings(monkeypatch: pytest.MonkeyPatch):
    """Reads the settings file anew, as a fresh process with exactly these variables would."""

    def read(variables: Mapping[str, str]) -> dict[str, Any]:
        monkeypatch.setattr("os.environ", dict(variables))
        monkeypatch.setattr("environ.Env.ENVIRON", dict(variables))
        return runpy.run_path(str(SETTINGS))

    return read


def test_start_in_production_when_everything_is_named(read_settings):
    settings = read_settings(PRODUCTION)

    assert settings["DEBUG"] is False
    assert settings["ALLOWED_HOSTS"] == ["rewards.example.com"]
    assert settings["CSRF_TRUSTED_ORIGINS"] == ["https://rewards.example.com"]
    assert settings["DATABASES"]["default"]["HOST"] == "db.example.com"
    assert settings["CELERY_BROKER_URL"] == "redis://broker.example.com:6379/0"
    assert settings["SESSION_COOKIE_SECURE"] is True
    assert settings["SECURE_SSL_REDIRECT"] is True
    assert settings["STAFF_SECOND_FACTOR"] is True
    assert settings["ALLOW_PRIVATE_SHOP_ADDRESSES"] is False
    assert settings["EMAIL_HOST"] == "mail.example.com"


@pytest.mark.parametrize(
    "variable", ["SECRET_KEY", "CREDENTIALS_KEYS", "PUBLIC_URL", "DATABASE_URL", "REDIS_URL", "EMAIL_URL"]
)
@pytest.mark.parametrize("empty", [True, False], ids=["empty", "missing"])
def test_refuse_production_without_a_needed_variable(read_settings, variable, empty):
    variables = {name: value for name, value in PRODUCTION.items() if name != variable}
    if empty:
        variables[variable] = ""

    with pytest.raises(ImproperlyConfigured, match=f"^{variable}: it is missing"):
        read_settings(variables)


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("LOYALTY_ENV", "staging", "'staging' is unknown. Write production, demo or test."),
        ("DEBUG", "true", "it must be off in production"),
        ("DEBUG", "maybe", "'maybe' is neither true nor false. Write true or false."),
        ("SECRET_KEY", "short", "it is shorter than 50 characters"),
        ("CREDENTIALS_KEYS", "not base64!", "a key"),
        ("CREDENTIALS_KEYS", f"{KEY},c2hvcnQ=", "a key does not hold 32 bytes"),
        ("PUBLIC_URL", "rewards.example.com", "it is not an address such as"),
        ("PUBLIC_URL", "https://[::1", "it is not an address such as"),
        ("PUBLIC_URL", "https://rewards.example.com:port", "it is not an address such as"),
        ("PUBLIC_URL", "https://rewards.example.com/shop", "it may hold a scheme, a host and a port"),
        ("PUBLIC_URL", "http://rewards.example.com", "it must start with https:// in production."),
        ("DATABASE_URL", "nonsense", "only PostgreSQL"),
        ("DATABASE_URL", "sqlite:///file.db", "only PostgreSQL"),
        ("DATABASE_URL", "postgres://user:password@host:port/name", "it is not an address such as"),
        ("DATABASE_URL", "postgres://user:password@host", "the host or the name of the database is missing"),
        ("DATABASE_CONN_MAX_AGE", "long", "'long' is not a whole number."),
        ("DATABASE_CONN_MAX_AGE", "-1", "-1 is not between 0 and 86400."),
        ("DATABASE_STATEMENT_SECONDS", "3601", "3601 is not between 0 and 3600."),
        ("REDIS_URL", "http://broker", "it is not an address such as"),
        ("REDIS_URL", "redis://broker:port", "it is not an address such as"),
        ("CELERY_BROKER_URL", "kafka://broker", "it is not an address such as"),
        ("EMAIL_URL", "pigeon://roof", "it is not an address such as"),
        ("EMAIL_URL", "smtp+tls://mail:port", "it is not an address such as"),
        ("LOG_LEVEL", "loud", "write DEBUG, INFO, WARNING, ERROR or CRITICAL."),
        ("STAFF_SECOND_FACTOR", "2", "'2' is neither true nor false."),
        ("SECURE_HSTS_SECONDS", "1.5", "'1.5' is not a whole number."),
        ("REDEEM_DEADLINE_SECONDS", "0", "0 is not between 1 and 60."),
    ],
)
def test_refuse_a_bad_value(read_settings, variable, value, sentence):
    with pytest.raises(ImproperlyConfigured) as refusal:
        read_settings(PRODUCTION | {variable: value})

    assert str(refusal.value).startswith(f"{variable}: ")
    assert sentence in str(refusal.value)


def test_end_statements_that_take_too_long_where_that_is_asked(read_settings):
    asked = read_settings(PRODUCTION | {"DATABASE_STATEMENT_SECONDS": "60"})["DATABASES"]["default"]["OPTIONS"]

    assert asked["options"] == "-c statement_timeout=60000"
    assert "options" not in read_settings(PRODUCTION)["DATABASES"]["default"]["OPTIONS"]


def test_never_repeat_a_password_in_a_refusal(read_settings):
    for variable in ("DATABASE_URL", "REDIS_URL", "EMAIL_URL"):
        with pytest.raises(ImproperlyConfigured) as refusal:
            read_settings(PRODUCTION | {variable: "bad://user:hush-hush@host:port/name"})

        assert "hush-hush" not in str(refusal.value)


def test_take_rabbitmq_instead_of_redis(read_settings):
    variables = {name: value for name, value in PRODUCTION.items() if name != "REDIS_URL"}

    settings = read_settings(variables | {"CELERY_BROKER_URL": "amqp://user:password@rabbit:5672//"})

    assert settings["CELERY_BROKER_URL"] == "amqp://user:password@rabbit:5672//"
    assert settings["CELERY_TASK_DEFAULT_QUEUE_TYPE"] == "quorum"
    assert "CELERY_BROKER_TRANSPORT_OPTIONS" not in settings


def test_take_a_unix_socket_as_celery_writes_it(read_settings):
    settings = read_settings(PRODUCTION | {"REDIS_URL": "unix:///run/valkey.sock?db=2"})

    assert settings["CELERY_BROKER_URL"] == "redis+socket:///run/valkey.sock?virtual_host=2"


@pytest.mark.parametrize("environment", ["demo", "test"])
def test_need_only_servers_outside_production(read_settings, environment):
    settings = read_settings(
        {
            "LOYALTY_ENV": environment,
            "DATABASE_URL": PRODUCTION["DATABASE_URL"],
            "REDIS_URL": PRODUCTION["REDIS_URL"],
        }
    )

    assert settings["PUBLIC_URL"] == "http://127.0.0.1:8000"
    assert settings["STAFF_SECOND_FACTOR"] is False
    assert settings["EMAIL_BACKEND"] == "django.core.mail.backends.console.EmailBackend"


def test_pass_the_check_of_a_deployment():
    checked = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=SETTINGS.parent.parent,
        env={"PATH": os.environ["PATH"], **PRODUCTION},
        capture_output=True,
        text=True,
        check=False,
    )

    assert checked.returncode == 0, checked.stderr
