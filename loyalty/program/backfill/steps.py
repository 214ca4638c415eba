"""The steps of a backfill: check what each order would earn, give it, take back what is left of it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from loyalty.common.actors import Actor, ActorKind
from loyalty.common.among import Among
from loyalty.customers.models import Customer, CustomerState
from loyalty.jobs import queries as jobs
from loyalty.jobs import work
from loyalty.jobs.models import Job, JobOutcome, JobRow, Step, Verdict
from loyalty.merchant import queries as merchant
from loyalty.merchant.models import Programme
from loyalty.points import bulk_cancellations, bulk_rows, clawback, earning
from loyalty.program.backfill import acts, grants, paid
from loyalty.program.backfill.grants import REWARD, Places
from loyalty.program.earning import evaluating, facts, mass_awarding, mass_orders, orders, rules, wording
from loyalty.program.earning.awarding import Happening, Outcome
from loyalty.program.earning.evaluating import Verdict as Judgement
from loyalty.program.earning.facts import Occasion, Terms
from loyalty.program.earning.models import AwardState, EarningAward, EarningRule, RuleKind
from loyalty.program.models import Order, OrderStatus

BATCH = 500
NOTE = "Backfill undone"
ENDED = "Its points would have ended by now."
LOST = "The order came to nothing."
EXCLUDED = "The customer is excluded from the programme."
CHANGED = "The rule was changed since the orders were checked. Plan the backfill once more."


@dataclass(frozen=True, slots=True)
class _Asked:
    """A row with its order, as it is now."""

    number: int
    order: Order

    @property
    def customer_id(self) -> int:
        return self.order.customer_id or 0


@dataclass(slots=True)
class Check:
    """Judge each order by the rule alone, with what it would give for those before it. Nothing is written but this."""

    batch_size: int = BATCH

    def __call__(self, *, job: Job, rows: Sequence[JobRow], now: datetime) -> list[work.Outcome]:
        terms, programme = _terms(job), merchant.programme()
        asked = _asked([*_begun_before(job, rows), *rows], lock=False)
        people = _taking_part([each.customer_id for each in asked])
        counts = mass_awarding.Counts.read(rules.capped([terms]), people, zone=programme.zone)
        places = _places(job, terms, people, asked=asked, programme=programme, now=now)
        outcomes = []
        for happening, each in zip(_happenings(asked, terms), asked, strict=True):
            if each.customer_id not in people:
                outcomes.append(_told(each, Verdict.REFUSED, "customer_disabled", EXCLUDED))
                continue
            occasion = Occasion(
                kinds=facts.ORDER_KINDS,
                at=happening.at,
                tier_id=people[each.customer_id],
                order=happening.order,
                paid=happening.paid,
                given=counts.of(happening),
            )
            (judged,) = evaluating.judge(occasion, [terms])
            outcome = _checked(each, judged, places=places, programme=programme, now=now)
            if outcome.verdict == Verdict.OK:
                counts.note(each.customer_id, terms.rule_id, happening.at, points=judged.points)
            outcomes.append(outcome)
        return [outcome for outcome in outcomes if outcome.number >= rows[0].number]


@dataclass(slots=True)
class Apply:
    """Give what was found, as things are now: the orders are locked before the accounts, and judged once more."""

    batch_size: int = BATCH

    def __call__(self, *, job: Job, rows: Sequence[JobRow], now: datetime) -> list[work.Outcome]:
        terms, programme = _terms(job), merchant.programme()
        checked = jobs.outcomes(job=job, step=Step.CHECK, numbers=[row.number for row in rows])
        asked = _asked([row for row in rows if checked[row.number].verdict == Verdict.OK], lock=True)
        if acts.fingerprint(terms) != job.plan["terms"]:
            return [_told(each, Verdict.REFUSED, "rule_changed", CHANGED) for each in asked]
        outcomes, live = {}, []
        bulk_rows.lock({each.customer_id for each in asked}, now=now)
        places = _places(job, terms, {each.customer_id for each in asked}, asked=asked, programme=programme, now=now)
        for each in asked:
            reason = _in_the_way(each, terms, programme=programme, now=now)
            refusal = places.refusal(each.customer_id) if places and not reason else None
            if reason:
                outcomes[each.number] = _told(each, Verdict.UNCHANGED, "not_any_more", reason)
            elif refusal:
                outcomes[each.number] = _told(each, Verdict.REFUSED, refusal.code, refusal.sentence)
            else:
                live.append(each)
                if places:
                    places.take(each.customer_id)
        made = mass_awarding.award_many(
            happenings=_happenings(live, terms),
            terms=[terms],
            programme=programme,
            actor=_actor(job),
            now=now,
        )
        refunded = [each.order for each in live if each.order.refunded > 0]
        mass_orders.take_back(stored=refunded, actor=_actor(job), now=now)
        ids = grants.ids(award.key for each in made for award in each.awards) if places else {}
        outcomes |= {each.number: _applied(each, outcome, ids) for each, outcome in zip(live, made, strict=True)}
        return [outcomes[number] for number in sorted(outcomes)]


@dataclass(slots=True)
class Undo:
    """Take back what is left of what was given. What is spent stays spent, and is told row by row."""

    batch_size: int = BATCH

    def __call__(self, *, job: Job, rows: Sequence[JobRow], now: datetime) -> list[work.Outcome]:
        applied = jobs.outcomes(job=job, step=Step.APPLY, numbers=[row.number for row in rows])
        done = [each for _, each in sorted(applied.items()) if each.result_id and each.subject_id]
        if job.plan.get("grants"):
            return grants.undone(done, actor=_actor(job), now=now)
        return _points_undone(done, actor=_actor(job), now=now)


HANDLERS: dict[Step, work.Handler] = {Step.CHECK: Check(), Step.APPLY: Apply(), Step.UNDO: Undo()}
GRANTING: dict[Step, work.Handler] = {
    Step.CHECK: Check(),
    Step.APPLY: Apply(grants.BATCH),
    Step.UNDO: Undo(grants.BATCH),
}


def work_on(*, job_id: int, now: datetime, patience: float) -> bool:
    """Do what is due on a backfill for a while; whoever comes next does the rest. Says whether there is more for us."""
    claim = work.take(job_id=job_id, now=now)
    if claim is None:
        return False
    plan = Job.objects.values_list("plan", flat=True).get(pk=job_id)
    handlers = GRANTING if plan.get("grants") else HANDLERS
    return work.work(claim=claim, handlers=handlers, now=now, patience=patience)


def _actor(job: Job) -> Actor:
    return Actor(ActorKind(job.actor_kind), job.actor_id)


def _happenings(asked: Sequence[_Asked], terms: Terms) -> list[Happening]:
    """The orders as the rule sees them; a multiplier with the rules per amount that gave for them."""
    stored = [each.order for each in asked]
    found = list(mass_orders.happenings(stored, [terms]))
    if terms.kind != RuleKind.MULTIPLIER:
        return found
    bases = paid.of([order.pk for order in stored])
    return [replace(each, paid=bases.get(each.order_id or 0, ())) for each in found]


def _places(
    job: Job, terms: Terms, customers: Collection[int], *, asked: Sequence[_Asked], programme: Programme, now: datetime
) -> Places | None:
    """Who can have the rule's reward; None where it gives points. While it is checked, with what was found before."""
    if terms.reward_id is None:
        return None
    planned = 0
    if job.step == Step.CHECK and asked:
        good = JobOutcome.objects.filter(job=job, step=Step.CHECK, verdict=Verdict.OK)
        planned = good.filter(number__lt=min(each.number for each in asked)).count()
    return Places.read(terms.reward_id, customers, planned=planned, wanted=len(asked), programme=programme, now=now)


