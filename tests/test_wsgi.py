"""The entry point: a charset nobody could read a text in is refused before anything else sees it."""

from io import BytesIO

import pytest

from loyalty import wsgi

pytestmark = pytest.mark.django_db


def ask(content_type: str) -> tuple[str, bytes]:
    said = []
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/health/live",
        "QUERY_STRING": "a=%C3%A4",
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(),
        "CONTENT_TYPE": content_type,
    }
    body = b"".join(wsgi.application(environ, lambda status, headers: said.append(status)))
    return said[0], body


@pytest.mark.parametrize("charset", ["rot13", "hex", "zlib", "idna", "undefined"])
def test_a_charset_of_no_text_is_refused_with_a_sentence(charset):
    assert ask(f"text/plain; charset={charset}") == ("400 Bad Request", wsgi.REFUSAL)


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/json; charset=utf-8", "a/b; charset=latin-1"])
def test_other_requests_come_through(content_type):
    assert ask(content_type)[0] == "200 OK"


def test_an_unknown_charset_is_passed_over():
    assert ask("text/plain; charset=klingon")[0] == "200 OK"
