"""Bad input to every act of the ledger: a sentence and a code, and nothing changed."""

from decimal import Decimal

import pytest

from loyalty.common.actors import SYSTEM, api_key, staff
from loyalty.common.causes import Cause, CauseType
from loyalty.common.errors import DomainError
from loyalty.customers.models import CustomerState
from loyalty.events.models import Event
from loyalty.merchant.models import Programme
from loyalty.points import adjustments, bulk, clawback, earning, holds, ledger, queries, shortfalls, transfers
from loyalty.points.allocation import Charge
from loyalty.points.clawback import InvalidRefund
from loyalty.points.errors import InvalidPoints, UnknownCustomer
from loyalty.points.ledger import NewLot
from loyalty.points.models import PointsLot, PointsTransaction, TransactionKind
from tests.factories.people import CustomerFactory
from tests.factories.points import NOW, give

pytestmark = pytest.mark.django_db

NOBODY = 10**9
CAUSE = Cause(CauseType.API, 1)
STAFF, TILL = staff(1), api_key(1)

BAD_NUMBERS = [
    0,
    -1,
    2**31,
    -(2**31),
    10**30,
    1.5,
    float("nan"),
    float("inf"),
    True,
    False,
    "7",
    "",
    "1,000",
    Decimal(7),
]


@pytest.fixture
def stage(customer):
    """A customer with points, a hold and a debit, and somebody to send points to."""
    Programme.objects.update_or_create(pk=1, defaults={"transfers_allowed": True})
    give(customer, 1000)
    debit = adjustments.adjust(customer_id=customer.pk, points=-100, actor=STAFF, now=NOW).transaction
    held = holds.create(customer_id=customer.pk, points=50, actor=TILL, now=NOW)
    return {"customer": customer.pk, "other": CustomerFactory().pk, "debit": debit.pk, "hold": held.pk}


def facts(customer_id):
    return {"customer_id": customer_id, "cause": CAUSE, "actor": SYSTEM, "now": NOW}


ACTS = {
    "credit": lambda stage, points: ledger.credit(
        points=points, kind=TransactionKind.EARNING, **facts(stage["customer"])
    ),
    "credit lots": lambda stage, points: ledger.credit_lots(
        lots=[NewLot(points=5), NewLot(points=points)], kind=TransactionKind.EARNING, **facts(stage["customer"])
    ),
    "debit": lambda stage, points: ledger.debit(
        points=points, kind=TransactionKind.REDEMPTION, **facts(stage["customer"])
    ),
    "debit lots": lambda stage, points: ledger.debit_lots(
        charges=[Charge(PointsLot.objects.get().pk, points)], kind=TransactionKind.CLAWBACK, **facts(stage["customer"])
    ),
    "hold": lambda stage, points: ledger.hold(points=points, **facts(stage["customer"])),
    "hold at a till": lambda stage, points: holds.create(
        customer_id=stage["customer"], points=points, actor=TILL, now=NOW
    ),
    "capture a part": lambda stage, points: ledger.capture(
        hold_id=stage["hold"], kind=TransactionKind.REDEMPTION, actor=TILL, now=NOW, points=points
    ),
    "capture a part at a till": lambda stage, points: holds.capture(
        hold_id=stage["hold"], actor=TILL, now=NOW, points=points
    ),
    "reverse a part": lambda stage, points: ledger.reverse(
        transaction_id=stage["debit"], cause=CAUSE, actor=STAFF, now=NOW, points=points
    ),
    "earn": lambda stage, points: earning.earn(
        points=points, programme=Programme.objects.get(), earned_at=NOW, idempotency_key="bad", **facts(stage["customer"])
    ),
    "transfer": lambda stage, points: transfers.transfer(
        sender_id=stage["customer"], receiver_id=stage["other"], points=points, actor=STAFF, now=NOW
    ),
    "credit many": lambda stage, points: bulk.credit_many(
        batch=[
            bulk.Credit(
                customer_id=stage["customer"], points=points, kind=TransactionKind.EARNING, cause=CAUSE, actor=SYSTEM,
                idempotency_key="bad",
            )
        ],
        now=NOW,
    ),
}  # fmt: skip


def everything():
    """Enough of the rows to see any change."""
    return (
        list(PointsTransaction.objects.order_by("id").values_list("id", "points_change")),
        list(PointsLot.objects.order_by("id").values_list("id", "remaining", "expires_at")),
        Event.objects.count(),
    )


def refused(act):
    with pytest.raises(DomainError) as refusal:
        act()
    assert refusal.value.sentence.endswith(".")
    assert " " in refusal.value.sentence
    return refusal.value


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("points", BAD_NUMBERS, ids=repr)
def test_a_number_of_points_that_is_none_is_refused_and_changes_nothing(stage, act, points):
    before, figures = everything(), queries.balance(customer_id=stage["customer"], now=NOW)

    refusal = refused(lambda: ACTS[act](stage, points))

    assert isinstance(refusal, InvalidPoints)
    assert refusal.code == "invalid_points"
    assert everything() == before
    assert queries.balance(customer_id=stage["customer"], now=NOW) == figures


