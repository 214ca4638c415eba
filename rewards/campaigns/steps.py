"""The work of a campaign, batch by batch: check who could have it, give it, take it back.

A batch is one transaction: who got what, the rows that say so, and how far the job is. Whoever is killed loses one
batch, and the next one does it. Each batch has a turn of its own at the shop, so that a small campaign is not made to
wait for a large one, and a customer who redeems waits for neither.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from loyalty.common.actors import Actor, ActorKind
from loyalty.common.among import Among
from loyalty.common.errors import DomainError
from loyalty.jobs import queries as job_queries
from loyalty.jobs import work
from loyalty.jobs.models import Job, JobOutcome, JobRow, Step, Verdict
from loyalty.jobs.work import Outcome
from loyalty.points import bulk_rows
from rewards import bulk_codes, cancellation, issuing, mass_granting
from rewards.campaigns import audiences
from rewards.mass_granting import Refusal
from rewards.models import Campaign, CampaignReward, FulfillmentStatus, IssueWork, RedeemedReward, UsageStatus

UNTIL_DECIDED = timedelta(seconds=5)  # what the shop is being asked about at this moment is looked at again after
NAMED_TWICE = "An earlier row names this customer already."


class Check:
    """Say of each row whether its customer would get one, as things are now. Changes nothing."""

    batch_size = 1_000

    def __call__(self, *, job: Job, rows: Sequence[JobRow], now: datetime) -> list[Outcome]:
        campaign = _campaign(job)
        found = audiences.named(job, rows)
        meant = [who for who in found.values() if isinstance(who, int)]
        before = _named_before(job, meant)
        refused = mass_granting.judge(
            reward=campaign.reward,
            customer_ids=set(meant),
            now=now,
            beyond_audience=campaign.beyond_audience,
            once=campaign.once,
        )
        planned = job_queries.counted(job, Step.CHECK, Verdict.OK)
        room = mass_granting.room(reward=campaign.reward, now=now, wanted=planned + len(meant))
        outcomes = []
        for row in rows:
            who = found[row.number]
            if isinstance(who, Refusal):
                outcomes.append(_refused(row.number, None, who))
            elif who in before:
                outcomes.append(
                    Outcome(
                        number=row.number,
                        verdict=Verdict.UNCHANGED,
                        code="named_twice",
                        text=NAMED_TWICE,
                        subject_id=who,
                    )
                )
            elif who in refused:
                outcomes.append(_refused(row.number, who, refused[who]))
            elif room.places is not None and planned >= room.places:
                outcomes.append(_refused(row.number, who, room.refusal))
            else:
                planned += 1
                outcomes.append(Outcome(number=row.number, verdict=Verdict.OK, subject_id=who))
            if isinstance(who, int):
                before.add(who)
        return outcomes


class Apply:
    """Give one to each customer who was found fit, judged once more as things are now. The others keep their refusal."""

    batch_size = 250  # as many as the largest shops make in one call

    def __call__(self, *, job: Job, rows: Sequence[JobRow], now: datetime) -> list[Outcome]:
        campaign = _campaign(job)
        checked = job_queries.outcomes(job=job, step=Step.CHECK, numbers=[row.number for row in rows])
        wanted = {
            number: outcome.subject_id
            for number, outcome in sorted(checked.items())
            if outcome.verdict == Verdict.OK and outcome.subject_id is not None
        }
        turn = 1 + job.rows_done // self.batch_size
        given = mass_granting.grant(
            reward_id=campaign.reward_id,
            customer_ids=list(wanted.values()),
            actor=_actor(job),
            now=now,
            turn=turn,
            bulk_reference=bulk_codes.reference(campaign_id=campaign.pk, batch=turn) if campaign.bulk_codes else "",
            internal_note=campaign.internal_note or campaign.name,
            beyond_audience=campaign.beyond_audience,
            once=campaign.once,
        )
        CampaignReward.objects.bulk_create(
            CampaignReward(campaign=campaign, customer_id=customer_id, redeemed_reward=redeemed)
            for customer_id, redeemed in given.granted.items()
        )
        return [
            _refused(number, who, given.refused[who])
            if who in given.refused
            else Outcome(number=number, verdict=Verdict.OK, subject_id=who, result_id=given.granted[who].pk)
            for number, who in wanted.items()
        ]


class Undo:
    """Cancel each reward that was given and not used. What became of it before, or was used, is told row by row."""

    batch_size = 100

    def __call__(self, *, job: Job, rows: Sequence[JobRow], now: datetime) -> list[Outcome]:
        applied = job_queries.outcomes(job=job, step=Step.APPLY, numbers=[row.number for row in rows])
        given = [outcome for _, outcome in sorted(applied.items()) if outcome.verdict == Verdict.OK]
        bulk_rows.lock({outcome.subject_id for outcome in given if outcome.subject_id is not None}, now=now)
        present = _present([outcome.result_id for outcome in given if outcome.result_id is not None])
        held = _locked({row.pk for row in present.values()})
        _require_decided(held, now=now)
        return [_taken_back(outcome, held[present[outcome.result_id or 0].pk], job=job, now=now) for outcome in given]


HANDLERS: dict[Step, work.Handler] = {Step.CHECK: Check(), Step.APPLY: Apply(), Step.UNDO: Undo()}


def work_on(*, job_id: int, now: datetime, patience: float) -> bool:
    """Do what is due for a while; whoever comes next does the rest. Says whether there is more for us to do."""
    claim = work.take(job_id=job_id, now=now)
    if claim is None:
        return False
    return work.work(claim=claim, handlers=HANDLERS, now=now, patience=patience)


def _campaign(job: Job) -> Campaign:
    return Campaign.objects.select_related("reward__connection", "reward__payout_account").get(job=job)


def _named_before(job: Job, customer_ids: Sequence[int]) -> set[int]:
    """Those of them whom an earlier row of the job has named."""
    earlier = JobOutcome.objects.filter(Among("subject_id", customer_ids), job=job, step=Step.CHECK)
    return set(earlier.values_list("subject_id", flat=True))  # type: ignore[arg-type]


def _present(ids: Sequence[int]) -> dict[int, RedeemedReward]:
    """What stands in the place of each by now: itself, or the one it was reissued as, and so on."""
    found = {row.pk: row for row in RedeemedReward.objects.filter(pk__in=ids)}
    stands = dict(found)
    while anew := {row.reissue_of_id: row for row in RedeemedReward.objects.filter(reissue_of__in=found)}:
        stands = {pk: anew.get(row.pk, row) for pk, row in stands.items()}
        found = {row.pk: row for row in anew.values()}
    return stands


def _locked(ids: set[int]) -> dict[int, RedeemedReward]:
    """Locked in the order of their ids, the accounts being so before; what nobody is asked for is then not begun."""
    rows = RedeemedReward.objects.select_for_update(of=("self",)).filter(pk__in=ids).order_by("pk")
    return {row.pk: row for row in rows}


def _require_decided(held: dict[int, RedeemedReward], *, now: datetime) -> None:
    """Wait for the shop's answer about what it is asked at this moment: then it can be taken back. Raises NotYet."""
    works = IssueWork.objects.select_for_update().filter(pk__in=held).order_by("pk")
    for each in works:
        asked = each.claimed_until is not None and each.claimed_until > now
        doubted = each.in_doubt_since is not None and not issuing.absence_counts(each.in_doubt_since, now=now)
        if asked or doubted:
            raise work.NotYet(UNTIL_DECIDED)


