from datetime import timedelta

import pytest
from django.utils import timezone

from loyalty.points import queries
from loyalty.points.models import PointsAdjustment, PointsTransaction
from tests.api.conftest import refusal
from tests.factories.people import CustomerFactory
from tests.factories.points import give

pytestmark = pytest.mark.django_db

PATH = "/points_transactions"


def balance(customer):
    return queries.balance(customer_id=customer.pk, now=timezone.now()).balance


@pytest.fixture
def customer():
    return CustomerFactory()


def test_answers_the_documented_exchange(api, customer):
    change = {
        "customer_id": customer.pk,
        "points_change": 100,
        "description": "Points correction",
        "internal_note": "order #6834",
    }

    answer = api.post(PATH, {"points_transaction": change})

    assert answer.status_code == 201
    written = answer.json()["points_transaction"]
    assert {name: written[name] for name in change} == change
    assert written.keys() == {
        *("id", "customer_id", "points_change", "description", "internal_note", "created_at", "updated_at"),
        *("kind", "effective_at", "reverses_id"),
    }
    assert written["created_at"] == written["updated_at"]
    assert written["kind"] == "adjustment"
    assert balance(customer) == 100
    assert api.get(f"{PATH}/{written['id']}").json() == answer.json()


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("wrap", [lambda body: body, lambda body: {"points_transaction": body}])
def test_takes_a_body_wrapped_or_flat_with_or_without_a_slash(api, customer, slash, wrap):
    answer = api.post(PATH + slash, wrap({"customer_id": str(customer.pk), "points_change": "7"}))

    assert answer.status_code == 201
    assert answer.json()["points_transaction"]["points_change"] == 7
    assert answer.json()["points_transaction"]["customer_id"] == customer.pk
    assert balance(customer) == 7


def test_takes_points_away(api, customer):
    give(customer, 50, now=timezone.now())

    answer = api.post(
        PATH, {"customer_id": customer.pk, "points_change": -20, "description": None, "internal_note": ""}
    )

    assert answer.json()["points_transaction"]["points_change"] == -20
    assert answer.json()["points_transaction"]["description"] == "Points adjusted"
    assert answer.json()["points_transaction"]["internal_note"] is None
    assert balance(customer) == 30


def test_refuses_what_would_make_the_balance_negative_in_the_words_clients_look_for(api, customer):
    give(customer, 50, now=timezone.now())

    answer = api.post(PATH, {"customer_id": customer.pk, "points_change": -51})

    assert refusal(answer) == (422, "insufficient_points")
    assert "negative points balance" in answer.json()["error"]["message"]
    assert balance(customer) == 50


def test_the_status_of_that_can_be_set_for_clients_that_look_for_400(api, customer, settings):
    settings.API_NEGATIVE_BALANCE_STATUS = 400

    answer = api.post(PATH, {"customer_id": customer.pk, "points_change": -1})

    assert refusal(answer) == (400, "insufficient_points")


def test_names_the_key_as_the_one_who_did_it(api, customer):
    api.post(PATH, {"customer_id": customer.pk, "points_change": 1})

    assert PointsTransaction.objects.get().actor_kind == "api_key"


def test_refuses_an_unknown_customer(api):
    assert refusal(api.post(PATH, {"customer_id": 123456789, "points_change": 1})) == (422, "unknown_customer")


@pytest.mark.parametrize(
    ("value", "status", "code"),
    [
        (True, 400, "invalid_parameter"),
        (1.5, 400, "invalid_parameter"),
        (2.0**60, 400, "invalid_parameter"),
        ("1e400", 400, "invalid_parameter"),
        ("", 400, "invalid_parameter"),
        (" ", 400, "invalid_parameter"),
        (" 5", 400, "invalid_parameter"),
        ("5\n", 400, "invalid_parameter"),
        ("5 points", 400, "invalid_parameter"),
        ("٥", 400, "invalid_parameter"),
        ([5], 400, "invalid_parameter"),
        ({"a": 5}, 400, "invalid_parameter"),
        (2**63, 400, "invalid_parameter"),
        (-(2**70), 400, "invalid_parameter"),
        (10**300, 400, "invalid_parameter"),
        (None, 400, "missing_parameter"),
        (0, 422, "invalid_points"),
        (2**31, 422, "invalid_points"),
        (-(2**31), 422, "invalid_points"),
        (2**63 - 1, 422, "invalid_points"),
    ],
)
def test_refuses_points_that_are_no_usable_whole_number(api, customer, value, status, code):
    answer = api.post(PATH, {"customer_id": customer.pk, "points_change": value})

    assert refusal(answer) == (status, code)
    assert not PointsTransaction.objects.exists()


