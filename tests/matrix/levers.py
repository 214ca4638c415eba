"""What the scenarios of the fault matrix do to a shop."""

import base64
import hashlib
import hmac
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from enum import StrEnum
from typing import ClassVar

from platforms.adapter import Adapter
from tests.fakes.contract import Harness


class Fault(StrEnum):
    """What goes wrong on the way of one request to make a code."""

    TIMED_OUT = "it is made, and the answer comes too late"
    CUT_OFF = "it is made, and the connection breaks"
    GATEWAY_AFTER = "it is made, and a gateway answers 504"
    GATEWAY_BEFORE = "nothing is made, and a gateway answers 502"
    DROPPED = "nothing is made, and the connection breaks"
    THROTTLED = "nothing is made, and the shop asks to wait"


class FaultyShop(ABC):
    """One running shop: the levers of the contract tests (`harness`), and those of the matrix."""

    platform: ClassVar[str]
    secret: ClassVar[str]  # with which it signs its webhooks
    faults: ClassVar[dict[Fault, str]]  # what the fake calls each
    signs_the_body: ClassVar[bool] = True  # else a header of ours proves where news comes from, whatever it says

    def __init__(self, harness: Harness) -> None:
        self.harness = harness

    @property
    @abstractmethod
    def base_url(self) -> str: ...

    @abstractmethod
    def credentials(self, *, previous: str = "") -> dict[str, str]:
        """What the connection holds, with the secret of webhooks, and with the one before it where it is told."""

    @abstractmethod
    def fault(self, fault: Fault) -> None:
        """Let it strike the next request that makes a code."""

    def fault_many(self, fault: Fault) -> None:
        """Let it strike the next request that makes many codes under one discount."""
        raise NotImplementedError

    def remove_one(self, code: str) -> None:
        """The merchant takes one code out of a discount of many by hand."""
        self.remove(code)

    @abstractmethod
    def news(self, order_id: str) -> bytes:
        """The body of a webhook about the order as it is now."""

    @abstractmethod
    def headers(self, body: bytes, *, secret: str) -> dict[str, str]:
        """What comes with that body, signed with the secret."""

    @abstractmethod
    def pay(self, order_id: str) -> None:
        """Somebody pays an order that was placed."""

    @abstractmethod
    def make_free(self, order_id: str) -> None:
        """Nothing is left to be paid for the order."""

    @abstractmethod
    def remove(self, code: str) -> None:
        """The merchant deletes a code by hand."""

    @abstractmethod
    def change_value(self, code: str) -> None:
        """The merchant makes a code worth 7.00 by hand."""

    def buy(self, *, email: str, code: str) -> str:
        return self.harness.buy(email=email, code=code)

    def buy_with_two(self, *, email: str, first: str, second: str) -> str:
        """Buy with two codes on one order, in this order."""
        raise NotImplementedError

    def buy_as_test(self, *, email: str, code: str) -> str:
        """A test order with the code."""
        raise NotImplementedError

    def forget_token(self) -> None:
        """The token that was given out is no longer good."""
        raise NotImplementedError

    def count_late(self) -> AbstractContextManager[None]:
        """The shop's own figures stand still until the end of the block."""
        raise NotImplementedError

    def subscriptions(self) -> int:
        """How many of our webhooks the shop serves."""
        raise NotImplementedError

    def lose_subscriptions(self) -> None:
        """Some are gone, or switched off."""
        raise NotImplementedError

    def lose_payment_answer(self) -> None:
        """The next payment is taken on, and the connection breaks."""
        raise NotImplementedError

    def payments(self, reference: str) -> int:
        """How many payments of this reference there are."""
        raise NotImplementedError

    def adapter(self) -> Adapter:
        return self.harness.adapter()


def digest(body: bytes, *, secret: str) -> bytes:
    """HMAC-SHA256."""
    return hmac.new(secret.encode(), body, hashlib.sha256).digest()


def base64_digest(body: bytes, *, secret: str) -> str:
    return base64.b64encode(digest(body, secret=secret)).decode()
