"""Activities, earning rules and events told: in Smile's shapes, once, whatever repeats."""

from decimal import Decimal

import pytest
from django.utils import timezone

from loyalty.customers.models import Customer, CustomerIdentity
from loyalty.events.models import Event
from loyalty.points import queries as points
from loyalty.program.earning import activities
from loyalty.program.earning.models import Activity
from loyalty.program.models import Order, OrderStatus
from tests.api.conftest import refusal
from tests.factories.catalogue import RewardFactory
from tests.factories.earning import RuleFactory
from tests.factories.people import CustomerFactory

pytestmark = pytest.mark.django_db


def balance(customer):
    return points.balance(customer_id=customer.pk, now=timezone.now()).balance


def test_an_activity_is_told_in_smiles_shape_and_evaluated_afterwards(api):
    customer = CustomerFactory(email="anna@example.com")
    RuleFactory(kind="activity", token="review_written", points=20)
    told = {
        "token": "review_written",
        "customer_email": "ANNA@example.com",
        "distinct_id": "r-1",
        "created_on_origin_at": "2026-11-20T10:00:00.000Z",
    }

    answer = api.post("/activities", {"activity": told})

    shown = answer.json()["activity"]
    assert answer.status_code == 201
    assert (shown["customer_id"], shown["token"], shown["distinct_id"]) == (customer.pk, "review_written", "r-1")
    assert (shown["created_on_origin_at"], shown["state"], shown["outcome"]) == (
        "2026-11-20T10:00:00.000Z", "waiting", None,
    )  # fmt: skip
    activities.evaluate(activity_id=shown["id"], now=timezone.now())
    listed = api.get("/activities", customer_id=customer.pk).json()["activities"]
    assert [(each["state"], each["outcome"]) for each in listed] == [("done", "awarded")]
    assert balance(customer) == 20


def test_the_same_activity_is_refused_and_the_same_request_is_answered_again(api):
    told = {"token": "review", "customer_id": CustomerFactory().pk, "distinct_id": "r-1"}
    first = api.post("/activities", told, key="k-1")

    assert api.post("/activities", told, key="k-1").json() == first.json()
    again = api.post("/activities", told)

    assert refusal(again) == (422, "duplicate_activity")
    assert Activity.objects.count() == 1


@pytest.mark.parametrize(
    ("told", "status", "code"),
    [
        ({"token": "review"}, 422, "contradictory"),
        ({"token": "review", "customer_id": 1, "customer_email": "a@example.com"}, 422, "contradictory"),
        ({"token": "review", "customer_id": 10**9}, 422, "unknown_customer"),
        ({"token": "review", "customer_email": "nobody@example.com"}, 422, "unknown_customer"),
        ({"token": "not a name", "customer_id": 1}, 400, "invalid_parameter"),
    ],
)
def test_an_activity_that_cannot_be_kept_is_refused(api, told, status, code):
    assert refusal(api.post("/activities", told)) == (status, code)
    assert not Activity.objects.exists()


def test_earning_rules_are_listed_in_smiles_shape_and_only_those_that_are_on(api):
    spent = RuleFactory(
        points=2,
        per_amount=Decimal("1.50"),
        tier_ids=[7],
        most_times=3,
        period="week",
        most_points=50,
        most_points_ever=90,
    )
    first = RuleFactory(kind="first_order", points=100)
    given = RuleFactory(
        kind="activity", token="review", points=None, reward=RewardFactory(), action_url="https://a.example"
    )
    RuleFactory(enabled=False)

    rows = api.get("/earning_rules").json()["earning_rules"]

    assert [row["id"] for row in rows] == [given.pk, first.pk, spent.pk]
    assert (rows[0]["reward"], rows[0]["reward_value"], rows[0]["reward_id"]) == (
        {"type": "reward"}, {"type": "fixed", "fixed": {"value": 0}}, given.reward_id,
    )  # fmt: skip
    assert (rows[0]["action_url"], rows[0]["action_text"]) == ("https://a.example", None)
    assert rows[1]["reward_value"] == {"type": "fixed", "fixed": {"value": 100}}
    assert rows[1]["earning_limit"] == {"max": 1, "type": "lifetime"}
    assert rows[2]["reward_value"] == {"type": "variable", "variable": {"value": 2, "per_amount": 1.5}}
    assert rows[2]["earning_limit"] == {
        "max": 3, "type": "rolling", "rolling": {"unit": "day", "unit_count": 7},
    }  # fmt: skip
    assert (rows[2]["most_points"], rows[2]["most_points_ever"], rows[2]["period"]) == (50, 90, "week")
    assert (rows[2]["restricted_to_vip_tier_ids"], rows[2]["reward"]) == ([7], {"type": "points"})