def test_refuses_a_number_beyond_all_floats(api, customer):
    body = f'{{"customer_id": {customer.pk}, "points_change": 1e400}}'

    assert refusal(api.post(PATH, body)) == (400, "invalid_parameter")


@pytest.mark.parametrize("value", [True, 1.5, "x", "", -1, 0, 2**63, None, [1], {"id": 1}])
def test_refuses_a_customer_id_that_is_none(api, value):
    answer = api.post(PATH, {"customer_id": value, "points_change": 1})

    assert answer.status_code in {400, 422}
    refusal(answer)


def test_says_which_parameter_is_missing(api, customer):
    answer = api.post(PATH, {"points_transaction": {"customer_id": customer.pk}})

    assert refusal(answer) == (400, "missing_parameter")
    assert answer.json()["error"]["message"].startswith("points_change is missing")


@pytest.mark.parametrize("name", ["description", "internal_note"])
@pytest.mark.parametrize("text", ["x" * 1001, "a\x00b", "\ud83d", True, ["x"]])
def test_refuses_a_note_that_cannot_be_kept(api, customer, name, text):
    answer = api.post(PATH, {"customer_id": customer.pk, "points_change": 1, name: text})

    assert refusal(answer) == (400, "invalid_parameter")
    assert not PointsAdjustment.objects.exists()


def test_keeps_any_script_in_a_note(api, customer):
    text = "Zażółć gęślą jaźń 🎁 日本語 <b>&amp;</b> \"'\\"

    answer = api.post(PATH, {"customer_id": customer.pk, "points_change": 1, "description": text})

    assert answer.json()["points_transaction"]["description"] == text


def test_adding_to_the_largest_balance_is_refused_and_not_an_error_of_ours(api, customer):
    first = api.post(PATH, {"customer_id": customer.pk, "points_change": 2**31 - 1})
    second = api.post(PATH, {"customer_id": customer.pk, "points_change": 2**31 - 1})

    assert first.status_code == 201
    assert refusal(second)[0] == 422
    assert balance(customer) == 2**31 - 1


def test_lists_newest_first_and_by_customer(api, customer):
    other = CustomerFactory()
    now = timezone.now()
    mine = [give(customer, points, now=now).pk for points in (1, 2)]
    give(other, 3, now=now)

    rows = api.get(PATH, customer_id=customer.pk, limit=250).json()["points_transactions"]

    assert [row["id"] for row in rows] == mine[::-1]
    assert len(api.get(PATH).json()["points_transactions"]) == 3
    assert api.get(PATH, customer_id=987654321).json()["points_transactions"] == []


def test_lists_what_was_recorded_at_or_after_an_instant(api, customer):
    now = timezone.now().replace(microsecond=0)
    give(customer, 1, now=now - timedelta(days=1))
    late = give(customer, 2, now=now)

    rows = api.get(PATH, updated_at_min=now.isoformat()).json()["points_transactions"]

    assert [row["id"] for row in rows] == [late.pk]


@pytest.mark.parametrize("value", ["abc", "", "-1", "1.0", str(2**63), "1 2", "true", "%00"])
def test_a_customer_id_that_is_no_id_is_refused_and_never_ignored(api, value):
    assert refusal(api.get(PATH, customer_id=value)) == (400, "invalid_parameter")


def test_a_list_costs_the_same_few_queries_however_long(api, customer, django_assert_num_queries):
    for many in (1, 30):
        for _ in range(many):
            api.post(PATH, {"customer_id": customer.pk, "points_change": 1, "description": "x"})
        with django_assert_num_queries(2):
            assert api.get(PATH).status_code == 200


def test_takes_a_whole_number_with_a_point_for_what_it_is(api, customer):
    """JSON makes no difference between 40 and 40.0, and some languages write only the second."""
    answer = api.post("/points_transactions", {"customer_id": customer.pk, "points_change": 40.0})

    assert (answer.status_code, answer.json()["points_transaction"]["points_change"]) == (201, 40)
    assert refusal(api.post("/points_transactions", {"customer_id": customer.pk, "points_change": 1e300}))[0] == 400
