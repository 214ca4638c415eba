"""Every page of the cockpit as nobody, as another customer, and as an excluded one. No page can be left out."""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from loyalty.cockpit import urls
from loyalty.common.actors import SYSTEM
from loyalty.customers.models import Customer, CustomerState
from loyalty.erasure import forgetting
from loyalty.merging import joining
from loyalty.program.models import ReferralSettings
from loyalty.program.referrals import links
from rewards import granting
from rewards.models import RedeemedReward
from tests.factories.people import CustomerFactory, ShippingAddressFactory

pytestmark = pytest.mark.django_db

DOORS = {
    "language",
    "sign_in_link",
    "recommended",
    "unsubscribe",
    "brand_sheet",
    "brand_logo",
}  # open to all: they show nothing of anybody
OF_ONE = {"checking", "state", "my_reward", "cancel"}  # about one redeemed reward, which belongs to somebody
OF_ALL = {
    "home", "rewards", "my_rewards", "points", "account", "address", "privacy", "download", "mail_choices", "friends", "earning",
}  # fmt: skip
KEY = "11111111-1111-4111-8111-111111111111"
POSTED = {"confirm", "cancel", "account", "address", "privacy", "mail_choices"}


@pytest.fixture
def mine(customer, gift) -> RedeemedReward:
    """What Anna has."""
    return granting.grant(
        customer_id=customer.pk, reward_id=gift.reward_id, actor=SYSTEM, now=timezone.now(), internal_note="A test"
    )


@pytest.fixture
def addresses(mine, gift) -> dict[str, str]:
    ReferralSettings.objects.create(active=True)
    found = {name: reverse(f"cockpit:{name}") for name in OF_ALL}
    found |= {name: reverse(f"cockpit:{name}", args=[mine.pk]) for name in OF_ONE}
    return found | {"confirm": reverse("cockpit:confirm", args=[gift.pk])}


def test_no_page_is_left_out(addresses):
    assert {pattern.name for pattern in urls.urlpatterns} == addresses.keys() | DOORS


def test_nobody_sees_or_sends_anything(addresses):
    door = reverse("account_request_login_code")
    for name, path in addresses.items():
        browser = Client()
        answers = [] if name == "address" else [browser.get(path)]
        if name in POSTED:
            answers.append(browser.post(path, {"key": KEY, "price": 400}))
        assert answers, name
        for answer in answers:
            assert answer.status_code == 302, name
            assert answer.url.startswith(door), name
    assert RedeemedReward.objects.count() == 1


def test_another_customer_finds_nothing_of_what_is_not_theirs(client, signed_up, mine, addresses):
    user = signed_up("other@example.com")
    CustomerFactory(email=user.email, user=user)
    client.force_login(user)

    for name in OF_ONE:
        assert client.get(addresses[name]).status_code == 404, name
    assert client.post(addresses["cancel"], {"plan": "x"}).status_code == 404
    for name in OF_ALL - {"address", "download"}:
        page = client.get(addresses[name]).content.decode()
        assert "anna@example.com" not in page, name
        assert f"/my-rewards/{mine.pk}/" not in page, name


def test_an_excluded_customer_sees_what_they_have_on_each_page_and_gets_nothing_more_on_any(
    visitor, customer, mine, addresses
):
    before = {name: visitor.get(path).status_code for name, path in addresses.items()}
    Customer.objects.filter(pk=customer.pk).update(state=CustomerState.DISABLED)
    link = links.urls_of(customer_ids=[customer.pk], now=timezone.now())[customer.pk]
    offered = addresses.pop("confirm")

    for name in addresses.keys() - {"address"}:
        page = visitor.get(addresses[name])
        said = page.getvalue().decode()
        assert (page.status_code, name) == (before[name], name)
        assert offered not in said, name
        assert name == "download" or link not in said, name
    for answer in (visitor.get(offered), visitor.post(offered, {"key": KEY, "price": 400})):
        assert answer.url == reverse("cockpit:home")
    assert RedeemedReward.objects.get() == mine


def test_whoever_was_forgotten_is_led_to_the_door_of_every_page(visitor, customer, mine, addresses):
    assert visitor.get(addresses["home"]).status_code == 200
    RedeemedReward.objects.filter(pk=mine.pk).update(
        delivery_status="delivered"
    )  # what is on its way must arrive first

    forgetting.forget(customer_id=customer.pk, actor=SYSTEM, now=timezone.now())

    for name, path in addresses.items():
        for answer in [visitor.get(path)] * (name != "address") + [visitor.post(path)] * (name in POSTED):
            assert answer.status_code == 302, name
            assert answer.url.startswith(reverse("account_request_login_code")), name


def test_whoever_was_merged_away_is_the_other_one_on_every_page(visitor, customer, mine, addresses):
    bertha = CustomerFactory(email="bertha@example.com", first_name="Bertha")
    ShippingAddressFactory(customer=bertha)
    joining.merge(source_id=customer.pk, survivor_id=bertha.pk, actor=SYSTEM, now=timezone.now())

    for name in OF_ALL - {"address", "download"}:
        page = visitor.get(addresses[name])
        assert (page.status_code, page.context["customer"], name) == (200, bertha, name)
    assert {visitor.get(addresses[name]).status_code for name in OF_ONE} <= {200, 302, 404}
    assert "bertha@example.com" in visitor.get(addresses["download"]).getvalue().decode()
    assert visitor.post(addresses["confirm"], {"key": KEY, "price": 400}).status_code == 302
    assert RedeemedReward.objects.exclude(pk=mine.pk).get().customer == bertha


def test_a_customer_who_was_switched_off_is_led_to_the_door(visitor, customer, addresses):
    customer.user.is_active = False
    customer.user.save()

    for name in OF_ALL - {"address"}:
        assert visitor.get(addresses[name]).url.startswith(reverse("account_request_login_code")), name


@pytest.fixture
def unknown(visitor) -> list[str]:
    return [reverse(f"cockpit:{name}", args=[999_999]) for name in (*OF_ONE, "confirm")]


def test_what_is_not_there_looks_like_what_is_not_theirs(visitor, unknown):
    assert {visitor.get(path).status_code for path in unknown} == {404}
