"""What PayPal says of a payout, in our words. Pure."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from platforms.payouts import reading
from platforms.payouts.provider import PayoutReport, PayoutStatus
from platforms.payouts.reading import Unreadable
from platforms.redaction import said

# Of the one item. What is not here is not guessed: the answer cannot be read, and nobody is paid or given points back.
STATUSES: dict[str, PayoutStatus] = {
    "NEW": PayoutStatus.PENDING,
    "PENDING": PayoutStatus.PENDING,
    "ONHOLD": PayoutStatus.PENDING,
    "UNCLAIMED": PayoutStatus.PENDING,  # the receiver has 30 days to open an account; then it is RETURNED
    "SUCCESS": PayoutStatus.PAID,
    "FAILED": PayoutStatus.FAILED,
    "DENIED": PayoutStatus.FAILED,
    "BLOCKED": PayoutStatus.FAILED,
    "CANCELED": PayoutStatus.FAILED,
    "RETURNED": PayoutStatus.FAILED,
    "REFUNDED": PayoutStatus.FAILED,
    "REVERSED": PayoutStatus.FAILED,
}
# Of a batch whose item is not shown, or has not begun.
BATCHES: dict[str, PayoutStatus] = {
    "PENDING": PayoutStatus.ACCEPTED,
    "PROCESSING": PayoutStatus.PENDING,
    "SUCCESS": PayoutStatus.PENDING,  # of the batch alone: its item may still be anything
    "DENIED": PayoutStatus.FAILED,
    "CANCELED": PayoutStatus.FAILED,
}
MESSAGES: dict[str, str] = {
    "PENDING": "PayPal is working on it",
    "PROCESSING": "PayPal is working on it",
    "ONHOLD": "PayPal is looking into it",
    "UNCLAIMED": "The receiver has no PayPal account for this address yet, and 30 days to open one",
    "RETURNED": "The receiver did not claim it in 30 days",
    "REFUNDED": "It went back to the sender",
    "REVERSED": "It was reversed",
    "BLOCKED": "PayPal blocked it",
    "DENIED": "PayPal denied it",
    "CANCELED": "It was canceled in PayPal",
    "FAILED": "PayPal could not send it",
}


def taken_on(data: Any, *, reference: str) -> PayoutReport:
    """Of the answer to a batch that was just sent: it tells of no item yet. Raises Unreadable."""
    return _of_batch(reading.mapping(data, "batch_header"), reference=reference)


def of_batch(data: Any, *, reference: str) -> PayoutReport | None:
    """What a batch that was asked for says of ours; None when it is not ours. Raises Unreadable."""
    header = reading.mapping(data, "batch_header")
    items = reading.objects(data, "items") if "items" in data else []
    ours = [item for item in items if _sender_item(item) == reference]
    batch = str(header.get("batch_status"))
    if len(ours) > 1:
        raise Unreadable("the batch holds our reference twice")
    if ours:
        return _of_item(ours[0], header, reference=reference, over=batch in {"DENIED", "CANCELED"})
    sender = header.get("sender_batch_header")
    same = isinstance(sender, Mapping) and sender.get("sender_batch_id") == reference
    return _of_batch(header, reference=reference) if same and not items else None


def batch_of_duplicate(data: Any) -> str | None:
    """Of a refusal: the batch that has our reference already, empty when it is not named; None: refused otherwise."""
    details = data.get("details") if isinstance(data, Mapping) else None
    for detail in details if isinstance(details, list) else []:
        if not isinstance(detail, Mapping) or str(detail.get("field")).upper() != "SENDER_BATCH_ID":
            continue
        if "already exists" not in str(detail.get("issue")):
            continue
        links = [*_links(detail.get("link")), *_links(detail.get("links")), *_links(data.get("links"))]
        return next(filter(None, map(_batch_in, links)), "")
    return None


def _of_batch(header: Mapping[str, Any], *, reference: str) -> PayoutReport:
    word = reading.text(header, "batch_status", longest=20)
    if word not in BATCHES:
        raise Unreadable(f"the batch status {word} is unknown")
    status = BATCHES[word]
    begun = status is not PayoutStatus.ACCEPTED
    return PayoutReport(
        reference=reference,
        status=status,
        remote_id=reading.text(header, "payout_batch_id", longest=60),
        code=word if begun else "",
        message=MESSAGES.get(word, MESSAGES["PENDING"]) if begun else "",
    )


def _of_item(item: Mapping[str, Any], header: Mapping[str, Any], *, reference: str, over: bool) -> PayoutReport:
    word = reading.text(item, "transaction_status", longest=20)
    if word not in STATUSES:
        raise Unreadable(f"the status {word} is unknown")
    status = STATUSES[word]
    if over and status is PayoutStatus.PENDING:
        word, status = str(header.get("batch_status")), PayoutStatus.FAILED
    errors = item.get("errors")
    found = errors if isinstance(errors, Mapping) else {}
    told = said(found.get("message"), secrets=(), longest=120) if word not in MESSAGES or word == "FAILED" else ""
    money = reading.mapping(reading.mapping(item, "payout_item"), "amount")
    return PayoutReport(
        reference=reference,
        status=status,
        remote_id=reading.text(header, "payout_batch_id", longest=60),
        code=said(found.get("name"), secrets=(), longest=40) if status is PayoutStatus.FAILED and found else word,
        message=told or MESSAGES.get(word, ""),
        amount=reading.amount(money, "value"),
        currency=reading.text(money, "currency", longest=3),
        updated_at=reading.maybe_instant(item, "time_processed"),
    )


def _sender_item(item: Mapping[str, Any]) -> Any:
    inner = item.get("payout_item")
    return inner.get("sender_item_id") if isinstance(inner, Mapping) else None


def _links(value: Any) -> list[str]:
    entries = value if isinstance(value, list) else []
    return [str(entry.get("href")) for entry in entries if isinstance(entry, Mapping)]


def _batch_in(href: str) -> str:
    """The batch's id in a link. Nothing is ever fetched from the link itself."""
    try:
        head, _, batch = urlsplit(href).path.rpartition("/")
    except ValueError:
        return ""
    return batch if head == "/v1/payments/payouts" and batch.isalnum() and len(batch) <= 60 else ""
