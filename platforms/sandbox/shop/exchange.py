"""One request in, one reply out: what the server hands to the API and to the pages."""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from platforms.sandbox.shop.refusals import Refused
from platforms.sandbox.shop.store import Store
from platforms.sandbox.shop.webhooks import Courier


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """Everything one running shop consists of."""

    store: Store
    name: str
    token: str
    courier: Courier
    stopping: threading.Event

    @property
    def currency(self) -> str:
        return self.store.currency

    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """`form` holds the fields of a posted page; `body` is what came, at most the server's limit."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    cookies: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    status: int
    body: bytes
    content_type: str
    headers: tuple[tuple[str, str], ...] = ()


class NoAnswer(Exception):
    """Close the connection without a word after this many seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


def as_json(status: int, data: Any, *headers: tuple[str, str]) -> Reply:
    return Reply(status=status, body=json.dumps(data).encode(), content_type="application/json", headers=headers)


def refusal(refused: Refused) -> Reply:
    """The one shape of every error of the API."""
    return as_json(refused.status, {"error": {"code": refused.code, "message": refused.sentence}})


def redirect(target: str, *headers: tuple[str, str]) -> Reply:
    """See other: what every posted form answers when it worked, so that a reload repeats nothing."""
    return Reply(status=303, body=b"", content_type="text/plain", headers=(("Location", target), *headers))


def page(body: str, *headers: tuple[str, str], status: int = 200) -> Reply:
    return Reply(status=status, body=body.encode(), content_type="text/html; charset=utf-8", headers=headers)
