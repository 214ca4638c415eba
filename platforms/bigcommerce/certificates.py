"""V2 gift certificates: money under a code, spent bit by bit.

BigCommerce cuts a longer code to 20 characters without a word, and sets the balance back to the whole amount when a
change does not repeat it. Making one by the API sends no e-mail.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import format_datetime
from typing import Any

from platforms.adapter import Answer, CodeSpec, PlatformCode
from platforms.bigcommerce import client, fields
from platforms.bigcommerce.codes import CannotMake, Kept
from platforms.bigcommerce.options import Options
from platforms.http import HttpAnswer

KIND = "certificate"
PATH = "/v2/gift_certificates"
LONGEST_CODE = 20

_MESSAGE = re.compile(r"Made by Loyalty Desk, reference (\S+)")
_REPEATED = (
    "to_name", "to_email", "from_name", "from_email", "amount", "balance", "code", "message", "template",
    "currency_code", "customer_id",
)  # fmt: skip
_NO_SENDER = (
    "BigCommerce makes no gift certificate without a sender. Enter the sender of gift certificates in the connection's "
    "settings."
)


def body_for(spec: CodeSpec, options: Options, *, now: datetime) -> dict[str, Any]:
    """Raises CannotMake."""
    if not options.sender_email:
        raise CannotMake(_NO_SENDER)
    if len(spec.code) > LONGEST_CODE:
        raise CannotMake("BigCommerce cuts the codes of gift certificates to 20 characters. Choose a shorter prefix.")
    if spec.minimum_order or spec.collections:
        raise CannotMake("A gift certificate of BigCommerce knows neither a minimum order nor categories.")
    if spec.starts_at is not None and spec.starts_at > now:
        raise CannotMake("A gift certificate of BigCommerce works from the moment it is made. Take the first day away.")
    if spec.amount is None:
        raise CannotMake("The reward says no amount. Correct the reward.")
    body: dict[str, Any] = {
        "to_name": "Customer",
        "to_email": spec.customer_email or options.sender_email,
        "from_name": "Loyalty Desk",
        "from_email": options.sender_email,
        "amount": fields.plain(spec.amount),
        "balance": fields.plain(spec.amount),
        "code": spec.code,
        "status": "active",
        "currency_code": spec.currency,
        "message": f"Made by Loyalty Desk, reference {spec.reference}",
    }
    if spec.expires_at is not None:
        body["expiry_date"] = format_datetime(spec.expires_at)
    return body


def read(data: Mapping[str, Any], *, now: datetime) -> Kept:
    """Whether something was spent is told as one use: BigCommerce counts none. Raises Unreadable."""
    status = fields.text(data, "status")
    amount, balance = fields.amount(data, "amount"), fields.amount(data, "balance")
    expires_at = fields.unix_time(data, "expiry_date")
    message = data.get("message")
    found = _MESSAGE.search(message[:1000]) if isinstance(message, str) else None
    reference = found[1][:100] if found else ""
    return Kept(
        code=PlatformCode(
            code=fields.text(data, "code"),
            remote_id=f"{KIND}:{fields.identity(data)}",
            alive=status == "active" and balance > 0 and (expires_at is None or expires_at > now),
            reference=reference if reference.isprintable() else "",
            uses=1 if balance < amount else 0,
            amount=amount,
            expires_at=expires_at,
        ),
        raw=data,
        enabled=status != "disabled",
        limited_to_one_use=False,
    )


def find(conversation: client.Conversation, code: str, *, now: datetime) -> Answer[list[Kept]]:
    """The certificate of that code in any case: none or one."""
    answer = conversation.ask("GET", PATH, params={"code": code, "limit": "250"})
    if not answer.ok:
        return answer.failure()
    try:
        listed = fields.entries(answer.data)
        same = [entry for entry in listed if str(entry.get("code")).casefold() == code.casefold()]
        return answer.success([read(entry, now=now) for entry in same])
    except fields.Unreadable as error:
        return answer.unusable(str(error))


def make(conversation: client.Conversation, body: dict[str, Any]) -> HttpAnswer:
    return conversation.ask("POST", PATH, body=body)


def disable(conversation: client.Conversation, kept: Kept) -> HttpAnswer:
    return _change(conversation, kept, kept.code.expires_at, status="disabled")


def extend(conversation: client.Conversation, kept: Kept, expires_at: datetime) -> HttpAnswer:
    status = fields.text(kept.raw, "status")
    return _change(conversation, kept, expires_at, status="active" if status == "expired" else status)


def _change(conversation: client.Conversation, kept: Kept, expires_at: datetime | None, **changes: str) -> HttpAnswer:
    body = {name: kept.raw[name] for name in _REPEATED if kept.raw.get(name) not in (None, "", 0)}
    if expires_at is not None:
        body["expiry_date"] = format_datetime(expires_at)
    return conversation.ask("PUT", f"{PATH}/{fields.identity(kept.raw)}", body=body | changes)
