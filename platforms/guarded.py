"""An adapter behind the breaker of its shop: what everybody gets from the registry."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, ClassVar, TypeVar

from django.db import connection
from django.utils import timezone

from platforms import breaker
from platforms.adapter import (
    Adapter,
    Answer,
    BulkAdapter,
    Capabilities,
    CodePage,
    CodeSpec,
    CredentialField,
    OrderPage,
    Outcome,
    PlatformCode,
    ShopInfo,
    ShopOrder,
    WebhookMessage,
)
from platforms.models import StoreConnection
from platforms.pace import Pace

T = TypeVar("T")


class GuardedAdapter(BulkAdapter):
    """Asks the shop through its breaker. Webhooks are read without it, and a test by a person always goes out.

    A shop that asks for time gets it from all processes, for the next moments.
    """

    # What it says of itself is what the adapter inside says.
    key: ClassVar[str] = ""
    label: ClassVar[str] = ""
    capabilities: ClassVar[Capabilities] = Capabilities()
    credential_fields: ClassVar[tuple[CredentialField, ...]] = ()
    code_page: ClassVar[str] = ""

    def __init__(self, adapter: Adapter, connection: StoreConnection, *, pace: Pace) -> None:
        self._adapter = adapter
        self._connection = connection
        self._pace = pace
        for name in ("key", "label", "capabilities", "credential_fields", "code_page"):
            vars(self)[name] = getattr(adapter, name)

    def create_code(self, spec: CodeSpec) -> Answer[PlatformCode]:
        return self._ask(lambda: self._adapter.create_code(spec))

    def create_codes(self, specs: Sequence[CodeSpec]) -> Answer[tuple[Answer[PlatformCode], ...]]:
        """Only where `capabilities.bulk` is above 1, as of the adapter itself."""
        bulk: Any = self._adapter
        return self._ask(lambda: bulk.create_codes(specs))

    def create_bulk(self, specs: Sequence[CodeSpec]) -> Answer[tuple[Answer[PlatformCode], ...]]:
        """This and the next only with `capabilities.bulk_discounts`, as of the adapter itself."""
        bulk: Any = self._adapter
        return self._ask(lambda: bulk.create_bulk(specs))

    def find_bulk(self, reference: str) -> Answer[tuple[PlatformCode, ...]]:
        bulk: Any = self._adapter
        return self._ask(lambda: bulk.find_bulk(reference))

    def find_code(self, code: str) -> Answer[PlatformCode | None]:
        return self._ask(lambda: self._adapter.find_code(code))

    def list_codes(self, cursor: str) -> Answer[CodePage]:
        return self._ask(lambda: self._adapter.list_codes(cursor))

    def disable_code(self, code: str, remote_id: str) -> Answer[PlatformCode | None]:
        return self._ask(lambda: self._adapter.disable_code(code, remote_id))

    def extend_code(self, code: str, remote_id: str, expires_at: datetime) -> Answer[PlatformCode | None]:
        return self._ask(lambda: self._adapter.extend_code(code, remote_id, expires_at))

    def read_order(self, external_id: str) -> Answer[ShopOrder | None]:
        return self._ask(lambda: self._adapter.read_order(external_id))

    def orders_since(self, cursor: str) -> Answer[OrderPage]:
        return self._ask(lambda: self._adapter.orders_since(cursor))

    def categories_of(self, products: Sequence[str]) -> Answer[Mapping[str, tuple[str, ...] | None]]:
        """Only where `capabilities.sorts_products`, as of the adapter itself."""
        sorting: Any = self._adapter
        return self._ask(lambda: sorting.categories_of(products))

    def ensure_webhooks(self, url: str) -> Answer[None]:
        answer = self._ask(lambda: self._adapter.ensure_webhooks(url))
        if not answer.held_back:
            breaker.note_webhooks(connection=self._connection, answer=answer, now=_now())
        return answer

    def parse_webhook(self, *, headers: Mapping[str, str], body: bytes, now: datetime) -> WebhookMessage:
        return self._adapter.parse_webhook(headers=headers, body=body, now=now)

    def test_connection(self) -> Answer[ShopInfo]:
        return ask_anyway(self._connection, lambda: self._paced(self._adapter.test_connection))

    def _ask(self, call: Callable[[], Answer[T]]) -> Answer[T]:
        return ask(self._connection, lambda: self._paced(call))

    def _paced(self, call: Callable[[], Answer[T]]) -> Answer[T]:
        answer = call()
        if answer.outcome is Outcome.THROTTLED and answer.retry_after and answer.observed.status is not None:
            self._pace.rest(seconds=answer.retry_after)
        return answer


def ask(line: breaker.Line, call: Callable[[], Answer[T]]) -> Answer[T]:
    """What the call answers, or what is answered in its place while a shop or payout account is left alone."""
    with _session_as_found():
        leave = breaker.admit(connection=line, now=_now())
    return leave if isinstance(leave, Answer) else _noted(line, leave, call())


def ask_anyway(line: breaker.Line, call: Callable[[], Answer[T]]) -> Answer[T]:
    """The same for a person, who is told how it is now."""
    with _session_as_found():
        leave = breaker.unguarded(connection=line)
    return _noted(line, leave, call())


def _noted(line: breaker.Line, leave: breaker.Pass, answer: Answer[T]) -> Answer[T]:
    with _session_as_found():
        breaker.note(connection=line, leave=leave, answer=answer, now=_now())
    return answer


@contextmanager
def _session_as_found() -> Iterator[None]:
    """A thread that had no session with the database is left without one: many may ask one shop at a time."""
    had_none = connection.connection is None
    try:
        yield
    finally:
        if had_none:
            connection.close()


def _now() -> datetime:
    """When the shop is really asked: adapters are given no `now`, as their callers may work at another."""
    return timezone.now()  # noqa: TID251
