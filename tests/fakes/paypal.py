"""A stand-in for PayPal Payouts over HTTP: tokens, batches under our own ids, items with a state, and strict checks."""

import base64
import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.fakes.paying import ASK, PAY, TOKEN, PayingServer, Reply

CLIENT_ID, CLIENT_SECRET = "client-of-tests", "secret-of-tests"
SCOPES = "openid https://uri.paypal.com/payments/payouts https://uri.paypal.com/services/invoicing"
CURRENCIES = "AUD BRL CAD CHF CZK DKK EUR GBP HKD HUF ILS JPY MXN MYR NOK NZD PHP PLN SEK SGD THB TWD USD"
WHOLE = {"HUF", "JPY", "TWD"}
BATCHES = "/v1/payments/payouts"


@dataclass(slots=True, kw_only=True)
class Batch:
    number: str
    sender_id: str
    item: dict[str, Any]
    state: str = "PENDING"
    item_state: str = "PENDING"
    error: tuple[str, str] | None = None
    processed_at: datetime | None = None
    shows_item: bool = True


@dataclass(slots=True)
class Problem(Exception):
    status: int
    name: str
    message: str
    details: list[dict[str, Any]] = field(default_factory=list)


class PayPal(PayingServer):
    """One business account."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: dict[str, Batch] = {}
        self.sender_ids: dict[str, str] = {}  # what it remembers for 30 days
        self.tokens: set[str] = set()
        self.scopes = SCOPES
        self.balance_is_empty = False
        self.names_duplicates = True
        self._clock = datetime(2026, 11, 26, 12, tzinfo=UTC)

    def operation(self, method: str, path: str) -> str:
        where = urlsplit(path).path
        if where == "/v1/oauth2/token":
            return TOKEN
        return PAY if method == "POST" else ASK

    def answer(self, operation: str, path: str, headers: dict[str, str], raw: bytes) -> Reply:
        if operation == TOKEN:
            return self._grant(headers, raw)
        if headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
            return Reply({"error": "invalid_token", "error_description": "Token signature verification failed"}, 401)
        try:
            if operation == PAY:
                return self._take_on(urlsplit(path).path, json.loads(raw))
            return self._show(urlsplit(path).path.removeprefix(f"{BATCHES}/"))
        except Problem as problem:
            body = {"name": problem.name, "message": problem.message, "debug_id": "f05063556a338", "links": []}
            return Reply(body | ({"details": problem.details} if problem.details else {}), problem.status)

    def refusal(self) -> Reply:
        return Reply({"name": "VALIDATION_ERROR", "message": "Invalid request", "debug_id": "1", "details": []}, 400)

    def _grant(self, headers: dict[str, str], raw: bytes) -> Reply:
        basic = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        if headers.get("authorization") != f"Basic {basic}":
            return Reply({"error": "invalid_client", "error_description": "Client Authentication failed"}, 401)
        kind = headers.get("content-type", "")
        if parse_qs(raw.decode()) != {"grant_type": ["client_credentials"]} or "x-www-form-urlencoded" not in kind:
            return Reply({"error": "unsupported_grant_type"}, 400)
        token = f"A21AA{len(self.tokens)}"
        self.tokens.add(token)
        return Reply({"scope": self.scopes, "access_token": token, "token_type": "Bearer", "expires_in": 32400})

    def _take_on(self, path: str, body: dict[str, Any]) -> Reply:
        if path != BATCHES:
            raise Problem(404, "RESOURCE_NOT_FOUND", "Nothing is here")
        self._check(body)
        sender_id = body["sender_batch_header"]["sender_batch_id"]
        if sender_id in self.sender_ids:
            link = {"href": f"{self.url}{BATCHES}/{self.sender_ids[sender_id]}", "rel": "self", "method": "GET"}
            detail = {"field": "SENDER_BATCH_ID", "issue": "Batch with given sender_batch_id already exists"}
            detail |= {"link": [link] if self.names_duplicates else []}
            raise Problem(400, "USER_BUSINESS_ERROR", "User business error.", [detail])
        if self.balance_is_empty:
            raise Problem(422, "INSUFFICIENT_FUNDS", "Sender does not have sufficient funds.")
        made = Batch(number=f"BATCH{len(self.batches) + 1}", sender_id=sender_id, item=body["items"][0])
        self.batches[made.number] = made
        self.sender_ids[sender_id] = made.number
        header = {"payout_batch_id": made.number, "batch_status": "PENDING", "sender_batch_header": {}}
        header["sender_batch_header"] = body["sender_batch_header"]
        return Reply({"batch_header": header, "links": []}, 201)

    def _check(self, body: dict[str, Any]) -> None:
        """Whatever PayPal would refuse of a batch as such is our mistake."""
        wrong = []
        header, items = body.get("sender_batch_header", {}), body.get("items", [])
        if set(body) != {"sender_batch_header", "items"} or set(header) != {"sender_batch_id", "email_subject"}:
            wrong.append(f"unknown fields in {sorted(body)} or {sorted(header)}")
        if not re.fullmatch(r"[\w-]{1,256}", header.get("sender_batch_id", "")) or len(header["email_subject"]) > 255:
            wrong.append("a header that is too long")
        fields = {"recipient_type", "receiver", "amount", "note", "sender_item_id"}
        if len(items) != 1 or set(items[0]) != fields or items[0]["recipient_type"] != "EMAIL":
            wrong.append("an item that is none")
        item = items[0]
        places = "" if item["amount"]["currency"] in WHOLE else r"\.\d\d"
        if item["amount"]["currency"] not in CURRENCIES.split() or not re.fullmatch(
            r"\d+" + places, item["amount"]["value"]
        ):
            wrong.append(f"an amount that is none: {item['amount']}")
        if "@" not in item["receiver"] or len(item["sender_item_id"]) > 63 or len(item["note"]) > 4000:
            wrong.append("a receiver, an id or a note that is none")
        if wrong:
            self.broken += wrong
            raise Problem(400, "VALIDATION_ERROR", "Invalid request - see details")

    def _show(self, number: str) -> Reply:
        batch = self.batches.get(number)
        if batch is None:
            raise Problem(404, "RESOURCE_NOT_FOUND", "The requested resource ID was not found")
        header = {
            "payout_batch_id": batch.number,
            "batch_status": batch.state,
            "sender_batch_header": {"sender_batch_id": batch.sender_id},
        }
        item: dict[str, Any] = {
            "payout_item_id": f"{batch.number}ITEM",
            "transaction_status": batch.item_state,
            "payout_batch_id": batch.number,
            "payout_item": batch.item,
        }
        if batch.processed_at is not None:
            item["time_processed"] = batch.processed_at.isoformat().replace("+00:00", "Z")
        if batch.error is not None:
            item["errors"] = {"name": batch.error[0], "message": batch.error[1], "details": []}
        return Reply({"batch_header": header, "items": [item] if batch.shows_item else [], "links": []})

    # What PayPal and the receiver do

    def of(self, reference: str) -> list[Batch]:
        """All that was ever taken on under this reference."""
        return [one for one in self.batches.values() if one.sender_id == reference]

    def settle(self, reference: str, state: str, *, error: tuple[str, str] | None = None) -> None:
        self._clock += timedelta(minutes=1)
        for batch in self.of(reference):
            batch.item_state, batch.error, batch.processed_at = state, error, self._clock
            batch.state = "PROCESSING" if state in {"PENDING", "ONHOLD"} else "SUCCESS"

    def forget(self, reference: str) -> None:
        """30 days are over: the same id would be another batch."""
        del self.sender_ids[reference]

    def event(self, reference: str, *, number: str = "WH-1") -> bytes:
        """What it posts to our address when the item changed."""
        (batch,) = self.of(reference)
        resource = {
            "payout_batch_id": batch.number,
            "transaction_status": batch.item_state,
            "payout_item": batch.item,
        }
        kind = f"PAYMENT.PAYOUTS-ITEM.{batch.item_state}"
        return json.dumps({"id": number, "event_type": kind, "resource": resource}).encode()
