"""Categories of what was bought, asked for where an order leaves them open and a rule names some."""

from collections.abc import Sequence

from django.conf import settings

from loyalty.program.earning import rules
from platforms import sorting
from platforms.adapter import Adapter, OrderStatus, ShopOrder
from platforms.models import StoreConnection
from platforms.sorting import Sorted

MOST_TRIES = 6  # about five minutes: an order that a shop leaves unsorted for longer earns as it is


def put_in(orders: Sequence[ShopOrder], *, adapter: Adapter, connection: StoreConnection) -> Sorted:
    """The orders as the shop sorts what was bought in them. Where nobody would read it, nothing is asked."""
    if not adapter.capabilities.sorts_products or not any(map(lacks_some, orders)) or not rules.name_categories():
        return Sorted(orders=tuple(orders))
    return sorting.sort(orders, adapter=adapter, connection=connection, url=settings.REDIS_URL)


def lacks_some(order: ShopOrder) -> bool:
    """Whether the order may earn, and the categories of something in it are not known."""
    return order.status == OrderStatus.COMPLETED and sorting.is_unsorted(order)
