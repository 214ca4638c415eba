"""Give a reward more time, an expired one too: at once where no shop has to be told, else as soon as the shop shows it.

Claim, call, record: the new end is committed, then the shop is asked with no lock and no transaction open, and the code
is read back. Only what the shop shows counts. An answer that did not come is a state, and the shop is asked again: the
same end twice is harmless there.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from loyalty.common import clock, queue
from loyalty.common.actors import Actor, ActorKind
from loyalty.common.clock import Stopwatch
from loyalty.common.errors import DomainError
from loyalty.events import log
from loyalty.merchant import queries as merchant
from platforms import registry as platforms
from platforms.adapter import Adapter, Outcome, PlatformCode
from platforms.credentials import CredentialsUnreadable
from rewards import evidence, issuing, lifecycle, limits, usage
from rewards.claim import connection_of
from rewards.models import (
    CodeExtension,
    EvidenceKind,
    ExtensionState,
    FulfillmentStatus,
    RedeemedReward,
    RewardCode,
    UsageStatus,
)

MOST_DAYS = 3_650
MOST_ATTEMPTS = 12  # of a shop that cannot be reached; one that may have done it is asked until it says so
LEASE = timedelta(seconds=60)
CALL_TIMEOUT = 8.0
CLOCK_STEP = timedelta(seconds=1)  # what a shop's database may cut off an end
OPEN = (ExtensionState.ASKING, ExtensionState.UNKNOWN)


class ExtensionRefused(DomainError):
    """This reward cannot live longer."""

    code = "extension_refused"


@dataclass(frozen=True, slots=True)
class ExtensionPlan:
    """What extending would do. `refusal` says why it cannot be done; then there are no effects."""

    until: datetime | None
    effects: tuple[str, ...] = ()
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the shop showed: done, refused, or (neither) not known yet. `doubt`: it may have done it."""

    asked: bool = True  # False: it is being left alone, which is no try
    done: bool = False
    refused: bool = False
    doubt: bool = False
    reason: str = ""
    retry_after: float | None = None


def plan(*, redeemed: RedeemedReward, days: int, now: datetime) -> ExtensionPlan:
    """What extending by so many days would do, now. Reads only, and asks nobody."""
    until = _until(days=days, now=now)
    if sentence := refusal(redeemed=redeemed) or _unfit(redeemed, until, days=days):
        return ExtensionPlan(until, refusal=sentence)
    if until == redeemed.expires_at:
        return ExtensionPlan(until, effects=("Nothing changes: it lives until then already.",))
    if _comes_back(redeemed, now=now) and limits.would_pass_liability(redeemed=redeemed, now=now):
        return ExtensionPlan(until, refusal=limits.too_much_outstanding(name=redeemed.name, act="extended"))
    if redeemed.connection is not None and platforms.calls_out(redeemed.connection):
        shop = redeemed.connection.name
        asked = (
            f"{shop} is asked to let its code live as long, and the code is read back. Until then it stays as it is."
        )
        return ExtensionPlan(until, effects=("It lives longer.", asked))
    return ExtensionPlan(until, effects=("It lives longer.",))


def extend(*, redeemed_reward_id: int, days: int, actor: Actor, now: datetime) -> RedeemedReward:
    """Let it live to the end of the day that lies `days` after today. The same end again changes nothing.

    A shop that keeps its last day is asked at once; when it does not answer, the reward stays as it is, a worker asks
    again, and `standing` says so. One that has ended counts as outstanding again, and is refused where the reward's limit
    leaves no room; a shop that was asked while there was room has the last word. Not inside a transaction when a shop has
    to be asked. Raises ExtensionRefused.
    """
    watch = Stopwatch(now)
    extension = _begin(redeemed_reward_id=redeemed_reward_id, days=days, actor=actor, now=now)
    if extension is not None:
        proceed(extension_id=extension.pk, now=watch.now)
        extension.refresh_from_db()
        if extension.state == ExtensionState.REFUSED:
            raise ExtensionRefused(extension.last_reason)
    return RedeemedReward.objects.get(pk=redeemed_reward_id)


def refusal(*, redeemed: RedeemedReward) -> str:
    """Why it cannot be extended, by any number of days; empty when it can."""
    name = f"“{redeemed.name}”"
    if redeemed.fulfillment_status != FulfillmentStatus.ISSUED:
        state = redeemed.get_fulfillment_status_display().lower()
        return f"{name} is {state}: only an issued reward is extended."
    if redeemed.usage_status == UsageStatus.USED:
        return f"{name} was used: there is nothing to extend."
    if redeemed.expires_at is None:
        return f"{name} never expires: there is nothing to extend."
    if redeemed.code is not None and redeemed.code.bulk_reference:
        return f"{name} shares its last day with others of its campaign in the shop: grant another reward instead."
    if not can_shop(redeemed=redeemed) and redeemed.connection is not None:
        return f"{redeemed.connection.name} keeps the last day of its codes: grant another reward instead of {name}."
    return _under_way(redeemed)


