"""The act behind *Forget this person*: what goes, what stays, what has to be finished before."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from loyalty.common.actors import Actor
from loyalty.common.adminkit import acts, show
from loyalty.customers.models import Customer
from loyalty.erasure import forgetting

WORDS = {
    "customers.ShippingAddress": "shipping address",
    "customers.CustomerIdentity": "ids in shops",
    "rewards.RedeemedReward": "redeemed rewards: contacts and address",
    "rewards.Delivery": "parcels: address and tracking",
    "points.PointsTransactionNote": "notes on points",
    "messages_out.Mail": "e-mails",
}


class Forget(acts.Act):
    slug, label, tone, permission, bulk = (
        "forget", "Forget this person", "danger", "customers.anonymise_customer", False,
    )  # fmt: skip
    explain = (
        "Name, addresses, phone, notes and the sign-in go, for good: this cannot be undone. Points, rewards and orders stay as "
        "numbers, so that no total changes. Afterwards every column is searched for what is left."
    )

    def preview(self, *, pk: int, now: datetime, data: Mapping[str, Any]) -> acts.Preview:
        customer = Customer.objects.get(pk=pk)
        current = forgetting.plan(customer_id=pk)
        if current.refusals:
            return acts.Preview(title=str(customer), refusal=" ".join(current.refusals))
        known = [
            f"{show.points_text(current.rows[name])} × {word}" for name, word in WORDS.items() if name in current.rows
        ]
        other = sum(rows for name, rows in current.rows.items() if name not in WORDS)
        return acts.Preview(
            title=str(customer),
            effects=[
                "Who they are is forgotten, and they are excluded from the programme.",
                *([f"Blanked with it: {', '.join(known)}."] if known else []),
                *([f"{show.points_text(other)} other rows lose their words."] if other else []),
            ],
            token=current.fingerprint,
        )

    def apply(self, *, pk: int, actor: Actor, now: datetime, token: str, data: Mapping[str, Any]) -> str:
        forgetting.forget(customer_id=pk, actor=actor, now=now, fingerprint=token)
        return f"Customer {pk} was forgotten. What the search for traces finds stands under “Forgotten people” in a moment."
