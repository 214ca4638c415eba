"""Import customers from a table: check every row, apply, undo. Each is a step of a job.

A row names a customer by the id in a shop, by e-mail, or by both. Nobody known by either is added; whoever is known is left
alone or told what the row says, as the import was begun. Undoing excludes who was added, as far as nothing came of it.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, BinaryIO

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Lower

from loyalty.common.actors import Actor, ActorKind
from loyalty.common.among import Among
from loyalty.common.errors import DomainError
from loyalty.customers import enrollment, import_rows, profile, queries
from loyalty.customers.import_rows import BadRow, Told
from loyalty.customers.models import Customer, CustomerIdentity, CustomerState
from loyalty.events.models import Event
from loyalty.jobs import lifecycle, sheets, work
from loyalty.jobs import queries as jobs
from loyalty.jobs.models import Job, JobRow, Step, Verdict
from platforms.models import StoreConnection

KIND = "customers_import"
TASK = "customers.work_on_import"
MOST_ROWS = 250_000
BATCH = 200
ADDED = "added"
CHANGED = "changed"
CAME_OF_IT = Q(kind__startswith="order.") | Q(kind__startswith="reward.") | Q(kind__startswith="customer.user_linked")


class Known(StrEnum):
    """What becomes of customers whom we have already."""

    KEEP = "keep"
    CHANGE = "change"


class NoShop(DomainError):
    """The table holds ids of a shop that does not exist."""

    code = "no_shop"


def begin(
    *,
    file: BinaryIO,
    file_name: str,
    known: Known,
    actor: Actor,
    now: datetime,
    connection_id: int | None = None,
) -> Job:
    """Keep the rows of a table as a job that checks them. `connection_id`: whose ids are meant; None: ids of one's own.

    Raises UnreadableSheet, BadHeader, NoRows, TooManyRows, NoShop; then nothing is kept.
    """
    shop = "an integrator of your own"
    if connection_id is not None:
        name = StoreConnection.objects.filter(pk=connection_id).values_list("name", flat=True).first()
        if name is None:
            raise NoShop(f"There is no shop {connection_id}.")
        shop = name
    digest = sheets.digest(file)
    sheet = sheets.Sheet(file)
    names = import_rows.columns(sheet.header)
    deed = "changes those who are known" if known is Known.CHANGE else "leaves those who are known as they are"
    return lifecycle.create(
        kind=KIND,
        task=TASK,
        title=f"Imports customers: {file_name.strip()[-120:] or 'a table'}",
        summary=f"Adds customers nobody knows yet and {deed}. Ids are those of {shop}."[:500],
        plan={
            "known": known.value,
            "connection_id": connection_id,
            "columns": [[name, import_rows.COLUMNS[name]] for name in names if name],
        },
        rows=((number, import_rows.data(cells, names)) for number, cells in sheet),
        most_rows=MOST_ROWS,
        digest=digest,
        actor=actor,
        now=now,
    )


class Check:
    """Say of each row what applying it would do, as things are now. Changes nothing."""

    batch_size = 1_000

    def __call__(self, *, job: Job, rows: Sequence[JobRow], now: datetime) -> list[work.Outcome]:
        told, refusals = _read(rows)
        people = _known(job, told.values())
        earlier: dict[str, int] = {}
        outcomes = []
        for number, each in sorted(told.items()):
            try:
                customer = _one(each, people)
                outcomes.append(
                    _judged(number, each, customer, people=people, known=Known(job.plan["known"]), earlier=earlier)
                )
            except DomainError as refusal:
                refusals.append(_refused(number, refusal))
        return sorted([*outcomes, *refusals], key=lambda outcome: outcome.number)


class Apply:
    """Add and change. A row is judged anew: whoever came meanwhile is known now."""

    batch_size = BATCH

    def __call__(self, *, job: Job, rows: Sequence[JobRow], now: datetime) -> list[work.Outcome]:
        told, outcomes = _read(rows)
        people = _known(job, told.values())
        actor = Actor(ActorKind(job.actor_kind), job.actor_id)

        def place(number: int) -> tuple[int, int]:
            """Those who are known first, by their ids, as everybody locks them; then the new ones as they stand."""
            return min((each.pk for each in _candidates(told[number], people)), default=2**63), number

        for number in sorted(told, key=place):
            try:
                with transaction.atomic():
                    outcomes.append(_apply(job, number, told[number], people, actor=actor, now=now))
            except DomainError as refusal:
                outcomes.append(_refused(number, refusal))
        return sorted(outcomes, key=lambda outcome: outcome.number)


class Undo:
    """Exclude who was added, unless they bought, got a reward or signed in since. What was changed stays changed."""

    batch_size = BATCH

    def __call__(self, *, job: Job, rows: Sequence[JobRow], now: datetime) -> list[work.Outcome]:
        applied = jobs.outcomes(job=job, step=Step.APPLY, numbers=[row.number for row in rows])
        actor = Actor(ActorKind(job.actor_kind), job.actor_id)
        outcomes = []
        for number, each in sorted(applied.items(), key=lambda item: item[1].subject_id or 0):
            if each.code == CHANGED:
                outcomes.append(_refused(number, STAYS_CHANGED, subject_id=each.subject_id))
            if each.code != ADDED or each.subject_id is None:
                continue
            try:
                with transaction.atomic():
                    outcomes.append(_exclude(number, each.subject_id, actor=actor, now=now))
            except DomainError as refusal:
                outcomes.append(_refused(number, refusal, subject_id=each.subject_id))
        return sorted(outcomes, key=lambda outcome: outcome.number)


HANDLERS: dict[Step, work.Handler] = {Step.CHECK: Check(), Step.APPLY: Apply(), Step.UNDO: Undo()}
STAYS_CHANGED = BadRow(
    "What was known before is not kept, for it is personal: it stays as the import changed it.", code="stays_changed"
)


def work_on(*, job_id: int, now: datetime, patience: float) -> bool:
    """Do what is due on a job for a while; whoever comes next does the rest. Says whether there is more for us to do."""
    claim = work.take(job_id=job_id, now=now)
    if claim is None:
        return False
    return work.work(claim=claim, handlers=HANDLERS, now=now, patience=patience)


def previous(*, digest: str) -> Iterator[Job]:
    """Jobs that were given the very same file, newest first."""
    yield from jobs.same_input(kind=KIND, digest=digest)


class _People:
    """Who is known by the addresses and ids of a batch; whoever was merged is who they are now."""

    def __init__(self) -> None:
        self.by_email: dict[str, Customer] = {}
        self.by_shop_id: dict[str, Customer] = {}


def _read(rows: Sequence[JobRow]) -> tuple[dict[int, Told], list[work.Outcome]]:
    """What the rows tell, by number, and the refusals of those that cannot be read."""
    told: dict[int, Told] = {}
    refusals = []
    for row in rows:
        try:
            told[row.number] = import_rows.read(row.data)
        except BadRow as refusal:
            refusals.append(_refused(row.number, refusal))
    return told, refusals


def _known(job: Job, told: Any) -> _People:
    people = _People()
    rows = list(told)
    lowered = Customer.objects.filter(Among(Lower("email"), sorted({each.email for each in rows if each.email})))
    for customer in lowered.select_related("merged_into"):
        people.by_email[(customer.email or "").lower()] = queries.survivor_of(customer)
    identities = CustomerIdentity.objects.filter(
        Among("external_id", sorted({each.shop_id for each in rows if each.shop_id})),
        connection_id=job.plan["connection_id"],
    )
    for identity in identities.select_related("customer__merged_into"):
        people.by_shop_id[identity.external_id] = queries.survivor_of(identity.customer)
    return people


def _candidates(told: Told, people: _People) -> list[Customer]:
    found = [people.by_shop_id.get(told.shop_id), people.by_email.get(told.email)]
    return [each for each in found if each is not None]


def _one(told: Told, people: _People) -> Customer | None:
    """Who is meant; None: nobody is known. Raises BadRow."""
    found = {each.pk: each for each in _candidates(told, people)}
    if len(found) > 1:
        ids = " and ".join(str(pk) for pk in sorted(found))
        raise BadRow(
            f"The id and the e-mail address are two customers’ ({ids}). Correct one, or merge them first.",
            code="two_people",
        )
    customer = next(iter(found.values()), None)
    if customer is not None and customer.anonymised_at is not None:
        raise BadRow(f"Customer {customer.pk} was forgotten: nothing is entered about them again.", code="forgotten")
    return customer


def _judged(
    number: int, told: Told, customer: Customer | None, *, people: _People, known: Known, earlier: dict[str, int]
) -> work.Outcome:
    if customer is None:
        for name in (told.email, told.shop_id):
            if name and name in earlier:
                raise BadRow(f"Row {earlier[name]} names the same person. Keep one of them.", code="named_twice")
        earlier |= dict.fromkeys([name for name in (told.email, told.shop_id) if name], number)
        return work.Outcome(number=number, verdict=Verdict.OK, code=ADDED, text="A new customer.")
    changes = _changes(told, customer, people)
    words = [import_rows.COLUMNS[name].lower() for name in changes] + (
        ["id in the shop"] if _new_id(told, people) else []
    )
    if known is Known.KEEP or not words:
        return work.Outcome(
            number=number, verdict=Verdict.UNCHANGED, code="known", text="Known already.", subject_id=customer.pk
        )
    profile.require_transition(before=customer.state, after=str(changes.get("state", customer.state)))
    return work.Outcome(
        number=number, verdict=Verdict.OK, code=CHANGED, text=f"Changes {', '.join(words)}.", subject_id=customer.pk
    )


def _changes(told: Told, customer: Customer, people: _People) -> dict[str, Any]:
    """What the row would change. An address that leads to them already is no news, in whatever case it is written."""
    leads = people.by_email.get(told.email) == customer
    news = {name: value for name, value in told.fields.items() if name != "email" or not leads}
    return {name: value for name, value in news.items() if getattr(customer, name) != value}


def _new_id(told: Told, people: _People) -> bool:
    """Whether the row tells an id that is nobody's yet."""
    return bool(told.shop_id) and told.shop_id not in people.by_shop_id


