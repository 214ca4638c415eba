"""Check the rows of an import: whom each names, and what it would change, as things are now. Changes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Sum
from django.db.models.functions import Lower

from loyalty.common.among import Among
from loyalty.common.errors import DomainError
from loyalty.customers.models import Customer, CustomerIdentity, CustomerState
from loyalty.jobs import work
from loyalty.jobs.models import Job, JobOutcome, JobRow, Step, Verdict
from loyalty.points import import_rows, queries
from loyalty.points.errors import MOST_POINTS, InsufficientPoints
from loyalty.points.import_rows import BadRow, By, Mode, Wanted


class Check:
    """Say of each row what applying it would do, as things are now. Changes nothing."""

    batch_size = 1_000

    def __call__(self, *, job: Job, rows: Sequence[JobRow], now: datetime) -> list[work.Outcome]:
        mode, wanted, refusals = read(job, rows)
        found = customers_named(job, {each.name for each in wanted.values()})
        named = {number: found[each.name][0] for number, each in wanted.items() if len(found.get(each.name, [])) == 1}
        ids = {customer.pk for customer in named.values()}
        balances = queries.balances(customer_ids=ids, now=now)
        figures = Figures(
            balance={pk: each.balance for pk, each in balances.items()},
            total={pk: each.balance + each.pending + each.held for pk, each in balances.items()},
            seen=_seen(job, ids),
        )
        figures.count_earlier(mode)
        return [
            refusals.get(row.number) or self._judge(row.number, wanted[row.number], found, figures, mode=mode)
            for row in rows
        ]

    def _judge(
        self, number: int, wanted: Wanted, found: dict[str, list[Customer]], figures: "Figures", *, mode: Mode
    ) -> work.Outcome:
        try:
            customer = _one(found.get(wanted.name, []), wanted.name)
            return figures.take(number, customer.pk, wanted.points, mode=mode)
        except DomainError as refusal:
            return refused(number, refusal)


def read(job: Job, rows: Sequence[JobRow]) -> tuple[Mode, dict[int, Wanted], dict[int, work.Outcome]]:
    """What the rows ask for, and the refusals of those that cannot be read, by number."""
    mode, by = Mode(job.plan["mode"]), By(job.plan["by"])
    wanted: dict[int, Wanted] = {}
    refusals: dict[int, work.Outcome] = {}
    for row in rows:
        try:
            wanted[row.number] = import_rows.read(row.data, mode=mode, by=by, names=job.plan["names"])
        except BadRow as refusal:
            refusals[row.number] = refused(row.number, refusal)
    return mode, wanted, refusals


def customers_named(job: Job, names: set[str]) -> dict[str, list[Customer]]:
    """Who is meant by each name: one, none, or several."""
    by = By(job.plan["by"])
    found: dict[str, list[Customer]] = {}
    wanted = sorted(names)
    if by is By.SHOP_ID:
        identities = CustomerIdentity.objects.filter(
            Among("external_id", wanted), connection_id=job.plan["connection_id"]
        ).select_related("customer")
        return {identity.external_id: [identity.customer] for identity in identities}
    everybody = Customer.objects.order_by("pk")
    if by is By.EMAIL:
        lowered = everybody.filter(Among(Lower("email"), wanted))
        pairs: list[tuple[str, Customer]] = [((customer.email or "").lower(), customer) for customer in lowered]
    elif by is By.PHONE:
        pairs = [(customer.phone or "", customer) for customer in everybody.filter(Among("phone", wanted))]
    else:
        pairs = [(str(customer.pk), customer) for customer in everybody.filter(Among("pk", map(int, wanted)))]
    for name, customer in pairs:
        found.setdefault(name, []).append(customer)
    return found


def _one(customers: Sequence[Customer], name: str) -> Customer:
    """The one customer who is meant. Raises BadRow."""
    if not customers:
        raise BadRow(f"Customer: nobody is known as “{name[:80]}”.", code="unknown_customer")
    if len(customers) > 1:
        ids = ", ".join(str(customer.pk) for customer in customers[:5])
        raise BadRow(
            f"Customer: {len(customers)} customers have “{name[:80]}” ({ids}). Name this one by customer id.",
            code="ambiguous_customer",
        )
    (customer,) = customers
    if customer.state == CustomerState.DISABLED:
        raise BadRow(
            f"Customer: customer {customer.pk} is excluded, and an import changes no points of theirs.",
            code="customer_disabled",
        )
    return customer


def _seen(job: Job, customer_ids: set[int]) -> dict[int, int]:
    """Customers whom earlier rows change, and by how much."""
    earlier = JobOutcome.objects.filter(Among("subject_id", customer_ids), job=job, step=Step.CHECK).exclude(
        verdict=Verdict.REFUSED
    )
    return dict(earlier.values_list("subject_id").annotate(sum=Sum("amount")).order_by("subject_id"))


@dataclass
class Figures:
    """The points of the customers of a batch, as they would be after the rows before."""

    balance: dict[int, int]  # active
    total: dict[int, int]  # with pending and held ones
    seen: dict[int, int] = field(default_factory=dict)

    def count_earlier(self, mode: Mode) -> None:
        if mode is not Mode.SET:
            for customer_id, change in self.seen.items():
                self._change(customer_id, change)

    def take(self, number: int, customer_id: int, points: int, *, mode: Mode) -> work.Outcome:
        """What a row changes, and the figures after it. Raises a refusal, and then they are as they were."""
        before = self.balance.get(customer_id, 0)
        if mode is Mode.SET and customer_id in self.seen:
            raise BadRow(
                f"Customer: an earlier row sets the points of customer {customer_id} already. Keep one of them.",
                code="named_twice",
            )
        change = {Mode.ADD: points, Mode.REMOVE: -points, Mode.SET: points - before}[mode]
        if before + change < 0:
            raise InsufficientPoints(missing=-(before + change), balance=before)
        if self.total.get(customer_id, 0) + change > MOST_POINTS:
            raise BadRow(
                f"Points: customer {customer_id} would have more than {MOST_POINTS:,}.", code="too_many_points"
            )
        self._change(customer_id, change)
        self.seen[customer_id] = self.seen.get(customer_id, 0) + change
        return work.Outcome(
            number=number,
            verdict=Verdict.OK if change else Verdict.UNCHANGED,
            text=f"{before} active points become {before + change}." if change else f"{before} active points already.",
            subject_id=customer_id,
            amount=change,
        )

    def _change(self, customer_id: int, change: int) -> None:
        self.balance[customer_id] = self.balance.get(customer_id, 0) + change
        self.total[customer_id] = self.total.get(customer_id, 0) + change


def refused(number: int, refusal: DomainError) -> work.Outcome:
    return work.Outcome(number=number, verdict=Verdict.REFUSED, code=refusal.code, text=refusal.sentence)