def _begun_before(job: Job, rows: Sequence[JobRow]) -> list[JobRow]:
    """Earlier rows of the customer in the middle of whose orders this batch begins: judged again, as they count.

    The rows go by customer, so there is one such customer at most.
    """
    told = JobOutcome.objects.filter(job=job, step=Step.CHECK, number__lt=rows[0].number)
    last = told.order_by("-number").first()
    if last is None or last.subject_id is None:
        return []
    numbers = told.filter(subject_id=last.subject_id).values("number")
    return list(JobRow.objects.filter(job=job, number__in=numbers).order_by("number"))


def _points_undone(done: Sequence[JobOutcome], *, actor: Actor, now: datetime) -> list[work.Outcome]:
    whose = [(each.subject_id or 0, each) for each in done]
    accounts = bulk_rows.lock({customer_id for customer_id, _ in whose}, now=now)
    outcomes: list[work.Outcome] = []
    for turn in bulk_rows.turns(whose):
        credited = {each.result_id or 0: accounts[each.subject_id or 0] for each in turn}
        taken = bulk_cancellations.cancel_many(credited=credited, actor=actor, now=now, internal_note=NOTE)
        EarningAward.objects.filter(Among("transaction_id", credited), state=AwardState.GIVEN).update(
            state=AwardState.UNDONE, closed_at=now
        )
        outcomes += [_undone(each, taken[each.result_id or 0]) for each in turn]
    return sorted(outcomes, key=lambda outcome: outcome.number)


