"""The page of a redeemed reward says its true state, what it cost, and everything that happened to it."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from loyalty.common import actors
from loyalty.program.models import Order
from rewards import redemption, usage
from rewards.models import Cancellation, CodeEvidence, Delivery, IssueAttempt, IssueWork
from tests.factories.catalogue import CouponGiftFactory, GiftFactory, InvitationFactory, PointsProductFactory
from tests.factories.people import ConnectionFactory, StaffFactory
from tests.factories.points import give
from tests.rewards.admin_rows import AT, GRID, VIEW, attempt, gift_row, row, set_zone, staff, words

pytestmark = pytest.mark.django_db

ADDRESS = {"recipient": "Ada Byron", "line_1": "Prosta 1", "postal_code": "00-001", "city": "Warszawa", "country": "PL"}


def open_page(redeemed, *permissions):
    return staff(VIEW, *permissions).get(f"{GRID}{redeemed.pk}/change/")


@pytest.mark.parametrize(
    ("fields", "word", "sentence"),
    [
        ({"fulfillment_status": "pending"}, "Pending", "The shop is asked again by itself until it answers."),
        ({"fulfillment_status": "failed"}, "Failed", "then reissue it"),
        ({}, "Issued", "It becomes Used once an order with it is completed."),
        ({"usage_status": "used"}, "Used", "If that was a mistake, mark it unused"),
        ({"fulfillment_status": "cancelled"}, "Canceled", "Nothing more happens, unless"),
        ({"expires_at": AT}, "Expired", "It can no longer be marked used or unused;"),
    ],
)
def test_says_the_status_what_it_means_and_what_happens_next(fields, word, sentence):
    page = open_page(row(**fields))

    assert f'<p class="desk-state__word">{word}</p>' in page.content.decode()
    assert sentence in words(page)


def test_an_attempt_says_that_nothing_was_spent_and_why_it_failed():
    page = words(open_page(attempt(failure_reason="The shop refused our credentials.")))

    assert "No points were spent." in page
    assert "Reason: The shop refused our credentials." in page


def test_an_attempt_without_an_answer_is_being_checked_not_failed():
    page = open_page(attempt(fulfillment_status="pending", failure_reason=""))

    assert '<p class="desk-state__word">Being checked</p>' in page.content.decode()
    assert "Failed:" not in words(page)


@pytest.mark.parametrize(
    ("fields", "offered"),
    [
        ({}, ["Mark used", "Cancel reward"]),
        ({"usage_status": "used"}, ["Mark unused"]),
        ({"usage_status": "untracked"}, ["Cancel reward"]),
        ({"fulfillment_status": "cancelled"}, []),
        ({"fulfillment_status": "pending"}, ["Cancel reward"]),
    ],
)
def test_offers_what_makes_sense_in_its_state(fields, offered):
    rights = ("rewards.mark_used", "rewards.mark_unused", "rewards.cancel_redeemedreward")

    acts = open_page(row(**fields), *rights).context["acts"]

    assert [act["label"] for act in acts] == offered


def test_offers_nothing_to_those_without_rights():
    assert open_page(row()).context["acts"] == []


def test_a_gift_on_its_way_is_delivered_or_comes_back():
    gift = gift_row(usage_status="used", delivery_status="shipped")

    page = open_page(gift, "rewards.deliver_redeemedreward", "rewards.mark_unused")

    assert [act["label"] for act in page.context["acts"]] == ["Mark delivered", "Parcel came back", "Cancel delivery"]
    assert "mark it delivered when it has arrived" in words(page)


def test_the_address_is_shown_only_to_those_who_may_see_it():
    gift = gift_row(shipping_address=ADDRESS)

    assert "Prosta 1" in words(open_page(gift, "rewards.view_address"))
    assert "00-001 Warszawa" in words(open_page(gift, "rewards.view_address"))
    without = words(open_page(gift))
    assert "Prosta" not in without
    assert "You may not see addresses." in without


def test_a_corrected_address_stands_in_for_the_old_one_with_its_parcel():
    gift = gift_row(usage_status="used", shipping_address=ADDRESS)
    Delivery.objects.create(
        redeemed_reward=gift,
        address={**ADDRESS, "line_1": "Nowa 2"},
        carrier="InPost",
        tracking_number="680",
        tracking_url="https://example.com/680",
        ordered_at=AT,
    )

    page = words(open_page(gift, "rewards.view_address"))

    assert "Nowa 2 00-001 Warszawa PL Corrected after redeeming." in page
    assert "Address when it was redeemed Ada Byron Prosta 1" in page
    assert "Carrier InPost Tracking 680" in page


def test_names_the_lots_that_paid_and_what_went_back(customer):
    give(customer, 40, now=AT, expires_at=timezone.now() + timedelta(days=5))
    product = PointsProductFactory(reward=GiftFactory())
    redeemed = redemption.redeem(
        customer_id=customer.pk, points_product_id=product.pk, actor=actors.customer(customer.pk), now=timezone.now()
    )

    page = open_page(redeemed)

    assert "from 2 lots, soonest expiring first" in words(page)
    assert "Lot Last day Points" in words(page)
    assert [line["points"] for line in page.context["points"]["lines"]] == [
        '<span class="desk-number desk-number--minus">−40</span>',
        '<span class="desk-number desk-number--minus">−60</span>',
    ]


def test_says_the_last_day_as_the_customers_page_does():
    set_zone("Europe/Warsaw")
    midnight = datetime(2026, 8, 31, 22, 0, tzinfo=UTC)

    page = open_page(row(expires_at=midnight))

    assert "Last day 31 Aug 2026" in words(page)
    assert 'title="Until 2026-08-31 22:00:00 UTC"' in page.content.decode()


def test_tells_the_history_newest_first_with_who_did_it(customer):
    clerk = StaffFactory(name="Ida Clerk")
    product = PointsProductFactory(reward=GiftFactory())
    redeemed = redemption.redeem(
        customer_id=customer.pk, points_product_id=product.pk, actor=actors.customer(customer.pk), now=timezone.now()
    )
    usage.mark_used(redeemed_reward_id=redeemed.pk, actor=actors.staff(clerk.pk), now=timezone.now())

    history = open_page(redeemed).context["history"]

    assert [(entry.sentence, entry.who) for entry in history][::-1][0] == ("Redeemed for points", "the customer")
    assert (history[0].sentence, history[0].who) == ("Marked used", "Ida Clerk")


def test_shows_attempts_evidence_and_the_cancellation_under_way():
    set_zone("Europe/Warsaw")
    redeemed = row(connection=ConnectionFactory(name="Roastery"), code="ABC-2345")
    IssueAttempt.objects.create(
        redeemed_reward=redeemed, call="create", outcome="unknown", reason="No answer.", started_at=AT, finished_at=AT
    )
    cancellation = Cancellation.objects.create(
        redeemed_reward=redeemed,
        return_points=True,
        actor_kind="system",
        created_at=AT,
        due_at=AT,
        attempts=2,
        last_reason="The shop could not be reached.",
    )
    for kind, alive in (("created", True), ("disabled", None), ("read_back", False)):
        CodeEvidence.objects.create(
            code=redeemed.code,
            cancellation=cancellation,
            kind=kind,
            alive=alive,
            observed_at=AT + timedelta(seconds=11),
            status=200,
            excerpt="<b>body</b>",
        )

    page = open_page(redeemed)
    text = words(page)

    assert "Dead at the shop, checked 12:00:11 UTC" in text
    assert "did not say whether the code works, asked 12:00:11 UTC" in text
    assert "Alive at the shop, seen 12:00:11 UTC" in text
    assert "make the code No clear answer No answer." in text
    assert "after 2 attempts Not done because The shop could not be reached." in text
    assert "Points Go back as soon as the code is proved dead" in text
    assert "1 Mar 2026, 13:00:00" in text
    assert "<b>body</b>" not in page.content.decode()


def test_links_the_order_that_used_it():
    shop = ConnectionFactory()
    redeemed = row(connection=shop, usage_status="used", used_order_id="O-77")

    assert "Used on order O-77" in words(open_page(redeemed))
    assert "program/order" not in open_page(redeemed).content.decode().split('id="content-main"')[1]
    order = Order.objects.create(
        connection=shop,
        external_id="O-77",
        status="completed",
        total=1,
        currency="USD",
        placed_at=AT,
        changed_at=AT,
        recorded_at=AT,
    )
    assert f"/admin/program/order/{order.pk}/change/" in open_page(redeemed).content.decode()


def test_a_waiting_reward_says_when_the_shop_is_asked_next():
    pending = row(fulfillment_status="pending")
    IssueWork.objects.create(redeemed_reward=pending, due_at=AT, attempts=3)
    IssueAttempt.objects.create(
        redeemed_reward=pending, call="create", outcome="throttled", started_at=AT, finished_at=AT
    )

    assert "Asked 1 time so far; 3 of 12 tries used up; next at 1 Mar 2026, 12:00:00." in words(open_page(pending))


@pytest.mark.parametrize("pk", ["0", "999999", "9" * 40, "abc", "-1"])
def test_an_unknown_reward_is_not_found(pk):
    assert staff(VIEW).get(f"{GRID}{pk}/change/").status_code == 404


def test_opens_only_for_those_who_may_see_redeemed_rewards():
    redeemed = row()

    assert staff("rewards.view_address").get(f"{GRID}{redeemed.pk}/change/").status_code == 403


def test_text_of_customers_is_never_markup():
    redeemed = row(customer_first_name="<script>alert(1)</script>", name="<i>5 off</i>")

    html = open_page(redeemed).content.decode()

    assert "<script>alert" not in html
    assert "<i>5 off" not in html


def test_takes_a_bounded_number_of_queries():
    redeemed = row(connection=ConnectionFactory(), code="A-22222222")
    client = staff(VIEW)
    client.get(f"{GRID}{redeemed.pk}/change/")

    with CaptureQueriesContext(database) as captured:
        client.get(f"{GRID}{redeemed.pk}/change/")

    assert len(captured) <= 14


@pytest.mark.parametrize("delivery", ["ordered", "shipped", "delivered"])
def test_a_printed_coupon_is_marked_used_wherever_its_parcel_is(delivery):
    coupon = row(reward=CouponGiftFactory(), delivery_status=delivery, code="CARD-1")

    page = open_page(coupon, "rewards.mark_used").content.decode()

    assert f"{GRID}{coupon.pk}/act/mark-used/" in page
    usage.mark_used(redeemed_reward_id=coupon.pk, actor=actors.SYSTEM, now=timezone.now())
    page = open_page(coupon, "rewards.mark_unused").content.decode()
    assert f"{GRID}{coupon.pk}/act/mark-unused/" in page


def test_an_invitation_shows_its_code_as_it_is_read_at_the_door():
    invitation = row(reward=InvitationFactory(), code="EVENING-7KQ2M9XWPB")

    assert 'aria-label="QR code EVENING-7KQ2M9XWPB"' in open_page(invitation).content.decode()
    invitation.usage_status, invitation.used_at = "used", invitation.redeemed_at
    invitation.save()

    assert '<svg class="qr"' not in open_page(invitation).content.decode()
    assert '<svg class="qr"' not in open_page(row(code="PLAIN-1")).content.decode()