def order(**changes):
    told = {
        "external_id": "A-1",
        "grand_total": "59.90",
        "rewardable_total": "40.00",
        "external_created_at": "2026-11-20 10:00:00",
        "external_updated_at": "2026-11-20 10:00:00",
        "payment_status": "paid",
        "coupons": {"code": "SPRING"},
        "customer": {"external_id": 77, "email": "anna@example.com"},
    }
    return {"event": {"topic": "order/updated", "data": {**told, **changes}}}


def test_an_order_told_earns_once_and_its_refund_takes_all_back(api):
    for _ in range(2):
        answer = api.post("/events", order())
    assert (answer.status_code, answer.json()) == (202, {"event": {"topic": "order/updated", "external_id": "A-1"}})
    stored = Order.objects.get()
    customer = Customer.objects.get(email="anna@example.com")
    assert (stored.connection, stored.rewardable_total, stored.customer) == (None, Decimal("40.00"), customer)
    assert CustomerIdentity.objects.get().external_id == "77"
    assert balance(customer) == 40

    api.post("/events", order(payment_status="refunded", external_updated_at="2026-11-21T10:00:00Z"))
    api.post("/events", order())

    assert balance(customer) == 0
    assert Order.objects.get().refunded == Decimal("59.90")


def test_an_order_that_is_not_paid_yet_and_one_of_a_guest_earn_nothing(api):
    api.post("/events", order(payment_status=None))
    api.post("/events", order(external_id="A-2", customer=None, coupons=[], rewardable_total=-3))

    assert [(each.status, each.customer_id is None) for each in Order.objects.order_by("pk")] == [
        (OrderStatus.PLACED, False),
        (OrderStatus.COMPLETED, True),
    ]
    assert balance(Customer.objects.get()) == 0


BOUGHT = [
    {"product_id": 501, "quantity": 2, "amount": "30.00", "tax": "5.00", "categories": ["tea", "gifts"]},
    {"product_id": "cup", "amount": 29.9},
]


def test_the_items_of_an_order_are_kept_and_count_for_rules_of_products_and_categories(api):
    double = RuleFactory(kind="multiplier", points=None, per_amount=None, factor=2, categories=["tea"])

    for _ in range(2):
        answer = api.post("/events", order(line_items=BOUGHT, tax_total="9.50", shipping_total=0, discount_total="3"))

    stored = Order.objects.get()
    assert answer.status_code == 202
    assert (stored.tax, stored.shipping, stored.discounts) == (Decimal("9.50"), Decimal(0), Decimal(3))
    assert list(
        stored.items.order_by("position").values_list("product", "quantity", "amount", "tax", "categories")
    ) == [
        ("501", 2, Decimal("30.00"), Decimal("5.00"), ["gifts", "tea"]),
        ("cup", 1, Decimal("29.90"), None, None),
    ]
    assert stored.awards.get(rule=double).points == 30
    assert balance(Customer.objects.get()) == 70


