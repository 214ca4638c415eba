"""What customers do elsewhere, told by another system: kept at once, evaluated by a worker, once."""

from datetime import datetime, timedelta

from django.db import IntegrityError, transaction

from loyalty.common import queue
from loyalty.common.actors import Actor, ActorKind
from loyalty.common.causes import Cause, CauseType
from loyalty.common.errors import DomainError
from loyalty.customers import queries as customers
from loyalty.customers.models import Customer, CustomerState
from loyalty.events import log
from loyalty.merchant import queries as merchant
from loyalty.program.earning import awarding, evaluating, rules
from loyalty.program.earning.awarding import Happening, Outcome
from loyalty.program.earning.models import Activity, ActivityState, AwardState, RuleKind

NEWSLETTER_TOKEN = "newsletter_consent"  # noqa: S105 (the name of an activity)
TOLD_ONCE = "activity_told_once"
FIRST_WAIT = timedelta(seconds=30)  # until the sweep looks for what a lost message left
LONGEST_WAIT = timedelta(hours=6)


class ActivityToldBefore(DomainError):
    """The same thing was told under another request."""

    code = "duplicate_activity"


class UnknownActor(DomainError):
    """Nobody, or an excluded customer, did it."""

    code = "unknown_customer"


@transaction.atomic
def record(
    *,
    token: str,
    actor: Actor,
    now: datetime,
    customer_id: int | None = None,
    customer_email: str = "",
    distinct_id: str | None = None,
    created_on_origin_at: datetime | None = None,
) -> Activity:
    """Keep an activity of one customer, by id or e-mail address; a worker evaluates it.

    Whether any rule knows the token is not asked: rules come and go. Raises UnknownActor, ActivityToldBefore.
    """
    customer = _customer(customer_id, customer_email)
    made = Activity(
        token=token,
        customer=customer,
        distinct_id=distinct_id or None,
        created_on_origin_at=created_on_origin_at,
        due_at=now,
        actor_kind=actor.kind,
        actor_id=actor.id,
        created_at=now,
    )
    try:
        with transaction.atomic():
            made.save(force_insert=True)
    except IntegrityError as error:
        if TOLD_ONCE not in str(error):
            raise
        raise ActivityToldBefore(
            f"The activity {token} with the distinct_id {distinct_id} was told before. It counts once: "
            "send another distinct_id if it happened again."
        ) from error
    queue.ring("program.evaluate_activity", activity_id=made.pk)
    return made


def _customer(customer_id: int | None, email: str) -> Customer:
    found = (
        Customer.objects.filter(pk=customer_id).first()
        if customer_id is not None
        else customers.by_email(email.strip())
    )
    if found is None:
        raise UnknownActor("There is no such customer. Check the id or the address, or create the customer first.")
    if found.state == CustomerState.DISABLED:
        raise UnknownActor("This customer is excluded from the programme: no activity of theirs is kept.")
    return found


def evaluate(*, activity_id: int, now: datetime) -> None:
    """Judge a waiting activity and give what it earns; one that was evaluated is left alone. Safe beside itself."""
    if not _take_turn(activity_id, now=now):
        return
    with transaction.atomic():
        activity = Activity.objects.select_for_update().get(pk=activity_id)
        if activity.state == ActivityState.DONE:
            return
        outcome = _award(activity, now=now)
        activity.state, activity.outcome = ActivityState.DONE, _outcome(outcome)
        activity.due_at, activity.evaluated_at = None, now
        activity.save(update_fields=["state", "outcome", "due_at", "evaluated_at"])
        log.record(
            kind="activity.evaluated",
            subject_type="activity",
            subject_id=activity.pk,
            customer_id=activity.customer_id,
            actor=Actor(ActorKind(activity.actor_kind), activity.actor_id),
            now=now,
            outcome=activity.outcome,
            points=sum(made.points for made in outcome.awards),
        )


def sweep(*, now: datetime, limit: int = 200) -> int:
    """Evaluate what is due, whose message was lost or whose worker died; gives back how many were found."""
    due = Activity.objects.filter(state=ActivityState.WAITING, due_at__lte=now).order_by("due_at", "pk")
    found = list(due.values_list("pk", flat=True)[:limit])
    for activity_id in found:
        queue.enqueue("program.evaluate_activity", activity_id=activity_id)
    return len(found)


@transaction.atomic
def _take_turn(activity_id: int, *, now: datetime) -> bool:
    """Move its next turn away first, so that one whose evaluation crashes goes behind the others."""
    activity = Activity.objects.select_for_update().filter(pk=activity_id, state=ActivityState.WAITING).first()
    if activity is None:
        return False
    activity.tries += 1
    activity.due_at = now + min(FIRST_WAIT * 2 ** min(activity.tries - 1, 12), LONGEST_WAIT)
    activity.save(update_fields=["tries", "due_at"])
    return True


def _award(activity: Activity, *, now: datetime) -> Outcome:
    consent = activity.token == NEWSLETTER_TOKEN
    happened_at = min(activity.created_on_origin_at or activity.created_at, activity.created_at)
    kinds = frozenset({RuleKind.NEWSLETTER, RuleKind.ACTIVITY} if consent else {RuleKind.ACTIVITY})
    happening = Happening(
        customer_id=activity.customer_id,
        kinds=kinds,
        at=happened_at,
        prefix=f"activity:{activity.pk}",
        cause=Cause(CauseType.ACTIVITY, activity.pk),
        token=activity.token,
        activity_id=activity.pk,
    )
    return awarding.award(
        happening=happening,
        terms=rules.enabled(kinds, token=activity.token),
        programme=merchant.programme(),
        actor=Actor(ActorKind(activity.actor_kind), activity.actor_id),
        now=now,
    )


def _outcome(outcome: Outcome) -> str:
    """A code for what came of it: awarded, reward_refused, no_rule, or why the first rule gave nothing."""
    if outcome.awards:
        refused = all(made.state == AwardState.REFUSED for made in outcome.awards)
        return "reward_refused" if refused else "awarded"
    reasons = [str(verdict.why_not) for verdict in outcome.verdicts if verdict.why_not is not None]
    return reasons[0] if reasons else "no_rule"


OUTCOMES = {
    "awarded": "Earned",
    "reward_refused": "The reward could not be given",
    "no_rule": "No rule that is on knows this activity",
    **{str(why): why.replace("_", " ").capitalize() for why in evaluating.WhyNot},
}
