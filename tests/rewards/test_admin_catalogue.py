"""The catalogue in the admin: a form that says in sentences what is wrong, and a stock that follows its total."""

import json
import re
from html import unescape

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext

from loyalty.customers.models import Tier
from rewards import limits
from rewards.models import PointsProduct, Reward, RewardStock, RewardText
from tests.factories.catalogue import GiftFactory, PointsProductFactory, RewardFactory
from tests.factories.people import ConnectionFactory, CustomerFactory
from tests.rewards.admin_rows import AT, listed, row, staff, words

pytestmark = pytest.mark.django_db

LIST = "/admin/rewards/reward/"
RIGHTS = tuple(f"rewards.{verb}_{model}" for model in ("reward", "rewardtext") for verb in ("view", "add", "change"))


STEPS = {
    "points_price": "",
    "variable_points_step": "100",
    "variable_points_step_reward_value": "1",
    "variable_points_min": "100",
}


@pytest.fixture
def manager():
    return staff(*RIGHTS)


def form(**changes):
    """The form of a new discount of 5, as a browser sends it."""
    data = {
        "name": "5 off",
        "type": "discount_code",
        "amount": "5.00",
        "currency": "usd",
        "prefix": "SPRING",
        "texts-TOTAL_FORMS": "1",
        "texts-INITIAL_FORMS": "0",
        "texts-0-language": "en",
        "texts-0-name": "$5 off",
        "cost": "fixed",
        "points_price": "500",
    }
    return {key: value for key, value in (data | changes).items() if value is not None}


def changed(reward, **changes):
    """The form of a reward that exists, without its texts and price."""
    data = {
        "name": reward.name,
        "type": reward.type,
        "amount": reward.amount or "",
        "currency": reward.currency,
        "connection": reward.connection_id or "",
        "texts-TOTAL_FORMS": "1",
        "texts-INITIAL_FORMS": "0",
        "texts-0-language": "en",
        "texts-0-name": "Text",
    }
    return data | changes


def test_a_new_reward_starts_switched_off_with_its_text_and_price(manager):
    response = manager.post(f"{LIST}add/", form(enabled="on", limit_total="7"))

    reward = Reward.objects.get()
    assert response.status_code == 302
    assert (reward.enabled, reward.currency, reward.limit_total) == (False, "USD", 7)
    assert RewardText.objects.get().name == "$5 off"
    assert PointsProduct.objects.get().points_price == 500
    assert RewardStock.objects.get().left == 7


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"amount": ""}, "A discount code needs this. Say how much it is worth."),
        ({"percent": "10"}, "Leave this empty: a reward of type “discount code” has none."),
        ({"type": "percentage_discount", "amount": ""}, "A percentage discount code needs this."),
        ({"type": "percentage_discount", "amount": "", "percent": "101"}, "less than or equal to 100"),
        ({"currency": "EU"}, "Write the three letters of a currency, such as EUR."),
        ({"prefix": "spring"}, "Only capital letters and digits."),
        (
            {
                "active_from_0": "2026-03-02",
                "active_from_1": "00:00",
                "active_until_0": "2026-03-01",
                "active_until_1": "00:00",
            },
            "It ends before it begins. Choose a later moment.",
        ),
        (
            {
                "visible_from_0": "2026-03-02",
                "visible_from_1": "00:00",
                "visible_until_0": "2026-03-01",
                "visible_until_1": "00:00",
            },
            "It ends before it begins. Choose a later moment.",
        ),
        ({"limit_per_period": "2"}, "A limit per period needs both: how many, and in which period."),
        ({"period": "week"}, "A limit per period needs both: how many, and in which period."),
        (
            {"type": "free_delivery", "amount": "", "liability_limit": "50"},
            "Nobody knows what one of these is worth: fill in its tax value, or leave this empty.",
        ),
        ({"restricted": "on"}, "Choose a tier or name a customer, or offer the reward to everybody."),
        ({"restricted": "on", "audience": "nobody@example.com"}, "Nobody has this address: nobody@example.com."),
        ({"shelves": "x" * 61}, "A category's name has at most 60 characters."),
        ({"points_price": "0"}, "This is at least 1."),
        ({"points_price": ""}, "Fill this in: without it nobody knows what to pay."),
        ({"cost": "", "points_price": "5"}, "Leave this empty, or say above that it has a cost."),
        ({"variable_points_step": "5"}, "Leave this empty: the cost is of the other sort."),
        ({"cost": "variable"} | STEPS | {"variable_points_min": "150"}, "Choose a multiple of 100."),
        ({"cost": "variable"} | STEPS | {"variable_points_max": "50"}, "Choose a multiple of 100."),
        (
            {"cost": "variable"} | STEPS | {"variable_points_min": "300", "variable_points_max": "200"},
            "less than the minimum",
        ),
        ({"cost": "variable"} | STEPS | {"variable_points_step": "0"}, "This is at least 1."),
        (
            {"type": "free_delivery", "amount": "", "cost": "variable"} | STEPS,
            "Points cannot buy more or less of a reward of type “free delivery”.",
        ),
        ({"type": "value_code", "prefix": "SPRING"}, "shorten the prefix"),
        ({"type": "custom", "amount": ""}, "A custom campaign needs a link"),
        ({"texts-0-name": ""}, "This field is required."),
    ],
)
def test_says_what_is_wrong_and_saves_nothing(manager, changes, sentence):
    response = manager.post(f"{LIST}add/", form(**changes))

    assert response.status_code == 200
    assert sentence in words(response)
    assert not Reward.objects.exists()


