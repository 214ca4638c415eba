"""load_demo: a merchant that looks like life, once, whatever interrupts it; and never in production."""

import io
import json
import time
from collections import Counter
from pathlib import Path

import pytest
from django.apps import apps
from django.contrib.auth import authenticate
from django.core.management import call_command
from django.db import transaction
from django.utils import timezone

from loyalty.accounts.models import User
from loyalty.api import keys
from loyalty.customers.models import Customer, Tier
from loyalty.events.models import Event
from loyalty.points import audit
from loyalty.points import queries as points
from loyalty.points.models import PointsAccount, PointsAdjustment, PointsTransaction
from platforms.models import StoreConnection
from rewards import catalogue, queries
from rewards.models import DeliveryStatus, Payout, RedeemedReward, Reward, RewardText, RewardType
from rewards.queries import Status
from tests.fakes.sandbox import SandboxShop, ShopRefused, running_sandbox_shop


def arguments(shop: SandboxShop, file: Path) -> list[str]:
    return [
        f"--shop-url={shop.url}",
        f"--shop-token={shop.token}",
        f"--webhook-secret={shop.webhook_secret}",
        f"--credentials-file={file}",
    ]


def load(shop, file):
    out = io.StringIO()
    call_command("load_demo", *arguments(shop, file), stdout=out)
    return out.getvalue()


class Demo:
    def __init__(self, shop, file, said, seconds):
        self.shop, self.file, self.said, self.seconds = shop, file, said, seconds

    @property
    def told(self):
        return json.loads(self.file.read_text())

    @property
    def customer(self):
        return Customer.objects.get(email=self.told["customers"][0]["email"])


@pytest.fixture(scope="module")
def demo(django_db_setup, django_db_blocker, tmp_path_factory):
    """The demo, loaded once for these tests and rolled back after them."""
    folder = tmp_path_factory.mktemp("demo")
    with django_db_blocker.unblock(), running_sandbox_shop(folder) as shop, transaction.atomic():
        began = time.monotonic()
        said = load(shop, folder / "demo.json")
        yield Demo(shop, folder / "demo.json", said, time.monotonic() - began)
        transaction.set_rollback(True)


@pytest.fixture
def undone(demo):
    """Takes back what one test changed, so that the others, in whatever order, find the demo as it was loaded."""
    told = demo.file.read_text()
    with transaction.atomic():
        yield
        transaction.set_rollback(True)
    demo.file.write_text(told)


@pytest.fixture
def grid(demo):
    return list(queries.grid(now=timezone.now()))


def test_says_what_it_made(demo):
    assert demo.said.startswith("The demo merchant is loaded: 63 customers, 152 redeemed rewards")


USUAL = {"percentage_discount", "discount_code", "free_delivery", "gift"}


def test_shows_at_least_twenty_redeemed_rewards_of_each_usual_type_three_of_the_others_and_every_status(grid):
    by_type = Counter(redeemed.type for redeemed in grid)

    assert set(by_type) == set(RewardType.values)
    assert min(by_type[name] for name in USUAL) >= 20
    assert min(by_type.values()) >= 3
    assert {redeemed.status for redeemed in grid} == set(Status.values)
    for kind in (RewardType.PERCENTAGE_DISCOUNT, RewardType.DISCOUNT_CODE, RewardType.FREE_DELIVERY):
        assert {redeemed.status for redeemed in grid if redeemed.type == kind} == set(Status.values)


def test_shows_every_delivery_status(grid):
    assert {redeemed.delivery_status for redeemed in grid if redeemed.type == "gift"} == set(DeliveryStatus.values)


def test_spreads_the_redeemed_rewards_over_ninety_days(grid):
    ages = sorted((timezone.now() - redeemed.redeemed_at).days for redeemed in grid)

    assert ages[0] <= 1
    assert 80 <= ages[-1] <= 91
    assert ages == sorted(ages)


def test_every_redeemed_reward_has_the_events_of_what_happened_to_it(grid):
    kinds = {}
    for pk, kind in Event.objects.filter(subject_type="redeemed_reward").values_list("subject_id", "kind"):
        kinds.setdefault(pk, set()).add(kind)

    for redeemed in grid:
        assert kinds[redeemed.pk] & {"reward.redeemed", "reward.granted"}
        assert ("reward.issued" in kinds[redeemed.pk]) == (redeemed.issued_at is not None)
        assert ("reward.cancelled" in kinds[redeemed.pk]) == (redeemed.status == Status.CANCELLED)
        if redeemed.status == Status.USED:
            assert "reward.used" in kinds[redeemed.pk]


def test_failed_redemptions_have_their_reasons_and_cost_nobody_anything(demo):
    attempts = list(queries.attempts())

    assert {attempt.failure_code for attempt in attempts} == {
        *("unauthorized", "throttled", "invalid", "not_sent", "payout_failed")
    }
    assert all(attempt.failure_reason and attempt.debit is None for attempt in attempts)
    assert not PointsAccount.objects.exclude(held=0).exists()


def test_nothing_breaks_the_ledger(demo):
    assert list(audit.differences()) == []
    assert PointsTransaction.objects.values("kind").distinct().count() == 6
    assert PointsAccount.objects.filter(pending__gt=0).count() == 5
    assert PointsAdjustment.objects.count() == 8


def test_somebody_has_points_that_expire_within_a_week(demo):
    soon = timezone.now() + timezone.timedelta(days=8)
    balances = points.balances(customer_ids=Customer.objects.values_list("pk", flat=True), now=timezone.now())

    assert sum(1 for one in balances.values() if one.next_expiry_at and one.next_expiry_at < soon) >= 5
    assert balances[demo.customer.pk].next_expiry_at < soon


