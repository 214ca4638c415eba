"""Forget a person: what says who they are is blanked, what was earned, spent and bought stays as numbers."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.apps import apps
from django.db import connection, transaction
from django.db.models import Model, QuerySet
from psycopg import sql

from loyalty.common import plans, queue, sealing
from loyalty.common.actors import Actor
from loyalty.common.errors import DomainError
from loyalty.customers import profile
from loyalty.customers.models import Customer, CustomerIdentity, CustomerState, ShippingAddress
from loyalty.erasure import searching, traces
from loyalty.erasure.models import Erasure
from loyalty.merging import people
from rewards.models import (
    Cancellation,
    CancellationState,
    DeliveryStatus,
    FulfillmentStatus,
    Payout,
    PayoutState,
    RedeemedReward,
)

SHORTEST = 6  # characters of a word worth searching for; shorter ones stand everywhere
OPEN_PAYOUTS = (PayoutState.INIT, PayoutState.UNKNOWN, PayoutState.PENDING, PayoutState.REVIEW)
ON_ITS_WAY = (DeliveryStatus.ORDERED, DeliveryStatus.SHIPPED)
ALREADY = "This person was forgotten already."


class ErasureRefused(DomainError):
    """This person cannot be forgotten now."""

    code = "erasure_refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasurePlan:
    """What forgetting would do. `refusals` say what has to be finished before; `fingerprint` names what was shown."""

    customer_id: int
    rows: dict[str, int]  # table → rows that are blanked or deleted
    refusals: tuple[str, ...]

    @property
    def fingerprint(self) -> str:
        return plans.fingerprint({"customer": self.customer_id, "rows": self.rows, "refusals": self.refusals})


def plan(*, customer_id: int) -> ErasurePlan:
    """What would be blanked, and what stands in the way; of whoever was merged into them, too. Reads only.

    Raises UnknownCustomer.
    """
    customer = Customer.objects.filter(pk=customer_id).first()
    if customer is None:
        raise profile.UnknownCustomer(f"There is no customer {customer_id}.")
    rows: Counter[str] = Counter()
    refusals = _refusals(customer)
    for each in [customer, *_merged(customer)]:
        for name, whose in [*((trace.model, trace.whose) for trace in traces.BLANKED), *traces.DELETED]:
            rows[name] += _rows(name, whose, each.pk).count()
        refusals += _unfinished(each) if each.anonymised_at is None else []
    return ErasurePlan(
        customer_id=customer_id,
        rows={name: number for name, number in rows.items() if number},
        refusals=tuple(refusals),
    )


@transaction.atomic
def forget(*, customer_id: int, actor: Actor, now: datetime, fingerprint: str | None = None) -> Erasure:
    """Blank everything that says who a customer is, exclude them, and let a worker search for what is left.

    Points, rewards, orders and all totals stay as they are. Whoever was merged into them is the same person and is
    forgotten, too. Again gives the same row. It cannot be undone.
    Raises ErasureRefused, PlanOutdated, UnknownCustomer.
    """
    customer = _locked(customer_id, now=now)
    before = Erasure.objects.filter(customer=customer).first()
    if before is not None:
        return before
    current = plan(customer_id=customer_id)
    if current.refusals:
        raise ErasureRefused(" ".join(current.refusals))
    if fingerprint is not None:
        plans.require_current(shown=fingerprint, current=current.fingerprint, subject=f"Customer {customer_id}")
    for each in _merged(customer):
        if each.anonymised_at is None:
            _forget(each, actor=actor, now=now)
    return _forget(customer, actor=actor, now=now)


def _locked(customer_id: int, *, now: datetime) -> Customer:
    """The customer, with everything of theirs and of whoever was merged into them locked. Raises ErasureRefused."""
    merged = set(Customer.objects.filter(merged_into=customer_id).values_list("pk", flat=True))
    customer = people.lock(customer_ids={customer_id, *merged}, now=now)[customer_id]
    if {each.pk for each in _merged(customer)} != merged:
        raise ErasureRefused(f"Somebody was merged with customer {customer_id} at this moment. Look again.")
    return customer


def _forget(customer: Customer, *, actor: Actor, now: datetime) -> Erasure:
    """One row of a person. The caller has locked it and knows that nothing stands in the way."""
    words = words_of(customer)
    blanked = _blank(customer, now=now)
    erasure = Erasure.objects.create(
        customer=customer,
        actor_kind=actor.kind,
        actor_id=actor.id,
        forgotten_at=now,
        blanked=blanked,
        words=sealing.seal(json.dumps(words)),
        due_at=now,
    )
    profile.record("customer.anonymised", customer, actor=actor, now=now)
    queue.enqueue("erasure.search", erasure_id=erasure.pk)
    return erasure


def words_of(customer: Customer) -> list[str]:
    """What to search for afterwards: addresses, numbers and the full name, in every form we keep."""
    address = ShippingAddress.objects.filter(customer=customer).first()
    said = {customer.email or "", customer.phone or "", customer.full_name}
    said |= set(address.as_snapshot().values()) - {address.country, address.city, address.region} if address else set()
    said |= {user.email for user in [customer.user] if user is not None}
    for contacts in RedeemedReward.objects.filter(customer=customer).values_list("customer_email", "customer_phone"):
        said |= set(contacts)
    said |= set(CustomerIdentity.objects.filter(customer=customer).values_list("external_id", flat=True))
    return sorted(word for word in said if len(word) >= SHORTEST)


def finish(*, erasure_id: int, now: datetime) -> Erasure | None:
    """Blank the rows that hold the person's words without a key to them, search every column, and write down what is left.

    The words are forgotten with it. Safe to repeat; None when it was done before.
    """
    erasure = Erasure.objects.filter(pk=erasure_id, searched_at__isnull=True).first()
    if erasure is None:
        return None
    words: list[str] = json.loads(sealing.unseal(erasure.words))
    blanked = dict(erasure.blanked)
    for trace in traces.SEARCHED if words else ():
        blanked[trace.model] = blanked.get(trace.model, 0) + _blank_searched(trace, words)
    counted = dict(searching.search(words))
    with transaction.atomic():
        done = Erasure.objects.select_for_update().filter(pk=erasure_id, searched_at__isnull=True).first()
        if done is None:
            return None
        done.blanked = {name: rows for name, rows in blanked.items() if rows}
        done.words, done.due_at, done.searched_at = "", None, now
        done.columns_searched = len(counted)
        done.found = {str(column): rows for column, rows in counted.items() if rows}
        done.save()
    return done


def sweep(*, now: datetime, limit: int = 20) -> int:
    """Ring for every search that is due; gives back how many."""
    due = Erasure.objects.filter(due_at__lte=now).order_by("due_at", "pk").values_list("pk", flat=True)
    ids = list(due[:limit])
    for erasure_id in ids:
        queue.enqueue("erasure.search", erasure_id=erasure_id)
    return len(ids)


def _refusals(customer: Customer) -> list[str]:
    """What is wrong with this customer, whatever goes on with them."""
    if customer.anonymised_at is not None:
        return [ALREADY]
    if customer.merged_into_id is not None:
        return [f"They are customer {customer.merged_into_id} now: forget that one, and both are forgotten."]
    return []


def _merged(customer: Customer) -> list[Customer]:
    """Whoever was merged into them."""
    return list(Customer.objects.filter(merged_into=customer).order_by("pk"))


def _unfinished(customer: Customer) -> list[str]:
    """What has to be over before: it needs the person's address, or would write about them afterwards."""
    own = RedeemedReward.objects.filter(customer=customer)
    said = []
    if number := own.filter(fulfillment_status=FulfillmentStatus.PENDING).count():
        said.append(f"{number} rewards are still being made: wait, or cancel them.")
    if number := own.filter(fulfillment_status=FulfillmentStatus.ISSUED, delivery_status__in=ON_ITS_WAY).count():
        said.append(f"{number} gifts are on their way and need the address: deliver them, or cancel the delivery.")
    if number := Cancellation.objects.filter(
        redeemed_reward__customer=customer, state=CancellationState.CANCELLING
    ).count():
        said.append(f"{number} rewards are just being canceled: wait until that is proved.")
    if number := Payout.objects.filter(redeemed_reward__customer=customer, state__in=OPEN_PAYOUTS).count():
        said.append(f"{number} payouts are not settled: wait for the provider.")
    return said


