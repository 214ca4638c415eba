"""A customer's own browser: what a token opens, for whom, from where, and for how long."""

import base64
import json
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from loyalty.api import customer_tokens, keys, storefront
from loyalty.api.keys import Scope
from loyalty.api.models import ApiKey
from loyalty.api.v1 import urls
from loyalty.common.actors import SYSTEM
from loyalty.customers.models import Customer, CustomerState
from loyalty.erasure import forgetting
from loyalty.merging import joining
from rewards.models import RedeemedReward
from tests.api.conftest import BASE, refusal
from tests.factories.catalogue import PointsProductFactory, RewardTextFactory
from tests.factories.people import ConnectionFactory, CustomerFactory
from tests.factories.points import give

OWN = ["/storefront/balance", "/storefront/offers", "/storefront/redeemed_rewards"]


@pytest.fixture(autouse=True)
def unhurried(monkeypatch):
    monkeypatch.setattr(storefront, "REQUESTS_A_SECOND", 1000)


@pytest.fixture
def shop_key(db):
    return keys.create(name="Shop", scopes=[Scope.CUSTOMER_TOKEN_WRITE], created_by_id=None, now=timezone.now())[0]


@pytest.fixture
def token_for(shop_key):
    def mint(customer, *, key=shop_key, now=None):
        return customer_tokens.mint(key=key, customer_id=customer.pk, now=now or timezone.now())[0]

    return mint


@pytest.fixture
def anna(db):
    member = CustomerFactory(first_name="Anna")
    give(member, 250, now=timezone.now())
    return member


@pytest.fixture
def bert(db):
    member = CustomerFactory(first_name="Bert")
    give(member, 700, now=timezone.now())
    return member


@pytest.fixture
def mug(db):
    made = PointsProductFactory()
    RewardTextFactory(reward=made.reward, name="A mug")
    return made


def ask(path, token, **headers):
    return Client().get(f"{BASE}{path}", headers={"Authorization": f"Bearer {token}"} | headers)


def redeem(product, token, *, key=None, body=None, **headers):
    headers |= {"Authorization": f"Bearer {token}"} | ({"Idempotency-Key": key} if key else {})
    address = f"{BASE}/storefront/offers/{product.pk}/redeem"
    return Client().post(address, json.dumps(body or {}), content_type="application/json", headers=headers)


def forged(token, **claims):
    """The token with other claims, and the signature it had."""
    head, body, signature = token.split(".")
    told = json.loads(base64.urlsafe_b64decode(body + "==")) | claims
    return f"{head}.{base64.urlsafe_b64encode(json.dumps(told).encode()).rstrip(b'=').decode()}.{signature}"


def test_are_given_to_a_shop_for_a_customer_it_names(integrator, anna):
    shop = integrator(Scope.CUSTOMER_TOKEN_WRITE)

    made = shop.post(f"/customers/{anna.pk}/customer_tokens")

    assert made.status_code == 201
    shown = ask("/storefront/balance", made.json()["customer_token"]["token"])
    assert shown.json() == {
        "balance": {
            "customer_id": anna.pk,
            "first_name": "Anna",
            "points_balance": 250,
            "points_pending": 0,
            "points_label": "points",
        }
    }
    assert refusal(shop.post("/customers/999/customer_tokens")) == (404, "not_found")
    assert refusal(integrator(Scope.CUSTOMER_WRITE).post(f"/customers/{anna.pk}/customer_tokens"))[0] == 403


def test_show_each_customer_their_own_and_nobody_elses(token_for, anna, bert, mug):
    bought = redeem(mug, token_for(bert))

    assert bought.status_code == 201
    assert bought.json()["redeemed_reward"]["code"]
    assert ask("/storefront/balance", token_for(bert)).json()["balance"]["points_balance"] == 600
    assert ask("/storefront/balance", token_for(anna)).json()["balance"]["points_balance"] == 250
    assert len(ask("/storefront/redeemed_rewards", token_for(bert)).json()["redeemed_rewards"]) == 1
    assert ask("/storefront/redeemed_rewards", token_for(anna)).json()["redeemed_rewards"] == []
    assert RedeemedReward.objects.get().customer_id == bert.pk


