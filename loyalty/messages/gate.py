"""Who gets a mail, asked right before it is sent: nobody who has left, nothing that is no longer true."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from loyalty.common.errors import DomainError
from loyalty.customers import queries as customers
from loyalty.customers.models import CustomerState
from loyalty.merchant.models import CUSTOMER_MAILS, MailKind, Programme
from loyalty.messages import choices, endings
from loyalty.messages.models import Mail
from rewards import queries
from rewards.models import DeliveryStatus, FulfillmentStatus, RedeemedReward
from rewards.states import Status

TRAVELS = (DeliveryStatus.SHIPPED, DeliveryStatus.DELIVERED)


class NotToBeSent(DomainError):
    """Nobody is to get this mail; the sentence says why."""

    code = "not_to_be_sent"


@dataclass(frozen=True, slots=True)
class Recipient:
    """Where a mail goes, and how the person there is spoken to."""

    address: str
    language: str
    first_name: str = ""


def recipient(*, mail: Mail, programme: Programme, now: datetime) -> Recipient:
    """Whom to write to. Raises NotToBeSent."""
    if mail.kind in programme.mails_off:
        raise NotToBeSent("E-mails of this kind are switched off in the programme's settings.")
    check = CHECKS.get(MailKind(mail.kind))
    found = _customer(mail) if mail.kind in CUSTOMER_MAILS else Recipient(mail.recipient, programme.language)
    if mail.kind == MailKind.POINTS_EXPIRING and not endings.left(mail=mail, now=now):
        raise NotToBeSent("The points were spent, or their end was moved, before the e-mail was sent.")
    if check is not None:
        check(mail, RedeemedReward.objects.get(pk=mail.about_id), now)
    return found


def _customer(mail: Mail) -> Recipient:
    if mail.customer is None:
        raise NotToBeSent("There is no such customer.")
    customer = customers.survivor_of(mail.customer)  # what was given to a merged one is theirs
    if customer.anonymised_at is not None:
        raise NotToBeSent("What was known of the customer has been erased.")
    if customer.state == CustomerState.DISABLED:
        raise NotToBeSent("The customer is excluded from the programme.")
    if customer.state != CustomerState.MEMBER:
        raise NotToBeSent("The customer is a guest, not a member of the programme.")
    if not customer.email:
        raise NotToBeSent("No e-mail address of the customer is known.")
    if any(mail.kind in choices.refused(customer_id=pk) for pk in {customer.pk, mail.customer.pk}):
        raise NotToBeSent("Not sent: unsubscribed. The customer wants no e-mails of this kind.")
    return Recipient(customer.email, customer.language, customer.first_name)


def _still_theirs(mail: Mail, redeemed: RedeemedReward, now: datetime) -> None:
    status = queries.status_of(redeemed=redeemed, now=now)
    if status not in (Status.ISSUED, Status.USED):
        raise NotToBeSent(f"The reward was {status.label.lower()} before the e-mail was sent.")


def _still_to_use(mail: Mail, redeemed: RedeemedReward, now: datetime) -> None:
    status = queries.status_of(redeemed=redeemed, now=now)
    if status != Status.ISSUED:
        raise NotToBeSent(f"The reward was {status.label.lower()} before the e-mail was sent.")
    if redeemed.expires_at is None or not mail.window.startswith(redeemed.expires_at.isoformat()):
        raise NotToBeSent("The end of the reward was moved before the e-mail was sent.")


def _still_travels(mail: Mail, redeemed: RedeemedReward, now: datetime) -> None:
    if redeemed.delivery_status not in TRAVELS:
        raise NotToBeSent("The parcel was stopped or came back before the e-mail was sent.")


def _still_to_send(mail: Mail, redeemed: RedeemedReward, now: datetime) -> None:
    if redeemed.fulfillment_status != FulfillmentStatus.ISSUED:
        raise NotToBeSent("The gift was canceled before the e-mail was sent: there is nothing to send.")


CHECKS: Mapping[MailKind, Callable[[Mail, RedeemedReward, datetime], None]] = {
    MailKind.REDEEMED: _still_theirs,
    MailKind.READY: _still_theirs,
    MailKind.EXPIRING: _still_to_use,
    MailKind.SHIPPED: _still_travels,
    MailKind.GIFT_REDEEMED: _still_to_send,
}
