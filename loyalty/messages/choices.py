"""Which reminders a customer wants. What they need (their code, their parcel) is never left out.

A link in each reminder says who it was sent to and of which kind it is, signed and without an end: people unsubscribe from
mails that are years old. It can stop that kind of mail and nothing else; starting again takes signing in.
"""

from datetime import datetime
from typing import NamedTuple

from django.conf import settings
from django.core import signing
from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext_noop

from loyalty.common import actors
from loyalty.common.actors import Actor
from loyalty.common.errors import DomainError
from loyalty.customers.models import Customer
from loyalty.events import log
from loyalty.merchant.models import REMINDERS, MailKind
from loyalty.messages.models import Unsubscription

SIGNER = signing.Signer(salt="loyalty.messages.unsubscribe")


class UnknownLink(DomainError):
    """No link of ours ends so."""

    code = "unknown_link"

    def __init__(self) -> None:
        super().__init__(
            gettext_noop("This link is not complete. Open it from the e-mail again, or sign in and choose there.")
        )


class NeededMail(DomainError):
    """A mail that is no reminder cannot be refused."""

    code = "needed_mail"


class Addressee(NamedTuple):
    """What an unsubscribe link says."""

    customer_id: int
    kind: MailKind


def link(*, customer_id: int, kind: MailKind) -> str:
    """The address that stops mails of this kind to this customer."""
    token = SIGNER.sign_object([customer_id, kind.value])
    return f"{settings.PUBLIC_URL}{reverse('cockpit:unsubscribe', args=[token])}"


def read(*, token: str) -> Addressee:
    """Whom a link is about. Raises UnknownLink."""
    try:
        customer_id, kind = SIGNER.unsign_object(token)
        addressee = Addressee(int(customer_id), MailKind(kind))
    except (signing.BadSignature, ValueError, TypeError) as error:
        raise UnknownLink from error
    if addressee.kind not in REMINDERS or not Customer.objects.filter(pk=addressee.customer_id).exists():
        raise UnknownLink
    return addressee


def refused(*, customer_id: int) -> set[MailKind]:
    """The kinds of mail this customer does not want."""
    kinds = Unsubscription.objects.filter(customer_id=customer_id).values_list("kind", flat=True)
    return {MailKind(kind) for kind in kinds}


@transaction.atomic
def unsubscribe(*, customer_id: int, kind: MailKind, actor: Actor | None = None, now: datetime) -> bool:
    """Stop mails of this kind, also those that wait. False: they were stopped already. Raises NeededMail."""
    if kind not in REMINDERS:
        raise NeededMail(f"“{kind.label}” is no reminder: customers need it, and it is always sent.")
    _, made = Unsubscription.objects.get_or_create(customer_id=customer_id, kind=kind, defaults={"created_at": now})
    if made:
        _record("mail.unsubscribed", customer_id, kind, actor, now)
    return made


@transaction.atomic
def subscribe(*, customer_id: int, kind: MailKind, actor: Actor | None = None, now: datetime) -> bool:
    """Send mails of this kind again. False: they were never stopped."""
    gone, _ = Unsubscription.objects.filter(customer_id=customer_id, kind=kind).delete()
    if gone:
        _record("mail.subscribed", customer_id, kind, actor, now)
    return bool(gone)


def _record(event: str, customer_id: int, kind: MailKind, actor: Actor | None, now: datetime) -> None:
    log.record(
        kind=event,
        subject_type="customer",
        subject_id=customer_id,
        customer_id=customer_id,
        actor=actor or actors.customer(customer_id),
        now=now,
        mail=kind.value,
    )
