"""Tiers for tests."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection

from loyalty.common.actors import SYSTEM
from loyalty.customers.models import Tier
from loyalty.merchant.models import Programme
from loyalty.program.tiers import evaluation, setting
from loyalty.program.tiers.models import TierRules
from tests.fakes.events import settle


def tier(name: str, milestone: int | str, *, now: datetime, rewards: tuple[int, ...] = (), **terms: Any) -> Tier:
    """A tier that can be reached from now on."""
    wanted = setting.Terms(name=name, milestone=Decimal(milestone), reward_ids=rewards, **terms)
    return setting.save_tier(tier_id=None, terms=wanted, gives=True, actor=SYSTEM, now=now)


def switch_on(*, now: datetime, gives: bool = True, zone: str = "Europe/Warsaw", **rules: Any) -> None:
    """Tiers with these rules, in a programme of that zone."""
    Programme.objects.update_or_create(pk=1, defaults={"time_zone": zone})
    changed = TierRules.objects.get_or_create(pk=1)[0]
    for name, value in {"enabled": True, **rules}.items():
        setattr(changed, name, value)
    setting.save_rules(rules=changed, gives=gives, actor=SYSTEM, now=now, fields=rules)


def judge(*customers: Any, now: datetime) -> None:
    """What the workers do once they have read of these customers, or of everybody; and of midnight."""
    if not connection.in_atomic_block:
        settle()
    evaluation.mark(customer_ids={customer.pk for customer in customers}, now=now)
    evaluation.sweep(now=now)
    for customer in customers:
        customer.refresh_from_db()