def _taken_back(given: JobOutcome, redeemed: RedeemedReward, *, job: Job, now: datetime) -> Outcome:
    verdict, code, text = _cancelled(redeemed, actor=_actor(job), now=now)
    return Outcome(
        number=given.number,
        verdict=verdict,
        code=code,
        text=text,
        subject_id=given.subject_id,
        result_id=redeemed.pk,
    )


def _cancelled(redeemed: RedeemedReward, *, actor: Actor, now: datetime) -> tuple[Verdict, str, str]:
    if redeemed.fulfillment_status == FulfillmentStatus.CANCELLED:
        return Verdict.UNCHANGED, "cancelled_before", "It was canceled before."
    if redeemed.fulfillment_status == FulfillmentStatus.FAILED:
        return Verdict.UNCHANGED, "never_made", "It failed: the customer never had it."
    try:
        cancellation.begin(redeemed_reward_id=redeemed.pk, actor=actor, now=now)
    except DomainError as refusal:
        used = redeemed.usage_status == UsageStatus.USED
        return Verdict.REFUSED, "used" if used else refusal.code, refusal.sentence
    return Verdict.OK, "", ""


def _refused(number: int, customer_id: int | None, refusal: Refusal) -> Outcome:
    return Outcome(
        number=number, verdict=Verdict.REFUSED, code=refusal.code, text=refusal.sentence, subject_id=customer_id
    )


def _actor(job: Job) -> Actor:
    return Actor(ActorKind(job.actor_kind), job.actor_id)