def test_say_how_far_away_a_reward_is(token_for, anna):
    RewardTextFactory(reward=PointsProductFactory(points_price=400).reward, name="A lamp")

    [offer] = ask("/storefront/offers", token_for(anna)).json()["offers"]

    assert offer["name"] == "A lamp"
    assert (offer["available"], offer["missing_points"]) == (False, 150)
    assert offer["reason"] == "You must have 150 more points to get reward"


def test_refuse_to_spend_what_is_not_there(token_for, anna):
    lamp = PointsProductFactory(points_price=400)

    assert refusal(redeem(lamp, token_for(anna))) == (422, "insufficient_points")
    assert RedeemedReward.objects.count() == 0


def test_spend_once_for_one_key_and_apart_for_two_customers_with_the_same_key(token_for, anna, bert, mug):
    first = redeem(mug, token_for(anna), key="one")
    again = redeem(mug, token_for(anna), key="one")
    other = redeem(mug, token_for(bert), key="one")

    assert again.json() == first.json()
    assert again["Idempotent-Replayed"] == "true"
    assert other.json()["redeemed_reward"]["id"] != first.json()["redeemed_reward"]["id"]
    assert sorted(RedeemedReward.objects.values_list("customer_id", flat=True)) == sorted([anna.pk, bert.pk])


def test_open_no_other_address_of_the_api(token_for, anna):
    token = token_for(anna)

    for route, _, name in urls.ADDRESSES:
        if name.startswith("own_") or name == "schema":
            continue
        address = f"{BASE}/{route.replace('<str:pk>', str(anna.pk))}"
        for asked in (Client().get, Client().post):
            answer = asked(address, headers={"Authorization": f"Bearer {token}"}, content_type="application/json")
            assert answer.status_code in {401, 405}, (name, answer.status_code)


@pytest.mark.parametrize("path", OWN)
def test_are_needed_where_a_key_opens_nothing(integrator, stranger, path):
    assert refusal(integrator().get(path)) == (401, "invalid_customer_token")
    assert refusal(stranger.get(path)) == (401, "missing_customer_token")


def test_end_after_five_minutes_with_their_key_and_with_the_customer(token_for, shop_key, anna):
    now = timezone.now()
    old = token_for(anna, now=now - timedelta(minutes=5, seconds=1))
    fresh = token_for(anna, now=now - timedelta(minutes=4))
    assert ask("/storefront/balance", old).status_code == 401
    assert ask("/storefront/balance", fresh).status_code == 200

    anna.state = "disabled"
    anna.save()
    assert ask("/storefront/balance", fresh).status_code == 401

    anna.state = "member"
    anna.save()
    keys.revoke(key_id=shop_key.pk, now=now)
    assert ask("/storefront/balance", fresh).status_code == 401


def excluded(customer):
    Customer.objects.filter(pk=customer.pk).update(state=CustomerState.DISABLED)


def forgotten(customer):
    forgetting.forget(customer_id=customer.pk, actor=SYSTEM, now=timezone.now())


def merged_away(customer):
    joining.merge(source_id=customer.pk, survivor_id=CustomerFactory().pk, actor=SYSTEM, now=timezone.now())


@pytest.mark.parametrize("become", [excluded, forgotten, merged_away])
def test_open_no_call_for_one_who_takes_no_part_any_more_as_if_they_had_never_been(token_for, anna, mug, become):
    token, nobody = token_for(anna), token_for(Customer(pk=999_999))
    calls = [(route, view) for route, view, name in urls.ADDRESSES if issubclass(view, storefront.StorefrontView)]
    become(anna)

    for route, view in calls:
        address = f"{BASE}/{route.replace('<str:pk>', str(mug.pk))}"
        for method in {"get", "post"} & set(dir(view)):
            theirs, never = (
                getattr(Client(), method)(
                    address, headers={"Authorization": f"Bearer {each}"}, content_type="application/json"
                )
                for each in (token, nobody)
            )
            assert refusal(theirs) == refusal(never) == (401, "invalid_customer_token"), route
            assert theirs.json()["error"]["message"] == never.json()["error"]["message"], route
    assert len(calls) >= 4
    assert RedeemedReward.objects.count() == 0


@pytest.mark.parametrize("become", [excluded, forgotten, merged_away])
def test_are_made_for_nobody_who_takes_no_part_any_more(api, anna, become):
    become(anna)

    assert refusal(api.post(f"/customers/{anna.pk}/customer_tokens")) == (422, "customer_disabled")