def test_refuses_another_currency_than_its_shop_sells_in(manager):
    shop = ConnectionFactory(name="Paris", currency="EUR")

    answer = manager.post(f"{LIST}add/", form(connection=shop.pk, currency="USD"))

    assert "Paris sells in EUR: a code in USD would be refused there." in words(answer)
    assert not Reward.objects.exists()
    manager.post(f"{LIST}add/", form(connection=shop.pk, currency="EUR"))
    assert Reward.objects.get().connection == shop


def test_a_reward_may_have_no_price_and_is_then_only_granted(manager):
    manager.post(f"{LIST}add/", form(cost="", points_price=""))

    assert Reward.objects.count() == 1
    assert not PointsProduct.objects.exists()
    assert "Only granted" in words(manager.get(LIST))


def test_a_variable_cost_needs_no_amount_and_says_what_a_step_buys(manager):
    manager.post(f"{LIST}add/", form(amount="", cost="variable", **STEPS))

    product = PointsProduct.objects.get()
    assert (product.exchange_type, product.points_price, product.variable_points_max) == ("variable", None, None)
    assert "Discount code from 100 1.00 USD per 100 points" in words(manager.get(LIST))


def test_a_changed_cost_keeps_its_number_and_a_removed_one_is_gone(manager):
    product = PointsProductFactory(reward=RewardFactory())
    change = f"{LIST}{product.reward_id}/change/"

    manager.post(change, changed(product.reward, enabled="on", cost="variable", **STEPS))
    assert PointsProduct.objects.get().pk == product.pk
    manager.post(change, changed(product.reward, enabled="on", **{"texts-0-language": "de"}))

    assert not PointsProduct.objects.exists()


def test_keeps_the_list_of_customers_the_categories_and_the_labels_as_they_were_typed(manager):
    anna, ben = CustomerFactory(email="Anna@Example.com"), CustomerFactory(email="ben@example.com")

    manager.post(
        f"{LIST}add/",
        form(
            restricted="on",
            audience="anna@example.com\n\n BEN@example.com \nanna@example.com",
            shelves="Garden,  Spring,",
            labels="new,spring",
            limit_per_period="2",
            period="week",
            liability_limit="500",
            days_inactive="3",
        ),
    )

    reward = Reward.objects.get()
    assert set(reward.audience.values_list("customer_id", flat=True)) == {anna.pk, ben.pk}
    assert sorted(reward.categories.values_list("name", flat=True)) == ["Garden", "Spring"]
    assert (reward.labels, reward.limit_per_period, reward.period) == (["new", "spring"], 2, "week")
    page = manager.get(f"{LIST}{reward.pk}/change/").content.decode()
    assert "Anna@Example.com\nben@example.com" in page
    assert 'value="Garden, Spring"' in page


