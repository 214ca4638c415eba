"""Where a customer's personal data stands, and what is put in its place. A new column of that kind gets a line here.

Not here, on purpose: the ledger, events and seals, which hold ids and numbers alone; codes and orders, which the law makes a
merchant keep; what shops and providers answered, which is stored without contacts. Models are named, not imported: some stand above.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models.functions import Now


@dataclass(frozen=True, slots=True)
class Trace:
    """Columns of one table: `whose` leads from a row to the customer, `blank` is what a forgotten row says."""

    model: str
    whose: str
    blank: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Searched:
    """Columns of one table that are searched for a person's words."""

    model: str
    columns: Sequence[str]
    blank: Mapping[str, Any]


BLANKED: Sequence[Trace] = (
    Trace("points.PointsTransactionNote", "transaction__customer", {"description": "", "internal_note": ""}),
    Trace("points.AdjustmentRequest", "customer", {"internal_note": "", "description": "", "decision_note": ""}),
    Trace("points.PointsShortfall", "customer", {"internal_note": ""}),
    Trace("points.PointsHold", "customer", {"description": ""}),
    Trace(
        "rewards.RedeemedReward",
        "customer",
        {
            "customer_email": "",
            "customer_phone": "",
            "customer_first_name": "",
            "customer_last_name": "",
            "shipping_address": None,
            "internal_note": "",
        },
    ),
    Trace("rewards.Cancellation", "redeemed_reward__customer", {"internal_note": ""}),
    Trace(
        "rewards.Delivery",
        "redeemed_reward__customer",
        {"address": None, "tracking_number": "", "tracking_url": "", "comment": ""},
    ),
    Trace("rewards.DeliveryChange", "redeemed_reward__customer", {"address_before": None, "comment": ""}),
    Trace("messages_out.Mail", "customer", {"address": "", "subject": "", "text": "", "html": ""}),
    Trace("program.VipTierChangeNote", "change__customer", {"internal_note": ""}),
    Trace("program.Referral", "friend", {"source": "", "trouble": ""}),
    Trace("program.Activity", "customer", {"distinct_id": None}),
    Trace("merging.CustomerMerge", "source", {"internal_note": ""}),
    Trace("merging.CustomerMerge", "survivor", {"internal_note": ""}),
)

# Rows that are nothing but who somebody is.
DELETED: Sequence[tuple[str, str]] = (
    ("customers.ShippingAddress", "customer"),
    ("customers.CustomerIdentity", "customer"),
    ("customers.SignInLink", "customer"),
    ("program.ReferralLink", "customer"),
)

# Where people are named without a key that leads to them: rows that hold one of their words are blanked, or deleted where
# nothing would be left of them. What waits to be worked on keeps its own.
SEARCHED: Sequence[Searched] = (
    Searched("jobs.JobRow", ("data",), {"data": {}}),
    Searched("jobs.JobOutcome", ("text",), {"text": ""}),
    Searched("webhooks.WebhookAttempt", ("excerpt",), {"excerpt": ""}),
    Searched("api.IdempotencyRecord", ("body",), {"body": {}}),
    Searched("hooks.InboundWebhook", ("body", "headers"), {"body": b"", "headers": {}, "body_emptied_at": Now()}),
    Searched("rewards.Campaign", ("audience_text", "internal_note"), {"audience_text": "", "internal_note": ""}),
    Searched("accounts.SavedView", ("query", "name"), {}),
    Searched("admin.LogEntry", ("object_repr", "change_message"), {"object_repr": "", "change_message": ""}),
)
