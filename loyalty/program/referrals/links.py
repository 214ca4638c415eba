"""Personal links: a short code for each customer who asks for one."""

import secrets
from collections.abc import Iterable
from datetime import datetime

from django.conf import settings as django_settings
from django.db.models import Subquery
from django.urls import reverse

from loyalty.customers import queries
from loyalty.customers.models import Customer, CustomerState
from loyalty.program.referrals.models import ReferralLink, ReferralSettings

ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # nothing that is read for something else
LENGTH = 10  # 31**10 codes: none is found by guessing


def settings() -> ReferralSettings:
    """The rules in force; those of a new installation until somebody saved others. Referrals are off there."""
    return ReferralSettings.objects.select_related("friend_reward", "sender_reward").first() or ReferralSettings()


def rules_and_url(*, customer_id: int, now: datetime) -> tuple[ReferralSettings, str]:
    """The rules in force and the customer's own link, made at first sight; no link while referrals are off."""
    own = ReferralLink.objects.filter(customer_id=customer_id).values("code")[:1]
    rows = ReferralSettings.objects.select_related("friend_reward", "sender_reward")
    rules = rows.annotate(own_code=Subquery(own)).first() or ReferralSettings()
    if not rules.active:
        return rules, ""
    code: str | None = getattr(rules, "own_code", None)
    return rules, _url(code or codes_of(customer_ids=[customer_id], now=now)[customer_id])


def codes_of(*, customer_ids: Iterable[int], now: datetime) -> dict[int, str]:
    """The code in each customer's link, by customer; made at first sight, and the same ever after.

    Asked for twice at once, both get the same.
    """
    wanted = set(customer_ids)
    found = _known(wanted)
    while missing := sorted(wanted - found.keys()):
        rows = [ReferralLink(customer_id=pk, code=_new_code(), created_at=now) for pk in missing]
        ReferralLink.objects.bulk_create(rows, ignore_conflicts=True)  # somebody was quicker, or has this code
        found = _known(wanted)
    return found


def urls_of(*, customer_ids: Iterable[int], now: datetime) -> dict[int, str]:
    """Each customer's link; nobody's while referrals are off."""
    if not settings().active:
        return {}
    return {pk: _url(code) for pk, code in codes_of(customer_ids=customer_ids, now=now).items()}


def _url(code: str) -> str:
    return f"{django_settings.PUBLIC_URL}{reverse('cockpit:recommended', args=[code])}"


def _known(customer_ids: set[int]) -> dict[int, str]:
    return dict(ReferralLink.objects.filter(customer_id__in=customer_ids).values_list("customer_id", "code"))


def _new_code() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


def sender_of(code: str) -> Customer | None:
    """Whose link it is; nobody's when it leads nowhere: unknown, excluded, or referrals are off."""
    if not settings().active:
        return None
    link = ReferralLink.objects.select_related("customer").filter(code=code.strip().lower()).first()
    if link is None:
        return None
    sender = queries.survivor_of(link.customer)
    return None if sender.state == CustomerState.DISABLED or sender.anonymised_at is not None else sender
