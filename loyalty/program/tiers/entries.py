"""Give what a tier gives to whoever rose into it: points and rewards, each exactly once. `mass_entries` does it for many."""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from loyalty.common.actors import SYSTEM, Actor
from loyalty.common.causes import Cause, CauseType
from loyalty.common.errors import DomainError
from loyalty.events import log
from loyalty.merchant import queries as merchant
from loyalty.points import earning
from loyalty.program.tiers.models import EntryState, TierEntry
from rewards import granting
from rewards.models import Origin

LONGEST_REFUSAL = 500
SUBJECT = "tier_entry"


class EntryRefused(DomainError):
    """The entry cannot be given again."""

    code = "entry_refused"


def give_again(*, entry_id: int, actor: Actor, now: datetime) -> TierEntry:
    """Try a refused entry once more, at once. What was given of it is not given twice. Raises EntryRefused."""
    with transaction.atomic():
        entry = TierEntry.objects.select_for_update().filter(pk=entry_id).first()
        if entry is None or entry.state != EntryState.REFUSED:
            raise EntryRefused("Only an entry that was refused is given again. Look at its state.")
        entry.state, entry.refusal, entry.settled_at = EntryState.DUE, "", None
        entry.save()
        _note(entry, "tier.entry_tried_again", actor=actor, now=now)
    give(entry_id=entry_id, now=now)
    entry.refresh_from_db()
    return entry


@transaction.atomic
def give(*, entry_id: int, now: datetime) -> bool:
    """Give an entry that is due and in nobody's hands: everything, or what can be given and the reason for the rest. The entry is locked before the account."""
    due = TierEntry.objects.filter(pk=entry_id, state=EntryState.DUE).select_related("tier")
    entry = due.select_for_update(of=("self",), skip_locked=True).first()
    if entry is None:
        return False
    refusals = [*_give_points(entry, now=now), *_give_rewards(entry, now=now)]
    close(entry, refusals=refusals, now=now)
    entry.save(update_fields=["state", "refusal", "settled_at"])
    _note(entry, event_of(entry.state), actor=SYSTEM, now=now)
    return True


def close(entry: TierEntry, *, refusals: Sequence[str], now: datetime) -> None:
    """Note on an entry what came of it. The caller saves it."""
    entry.state = EntryState.REFUSED if refusals else EntryState.GIVEN
    entry.refusal, entry.settled_at = " ".join(refusals)[:LONGEST_REFUSAL], now


def event_of(state: str) -> str:
    """The event that tells of an entry that was given or refused."""
    return f"tier.entry_{state}"


def _give_points(entry: TierEntry, *, now: datetime) -> Sequence[str]:
    if not entry.points:
        return []
    try:
        with transaction.atomic():
            earning.earn(
                customer_id=entry.customer_id,
                points=entry.points,
                cause=Cause(CauseType.VIP_TIER, entry.pk),
                actor=SYSTEM,
                programme=merchant.programme(),
                earned_at=now,
                now=now,
                idempotency_key=key_of_points(entry.pk),
                description=entry.tier.name,
            )
    except DomainError as refusal:
        return [refusal.sentence]
    return []


def _give_rewards(entry: TierEntry, *, now: datetime) -> Sequence[str]:
    refusals = []
    for reward_id in entry.reward_ids:
        try:
            with transaction.atomic():
                granting.grant(
                    customer_id=entry.customer_id,
                    reward_id=reward_id,
                    actor=SYSTEM,
                    now=now,
                    origin=Origin.PROGRAMME,
                    internal_note=note_of(entry),
                    idempotency_key=key_of(entry.pk, reward_id),
                )
        except DomainError as refusal:
            refusals.append(refusal.sentence)
    return refusals


def note_of(entry: TierEntry) -> str:
    """Why the reward was given, for staff."""
    return f"Entered the tier {entry.tier.name}"


def key_of_points(entry_id: int) -> str:
    """The idempotency key of an entry's points."""
    return f"tier-entry:{entry_id}"


def key_of(entry_id: int, reward_id: int) -> str:
    """The idempotency key of one reward of an entry."""
    return f"tier-entry:{entry_id}:{reward_id}"


def _note(entry: TierEntry, kind: str, *, actor: Actor, now: datetime) -> None:
    log.record(
        kind=kind,
        subject_type=SUBJECT,
        subject_id=entry.pk,
        customer_id=entry.customer_id,
        actor=actor,
        now=now,
        tier_id=entry.tier_id,
    )
