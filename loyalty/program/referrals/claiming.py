"""A friend follows a link and leaves an e-mail address."""

import hashlib
import hmac
import ipaddress
from datetime import datetime

from django.conf import settings
from django.db import IntegrityError, transaction

from loyalty.common import actors, queue
from loyalty.customers import enrollment
from loyalty.events import log
from loyalty.program.referrals import links, suspicion
from loyalty.program.referrals.models import Referral, ReferralState

IPV6 = 6


def claim(*, code: str, email: str, internet_address: str, now: datetime) -> Referral | None:
    """Note that this friend came by this link. The friend's reward, where there is one, is made and mailed by a worker.

    A friend counts once: whoever came before, by any link, stays what they are. None where the link leads nowhere. The
    caller tells nobody which of these it was. Raises InvalidEmail, UnidentifiedCustomer.
    """
    sender = links.sender_of(code)
    friend = None
    if sender is not None:
        friend = enrollment.find_or_create_by_identity(
            connection_id=None, external_id="", email=email, now=now, actor=actors.SYSTEM
        )
    if sender is None or friend is None:
        return None
    before = Referral.objects.filter(friend=friend).first()
    if before is not None or friend.pk == sender.pk:
        return before
    source = digest(internet_address)
    reason = suspicion.at_claim(sender=sender, friend=friend, source=source, rules=links.settings(), now=now)
    try:
        with transaction.atomic():
            referral = Referral.objects.create(
                sender=sender,
                friend=friend,
                state=ReferralState.BLOCKED if reason else ReferralState.PENDING,
                block_reason=reason or "",
                source=source,
                due_at=None if reason else now,
                created_at=now,
                updated_at=now,
            )
            note(referral, "created", now=now)
            if not reason:
                queue.enqueue("program.settle_referral", referral_id=referral.pk)
    except IntegrityError:  # the same friend, at the same moment
        return Referral.objects.filter(friend=friend).first()
    return referral


def digest(internet_address: str) -> str:
    """The address as we keep it: good for counting, of no use to whoever steals it. Of IPv6 the /64 one home has."""
    try:
        place = ipaddress.ip_address(internet_address)
    except ValueError:
        return ""
    home = ipaddress.ip_network((place, 64), strict=False) if place.version == IPV6 else place
    return hmac.new(settings.SECRET_KEY.encode(), f"referral:{home}".encode(), hashlib.sha256).hexdigest()


def note(referral: Referral, what: str, *, now: datetime, actor: actors.Actor = actors.SYSTEM) -> None:
    """Write the fact down, for those who ask what happened."""
    log.record(
        kind=f"referral.{what}",
        subject_type="referral",
        subject_id=referral.pk,
        customer_id=referral.sender_id,
        actor=actor,
        now=now,
        state=str(referral.state),
        reason=str(referral.block_reason or referral.cancel_reason),
    )
