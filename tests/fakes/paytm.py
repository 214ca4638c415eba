"""A stand-in for Paytm's disbursals over HTTP: orders under our ids, checksums both ways, and strict checks.

The checksum is made and opened here by the description of it, not by the code under test.
"""

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from tests.fakes.paying import ASK, PAY, PayingServer, Reply

MID, KEY, WALLET = "Loyalty00000000000001", "kbzk1DSbJiV_O3p5", "28054249-xxxx-xxxx-8faf-fa163e429e83"
PATHS = {"/bpay/api/v1/disburse/order/wallet/gratification": PAY, "/bpay/api/v1/disburse/order/query": ASK}
WORDS = {"DE_001": "SUCCESS", "DE_002": "ACCEPTED", "DE_101": "PENDING", "DE_102": "QUEUED"}


@dataclass(slots=True, kw_only=True)
class Order:
    reference: str
    number: str
    amount: str
    receiver: str
    code: str = "DE_002"
    message: str = "Request accepted"

    @property
    def status(self) -> str:
        return WORDS.get(self.code, "FAILURE")


def checksum(body: bytes, *, key: str = KEY, salt: str = "Ab1x") -> str:
    plain = hashlib.sha256(body + b"|" + salt.encode()).hexdigest() + salt
    left = 16 - len(plain) % 16
    padded = (plain + chr(left) * left).encode()
    sealing = Cipher(AES(key.encode()), CBC(b"@@@@&&&&####$$$$")).encryptor()
    return base64.b64encode(sealing.update(padded) + sealing.finalize()).decode()


def salt_of(sealed: str) -> str:
    opening = Cipher(AES(KEY.encode()), CBC(b"@@@@&&&&####$$$$")).decryptor()
    plain = (opening.update(base64.b64decode(sealed)) + opening.finalize()).decode()
    return plain[64:68]


class Paytm(PayingServer):
    """One merchant's sub-wallet."""

    def __init__(self) -> None:
        super().__init__()
        self.orders: dict[str, Order] = {}
        self.taken_on: list[str] = []  # every order that was ever made, so that none is made twice
        self.hides = False  # it shows no order, as while one is in the making

    def operation(self, method: str, path: str) -> str:
        return PATHS.get(path, "nothing") if method == "POST" else "nothing"

    def answer(self, operation: str, path: str, headers: dict[str, str], raw: bytes) -> Reply:
        if operation not in {PAY, ASK} or headers.get("content-type") != "application/json":
            return Reply({"error": "Not Found"}, 404)
        if headers.get("x-mid") != MID or not self._signed(raw, headers.get("x-checksum", "")):
            return self.said("FAILURE", "DE_702", "Checksum provided is invalid for this mid")
        body = json.loads(raw)
        return self._take_on(body) if operation == PAY else self._show(body)

    def refusal(self) -> Reply:
        return self.said("FAILURE", "DE_614", "The sub-wallet's balance is too low")

    def said(self, status: str, code: str, message: str) -> Reply:
        return Reply({"status": status, "statusCode": code, "statusMessage": message, "result": None})

    def _signed(self, raw: bytes, sealed: str) -> bool:
        try:
            return checksum(raw, salt=salt_of(sealed)) == sealed
        except ValueError:
            return False

    def _take_on(self, body: dict[str, Any]) -> Reply:
        known = {"orderId", "subwalletGuid", "amount", "callbackUrl", "beneficiaryPhoneNo", "beneficiaryEmail"}
        receiver = body.get("beneficiaryPhoneNo", body.get("beneficiaryEmail", ""))
        fine = (
            set(body) <= known
            and re.fullmatch(r"[A-Za-z0-9]{1,50}", body["orderId"])
            and re.fullmatch(r"\d{1,6}(\.\d{1,2})?", body["amount"])
            and (re.fullmatch(r"\d{10}", receiver) or "@" in receiver)
            and body["callbackUrl"].startswith("http")
        )
        if not fine:
            self.broken.append(f"an order that is none: {body}")
        if body["subwalletGuid"] != WALLET:
            return self.said("FAILURE", "DE_040", "The sub-wallet does not exist")
        if body["orderId"] in self.orders:
            return self.said(
                "FAILURE", "DE_023", "Request could not be processed"
            )  # nothing says that it is a duplicate
        made = Order(
            reference=body["orderId"],
            number=f"2026{len(self.taken_on):08}",
            amount=body["amount"],
            receiver=receiver,
        )
        self.orders[made.reference] = made
        self.taken_on.append(made.reference)
        return self.said("ACCEPTED", "DE_002", "Request accepted")

    def _show(self, body: dict[str, Any]) -> Reply:
        if set(body) != {"orderId"}:
            self.broken.append(f"a question that is none: {body}")
        order = None if self.hides else self.orders.get(body["orderId"])
        if order is None:
            return self.said("FAILURE", "DE_030", "Order does not exist")
        return Reply(self.told(order))

    def told(self, order: Order) -> dict[str, Any]:
        result = {"mid": MID, "orderId": order.reference, "paytmOrderId": order.number, "amount": order.amount}
        result |= {"commissionAmount": "0.50", "tax": "0.09"}
        return {"status": order.status, "statusCode": order.code, "statusMessage": order.message, "result": result}

    # What Paytm does

    def settle(self, reference: str, code: str, message: str) -> None:
        self.orders[reference].code, self.orders[reference].message = code, message

    def callback(self, reference: str, *, key: str = KEY) -> tuple[bytes, dict[str, str]]:
        """What it posts to our address, and the headers with it."""
        body = json.dumps(self.told(self.orders[reference])).encode()
        return body, {"x-checksum": checksum(body, key=key), "content-type": "application/json"}