def _blank(customer: Customer, *, now: datetime) -> dict[str, int]:
    """Everything a key leads to. Gives back how many rows of which table."""
    done = {trace.model: _rows(trace.model, trace.whose, customer.pk).update(**trace.blank) for trace in traces.BLANKED}
    for name, whose in traces.DELETED:
        done[name] = _rows(name, whose, customer.pk).delete()[0]
    user = customer.user
    customer.email = customer.phone = customer.date_of_birth = customer.user = None
    customer.first_name = customer.last_name = customer.language = ""
    customer.state, customer.anonymised_at = CustomerState.DISABLED, now
    customer.save()
    done["customers.Customer"] = 1
    if user is not None and not user.is_staff:
        user.delete()
        done["accounts.User"] = 1
    return {name: rows for name, rows in done.items() if rows}


def _blank_searched(trace: traces.Searched, words: Sequence[str]) -> int:
    """Blank, or delete, the rows of one table that hold one of the words. Gives back how many."""
    model: type[Model] = apps.get_model(trace.model)
    kinds = {column.name: column.kind for column in searching.columns() if column.table == model._meta.db_table}  # noqa: SLF001
    tests = [searching.holds(sql.Identifier(name), kinds[name], words) for name in trace.columns]
    query = sql.SQL("SELECT id FROM {} WHERE {}").format(
        sql.Identifier(model._meta.db_table),  # noqa: SLF001
        sql.SQL(" OR ").join(test for test, _ in tests),
    )
    with connection.cursor() as cursor:
        cursor.execute(query, [value for _, values in tests for value in values])
        ids = [pk for (pk,) in cursor.fetchall()]
    rows = model._default_manager.filter(pk__in=ids)  # noqa: SLF001
    return rows.update(**trace.blank) if trace.blank else rows.delete()[0]


def _rows(name: str, whose: str, customer_id: int) -> QuerySet[Model]:
    rows: QuerySet[Model] = apps.get_model(name)._default_manager.filter(**{whose: customer_id})  # noqa: SLF001
    return rows
