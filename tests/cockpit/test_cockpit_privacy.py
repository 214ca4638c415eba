"""What is held about a customer, to take along; and the wish to be forgotten."""

import json
from datetime import timedelta

import pytest
from django.apps import apps
from django.db.models import ForeignKey
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from loyalty.cockpit import personal_data
from loyalty.common.actors import SYSTEM
from loyalty.customers.models import Customer, CustomerState, ErasureRequest
from loyalty.events.models import Event
from loyalty.points import adjustments
from rewards import granting
from rewards.models import Cancellation, RedeemedReward
from tests.factories.catalogue import RewardFactory
from tests.factories.people import CustomerFactory, ShippingAddressFactory, StaffFactory
from tests.factories.points import give

pytestmark = pytest.mark.django_db

PAGE = "/account/privacy/"
DATA = "/account/privacy/my-data.json"

# Tables that name a customer, and the section that tells of them; none: nothing of it is about the person.
TOLD = {
    "customers.Customer": "customer",  # whoever was merged into them
    "customers.ShippingAddress": "address",
    "customers.CustomerIdentity": "ids_in_shops",
    "customers.ErasureRequest": "requests_to_be_forgotten",
    "customers.SignInLink": None,  # secrets of sign-in
    "hooks.PrivacyRequest": None,  # what a shop passed on, for staff to answer
    "hooks.PrivacyWish": None,  # a view of these and of the requests to be forgotten
    "messages_out.Mail": "e_mails",
    "messages_out.Unsubscription": "e_mails_refused",
    "points.PointsTransaction": "points_transactions",
    "points.PointsLot": "points_lots",
    "points.PointsAccount": None,  # sums of the lots
    "points.PointsHold": None,  # told by the redeemed reward, or over with the transaction
    "points.PointsAdjustment": None,  # told by its transaction; its reason is for staff
    "points.AdjustmentRequest": None,  # staff ask staff
    "points.PointsClawback": None,  # told by its transaction
    "points.PointsShortfall": None,
    "points.PointsTransfer": None,  # told by its two transactions; it names another person
    "merging.CustomerMerge": None,  # whoever was merged into them is told here as they are; its note is for staff
    "erasure.Erasure": None,  # when they were forgotten: nobody signs in any more
    "program.Activity": "activities",
    "program.EarningAward": "earned",
    "program.Order": "orders",
    "program.Referral": "friends_recommended",
    "program.ReferralLink": "recommendation_link",
    "rewards.CampaignReward": None,  # told by the redeemed reward
    "program.TierStanding": None,  # the tier stands with the customer; the rest is measured from points and orders
    "program.TierEntry": None,  # told by its transaction and its redeemed rewards
    "program.VipTierChange": "vip_tier_changes",
    "rewards.RedeemedReward": "redeemed_rewards",
    "rewards.RewardAudience": None,  # the merchant's own list
}


def data_of(browser: Client) -> dict:
    answer = browser.get(DATA)
    assert answer.status_code == 200
    assert answer.headers["Content-Disposition"] == 'attachment; filename="my-data.json"'
    assert "no-store" in answer.headers["Cache-Control"]
    assert answer.streaming
    return json.loads(b"".join(answer.streaming_content))


def grant(customer: Customer, **more) -> RedeemedReward:
    reward = RewardFactory(**more)
    return granting.grant(
        customer_id=customer.pk, reward_id=reward.pk, actor=SYSTEM, now=timezone.now(), internal_note="secret"
    )


def test_the_file_holds_what_we_hold_and_no_note_of_staff(visitor, customer):
    ShippingAddressFactory(customer=customer, city="Gdańsk")
    adjustments.adjust(
        customer_id=customer.pk, points=-7, actor=SYSTEM, now=timezone.now(), internal_note="secret", description="Oops"
    )
    mine = grant(customer)

    data = data_of(visitor)

    assert data["customer"][0]["email"] == "anna@example.com"
    assert data["address"][0]["city"] == "Gdańsk"
    assert data["sign_in"][0]["email"] == "anna@example.com"
    changes = [(row["points_change"], row["description"]) for row in data["points_transactions"]]
    assert changes == [(1000, None), (-7, "Oops")]
    assert [row["remaining"] for row in data["points_lots"]] == [993]
    assert [(row["name"], row["visible_code"]) for row in data["redeemed_rewards"]] == [(mine.name, mine.code.code)]
    assert {row["kind"] for row in data["what_happened"]} >= {"reward.issued"}
    assert "secret" not in json.dumps(data)


