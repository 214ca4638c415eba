"""The categories of what was bought, where a shop tells them with its products and not with its orders.

Many products are asked for at once, and what the shop said is kept in Valkey for some minutes: a shop in front of a
burst of orders is asked for each product once. What it does not say stays unknown, and is never taken for none.
"""

import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import redis

from platforms import items
from platforms.adapter import Adapter, Answer, Outcome, ShopItem, ShopOrder
from platforms.models import StoreConnection

MOST_PRODUCTS = 100  # of one question
MOST_QUESTIONS = 5  # for one lot of orders
KEPT_SECONDS = 600  # what the shop said; also that it did not let us ask
PATIENCE_SECONDS = 1.0  # with Valkey, before the shop is asked without it
AVOID_SECONDS = 5.0  # how long a Valkey that failed is not asked again
REFUSED = "refused"  # no product has this name, for shops number them

Known = dict[str, tuple[str, ...] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sorted:
    """The orders with their items sorted as far as the shop said. A reason: some may be told in so many seconds."""

    orders: tuple[ShopOrder, ...]
    reason: str = ""
    wait: float = 0.0


def sort(orders: Sequence[ShopOrder], *, adapter: Adapter, connection: StoreConnection, url: str) -> Sorted:
    """Put in the categories that these orders leave open; `url` of Valkey, or empty. Makes calls: hold no transaction."""
    shelf = _shelf(connection, url=url)
    wanted = list(dict.fromkeys(name for order in orders for name in _unsorted(order)))
    known = shelf.read([REFUSED, *wanted])
    answer: Answer[Any] | None = None
    if REFUSED not in known:
        answer = _ask([name for name in wanted if name not in known], known, adapter=adapter, shelf=shelf)
    sorted_orders = tuple(_sorted(order, known) for order in orders)
    if answer is None or answer.outcome is Outcome.REJECTED:
        return Sorted(orders=sorted_orders)
    return Sorted(
        orders=sorted_orders,
        reason=answer.reason or "The shop did not tell the categories of what was bought.",
        wait=answer.retry_after or 0.0,
    )


def is_unsorted(order: ShopOrder) -> bool:
    """Whether the categories of one of its products are not known."""
    return next(_unsorted(order), None) is not None


class _Shelf:
    """What one shop said, for a while."""

    def __init__(self, client: "_Valkey | None", name: str) -> None:
        self._client, self._name = client, name

    def read(self, products: Sequence[str]) -> Known:
        texts = self._client.read([self._key(each) for each in products]) if self._client else []
        return {
            product: None if (found := json.loads(text)) is None else tuple(found)
            for product, text in zip(products, texts, strict=False)
            if text is not None
        }

    def keep(self, told: Mapping[str, tuple[str, ...] | None]) -> None:
        if self._client:
            self._client.keep({self._key(product): json.dumps(names) for product, names in told.items()})

    def _key(self, product: str) -> str:
        return f"sorted:{self._name}:{product}"


class _Valkey:
    """The server, and the moment from which it may be asked (again)."""

    def __init__(self, url: str) -> None:
        self._client: Any = redis.Redis.from_url(
            url, socket_timeout=PATIENCE_SECONDS, socket_connect_timeout=PATIENCE_SECONDS, retry=None
        )
        self._ask_from = 0.0

    def read(self, keys: Sequence[str]) -> list[Any]:
        if time.monotonic() < self._ask_from:
            return []
        try:
            return list(self._client.mget(keys))
        except redis.RedisError:
            self._ask_from = time.monotonic() + AVOID_SECONDS
            return []

    def keep(self, texts: Mapping[str, str]) -> None:
        if time.monotonic() < self._ask_from:
            return
        try:
            with self._client.pipeline(transaction=False) as pipeline:
                for key, text in texts.items():
                    pipeline.set(key, text, ex=KEPT_SECONDS)
                pipeline.execute()
        except redis.RedisError:
            self._ask_from = time.monotonic() + AVOID_SECONDS


@lru_cache(maxsize=4)
def _valkey(url: str) -> _Valkey:
    return _Valkey(url)


def _shelf(connection: StoreConnection, *, url: str) -> _Shelf:
    place = hashlib.sha256(connection.base_url.encode()).hexdigest()[:16]  # another address is another shop
    return _Shelf(_valkey(url) if url else None, f"{connection.pk}:{place}")


def _ask(missing: Sequence[str], known: Known, *, adapter: Adapter, shelf: _Shelf) -> Answer[Any] | None:
    """Fill in what the shop says; gives back the answer with which it stopped saying more."""
    sorting: Any = adapter
    for begin in range(0, len(missing), MOST_PRODUCTS):
        if begin >= MOST_PRODUCTS * MOST_QUESTIONS:
            return Answer(outcome=Outcome.NOT_SENT, reason="More products were bought than are asked for at once.")
        answer: Answer[Mapping[str, tuple[str, ...] | None]] = sorting.categories_of(
            missing[begin : begin + MOST_PRODUCTS]
        )
        if answer.value is None:
            if answer.outcome is Outcome.REJECTED:
                shelf.keep({REFUSED: None})
            return answer
        shelf.keep(answer.value)
        known.update(answer.value)
    return None


def _unsorted(order: ShopOrder) -> Iterator[str]:
    for item in order.items or ():
        if item.categories is None and item.product != items.NO_PRODUCT:
            yield item.product


def _sorted(order: ShopOrder, known: Known) -> ShopOrder:
    if order.items is None:
        return order
    return replace(order, items=tuple(_item(item, known) for item in order.items))


def _item(item: ShopItem, known: Known) -> ShopItem:
    names = known.get(item.product) if item.categories is None else None
    if names is None:
        return item
    return items.line(product=item.product, quantity=item.quantity, amount=item.amount, tax=item.tax, categories=names)