def _terms(job: Job) -> Terms:
    return acts.terms_of(EarningRule.objects.get(pk=job.plan["rule_id"]))


def _asked(rows: Sequence[JobRow], *, lock: bool) -> list[_Asked]:
    stored = Order.objects.filter(Among("pk", [row.data["order_id"] for row in rows])).order_by("pk")
    found = {order.pk: order for order in (stored.select_for_update(of=("self",)) if lock else stored)}
    return [_Asked(row.number, found[row.data["order_id"]]) for row in rows]


def _taking_part(customer_ids: Sequence[int]) -> dict[int, int | None]:
    """Who is in the programme, with the tier of now: that of then is not asked."""
    people = Customer.objects.filter(Among("pk", customer_ids)).exclude(state=CustomerState.DISABLED)
    return dict(people.values_list("pk", "tier_id"))


def _checked(
    each: _Asked, judged: Judgement, *, places: Places | None, programme: Programme, now: datetime
) -> work.Outcome:
    if judged.why_not is not None:
        return _told(each, Verdict.UNCHANGED, str(judged.why_not), wording.of_verdict(judged))
    reason = _in_the_way(each, judged.terms, programme=programme, now=now)
    if reason:
        return _told(each, Verdict.UNCHANGED, "not_any_more", reason)
    if places is not None:
        refusal = places.refusal(each.customer_id)
        if refusal is not None:
            return _told(each, Verdict.REFUSED, refusal.code, refusal.sentence)
        places.take(each.customer_id)
    points = _net(judged.points, each.order)
    return work.Outcome(
        number=each.number,
        verdict=Verdict.OK,
        code=REWARD if places is not None else "",
        text=wording.of_verdict(judged),
        subject_id=each.customer_id,
        amount=points,
    )


def _in_the_way(each: _Asked, terms: Terms, *, programme: Programme, now: datetime) -> str:
    """Why nothing is given for an order that would have earned; empty when something is."""
    if each.order.status != OrderStatus.COMPLETED or orders.is_lost(each.order):
        return LOST
    if terms.reward_id is not None:
        return ""
    days = programme.pending_days if terms.delay_days is None else terms.delay_days
    lot = earning.new_lot(programme=programme, points=1, earned_at=each.order.placed_at, pending_days=days)
    return ENDED if lot.expires_at is not None and lot.expires_at <= now else ""


def _net(points: int, order: Order) -> int:
    """What is left of the points after what was refunded of the order."""
    total = order.total or Decimal(1)
    return points - clawback.due_of(points=points, gone=0, refunded=order.refunded, total=total)


def _applied(each: _Asked, outcome: Outcome, ids: Mapping[str, int]) -> work.Outcome:
    if not outcome.awards:
        judged = next(iter(outcome.verdicts), None)
        known = judged is None or judged.why_not is None
        code = "given_before" if known or judged is None else str(judged.why_not)
        text = "The rule gave for this order before." if known or judged is None else wording.of_verdict(judged)
        return _told(each, Verdict.UNCHANGED, code, text)
    (made,) = outcome.awards
    if made.state == AwardState.REFUSED:
        return _told(each, Verdict.REFUSED, made.outcome, f"The reward could not be given ({made.outcome}).")
    return work.Outcome(
        number=each.number,
        verdict=Verdict.OK,
        code=REWARD if made.key in ids else "",
        subject_id=each.customer_id,
        amount=_net(made.points, each.order),
        result_id=ids.get(made.key, made.transaction_id),
    )


def _undone(applied: JobOutcome, done: object) -> work.Outcome:
    if not isinstance(done, bulk_cancellations.Cancelled):
        sentence = getattr(done, "sentence", "")
        return work.Outcome(
            number=applied.number,
            verdict=Verdict.REFUSED,
            code="nothing_left",
            text=sentence,
            subject_id=applied.subject_id,
        )
    rest = done.plan.gone + done.plan.held
    return work.Outcome(
        number=applied.number,
        verdict=Verdict.PART if rest else Verdict.OK,
        code="partly_gone" if rest else "",
        text=f"{done.plan.left} of {done.plan.credited} points taken back.",
        subject_id=applied.subject_id,
        amount=-done.plan.left,
        result_id=done.transaction_id,
    )


def _told(each: _Asked, verdict: Verdict, code: str, text: str) -> work.Outcome:
    return work.Outcome(number=each.number, verdict=verdict, code=code, text=text, subject_id=each.customer_id)