def test_outlive_a_rotation_of_the_key_by_its_overlap(token_for, shop_key, anna):
    before = token_for(anna)
    new, _ = keys.rotate(key_id=shop_key.pk, overlap=timedelta(hours=1), created_by_id=None, now=timezone.now())

    assert ask("/storefront/balance", before).status_code == 200
    assert ask("/storefront/balance", token_for(anna, key=new)).status_code == 200


def test_are_not_taken_when_anything_of_them_was_changed(token_for, anna, bert, settings):
    token = token_for(anna)
    other, _ = keys.create(name="B", scopes=[Scope.CUSTOMER_READ], created_by_id=None, now=timezone.now())
    head, body, signature = token.split(".")
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none","kid":"%d"}' % ApiKey.objects.first().pk).rstrip(b"=").decode()
    changed = [
        forged(token, sub=f"customer:{bert.pk}"),
        forged(token, exp=99999999999),
        f"{head}.{body}.",
        f"{head}.{body}.{signature[:-2]}AA",
        f"{unsigned}.{body}.",
        f"{unsigned}.{body}.{signature}",
        token_for(anna, key=other),  # a key that may make no tokens
        "a.b.c",
        "..",
        f"{head}.{body}",
        "W10.W10.W10",
        "x" * 5000,
    ]

    assert {refusal(ask("/storefront/balance", each)) for each in changed} == {(401, "invalid_customer_token")}
    settings.PUBLIC_URL = "https://another.example"
    assert ask("/storefront/balance", token).status_code == 401


def test_outlive_a_rotation_of_the_secret_key(token_for, anna, settings):
    token, old = token_for(anna), settings.SECRET_KEY

    settings.SECRET_KEY = "another-secret-key-of-fifty-characters-and-some-more-0"
    assert ask("/storefront/balance", token).status_code == 401
    settings.SECRET_KEY_FALLBACKS = [old]
    assert ask("/storefront/balance", token).status_code == 200


def test_are_taken_from_pages_of_the_shops_and_of_no_others(token_for, anna):
    ConnectionFactory(base_url="https://Shop.example:443/store/")
    ConnectionFactory(base_url="https://closed.example", enabled=False)

    own = ask("/storefront/balance", token_for(anna), Origin="https://shop.example")
    foreign = ask("/storefront/balance", token_for(anna), Origin="https://evil.example")
    closed = ask("/storefront/balance", token_for(anna), Origin="https://closed.example")

    assert own.status_code == 200
    assert own["Access-Control-Allow-Origin"] == "https://shop.example"
    assert "Access-Control-Allow-Credentials" not in own
    assert own["Vary"] == "Origin"
    assert {refusal(foreign), refusal(closed)} == {(403, "origin_not_allowed")}
    assert "Access-Control-Allow-Origin" not in foreign


def test_are_taken_from_a_storefront_that_is_named_in_the_settings(token_for, anna, settings):
    settings.STOREFRONT_ORIGINS = ["https://front.example"]

    assert ask("/storefront/balance", token_for(anna), Origin="https://front.example").status_code == 200


def test_let_a_browser_ask_beforehand_without_one(db):
    ConnectionFactory(base_url="https://shop.example")
    asked = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}

    answer = Client().options(f"{BASE}/storefront/offers/1/redeem", headers=asked)
    foreign = Client().options(f"{BASE}/storefront/offers/1/redeem", headers=asked | {"Origin": "https://evil.example"})

    assert answer.status_code == 204
    assert answer["Access-Control-Allow-Origin"] == "https://shop.example"
    assert answer["Access-Control-Allow-Headers"] == "Authorization, Content-Type, Idempotency-Key"
    assert "Access-Control-Allow-Origin" not in foreign


def test_are_throttled_for_each_customer_even_without_valkey(token_for, anna, bert, monkeypatch, settings):
    monkeypatch.setattr(storefront, "REQUESTS_A_SECOND", 2)
    monkeypatch.setattr(storefront.time, "time", lambda: 1_800_000_000.0)
    settings.REDIS_URL = ""

    answers = [ask("/storefront/balance", token_for(anna)) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2]["Retry-After"] == "1"
    assert ask("/storefront/balance", token_for(bert)).status_code == 200