def test_keeps_the_tiers_and_the_brand(manager):
    gold = Tier.objects.create(name="Gold", rank=2)

    manager.post(f"{LIST}add/", form(restricted="on", tiers=[gold.pk], **{"texts-0-brand": "Oat & Slate"}))

    reward = Reward.objects.get()
    assert list(reward.tiers.values_list("tier_id", flat=True)) == [gold.pk]
    assert reward.texts.get().brand == "Oat & Slate"
    assert re.search(r'value="\d+" id="id_tiers_0" checked', manager.get(f"{LIST}{reward.pk}/change/").content.decode())


def test_tiers_of_a_reward_for_everybody_are_a_mistake(manager):
    gold = Tier.objects.create(name="Gold", rank=2)

    page = words(manager.post(f"{LIST}add/", form(tiers=[gold.pk])))

    assert "Tick “only for some customers” as well, or choose no tier." in page


def test_the_form_knows_which_fields_each_type_has(manager):
    page = unescape(manager.get(f"{LIST}add/").content.decode())
    own = json.loads(re.search(r'data-fields="(\{.*?\})"', page)[1])

    assert own["custom"] == ["prefix"]
    assert {"collections", "combines_with"} <= set(own["percentage_discount"])
    assert own["gift_card"] == ["amount", "connection", "minimum_order", "prefix"]
    assert "product_reference" in own["free_product"]
    assert "carries_code" in own["gift"]


def test_keeps_the_collections_and_the_combinations(manager):
    manager.post(
        f"{LIST}add/",
        form(collections="kitchen = Kitchen and table\n\n gid://shop/Collection/7\n", combines_with=["shipping"]),
    )

    reward = Reward.objects.get()
    assert reward.collections == [
        ["kitchen", "Kitchen and table"],
        ["gid://shop/Collection/7", "gid://shop/Collection/7"],
    ]
    assert reward.combines_with == ["shipping"]
    page = manager.get(f"{LIST}{reward.pk}/change/").content.decode()
    assert "kitchen = Kitchen and table\ngid://shop/Collection/7 = gid://shop/Collection/7" in page
    shown = words(staff("rewards.view_reward").get(f"{LIST}{reward.pk}/change/"))
    assert "Only for these collections: Kitchen and table, gid://shop/Collection/7" in shown


def test_collections_that_are_emptied_are_gone(manager):
    reward = RewardFactory(collections=[["kitchen", "Kitchen"]], combines_with=["order"])

    manager.post(f"{LIST}{reward.pk}/change/", changed(reward, collections=""))

    reward.refresh_from_db()
    assert (reward.collections, reward.combines_with) == ([], [])


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"collections": "= Kitchen"}, "Write the shop's id of the collection first: “= Kitchen” has none."),
        ({"collections": "a\na = B"}, "A collection is named twice. Remove one of the lines."),
        ({"collections": "\n".join(map(str, range(21)))}, "At most 20 collections can be named."),
        (
            {"type": "gift_card", "collections": "a"},
            "Leave this empty: a reward of type “gift card” is not limited to collections.",
        ),
        (
            {"type": "gift_card", "combines_with": ["order"]},
            "Leave this empty: a reward of type “gift card” is no discount beside others.",
        ),
    ],
)
def test_says_what_is_wrong_with_a_condition(manager, changes, sentence):
    assert sentence in words(manager.post(f"{LIST}add/", form(**changes)))
    assert not Reward.objects.exists()


@pytest.mark.parametrize(
    ("platform", "changes", "sentence"),
    [
        ("vendure", {"collections": "a"}, "Lilies runs on Vendure, which cannot limit such a code to collections."),
        (
            "vendure",
            {"combines_with": ["order"]},
            "Lilies runs on Vendure, which cannot be told what a code is combined",
        ),
        (
            "sandbox",
            {"combines_with": ["order"]},
            "Lilies runs on Sandbox shop, which cannot be told what a code is combined with. Choose none.",
        ),
    ],
)
def test_a_condition_the_shop_cannot_hold_is_refused_by_the_shop_s_name(manager, platform, changes, sentence):
    shop = ConnectionFactory(name="Lilies", platform=platform)

    page = words(manager.post(f"{LIST}add/", form(connection=shop.pk, **changes)))

    assert sentence in page
    assert not Reward.objects.exists()