def test_the_customer_can_redeem_several_rewards_but_not_the_dearest(demo):
    offers = catalogue.offers(customer_id=demo.customer.pk, now=timezone.now())

    assert sum(offer.available for offer in offers) >= 5
    dearest = max(offers, key=lambda offer: offer.cost_in_points)
    assert dearest.reason == f"You must have {dearest.missing_points} more points to get reward"
    assert {offer.reason_code for offer in offers} == {"", "insufficient_points", "reward_sold_out"}


def test_the_catalogue_has_a_dozen_rewards_in_four_languages_and_one_for_each_obstacle(demo):
    assert Reward.objects.count() >= 12
    assert all(tier.customer_set.exists() for tier in Tier.objects.all())
    assert Tier.objects.count() == 3
    for reward in Reward.objects.all():
        languages = RewardText.objects.filter(reward=reward).values_list("language", flat=True)
        assert set(languages) == {"en", "de", "pl", "ja"}
    now = timezone.now()
    assert Reward.objects.filter(enabled=False).exists()
    assert Reward.objects.filter(active_from__gt=now).exists()
    assert Reward.objects.filter(active_until__gt=now).exists()
    assert Reward.objects.filter(limit_per_customer__isnull=False).exists()
    assert Reward.objects.exclude(minimum_order=None).exists()


def test_customers_are_as_in_life(demo):
    customers = Customer.objects.all()

    assert set(customers.values_list("state", flat=True)) == {"candidate", "member", "disabled"}
    assert customers.filter(email=None).exists()
    assert customers.filter(phone=None).exists()
    assert customers.filter(first_name="", last_name="").exists()
    assert max(len(str(customer)) for customer in customers) > 60
    assert set(customers.values_list("language", flat=True)) >= {"de", "pl", "ja", "en"}


def test_a_live_code_works_at_the_shop_and_an_undone_one_does_not(demo):
    mine = queries.for_customer_page(customer_id=demo.customer.pk, now=timezone.now())
    live = mine.filter(connection__enabled=True, status=Status.ISSUED).first()
    undone = RedeemedReward.objects.get(idempotency_key="demo:undone:0")

    order = demo.shop.checkout(demo.customer.email, quantity=3, code=live.code.code)

    assert [code["code"] for code in order["codes"]] == [live.code.code]
    with pytest.raises(ShopRefused):
        demo.shop.checkout(undone.customer_email, quantity=3, code=undone.code.code)
    assert set(undone.code.evidence.values_list("kind", flat=True)) == {"created", "disabled", "read_back"}


def test_the_shop_calls_us_at_the_address_of_its_connection(demo, settings):
    connection = StoreConnection.objects.get(name="Fern & Field shop")

    assert demo.shop.call("GET", "/api/shop")["webhook_url"] == f"{settings.PUBLIC_URL}/hooks/{connection.webhook_key}/"
    assert not demo.shop.call("GET", "/api/faults")["faults"]


def test_the_logins_work_and_the_file_is_private(demo):
    assert demo.file.stat().st_mode & 0o777 == 0o600
    assert {login["role"] for login in demo.told["staff"]} == {"viewer", "support", "fulfilment", "manager"}
    for login in demo.told["staff"]:
        user = authenticate(None, email=login["email"], password=login["password"])
        assert user.is_staff
        assert list(user.groups.values_list("name", flat=True)) == [login["role"]]
    (login,) = demo.told["customers"]
    user = authenticate(None, email=login["email"], password=login["password"])
    assert user.customer == demo.customer
    assert user.emailaddress_set.get().verified
    assert not user.is_staff
    assert keys.find(secret=demo.told["api_key"], now=timezone.now()).scopes == sorted(keys.Scope.values)


def counts():
    return {model.__name__: model.objects.count() for model in apps.get_models() if model.__name__ != "ReadOnly"}


def test_a_second_run_has_no_effect_and_is_quick(demo):
    before, told, shop = counts(), demo.told, StoreConnection.objects.values().order_by("pk")
    shops_before = list(shop)
    began = time.monotonic()

    said = load(demo.shop, demo.file)

    assert time.monotonic() - began < 3
    assert said.startswith("The demo merchant was there")
    assert counts() == before
    assert demo.told == told
    assert list(shop.all()) == shops_before


def test_a_lost_file_of_logins_is_made_anew_and_its_logins_work(demo, tmp_path, undone):
    before = User.objects.count()

    load(demo.shop, tmp_path / "new.json")

    told = json.loads((tmp_path / "new.json").read_text())
    assert User.objects.count() == before
    for login in [*told["staff"], *told["customers"]]:
        assert authenticate(None, email=login["email"], password=login["password"])
    assert keys.find(secret=told["api_key"], now=timezone.now())
    assert keys.find(secret=demo.told["api_key"], now=timezone.now()) is None
    load(demo.shop, demo.file)  # the first file's key is dead: it gets a new one
    assert keys.find(secret=demo.told["api_key"], now=timezone.now())


def test_a_shop_that_moved_is_connected_at_its_new_address(demo, undone):
    connection = StoreConnection.objects.filter(name="Fern & Field shop")
    connection.update(base_url="http://127.0.0.1:1", credentials="unreadable")

    load(demo.shop, demo.file)

    assert connection.get().base_url == demo.shop.url


def test_money_back_has_a_history_by_hand_and_through_the_sandbox(demo):
    payouts = Payout.objects.order_by("pk")

    by_account = {name: set() for name in payouts.values_list("account__name", flat=True)}
    for payout in payouts.select_related("account"):
        by_account[payout.account.name].add(payout.state)
    assert by_account == {
        "Bank transfer by hand": {"init", "paid", "failed"},
        "Sandbox payouts": {"pending", "paid", "failed"},
    }
