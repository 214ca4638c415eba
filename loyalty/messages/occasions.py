"""Which mails follow from what happened. Acts write events and know of no mail; here events are read, in their order."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db import transaction

from loyalty.common import queue
from loyalty.events import reading
from loyalty.events.models import Event
from loyalty.merchant import queries as merchant
from loyalty.merchant.models import MailKind, Programme
from loyalty.messages import outbox
from loyalty.messages.outbox import Wanted
from rewards.models import Origin, RedeemedReward

READER = "messages"
TOO_OLD = timedelta(days=3)
LATE = "It was read more than three days after it had happened: nobody expects an e-mail about it any more."
NO_OFFICE = "The programme's settings name no address of the back office."
ALERTS = (
    "reward.code_alive_after_cancel",
    "reward.used_after_cancel",
    "reward.used_while_cancelling",
    "reward.used_twice",
    "payout.in_review",
    "payout.contradicted",
    "payout.foreign",
    "webhook_endpoint.paused",
    "payout_account.unreachable",
    "payout_account.answers_again",
    "payout_account.credentials_refused",
)
SHOP_ALERTS = (
    "shop.unreachable",
    "shop.answers_again",
    "shop.credentials_refused",
    "shop.rewards_waiting",
    "shop.rewards_failing",
)
PRIVACY_ALERTS = ("privacy.due_soon",)
TOLD_OF_TROUBLE = frozenset((*ALERTS, *SHOP_ALERTS, *PRIVACY_ALERTS))


@dataclass(frozen=True, slots=True)
class Occasion:
    """An event, and what is needed to know whom it concerns."""

    event: Event
    programme: Programme
    redeemed: RedeemedReward | None

    def to_customer(self, kind: MailKind, *, window: str = "") -> Wanted:
        return self._wanted(kind, recipient=f"customer:{self.event.customer_id}", window=window)

    def to_office(self, kind: MailKind, *, window: str = "") -> list[Wanted]:
        """One to each address; without any, one that says so."""
        addresses = self.programme.office_emails
        if not addresses:
            return [self._wanted(kind, recipient="", window=window, skipped=NO_OFFICE)]
        return [self._wanted(kind, recipient=address, window=window) for address in addresses]

    @property
    def itself(self) -> str:
        """The window of a mail about this very event: another one like it is another reason."""
        return f"event:{self.event.pk}"

    def _wanted(self, kind: MailKind, *, recipient: str, window: str, skipped: str = "") -> Wanted:
        return Wanted(
            kind=kind,
            recipient=recipient,
            customer_id=self.event.customer_id,
            about_type=self.event.subject_type,
            about_id=self.event.subject_id,
            window=window,
            event_id=self.event.pk,
            skipped=skipped,
        )


def issued(occasion: Occasion) -> list[Wanted]:
    redeemed = occasion.redeemed
    if redeemed is None:
        return []
    by_themselves = redeemed.origin == Origin.REDEMPTION and redeemed.reissue_of_id is None
    told = [occasion.to_customer(MailKind.REDEEMED if by_themselves else MailKind.READY)]
    return told + occasion.to_office(MailKind.GIFT_REDEEMED) if redeemed.is_gift else told


def expiring(occasion: Occasion) -> list[Wanted]:
    """Once for each end: one that is extended has another."""
    redeemed = occasion.redeemed
    if redeemed is None or redeemed.expires_at is None:
        return []
    return [occasion.to_customer(MailKind.EXPIRING, window=redeemed.expires_at.isoformat())]


def shipped(occasion: Occasion) -> list[Wanted]:
    """Each parcel: one that came back may be sent again."""
    return [occasion.to_customer(MailKind.SHIPPED, window=occasion.itself)]


def codes_low(occasion: Occasion) -> list[Wanted]:
    return occasion.to_office(MailKind.CODES_LOW, window=occasion.itself)


def alert(occasion: Occasion) -> list[Wanted]:
    return occasion.to_office(MailKind.ALERT, window=occasion.itself)


def adjusted(occasion: Occasion) -> list[Wanted]:
    """Where the programme wants it: most do not, so that no row says for each that it was not sent. No import is told of."""
    if MailKind.POINTS_ADJUSTED in occasion.programme.mails_off or occasion.event.subject_type != "points_adjustment":
        return []
    return [occasion.to_customer(MailKind.POINTS_ADJUSTED)]


TABLE: Mapping[str, Callable[[Occasion], list[Wanted]]] = {
    "reward.issued": issued,
    "reward.expiring": expiring,
    "delivery.shipped": shipped,
    "pool.low": codes_low,
    "points.adjusted": adjusted,
    **dict.fromkeys(TOLD_OF_TROUBLE, alert),
}


@transaction.atomic
def read(*, now: datetime) -> bool:
    """Put what follows from the next events into the outbox. Whether there may be more."""
    events, more = reading.take(reader=READER, kinds=TABLE.keys())
    wanted = wanted_for(events=events, now=now)
    if wanted:
        outbox.put(wanted=wanted, now=now)
        queue.enqueue("messages.send")
    return more


def wanted_for(*, events: Iterable[Event], now: datetime) -> list[Wanted]:
    """The mails that follow from these events."""
    events = list(events)
    programme = merchant.programme()
    redeemed = RedeemedReward.objects.only("type", "origin", "reissue_of", "expires_at").in_bulk(
        [event.subject_id for event in events if event.subject_type == "redeemed_reward"]
    )
    return [
        wanted if event.occurred_at > now - TOO_OLD else _late(wanted)
        for event in events
        for wanted in TABLE[event.kind](Occasion(event, programme, _row(redeemed, event)))
    ]


def _row(redeemed: Mapping[int, RedeemedReward], event: Event) -> RedeemedReward | None:
    return redeemed.get(event.subject_id) if event.subject_type == "redeemed_reward" else None


def _late(wanted: Wanted) -> Wanted:
    return replace(wanted, skipped=wanted.skipped or LATE)