def _apply(job: Job, number: int, told: Told, people: _People, *, actor: Actor, now: datetime) -> work.Outcome:
    customer = _one(told, people)
    outcome = _judged(number, told, customer, people=people, known=Known(job.plan["known"]), earlier={})
    if outcome.code == "known":
        return outcome
    if customer is None:
        customer = enrollment.enroll(now=now, actor=actor, **told.fields)
    else:
        profile.update(customer_id=customer.pk, now=now, actor=actor, **_changes(told, customer, people))
    if _new_id(told, people):
        enrollment.link_identity(
            customer_id=customer.pk,
            connection_id=job.plan["connection_id"],
            external_id=told.shop_id,
            now=now,
            actor=actor,
        )
    return work.Outcome(number=number, verdict=Verdict.OK, code=outcome.code, text=outcome.text, subject_id=customer.pk)


def _exclude(number: int, customer_id: int, *, actor: Actor, now: datetime) -> work.Outcome:
    """Raises BadRow when something came of them, and what `profile.update` raises."""
    customer = profile.locked(customer_id)
    if customer.state == CustomerState.DISABLED:
        return work.Outcome(number=number, verdict=Verdict.UNCHANGED, code="excluded", subject_id=customer_id)
    if customer.user_id is not None or Event.objects.filter(CAME_OF_IT, customer_id=customer_id).exists():
        raise BadRow("They bought, got a reward or signed in since: they stay.", code="came_of_it")
    profile.update(customer_id=customer_id, state=CustomerState.DISABLED, now=now, actor=actor)
    return work.Outcome(
        number=number, verdict=Verdict.OK, code="excluded", text="Excluded again.", subject_id=customer_id
    )


def _refused(number: int, refusal: DomainError, *, subject_id: int | None = None) -> work.Outcome:
    return work.Outcome(
        number=number, verdict=Verdict.REFUSED, code=refusal.code, text=refusal.sentence, subject_id=subject_id
    )