def can_shop(*, redeemed: RedeemedReward) -> bool:
    """Whether no shop has to be asked, or the one behind it can let a code live longer."""
    connection = redeemed.connection
    if connection is None or redeemed.code_id is None or not platforms.calls_out(connection):
        return True
    return platforms.adapter_class(connection.platform).capabilities.extends


def standing(*, redeemed_reward_id: int) -> CodeExtension | None:
    """The latest extension that a shop was asked for, whatever became of it."""
    return CodeExtension.objects.filter(redeemed_reward_id=redeemed_reward_id).order_by("-id").first()


def latest(*, redeemed: RedeemedReward) -> CodeExtension | None:
    """As `standing`, from extensions that were loaded with the reward."""
    return max(redeemed.extensions.all(), key=lambda row: row.pk, default=None)


def sweep(*, now: datetime, limit: int = 200) -> int:
    """Ring for every extension that is due; gives back how many."""
    due = CodeExtension.objects.filter(state__in=OPEN, due_at__lte=now).order_by("due_at", "pk")
    ids = list(due.values_list("pk", flat=True)[:limit])
    for extension_id in ids:
        queue.enqueue("rewards.extend", extension_id=extension_id)
    return len(ids)


def proceed(*, extension_id: int, now: datetime) -> None:
    """Ask the shop, read the code back, and write down what it shows; or why not, and when to ask again."""
    watch = Stopwatch(now)
    claim = _take(extension_id, now=now)
    if claim is None:
        return
    row = CodeExtension.objects.get(pk=extension_id)
    redeemed = RedeemedReward.objects.select_related("code").get(pk=row.redeemed_reward_id)
    try:
        adapter = platforms.adapter_for(connection_of(redeemed), timeout=CALL_TIMEOUT)
    except CredentialsUnreadable as unreadable:
        answer = _Answer(reason=unreadable.sentence)
    else:
        answer = _ask(adapter, redeemed.code, row, watch) if redeemed.code is not None else _Answer(done=True)
    _record(row, claim, answer, now=watch.now)


@transaction.atomic
def _begin(*, redeemed_reward_id: int, days: int, actor: Actor, now: datetime) -> CodeExtension | None:
    """Extend what no shop knows; else commit what the shop is to be asked, and give that back."""
    redeemed = issuing.locked(redeemed_reward_id=redeemed_reward_id, now=now)
    limits.keep_liability(reward_id=redeemed.reward_id)
    under_way = CodeExtension.objects.filter(redeemed_reward=redeemed, state__in=OPEN).first()
    if under_way is not None and under_way.until == _until(days=days, now=now):
        return under_way
    planned = plan(redeemed=redeemed, days=days, now=now)
    before, until = redeemed.expires_at, planned.until
    if planned.refusal or until is None or before is None:
        raise ExtensionRefused(planned.refusal)
    if before == until:
        return None
    if redeemed.code_id is None or not platforms.calls_out(redeemed.connection):
        _give_time(redeemed, until, actor=actor, now=now)
        return None
    _tell("reward.extending", redeemed, actor=actor, now=now, until=until.isoformat())
    return CodeExtension.objects.create(
        redeemed_reward=redeemed,
        before=before,
        until=until,
        actor_kind=actor.kind,
        actor_id=actor.id,
        created_at=now,
        due_at=now,
    )


def _until(*, days: int, now: datetime) -> datetime | None:
    return clock.end_of_day(now, days, merchant.programme().zone) if 1 <= days <= MOST_DAYS else None


def _unfit(redeemed: RedeemedReward, until: datetime | None, *, days: int) -> str:
    if until is None:
        return f"{days} days are not possible: choose from 1 to {MOST_DAYS}."
    if redeemed.expires_at is not None and until < redeemed.expires_at:
        return f"“{redeemed.name}” lives longer than that already: it is extended, never cut short."
    return ""


def _comes_back(redeemed: RedeemedReward, *, now: datetime) -> bool:
    """Whether it has ended, so that it counts as outstanding only from its extension on."""
    return redeemed.expires_at is not None and redeemed.expires_at <= now


def _under_way(redeemed: RedeemedReward) -> str:
    if usage.open_cancellation(redeemed_reward_id=redeemed.pk) is not None:
        return f"“{redeemed.name}” is being canceled: it is not extended."
    if CodeExtension.objects.filter(redeemed_reward=redeemed, state__in=OPEN).exists():
        return f"“{redeemed.name}” is being extended already: its shop is asked again by itself."
    return ""


def _take(extension_id: int, *, now: datetime) -> uuid.UUID | None:
    """Claim the call. A holder whose claim ran out may have called before it died."""
    with transaction.atomic():
        row = (
            CodeExtension.objects.select_for_update(skip_locked=True)
            .filter(Q(claim__isnull=True) | Q(claimed_until__lte=now))
            .filter(pk=extension_id, state__in=OPEN, due_at__lte=now)
            .first()
        )
        if row is None:
            return None
        if row.claim is not None and row.state == ExtensionState.ASKING:
            lifecycle.move_extension(row, ExtensionState.UNKNOWN)
        row.claim, row.claimed_until = uuid.uuid4(), now + LEASE
        row.due_at = row.claimed_until
        row.attempts += 1
        row.save()
        return row.claim


