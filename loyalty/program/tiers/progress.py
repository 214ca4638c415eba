"""How far customers are: what counts now, the next tier and what is missing, and until when the present one lasts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db import models
from django.db.models.functions import Cast, JSONObject

from loyalty.common import clock
from loyalty.customers.models import Customer
from loyalty.merchant import queries as merchant
from loyalty.merchant.models import Programme
from loyalty.program.tiers import ladder, measuring, windows
from loyalty.program.tiers.ladder import Ladder, Measured, Rung
from loyalty.program.tiers.models import HeldAs, TierBasis, TierPeriod, TierRules, TierStanding, TierTerms
from loyalty.program.tiers.windows import Window

RULES = ("basis", "period", "rolling_days", "kept_next_year", "starts_on", "grace_days")
SUMS, INSTANTS = ("value", "value_before"), ("grace_until", "held_until", "since")


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Amounts are points, or money in `currency`. Instants at which something ends are exclusive."""

    in_points: bool
    currency: str
    value: Decimal  # in the present window
    tier: Rung | None  # None: no tier, or one that cannot be reached any more
    next: Rung | None  # None: the highest there is
    missing: Decimal | None  # to the next tier
    to_keep: Decimal | None  # what is still to come for the tier to go on; None where nothing has to
    ends_at: datetime | None  # when the window closes; None: never, or it moves on each day
    expires_at: datetime | None  # when the tier ends by what is known now
    grace_until: datetime | None  # the tier is no longer reached and ends then
    held_until: datetime | None  # staff decided it until then
    since: datetime | None

    @property
    def share(self) -> int:
        """How far to the next tier, from 0 to 100; 100 in the highest."""
        if self.next is None or not self.next.milestone:
            return 100
        return min(int(self.value * 100 / self.next.milestone), 100)


def of(*, customer: Customer, now: datetime) -> Progress | None:
    """One customer's. None where tiers are switched off, or there is none to be reached."""
    return many(customers=[customer], now=now).get(customer.pk)


def many(*, customers: Sequence[Customer], now: datetime) -> dict[int, Progress]:
    """Customer id → progress, measured now, in a constant number of queries. Empty where tiers are switched off."""
    rules, steps = ladder.rules(), ladder.load()
    if not rules.enabled or not steps.rungs or not customers:
        return {}
    programme, ids = merchant.programme(), [customer.pk for customer in customers]
    spans = windows.at(rules=rules, zone=programme.zone, now=now)
    measured = measuring.measure(
        customer_ids=ids, basis=rules.basis, windows=spans, currency=programme.currency, now=now
    )
    standings = TierStanding.objects.in_bulk(ids)
    return {
        customer.pk: _progress(
            customer,
            standing=standings.get(customer.pk) or TierStanding(customer=customer),
            measured=measured.get(customer.pk, Measured()),
            steps=steps,
            rules=rules,
            programme=programme,
            window=spans.now,
            now=now,
        )
        for customer in customers
    }


def programme_of(*, user_id: int) -> Programme:
    """The programme, and with it what `at_a_glance` needs of the customer who signs in as this user: one query."""
    rules, rungs = TierRules.objects.filter(enabled=True), TierTerms.objects.filter(active=True)
    standing = TierStanding.objects.filter(customer__user_id=user_id)
    found = (
        Programme.objects.select_related("brand")
        .defer("brand__logo")
        .filter(pk=1)
        .annotate(
            tier_rules=ArraySubquery(rules.values(row=JSONObject(**{name: name for name in RULES}))),
            tier_rungs=ArraySubquery(
                rungs.order_by("milestone", "pk").values(
                    row=JSONObject(tier_id="tier_id", name="tier__name", milestone=_text("milestone"), perks="perks")
                )
            ),
            tier_standing=ArraySubquery(
                standing.values(row=JSONObject(held_as="held_as", **{name: _text(name) for name in (*SUMS, *INSTANTS)}))
            ),
        )
    )
    return found.first() or merchant.programme()


def at_a_glance(*, customer: Customer, programme: Programme, now: datetime) -> Progress | None:
    """As `of`, without a query, with what was measured when the customer was last judged: some seconds ago, mostly.

    `programme` comes from `programme_of`.
    """
    known: Any = programme
    if not getattr(known, "tier_rules", None) or not known.tier_rungs:
        return None
    (written,) = known.tier_rules
    starts_on = date.fromisoformat(written["starts_on"]) if written["starts_on"] else None
    rules = TierRules(**{**written, "starts_on": starts_on})
    steps = Ladder(
        tuple(
            Rung(**{**rung, "milestone": Decimal(rung["milestone"]), "perks": tuple(rung["perks"])})
            for rung in known.tier_rungs
        )
    )
    row = known.tier_standing[0] if known.tier_standing else {}
    standing = TierStanding(customer=customer, held_as=row.get("held_as", ""))
    for name in INSTANTS:
        setattr(standing, name, datetime.fromisoformat(row[name]) if row.get(name) else None)
    value, before = (Decimal(row.get(name, 0)) for name in SUMS)
    return _progress(
        customer,
        standing=standing,
        measured=Measured(value=value, before=before),
        steps=steps,
        rules=rules,
        programme=programme,
        window=windows.at(rules=rules, zone=programme.zone, now=now).now,
        now=now,
    )


def _text(name: str) -> Cast:
    """A column as text, so that neither a cent nor a zone is lost on the way."""
    return Cast(name, models.TextField())


def _progress(
    customer: Customer,
    *,
    standing: TierStanding,
    measured: Measured,
    steps: Ladder,
    rules: TierRules,
    programme: Programme,
    window: Window,
    now: datetime,
) -> Progress:
    tier = steps.rung(customer.tier_id)
    above = steps.at(steps.place(customer.tier_id) + 1)
    held = standing.held_until if standing.held_until is not None and standing.held_until > now else None
    to_keep = None
    if tier is not None and (window.closes_at is not None or standing.grace_until is not None):
        to_keep = max(tier.milestone - measured.value, Decimal(0))
    return Progress(
        in_points=rules.basis == TierBasis.POINTS_EARNED,
        currency=programme.currency,
        value=measured.value,
        tier=tier,
        next=above,
        missing=max(above.milestone - measured.value, Decimal(0)) if above is not None else None,
        to_keep=to_keep,
        ends_at=window.closes_at,
        expires_at=_expiry(
            standing=standing, held=held, to_keep=to_keep, rules=rules, programme=programme, window=window
        )
        if tier is not None and tier.milestone > 0
        else None,
        grace_until=standing.grace_until,
        held_until=held,
        since=standing.since,
    )


def _expiry(
    *,
    standing: TierStanding,
    held: datetime | None,
    to_keep: Decimal | None,
    rules: TierRules,
    programme: Programme,
    window: Window,
) -> datetime | None:
    """When the tier ends if nothing more comes. Unknown, None, for a window that moves on each day."""
    ends_at = standing.grace_until
    if ends_at is None and rules.period == TierPeriod.CALENDAR_YEAR and window.closes_at is not None:
        ends_at = window.closes_at
        if rules.kept_next_year and not to_keep:
            ends_at = clock.end_of_year(window.closes_at, programme.zone)
        if rules.grace_days:
            ends_at = clock.end_of_day(ends_at, rules.grace_days, programme.zone)
    if held is not None and standing.held_as == HeldAs.FLOOR:
        return max(held, ends_at or held)
    return ends_at
