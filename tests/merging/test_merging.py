"""Merging customers: nothing of the ledger is rewritten, whoever comes later finds the survivor, and it can be undone."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from loyalty.common import actors
from loyalty.common.plans import PlanOutdated
from loyalty.customers import enrollment, erasure, profile, queries
from loyalty.customers.models import Customer, CustomerIdentity, ShippingAddress
from loyalty.events.models import Event
from loyalty.merging import forwarding, joining, parting, planning
from loyalty.merging.models import CustomerMerge
from loyalty.points import adjustments, audit, clawback, holds, transfers
from loyalty.points import queries as points
from loyalty.points.models import PointsLot, PointsTransaction
from loyalty.program.models import Order, Referral, ReferralLink, ReferralSettings
from loyalty.program.referrals import links
from loyalty.program.tiers import measuring, windows
from rewards import cancellation, limits, redemption
from rewards import queries as rewards
from tests.factories.catalogue import CustomFactory, PointsProductFactory
from tests.factories.people import CustomerFactory, ShippingAddressFactory, UserFactory
from tests.factories.points import NOW, give

pytestmark = pytest.mark.django_db

STAFF = actors.staff(1)
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _ledger_stays_proved(db: None) -> Iterator[None]:
    yield
    assert list(audit.differences()) == []


@pytest.fixture
def old(db):
    """The one who goes."""
    return CustomerFactory(email="old@example.com", phone="+48501", user=UserFactory(email="old@example.com"))


@pytest.fixture
def new(db):
    """The one who stays, of whom little is known."""
    return CustomerFactory(email=None)


def merge(source, survivor, *, now=NOW, **more):
    return joining.merge(source_id=source.pk, survivor_id=survivor.pk, actor=STAFF, now=now, **more)


def undo(made, *, now=NOW, **more):
    return parting.undo(merge_id=made.pk, actor=STAFF, now=now, **more)


def figures(customer, *, now=NOW):
    found = points.balance(customer_id=customer.pk, now=now)
    return found.balance, found.pending


def lots(customer):
    own = PointsLot.objects.filter(customer=customer, open=True).order_by("expires_at", "id")
    return list(own.values_list("remaining", "available_at", "expires_at"))


def order(customer, number="1", **more):
    return Order.objects.create(
        customer=customer, external_id=number, number=number, status="completed", total=Decimal(50), currency="USD",
        placed_at=NOW, changed_at=NOW, recorded_at=NOW, **more,
    )  # fmt: skip


def redeem(customer, price=100, **terms):
    product = PointsProductFactory(reward=CustomFactory(**terms), points_price=price)
    return redemption.redeem(customer_id=customer.pk, points_product_id=product.pk, actor=STAFF, now=NOW)


def test_all_points_go_over_with_their_days_and_no_row_of_the_ledger_is_rewritten(old, new):
    give(old, 500, expires_at=NOW + 30 * DAY)
    give(old, 200, available_at=NOW + 5 * DAY, expires_at=NOW + 90 * DAY)
    give(new, 10, expires_at=NOW + DAY)
    before = list(PointsTransaction.objects.order_by("pk").values_list("pk", "customer_id", "points_change"))

    merge(old, new)

    assert (figures(old), figures(new)) == ((0, 0), (510, 200))
    assert [(left, end) for left, _, end in lots(new)] == [
        (10, NOW + DAY),
        (500, NOW + 30 * DAY),
        (200, NOW + 90 * DAY),
    ]
    assert lots(new)[2][1] == NOW + 5 * DAY
    rows = list(PointsTransaction.objects.order_by("pk").values_list("pk", "customer_id", "points_change"))
    assert rows[:3] == before
    assert [row[1:] for row in rows[3:]] == [(old.pk, -700), (new.pk, 700)]


def test_whoever_comes_with_an_address_an_id_or_a_sign_in_of_the_old_one_is_the_survivor(old, new):
    ShippingAddressFactory(customer=old)
    enrollment.link_identity(customer_id=old.pk, connection_id=None, external_id="crm-7", now=NOW, actor=STAFF)
    bought = order(old)

    merge(old, new)

    old.refresh_from_db()
    new.refresh_from_db()
    assert (old.merged_into, old.state, old.email, old.user) == (new, "disabled", None, None)
    assert (new.email, new.phone, new.user.email) == ("old@example.com", "+48501", "old@example.com")
    assert ShippingAddress.objects.get().customer == new
    assert CustomerIdentity.objects.get().customer == new
    assert Order.objects.get(pk=bought.pk).customer == new
    again = enrollment.find_or_create_by_identity(connection_id=None, external_id="crm-7", now=NOW, actor=STAFF)
    assert again == new == queries.by_email("OLD@example.com")


def test_an_address_that_the_survivor_does_not_need_stays_and_still_leads_to_them(old):
    kept = CustomerFactory(email="kept@example.com", user=UserFactory())
    user = old.user

    merge(old, kept)

    kept.refresh_from_db()
    assert kept.email == "kept@example.com"
    assert queries.by_email("old@example.com") == kept == queries.for_user(user)
    with pytest.raises(profile.Merged, match=f"merged into customer {kept.pk}"):
        profile.update(customer_id=old.pk, first_name="X", now=NOW, actor=STAFF)


def test_rewards_stay_in_the_old_books_and_are_the_survivors_to_see_and_to_count(old, new):
    give(old, 300)
    mine = redeem(old, limit_per_customer=1)

    merge(old, new)

    mine.refresh_from_db()
    assert mine.customer == old
    assert list(rewards.for_customer_page(customer_id=new.pk, now=NOW)) == [mine]
    assert limits.taken_by_customer(reward_id=mine.reward_id, customer_id=new.pk) == 1


def test_points_that_a_later_cancellation_gives_back_go_on_to_the_survivor(old, new):
    give(old, 300, expires_at=NOW + 30 * DAY)
    mine = redeem(old)
    made = merge(old, new)

    cancellation.cancel(redeemed_reward_id=mine.pk, actor=STAFF, now=NOW)
    assert (figures(old), forwarding.sweep(now=NOW), forwarding.sweep(now=NOW)) == ((100, 0), 1, 0)

    assert (figures(old), figures(new)) == ((0, 0), (300, 0))
    assert {end for _, _, end in lots(new)} == {NOW + 30 * DAY}
    undo(made)
    assert (figures(old), figures(new)) == ((300, 0), (0, 0))


def test_a_later_refund_of_an_old_order_is_paid_from_the_survivors_points(old, new):
    earned = give(old, 100)
    give(new, 70)
    merge(old, new)

    clawback.claw_back(earning_id=earned.pk, refunded=Decimal(30), total=Decimal(100), actor=STAFF, now=NOW)
    assert points.balance(customer_id=old.pk, now=NOW).owed == 30
    forwarding.sweep(now=NOW)

    assert (figures(new), points.balance(customer_id=old.pk, now=NOW).owed) == ((140, 0), 0)


def test_taking_it_back_gives_what_is_still_there_and_says_what_is_not(old, new):
    give(old, 500, expires_at=NOW + DAY)
    bought = order(old)
    made = merge(old, new)
    adjustments.adjust(customer_id=new.pk, points=-120, actor=STAFF, now=NOW)
    profile.update(customer_id=new.pk, email="chosen@example.com", now=NOW, actor=STAFF)
    later = order(new, "2")

    planned = parting.plan(merge_id=made.pk, now=NOW)
    done = undo(made, fingerprint=planned.fingerprint)

    old.refresh_from_db()
    new.refresh_from_db()
    assert (figures(old), figures(new)) == ((380, 0), (0, 0))
    assert lots(old)[0][2] == NOW + DAY
    assert (old.merged_into, old.state, old.phone, old.email) == (None, "member", "+48501", None)
    assert (new.email, new.phone, old.user.email) == ("chosen@example.com", None, "old@example.com")
    assert (Order.objects.get(pk=bought.pk).customer, Order.objects.get(pk=later.pk).customer) == (old, new)
    assert done.left == [
        f"120 points of the 500 that went over were spent, expired or are set aside: they stay with customer {new.pk}.",
        f"The e-mail address of customer {new.pk} was changed since: it stays.",
    ]
    with pytest.raises(parting.PartingRefused, match="taken back already"):
        undo(made)


def test_a_chain_leads_to_the_last_one_and_is_taken_back_from_its_end(old, new):
    last = CustomerFactory(email="last@example.com")
    give(old, 50)
    first = merge(old, new)
    second = merge(new, last)

    old.refresh_from_db()
    assert (old.merged_into, figures(last)) == (last, (50, 0))
    assert queries.by_email("old@example.com") == last
    with pytest.raises(parting.PartingRefused, match=f"take merge {second.pk} back first"):
        undo(first)

    undo(second)
    old.refresh_from_db()
    assert (old.merged_into, figures(new)) == (new, (50, 0))
    undo(first)
    assert figures(old) == (50, 0)


def test_a_merge_is_told_of_both_and_made_once(old, new):
    assert merge(old, new) == merge(old, new)

    told = Event.objects.filter(kind__in=["customer.merged", "customer.absorbed"]).values_list("kind", "customer_id")
    assert set(told) == {("customer.merged", old.pk), ("customer.absorbed", new.pk)}
    assert CustomerMerge.objects.count() == len(told) - 1


def test_a_plan_that_no_longer_holds_is_refused(old, new):
    give(old, 50)
    shown = planning.plan(source_id=old.pk, survivor_id=new.pk, now=NOW)
    give(old, 1)

    with pytest.raises(PlanOutdated):
        merge(old, new, fingerprint=shown.fingerprint)
    old.refresh_from_db()
    assert (old.merged_into, figures(new)) == (None, (0, 0))


def excluded(old, new):
    Customer.objects.filter(pk=old.pk).update(state="disabled")


def forgotten(old, new):
    Customer.objects.filter(pk=new.pk).update(state="disabled", anonymised_at=NOW)


def merged_before(old, new):
    merge(old, CustomerFactory())


def guest(old, new):
    Customer.objects.filter(pk=new.pk).update(state="candidate")


def asked(old, new):
    erasure.request(customer_id=old.pk, now=NOW, actor=STAFF)


def held(old, new):
    give(old, 50)
    holds.create(customer_id=old.pk, points=10, actor=STAFF, now=NOW)


def owing(old, new):
    earned = give(old, 50)
    adjustments.adjust(customer_id=old.pk, points=-50, actor=STAFF, now=NOW)
    clawback.claw_back(earning_id=earned.pk, refunded=Decimal(1), total=Decimal(1), actor=STAFF, now=NOW)


@pytest.mark.parametrize(
    ("case", "why"),
    [
        (excluded, "is excluded from the programme"),
        (forgotten, "was forgotten"),
        (merged_before, "was merged into customer"),
        (guest, "merge the guest into the member"),
        (asked, "asked to be forgotten"),
        (held, "set aside by 1 hold"),
        (owing, "owes 50 points"),
    ],
)
def test_is_refused_with_a_reason_and_changes_nothing(old, new, case, why):
    case(old, new)
    before = (PointsTransaction.objects.count(), CustomerMerge.objects.count())

    with pytest.raises(joining.MergeRefused, match=why):
        merge(old, new)

    assert (PointsTransaction.objects.count(), CustomerMerge.objects.count()) == before


def test_nobody_is_merged_into_themselves(old):
    with pytest.raises(joining.MergeRefused, match="the same customer"):
        merge(old, old)


def test_what_both_earned_and_spent_counts_for_the_survivors_tier(old, new):
    give(old, 300)
    give(new, 40)
    order(old)
    whole = windows.Windows(
        now=windows.Window(begins_at=datetime(2026, 1, 1, tzinfo=UTC), ends_at=NOW + DAY), before=None
    )

    merge(old, new)

    def measured(basis):
        ids = [old.pk, new.pk]
        found = measuring.measure(customer_ids=ids, basis=basis, windows=whole, currency="USD", now=NOW)
        return {pk: int(each.value) for pk, each in found.items()}

    assert measured("points_earned") == {new.pk: 340}
    assert measured("amount_spent") == {new.pk: 50}


def test_friends_and_the_link_they_follow_are_the_survivors(old, new):
    ReferralSettings.objects.create(active=True)
    ReferralLink.objects.create(customer=old, code="abcdefghjk", created_at=NOW)
    friend = CustomerFactory()
    Referral.objects.create(sender=old, friend=friend, state="pending", created_at=NOW, updated_at=NOW)

    made = merge(old, new)

    assert links.sender_of("abcdefghjk") == new
    assert Referral.objects.get().sender == new
    undo(made)
    assert (links.sender_of("abcdefghjk"), Referral.objects.get().sender) == (old, old)


def test_needs_no_leave_to_move_points_between_customers(old, new):
    give(old, 50)
    with pytest.raises(transfers.TransferRefused):
        transfers.transfer(sender_id=old.pk, receiver_id=new.pk, points=5, actor=STAFF, now=NOW)
    merge(old, new)
    assert figures(new) == (50, 0)