def test_the_file_of_somebody_else_is_never_given(visitor, customer):
    other = CustomerFactory(email="other@example.com", first_name="Otto")
    give(other, 777, now=timezone.now())
    grant(other)

    said = json.dumps(data_of(visitor))

    assert "other@example.com" not in said
    assert "777" not in json.dumps(json.loads(said)["points_transactions"])
    assert json.loads(said)["redeemed_rewards"] == []


def test_a_code_that_is_being_canceled_is_not_given(visitor, customer):
    mine, now = grant(customer), timezone.now()
    Cancellation.objects.create(
        redeemed_reward=mine, return_points=True, actor_kind="system", created_at=now, due_at=now, attempts=1
    )

    assert data_of(visitor)["redeemed_rewards"][0]["visible_code"] is None


def test_no_table_that_names_a_customer_was_forgotten():
    tables = {
        model._meta.label
        for model in apps.get_models()
        for field in model._meta.get_fields()
        if isinstance(field, ForeignKey) and field.related_model is Customer and not model._meta.auto_created
    }
    sections = {name for name, _rows in personal_data.sections(customer_id=0, now=timezone.now())}

    assert tables == TOLD.keys()
    assert {name for name in TOLD.values() if name} | {
        "customer", "items_of_orders", "sign_in", "what_happened",
    } == sections  # fmt: skip


def test_an_excluded_customer_has_the_same_right(visitor, customer):
    Customer.objects.filter(pk=customer.pk).update(state=CustomerState.DISABLED)

    assert data_of(visitor)["customer"][0]["state"] == "disabled"
    assert visitor.get(PAGE).status_code == 200


@pytest.mark.parametrize("path", [PAGE, DATA])
def test_nobody_gets_in_without_signing_in(client, path):
    assert client.get(path).url == f"{reverse('account_request_login_code')}?next={path}"


def test_the_wish_to_be_forgotten_is_one_request_that_staff_see(visitor, customer):
    for _ in range(2):
        assert visitor.post(PAGE, {"wish": "forget", "sure": "on"}, follow=True).status_code == 200

    asked = ErasureRequest.objects.get()
    assert (asked.customer_id, asked.withdrawn_at) == (customer.pk, None)
    assert "You asked for it on" in visitor.get(PAGE).content.decode()
    assert Event.objects.filter(kind="customer.erasure_requested", customer_id=customer.pk).count() == 1
    staff = Client()
    staff.force_login(StaffFactory(is_superuser=True))
    listed = staff.get(reverse("admin:hooks_privacywish_changelist")).content.decode()
    assert f'href="{reverse("admin:customers_customer_change", args=[customer.pk])}"' in listed


def test_the_wish_can_be_taken_back_and_had_again(visitor, customer):
    visitor.post(PAGE, {"wish": "forget", "sure": "on"})

    visitor.post(PAGE, {"wish": "stay"})
    assert ErasureRequest.objects.get().withdrawn_at is not None
    visitor.post(PAGE, {"wish": "forget", "sure": "on"})

    assert ErasureRequest.objects.filter(withdrawn_at__isnull=True).count() == 1
    assert timezone.now() - ErasureRequest.objects.latest("pk").requested_at < timedelta(minutes=1)


@pytest.mark.parametrize("form", [{}, {"wish": "forget"}, {"wish": "other", "sure": "on"}])
def test_nothing_is_asked_by_accident(visitor, form):
    answer = visitor.post(PAGE, form, follow=True)

    assert "Nothing was asked: tick the box first." in answer.content.decode()
    assert not ErasureRequest.objects.exists()