def test_who_only_looks_sees_the_price(manager):
    product = PointsProductFactory(reward=RewardFactory(), points_price=1200)

    page = words(staff("rewards.view_reward").get(f"{LIST}{product.reward_id}/change/"))

    assert "Cost in points: 1 200" in page


def test_it_is_switched_on_with_a_shop_and_a_gift_without(manager):
    discount, gift = RewardFactory(enabled=False, connection=ConnectionFactory()), GiftFactory(enabled=False)

    for reward in (discount, gift):
        manager.post(f"{LIST}{reward.pk}/change/", changed(reward, enabled="on"))

    assert all(Reward.objects.values_list("enabled", flat=True))


def test_changing_the_total_moves_the_stock(manager):
    gift = GiftFactory()
    limits.set_total(reward_id=gift.pk, limit=5, now=AT)
    row(reward=gift)

    manager.post(f"{LIST}{gift.pk}/change/", changed(gift, enabled="on", limit_total="10"))

    assert Reward.objects.get().limit_total == 10
    assert RewardStock.objects.get().left == 9


def test_a_total_below_what_is_taken_is_refused(manager):
    gift = GiftFactory()
    limits.set_total(reward_id=gift.pk, limit=5, now=AT)
    row(reward=gift)
    row(reward=gift)

    response = manager.post(f"{LIST}{gift.pk}/change/", changed(gift, name="Other", enabled="on", limit_total="1"))

    assert "2 of this reward are taken already: the limit cannot be 1." in words(response)
    assert Reward.objects.values_list("limit_total", "name").get() == (5, "A mug")


def test_taking_the_total_away_leaves_no_stock_to_count(manager):
    gift = GiftFactory()
    limits.set_total(reward_id=gift.pk, limit=5, now=AT)

    manager.post(f"{LIST}{gift.pk}/change/", changed(gift, enabled="on", limit_total=""))

    assert Reward.objects.get().limit_total is None
    assert not RewardStock.objects.exists()


def test_lists_rewards_with_price_stock_and_state(manager):
    gift = GiftFactory(limit_per_customer=2)
    PointsProductFactory(reward=gift, points_price=1200)
    limits.set_total(reward_id=gift.pk, limit=5, now=AT)

    assert "A mug On Gift 1 200 – 5 of 5 2 Always –" in words(manager.get(LIST))


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ({"enabled": "false"}, "off"),
        ({"type": "gift"}, "gift"),
        ({"search": "MUG"}, "gift"),
        ({"kind": "physical"}, "gift"),
        ({"kind": "virtual"}, "off"),
        ({"enabled": "true"}, "gift"),
    ],
)
def test_each_filter_filters(manager, query, wanted):
    rewards = {"off": RewardFactory(enabled=False), "gift": GiftFactory()}

    assert listed(manager.get(LIST, query)) == [rewards[wanted].pk]


def test_takes_as_many_queries_for_many_rewards_as_for_one(manager):
    PointsProductFactory(reward__connection=ConnectionFactory())
    manager.get(LIST)
    with CaptureQueriesContext(database) as one:
        manager.get(LIST)
    for _ in range(5):
        PointsProductFactory(reward__connection=ConnectionFactory())

    with CaptureQueriesContext(database) as many:
        assert len(listed(manager.get(LIST))) == 6

    assert len(many) == len(one)


def test_rewards_are_switched_off_and_never_deleted():
    reward = RewardFactory()
    client = staff(*RIGHTS, "rewards.delete_reward")

    assert client.post(f"{LIST}{reward.pk}/delete/", {"post": "yes"}).status_code == 403
    assert Reward.objects.exists()


def test_only_those_with_the_right_change_the_catalogue():
    reward = RewardFactory()
    viewer = staff("rewards.view_reward")

    assert viewer.get(f"{LIST}{reward.pk}/change/").status_code == 200
    assert viewer.post(f"{LIST}{reward.pk}/change/", changed(reward, name="Other")).status_code == 403
    assert viewer.get(f"{LIST}add/").status_code == 403
