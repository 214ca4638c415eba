"""What becomes of a referral: judged by the friend's orders as they stand, or by staff."""

from datetime import datetime

from django.db import transaction

from loyalty.common import queue
from loyalty.common.actors import SYSTEM, Actor
from loyalty.common.errors import DomainError
from loyalty.customers.models import CustomerState
from loyalty.program.models import Order, OrderStatus
from loyalty.program.referrals import links, suspicion
from loyalty.program.referrals.claiming import note
from loyalty.program.referrals.models import BlockReason, CancelReason, Referral, ReferralState


class ReferralRefused(DomainError):
    """This cannot be done with the referral as it stands."""

    code = "referral_refused"


@transaction.atomic
def by_orders(*, friend_id: int, now: datetime) -> None:
    """Judge the referral of whoever ordered, as their orders stand now. In any order and repetition of news the same.

    The first completed order completes it, unless something speaks against it. When that order is refunded in full or
    canceled, the referral is canceled for good.
    """
    referral = _locked(friend_id=friend_id)
    if referral is None or referral.state == ReferralState.CANCELLED:
        return
    if referral.state == ReferralState.COMPLETED:
        if _lost(referral.order):
            _cancel(referral, CancelReason.ORDER_REFUNDED, actor=SYSTEM, now=now)
        elif _known_before(referral):
            _block(referral, BlockReason.NOT_FIRST_ORDER, now=now)
        return
    order = _first_order(referral)
    if order is not None and referral.state == ReferralState.PENDING:
        _decide(referral, order, actor=SYSTEM, now=now)


@transaction.atomic
def release(*, referral_id: int, actor: Actor, now: datetime) -> Referral:
    """Staff looked at a blocked referral and believe it: it goes on as if nothing had spoken against it.

    Raises ReferralRefused.
    """
    referral = _locked(referral_id=referral_id)
    if referral is None or referral.state != ReferralState.BLOCKED:
        raise ReferralRefused(f"Referral {referral_id} is not blocked: there is nothing to release.")
    referral.state, referral.block_reason, referral.released_at = ReferralState.PENDING, "", now
    _leave_to_worker(referral, now=now)
    note(referral, "released", now=now, actor=actor)
    order = _first_order(referral)
    if order is not None:
        _decide(referral, order, actor=actor, now=now)
    return referral


@transaction.atomic
def cancel(*, referral_id: int, actor: Actor, now: datetime) -> Referral:
    """End a referral: rewards it gave are undone where they were not used. Again is harmless. Raises ReferralRefused."""
    referral = _locked(referral_id=referral_id)
    if referral is None:
        raise ReferralRefused(f"There is no referral {referral_id}. Check the number.")
    if referral.state != ReferralState.CANCELLED:
        _cancel(referral, CancelReason.BY_STAFF, actor=actor, now=now)
    return referral


@transaction.atomic
def try_again(*, referral_id: int, actor: Actor, now: datetime) -> Referral:
    """Let a worker give, or undo, what could not be before. Raises ReferralRefused."""
    referral = _locked(referral_id=referral_id)
    if referral is None or not referral.trouble:
        raise ReferralRefused(f"Referral {referral_id} waits for nobody: there is nothing to try again.")
    referral.trouble = ""
    _leave_to_worker(referral, now=now)
    note(referral, "tried_again", now=now, actor=actor)
    return referral


def _locked(*, referral_id: int | None = None, friend_id: int | None = None) -> Referral | None:
    wanted = {"pk": referral_id} if referral_id is not None else {"friend_id": friend_id}
    rows = Referral.objects.select_for_update(of=("self",)).select_related("sender", "friend", "order")
    return rows.filter(**wanted).first()


def _first_order(referral: Referral) -> Order | None:
    """The friend's first completed order since they came, of which not everything was given back."""
    orders = Order.objects.filter(
        customer_id=referral.friend_id, status=OrderStatus.COMPLETED, placed_at__gte=referral.created_at
    )
    return next((order for order in orders.order_by("placed_at", "pk") if not _lost(order)), None)


def _lost(order: Order | None) -> bool:
    return order is not None and (
        order.status == OrderStatus.CANCELLED or (order.total > 0 and order.refunded >= order.total)
    )


def _known_before(referral: Referral) -> bool:
    """News of an older order may come late."""
    return referral.released_at is None and suspicion.bought_before(referral.friend, referral.created_at)


def _decide(referral: Referral, order: Order, *, actor: Actor, now: datetime) -> None:
    if referral.sender.state == CustomerState.DISABLED:
        _cancel(referral, CancelReason.SENDER_EXCLUDED, actor=actor, now=now)
        return
    reason = None
    if referral.released_at is None:
        reason = suspicion.at_order(
            sender=referral.sender, friend=referral.friend, since=referral.created_at, rules=links.settings()
        )
    if reason is not None:
        _block(referral, reason, now=now)
        return
    referral.state, referral.order, referral.completed_at = ReferralState.COMPLETED, order, now
    _leave_to_worker(referral, now=now)
    note(referral, "completed", now=now, actor=actor)


def _block(referral: Referral, reason: BlockReason, *, now: datetime) -> None:
    referral.state, referral.block_reason = ReferralState.BLOCKED, reason
    referral.order, referral.completed_at = None, None
    _leave_to_worker(referral, now=now)
    note(referral, "blocked", now=now)


def _cancel(referral: Referral, reason: CancelReason, *, actor: Actor, now: datetime) -> None:
    referral.state, referral.block_reason, referral.cancel_reason = ReferralState.CANCELLED, "", reason
    _leave_to_worker(referral, now=now)
    note(referral, "cancelled", now=now, actor=actor)


def _leave_to_worker(referral: Referral, *, now: datetime) -> None:
    referral.due_at = referral.updated_at = now
    referral.save()
    queue.enqueue("program.settle_referral", referral_id=referral.pk)