def test_refunds_in_part_take_back_their_share_and_the_last_the_rest(api):
    first = {"external_id": 1, "amount": "14.98"}

    api.post("/events", order(refunds=[first], external_updated_at="2026-11-21T10:00:00Z"))
    assert (balance(Customer.objects.get()), Order.objects.get().payment_state) == (30, "partially_refunded")

    api.post("/events", order(refunds=[first], payment_status="refunded", external_updated_at="2026-11-22T10:00:00Z"))
    assert (balance(Customer.objects.get()), Order.objects.get().refunded) == (0, Decimal("59.90"))


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"line_items": [BOUGHT[0], {"amount": 1}]}, "/line_items/1/product_id"),
        ({"line_items": [{"product_id": "cup", "amount": -1}]}, "/line_items/0/amount"),
        ({"line_items": [{"product_id": "cup", "amount": 1, "tax": 2}]}, "/line_items/0/tax"),
        ({"line_items": [{"product_id": "cup", "amount": 1, "quantity": 1.5}]}, "/line_items/0/quantity"),
        ({"line_items": [{"product_id": "cup", "amount": 1, "categories": [""]}]}, "/line_items/0/categories/0"),
        ({"line_items": "cup"}, "/line_items"),
        ({"line_items": [{"product_id": 1, "amount": 1}] * 1001}, "/line_items"),
        ({"refunds": [{"external_id": 1, "amount": 60}]}, "/refunds"),
        ({"customer": {"email": "anna@example.com"}}, "/customer/external_id"),
    ],
)
def test_what_is_wrong_in_an_order_is_named_by_its_place(api, changes, where):
    answer = api.post("/events", order(**changes))

    assert refusal(answer) == (422, "invalid_event")
    assert answer.json()["error"]["pointer"] == f"/event/data{where}"
    assert not Order.objects.exists()


def test_a_deleted_order_is_canceled_and_stays_so(api):
    api.post("/events", order())
    gone = {"event": {"topic": "order/deleted", "data": {"external_id": "A-1"}}}

    assert [api.post("/events", gone).status_code for _ in range(2)] == [202, 202]
    api.post("/events", order())

    assert Order.objects.get().status == OrderStatus.CANCELLED
    assert balance(Customer.objects.get()) == 0


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"topic": "order/deleted", "data": {"external_id": "nobody's"}}, (422, "unknown_order")),
        ({"topic": "order/updated", "data": {"external_id": "A-1"}}, (422, "invalid_event")),
        ({"topic": "order/updated", "data": {"external_id": "A-1", "grand_total": "much"}}, (422, "invalid_event")),
        ({"topic": "customer/deleted", "data": {}}, (422, "invalid_event")),
        ({"topic": "customer/deleted", "data": {"external_id": "nobody's"}}, (422, "unknown_identity")),
        ({"topic": "customer/vanished", "data": {}}, (400, "invalid_parameter")),
    ],
)
def test_an_event_that_cannot_be_taken_is_refused_with_a_sentence(api, event, expected):
    assert refusal(api.post("/events", {"event": event})) == expected
    assert not Order.objects.exists()


def test_a_deleted_customer_is_excluded_once_and_keeps_what_they_have(api):
    api.post("/events", order())
    anna = Customer.objects.get()
    gone = {"event": {"topic": "customer/deleted", "data": {"external_id": anna.identities.get().external_id}}}
    had = balance(anna)

    assert [api.post("/events", gone).status_code for _ in range(2)] == [202, 202]

    anna.refresh_from_db()
    assert (anna.state, balance(anna)) == ("disabled", had)
    assert Event.objects.filter(kind="customer.state_changed").count() == 1
    api.post("/events", order(external_id="A-2"))
    assert balance(anna) == had


def test_a_customer_whom_another_id_names_as_well_is_not_excluded_by_the_deletion_of_one(api):
    anna = CustomerFactory()
    for external_id in ("old", "new"):
        CustomerIdentity.objects.create(customer=anna, external_id=external_id)

    answer = api.post("/events", {"event": {"topic": "customer/deleted", "data": {"external_id": "old"}}})

    assert refusal(answer) == (422, "known_elsewhere")
    anna.refresh_from_db()
    assert anna.state == "member"


def test_a_customer_told_is_known_by_that_id(api):
    told = {"external_id": "9", "email": "ben@example.com", "first_name": "Ben"}

    answer = api.post("/events", {"event": {"topic": "customer/updated", "data": told}})

    assert answer.status_code == 202
    assert CustomerIdentity.objects.get(external_id="9").customer.first_name == "Ben"


@pytest.mark.parametrize(("scope", "path"), [("event:write", "/activities"), ("activity:write", "/events")])
def test_each_needs_its_own_scope(integrator, scope, path):
    assert refusal(integrator(scope).post(path, {})) == (403, "missing_scope")
