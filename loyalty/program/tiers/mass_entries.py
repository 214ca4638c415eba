"""Give what tiers give to many customers who rose into them, in a few statements: the rows that `entries` would write."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db import transaction

from loyalty.common.actors import SYSTEM
from loyalty.common.among import Among
from loyalty.common.causes import Cause, CauseType
from loyalty.common.errors import DomainError
from loyalty.events import log
from loyalty.merchant import queries as merchant
from loyalty.points import bulk_rows, mass_earning
from loyalty.points.mass_earning import Earned
from loyalty.program.tiers import entries
from loyalty.program.tiers.models import EntryState, TierEntry
from rewards import mass_granting
from rewards.models import Origin, RedeemedReward

BATCH = 200


@transaction.atomic
def give_some(*, now: datetime) -> int:
    """Give the next entries that are due and in nobody's hands, in one transaction; how many.

    Of a customer with several the first comes now. Where something stands in the way of the batch as a whole, they are
    given one by one. The entries are locked before the accounts.
    """
    due = TierEntry.objects.filter(state=EntryState.DUE).order_by("pk").select_related("tier")
    batch: dict[int, TierEntry] = {}
    for entry in due.select_for_update(of=("self",), skip_locked=True)[:BATCH]:
        batch.setdefault(entry.customer_id, entry)
    try:
        with transaction.atomic():
            _give(list(batch.values()), now=now)
    except DomainError:
        for entry in batch.values():
            entries.give(entry_id=entry.pk, now=now)
    return len(batch)


def _give(batch: Sequence[TierEntry], *, now: datetime) -> None:
    """Raises InvalidPoints, and then nothing was given."""
    accounts = bulk_rows.lock({entry.customer_id for entry in batch}, now=now)
    mass_earning.earn_many(
        batch=[_earned(entry, now=now) for entry in batch if entry.points],
        accounts=accounts,
        programme=merchant.programme(),
        actor=SYSTEM,
        now=now,
    )
    refusals = _give_rewards(batch, now=now)
    for entry in batch:
        entries.close(entry, refusals=refusals[entry.pk], now=now)
    TierEntry.objects.bulk_update(batch, ["state", "refusal", "settled_at"])
    for state in (EntryState.GIVEN, EntryState.REFUSED):
        log.record_many(
            kind=entries.event_of(state),
            subject_type=entries.SUBJECT,
            actor=SYSTEM,
            facts=[
                log.Fact(entry.pk, entry.customer_id, now, {"tier_id": entry.tier_id})
                for entry in batch
                if entry.state == state
            ],
        )


def _earned(entry: TierEntry, *, now: datetime) -> Earned:
    return Earned(
        customer_id=entry.customer_id,
        points=entry.points,
        cause=Cause(CauseType.VIP_TIER, entry.pk),
        earned_at=now,
        idempotency_key=entries.key_of_points(entry.pk),
        description=entry.tier.name,
    )


def _give_rewards(batch: Iterable[TierEntry], *, now: datetime) -> dict[int, list[str]]:
    """What could not be given, in sentences, by entry."""
    alike: dict[tuple[int, ...], list[TierEntry]] = defaultdict(list)
    for entry in batch:
        alike[entry.tier_id, *entry.reward_ids].append(entry)
    refusals: dict[int, list[str]] = defaultdict(list)
    for (_, *reward_ids), found in alike.items():
        for reward_id in reward_ids:
            for entry_id, sentence in _grant(reward_id, found, now=now):
                refusals[entry_id].append(sentence)
    return refusals


def _grant(reward_id: int, batch: Sequence[TierEntry], *, now: datetime) -> list[tuple[int, str]]:
    """One reward to entries into one tier, but for those that have it from an earlier try; who is refused, and why."""
    keys = {entry.customer_id: entries.key_of(entry.pk, reward_id) for entry in batch}
    before = RedeemedReward.objects.filter(Among("idempotency_key", keys.values()))
    have = set(before.values_list("idempotency_key", flat=True))
    entry_of = {entry.customer_id: entry for entry in batch if keys[entry.customer_id] not in have}
    if not entry_of:
        return []
    try:
        given = mass_granting.grant(
            reward_id=reward_id,
            customer_ids=list(entry_of),
            actor=SYSTEM,
            now=now,
            turn=0,
            origin=Origin.PROGRAMME,
            internal_note=entries.note_of(batch[0]),
            keys=keys,
        )
    except DomainError as refusal:
        return [(entry.pk, refusal.sentence) for entry in entry_of.values()]
    return [(entry_of[pk].pk, str(refusal.sentence)) for pk, refusal in given.refused.items()]