@pytest.mark.parametrize("points", [number for number in BAD_NUMBERS if number != -1], ids=repr)
def test_an_adjustment_takes_whole_numbers_of_either_sign_and_nothing_else(stage, points):
    before = everything()

    refusal = refused(lambda: adjustments.adjust(customer_id=stage["customer"], points=points, actor=STAFF, now=NOW))

    assert refusal.code == "invalid_points"
    assert repr(points) in refusal.sentence
    assert everything() == before


def test_more_points_than_a_figure_holds_are_refused(stage):
    before = everything()

    refusal = refused(lambda: ACTS["credit"](stage, 2**31 - 1))

    assert refusal.code == "invalid_points"
    assert everything() == before


@pytest.mark.parametrize("nobody", [NOBODY, 0, -1, 2**63])
@pytest.mark.parametrize("act", sorted(set(ACTS) - {"capture a part", "capture a part at a till", "reverse a part"}))
def test_an_unknown_customer_is_refused_by_name(stage, act, nobody):
    before = everything()

    refusal = refused(lambda: ACTS[act](stage | {"customer": nobody}, 5))

    assert isinstance(refusal, UnknownCustomer)
    assert f"There is no customer {nobody}." in refusal.sentence
    assert everything() == before


@pytest.mark.parametrize(
    "act",
    [
        lambda nobody: adjustments.adjust(customer_id=nobody, points=5, actor=STAFF, now=NOW),
        lambda nobody: adjustments.adjust(customer_id=nobody, points=-5, actor=STAFF, now=NOW),
        lambda nobody: shortfalls.collect(customer_id=nobody, actor=STAFF, now=NOW),
    ],
)
def test_an_unknown_customer_is_adjusted_and_asked_for_nothing(act):
    assert isinstance(refused(lambda: act(NOBODY)), UnknownCustomer)


@pytest.mark.parametrize("act", ["hold at a till", "transfer"])
def test_an_excluded_customer_spends_nothing(stage, customer, act):
    customer.state = CustomerState.DISABLED
    customer.save()
    before = everything()

    assert refused(lambda: ACTS[act](stage, 5)).code == "customer_disabled"

    assert everything() == before


@pytest.mark.parametrize(
    ("refunded", "total"),
    [
        (Decimal(0), Decimal(10)),
        (Decimal(-1), Decimal(10)),
        (Decimal(11), Decimal(10)),
        (Decimal(0), Decimal(0)),
        (Decimal("NaN"), Decimal(10)),
        (Decimal(1), Decimal("NaN")),
        (Decimal("Infinity"), Decimal("Infinity")),
        (Decimal(1), Decimal("Infinity")),
        (Decimal(1), Decimal(10**12)),
        (1.5, Decimal(10)),
        ("1", "10"),
        (True, Decimal(10)),
    ],
    ids=repr,
)
def test_a_refund_that_is_no_share_of_an_order_is_refused_and_takes_nothing(stage, refunded, total):
    entry = PointsTransaction.objects.get(kind=TransactionKind.EARNING)
    before = everything()

    refusal = refused(
        lambda: clawback.claw_back(earning_id=entry.pk, refunded=refunded, total=total, actor=STAFF, now=NOW)
    )

    assert isinstance(refusal, InvalidRefund)
    assert everything() == before


@pytest.mark.parametrize(
    "act",
    [
        lambda: ledger.capture(hold_id=NOBODY, kind=TransactionKind.REDEMPTION, actor=TILL, now=NOW),
        lambda: ledger.capture(hold_id=2**80, kind=TransactionKind.REDEMPTION, actor=TILL, now=NOW),
        lambda: ledger.release(hold_id=NOBODY, now=NOW),
        lambda: ledger.plan_reversal(transaction_id=NOBODY, now=NOW),
        lambda: ledger.reverse(transaction_id=NOBODY, cause=CAUSE, actor=STAFF, now=NOW),
    ],
)
def test_an_id_that_names_nothing_is_refused_with_a_sentence(stage, act):
    before = everything()

    assert "Check the id." in refused(act).sentence

    assert everything() == before


def test_what_came_back_already_is_refused_in_words_that_say_so(stage):
    ledger.reverse(transaction_id=stage["debit"], cause=CAUSE, actor=STAFF, now=NOW)

    refusal = refused(lambda: ledger.plan_reversal(transaction_id=stage["debit"], now=NOW))

    assert refusal.sentence == f"All points of transaction {stage['debit']} were returned already."
