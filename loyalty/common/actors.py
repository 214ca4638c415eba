"""Who does a thing: every change names its actor."""

from dataclasses import dataclass
from enum import StrEnum


class ActorKind(StrEnum):
    STAFF = "staff"
    CUSTOMER = "customer"
    API_KEY = "api_key"
    SHOP = "shop"  # what a shop told us: a webhook, or the poll behind it
    SYSTEM = "system"  # sweeps, imports, the programme itself


@dataclass(frozen=True, slots=True)
class Actor:
    """An actor is a kind and an id of that kind: never a name or an address, so that records stay free of them."""

    kind: ActorKind
    id: int | None = None

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}" if self.id is not None else str(self.kind)


SYSTEM = Actor(ActorKind.SYSTEM)


def staff(user_id: int) -> Actor:
    return Actor(ActorKind.STAFF, user_id)


def customer(customer_id: int) -> Actor:
    return Actor(ActorKind.CUSTOMER, customer_id)


def api_key(key_id: int) -> Actor:
    return Actor(ActorKind.API_KEY, key_id)


def shop(connection_id: int) -> Actor:
    return Actor(ActorKind.SHOP, connection_id)
