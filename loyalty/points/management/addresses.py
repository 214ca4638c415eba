"""Whom a process of a proof talks to."""

import socket
from typing import Any

from django.conf import settings

MAIL_IS_HEARD = 2  # seconds a mail server's answer is waited for


def send_mail_to(port: int) -> None:
    """Let this process hand its mails to a server that asks for no password."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", port, MAIL_IS_HEARD
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False


def database_socket(parameters: dict[str, Any]) -> socket.socket:
    """A connection to the server, before anything is said on it."""
    host, port = str(parameters.get("host") or "127.0.0.1"), int(parameters.get("port") or 5432)
    if not host.startswith("/"):
        return socket.create_connection((host, port), 10)
    session = socket.socket(socket.AF_UNIX)
    session.connect(f"{host}/.s.PGSQL.{port}")
    return session