def _ask(adapter: Adapter, code: RewardCode, row: CodeExtension, watch: Stopwatch) -> _Answer:
    """Ask, and look: with no lock and no transaction open."""
    said = adapter.extend_code(code.canonical, code.remote_id, row.until)
    evidence.keep(code=code, cancellation_id=None, kind=EvidenceKind.EXTENDED, answer=said, now=watch.now)
    in_doubt = row.state == ExtensionState.UNKNOWN
    if said.outcome in (Outcome.NOT_SENT, Outcome.THROTTLED):
        return _Answer(asked=not said.held_back, doubt=in_doubt, reason=said.reason, retry_after=said.retry_after)
    if said.outcome is Outcome.REJECTED and not in_doubt:
        return _Answer(refused=True, reason=said.reason or "The shop refused to let the code live longer.")
    back = adapter.find_code(code.canonical)
    evidence.keep(code=code, cancellation_id=None, kind=EvidenceKind.READ_BACK, answer=back, now=watch.now)
    if not back.ok:
        return _Answer(doubt=True, reason=back.reason or said.reason, retry_after=back.retry_after)
    wrong = _lacks(back.value, until=row.until)
    if not wrong:
        return _Answer(done=True)
    if said.outcome is Outcome.UNKNOWN:  # it may still be under way inside the shop
        return _Answer(doubt=True, reason=said.reason or wrong)
    return _Answer(refused=True, reason=said.reason or wrong)


def _lacks(found: PlatformCode | None, *, until: datetime) -> str:
    """Why the code as the shop shows it does not live so long; empty when it does."""
    if found is None:
        return "The shop no longer has the code: grant another reward instead."
    if found.expires_at is not None and found.expires_at < until - CLOCK_STEP:
        return "The shop kept another last day than it was asked for. Look the code up there."
    if not found.alive:
        return "The shop shows that the code was used or switched off: more time does not make it work."
    return ""


@transaction.atomic
def _record(seen: CodeExtension, claim: uuid.UUID, answer: _Answer, *, now: datetime) -> None:
    """Write down what the shop showed, if our claim still stands."""
    redeemed = issuing.locked(redeemed_reward_id=seen.redeemed_reward_id, now=now)
    row = CodeExtension.objects.select_for_update().get(pk=seen.pk)
    if row.state not in OPEN or row.claim != claim:
        return
    actor = Actor(ActorKind(row.actor_kind), row.actor_id)
    overtaken = _overtaken(redeemed)
    row.last_reason = (overtaken or answer.reason)[:500]
    row.claim = row.claimed_until = None
    row.attempts -= not answer.asked
    gave_up = row.attempts >= MOST_ATTEMPTS and not answer.doubt
    if overtaken or answer.refused or (gave_up and not answer.done):
        _close(row, ExtensionState.REFUSED, now=now)
        _tell("reward.extension_refused", redeemed, actor=actor, now=now)
    elif answer.done:
        _close(row, ExtensionState.EXTENDED, now=now)
        _give_time(redeemed, row.until, actor=actor, now=now)
    else:
        if answer.doubt and row.state == ExtensionState.ASKING:
            lifecycle.move_extension(row, ExtensionState.UNKNOWN)
        pause = timedelta(seconds=answer.retry_after) if answer.retry_after else issuing.backoff(row.attempts)
        row.due_at = now + pause
    row.save()


def _close(row: CodeExtension, state: ExtensionState, *, now: datetime) -> None:
    lifecycle.move_extension(row, state)
    row.closed_at, row.due_at = now, None


def _overtaken(redeemed: RedeemedReward) -> str:
    """What happened meanwhile that makes more time pointless."""
    if redeemed.fulfillment_status != FulfillmentStatus.ISSUED:
        return f"It was {redeemed.get_fulfillment_status_display().lower()} meanwhile."
    if redeemed.usage_status == UsageStatus.USED:
        return "It was used meanwhile."
    if usage.open_cancellation(redeemed_reward_id=redeemed.pk) is not None:
        return "It is being canceled."
    return ""


def _give_time(redeemed: RedeemedReward, until: datetime, *, actor: Actor, now: datetime) -> None:
    """The caller has locked it."""
    before = redeemed.expires_at
    lifecycle.move(redeemed, now=now, expires_at=until)
    told = before.isoformat() if before is not None else None
    _tell("reward.extended", redeemed, actor=actor, now=now, before=told, until=until.isoformat())


def _tell(kind: str, redeemed: RedeemedReward, *, actor: Actor, now: datetime, **data: str | None) -> None:
    log.record(
        kind=kind,
        subject_type="redeemed_reward",
        subject_id=redeemed.pk,
        customer_id=redeemed.customer_id,
        actor=actor,
        now=now,
        **data,
    )
