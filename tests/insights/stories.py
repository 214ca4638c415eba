"""Points with a long story: 300 of one order that went every way points can go, and a few others."""

from datetime import timedelta
from decimal import Decimal

from django.db import transaction

from loyalty.common.actors import SYSTEM, staff
from loyalty.common.causes import Cause, CauseType
from loyalty.merchant.models import Programme, ReturnPolicy
from loyalty.points import adjustments, clawback, credit_cancellation, ledger, locking, transfers
from loyalty.points.models import TransactionKind
from loyalty.program.models import Order
from rewards import granting
from tests.factories.catalogue import RewardFactory
from tests.factories.people import CustomerFactory, StaffFactory
from tests.factories.points import NOW

DAY = timedelta(days=1)


def order(customer, number):
    return Order.objects.create(
        external_id=number,
        number=number,
        customer=customer,
        status="completed",
        total=Decimal(100),
        currency="USD",
        placed_at=NOW,
        changed_at=NOW,
        recorded_at=NOW,
    )


def earn(customer, points, *, number, now=NOW, **lot):
    return ledger.credit(
        customer_id=customer.pk,
        points=points,
        kind=TransactionKind.EARNING,
        cause=Cause(CauseType.ORDER, order(customer, number).pk),
        actor=SYSTEM,
        now=now,
        **lot,
    )


def reward_of(customer, name, *, now=NOW):
    """The cause of spending on a reward."""
    granted = granting.grant(customer_id=customer.pk, reward_id=RewardFactory(name=name).pk, actor=SYSTEM, now=now)
    return Cause(CauseType.REDEEMED_REWARD, granted.pk)


def spend(customer, points, *, cause, now=NOW):
    return ledger.debit(
        customer_id=customer.pk, points=points, kind=TransactionKind.REDEMPTION, cause=cause, actor=SYSTEM, now=now
    )


@transaction.atomic
def tell(customer, *, now=NOW):
    """Live through it, in eight days from then."""
    Programme.objects.update_or_create(
        pk=1, defaults={"transfers_allowed": True, "return_policy": ReturnPolicy.GRACE, "grace_days": 30}
    )
    pat, friend = StaffFactory(name="Pat Person"), CustomerFactory(first_name="Jan", last_name="Kowalski")
    mug, tote = reward_of(customer, "A mug", now=now), reward_of(customer, "A tote bag", now=now)
    earned = earn(customer, 300, number="1007", now=now, expires_at=now + 5 * DAY)
    spent = spend(customer, 100, cause=mug, now=now)
    adjustments.adjust(
        customer_id=customer.pk,
        points=-20,
        actor=staff(pat.pk),
        now=now,
        reason="correction",
        internal_note="Counted twice.",
    )
    held = ledger.hold(customer_id=customer.pk, points=30, cause=tote, actor=SYSTEM, now=now)
    transfers.transfer(sender_id=customer.pk, receiver_id=friend.pk, points=40, actor=staff(pat.pk), now=now)
    clawback.claw_back(earning_id=earned.pk, refunded=Decimal(10), total=Decimal(100), actor=SYSTEM, now=now)
    adjustments.adjust(customer_id=customer.pk, points=50, actor=staff(pat.pk), now=now + DAY, reason="goodwill")
    earn(customer, 25, number="1008", now=now + DAY, available_at=now + 20 * DAY)
    wrong = earn(customer, 7, number="1009", now=now + DAY, expires_at=now + 60 * DAY)
    credit_cancellation.cancel(transaction_id=wrong.pk, actor=staff(pat.pk), now=now + DAY)
    locking.lock(customer_id=customer.pk, now=now + 6 * DAY)  # 80 expire
    ledger.reverse(transaction_id=spent.pk, points=60, cause=mug, actor=SYSTEM, now=now + 7 * DAY)
    return {"earned": earned, "friend": friend, "held": held, "customer": customer}
