from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.utils import timezone

from loyalty.common.actors import SYSTEM
from loyalty.common.causes import Cause, CauseType
from loyalty.customers.models import CustomerState
from loyalty.points import audit, holds, ledger, queries
from loyalty.points.models import PointsHold, PointsTransaction, TransactionKind
from tests.api.conftest import refusal
from tests.factories.people import CustomerFactory
from tests.factories.points import give

pytestmark = pytest.mark.django_db

PATH = "/points_holds"


@pytest.fixture
def customer():
    member = CustomerFactory()
    give(member, 250, now=timezone.now())
    return member


@pytest.fixture(autouse=True)
def _ledger_stays_proved(db):
    yield
    assert list(audit.differences()) == []


def hold(api, customer, points=100, **more):
    answer = api.post(PATH, {"customer_id": customer.pk, "points": points, **more})
    assert answer.status_code == 201
    return answer.json()["points_hold"]


def figures(customer):
    found = queries.balance(customer_id=customer.pk, now=timezone.now())
    return found.balance, found.held


def hold_of_a_redemption(customer):
    return ledger.hold(
        customer_id=customer.pk,
        points=10,
        cause=Cause(CauseType.REDEEMED_REWARD, 1),
        actor=SYSTEM,
        now=timezone.now(),
    )


def test_sets_points_aside_and_tells_all_about_it(api, customer):
    made = hold(api, customer, description="Till 4")

    assert made.keys() == {
        *("id", "customer_id", "points", "state", "points_captured", "points_transaction_id", "description"),
        *("expires_at", "closed_at", "created_at", "updated_at"),
    }
    assert (made["customer_id"], made["points"], made["state"]) == (customer.pk, 100, "open")
    assert (made["points_captured"], made["points_transaction_id"], made["closed_at"]) == (0, None, None)
    assert made["description"] == "Till 4"
    assert made["updated_at"] == made["created_at"]
    assert figures(customer) == (150, 100)
    assert api.get(f"{PATH}/{made['id']}").json() == {"points_hold": made}


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("wrap", [lambda body: body, lambda body: {"points_hold": body}])
def test_takes_a_body_wrapped_or_flat_with_or_without_a_slash(api, customer, slash, wrap):
    answer = api.post(PATH + slash, wrap({"customer_id": str(customer.pk), "points": "7"}))

    assert answer.status_code == 201
    assert answer.json()["points_hold"]["points"] == 7


def test_captures_all_of_it(api, customer):
    made = hold(api, customer, description="Till 4")

    captured = api.post(f"{PATH}/{made['id']}/capture").json()["points_hold"]

    entry = PointsTransaction.objects.get(kind=TransactionKind.REDEMPTION)
    assert (captured["state"], captured["points_captured"]) == ("captured", 100)
    assert captured["points_transaction_id"] == entry.pk
    assert captured["closed_at"] == captured["updated_at"] > made["updated_at"]
    assert (entry.points_change, entry.actor_kind) == (-100, "api_key")
    assert api.get(f"/points_transactions/{entry.pk}").json()["points_transaction"]["description"] == "Till 4"
    assert figures(customer) == (150, 0)


def test_captures_a_part_and_gives_the_rest_back(api, customer):
    made = hold(api, customer)

    captured = api.post(f"{PATH}/{made['id']}/capture/", {"points_hold": {"points": 30}}).json()["points_hold"]

    assert (captured["points"], captured["points_captured"]) == (100, 30)
    assert figures(customer) == (220, 0)


def test_releases_it(api, customer):
    made = hold(api, customer)

    released = api.post(f"{PATH}/{made['id']}/release").json()["points_hold"]

    assert (released["state"], released["points_captured"], released["points_transaction_id"]) == ("released", 0, None)
    assert figures(customer) == (250, 0)
    assert not PointsTransaction.objects.filter(points_change__lt=0).exists()


def test_repeating_an_end_is_harmless_and_the_other_end_is_refused(api, customer):
    spent, freed = hold(api, customer, 10)["id"], hold(api, customer, 20)["id"]

    for _ in range(2):
        assert api.post(f"{PATH}/{spent}/capture").status_code == 200
        assert api.post(f"{PATH}/{freed}/release").status_code == 200

    assert refusal(api.post(f"{PATH}/{spent}/release")) == (422, "hold_closed")
    assert refusal(api.post(f"{PATH}/{freed}/capture")) == (422, "hold_closed")
    assert refusal(api.post(f"{PATH}/{spent}/capture", {"points": 9})) == (422, "hold_closed")
    assert figures(customer) == (240, 0)


def test_the_same_idempotency_key_acts_once(api, customer):
    body = {"customer_id": customer.pk, "points": 100}

    first, second = (api.post(PATH, body, key="till-4-0001") for _ in range(2))
    path = f"{PATH}/{first.json()['points_hold']['id']}/capture"
    ends = [api.post(path, {"points": 40}, key="till-4-0002") for _ in range(2)]

    assert (first.status_code, second.status_code) == (201, 201)
    assert second.json() == first.json()
    assert second["Idempotent-Replayed"] == "true"
    assert ends[0].json() == ends[1].json()
    assert figures(customer) == (210, 0)
    assert refusal(api.post(PATH, {**body, "points": 99}, key="till-4-0001")) == (422, "idempotency_conflict")


def test_the_same_body_without_a_key_holds_twice(api, customer):
    hold(api, customer)
    hold(api, customer)

    assert figures(customer) == (50, 200)


def test_lasts_a_day_or_as_long_as_is_said(api, customer):
    with time_machine.travel(datetime(2026, 11, 26, 12, tzinfo=UTC), tick=False):
        usual = hold(api, customer, 1)
        seconds = hold(api, customer, 1, expires_in=90, expires_at=None)
        instant = hold(api, customer, 1, expires_at="2026-11-26T14:00:00+01:00")

    assert usual["expires_at"] == "2026-11-27T12:00:00.000Z"
    assert seconds["expires_at"] == "2026-11-26T12:01:30.000Z"
    assert instant["expires_at"] == "2026-11-26T13:00:00.000Z"


def test_is_released_by_itself_when_its_time_is_over(api, customer):
    made = hold(api, customer, expires_in=60)

    holds.sweep(now=timezone.now() + timedelta(seconds=61))

    assert api.get(f"{PATH}/{made['id']}").json()["points_hold"]["state"] == "released"
    assert figures(customer) == (250, 0)


@pytest.mark.parametrize(
    ("limit", "status", "code"),
    [
        ({"expires_in": 0}, 400, "invalid_parameter"),
        ({"expires_in": -5}, 400, "invalid_parameter"),
        ({"expires_in": 30 * 86_400 + 1}, 400, "invalid_parameter"),
        ({"expires_in": 2**62}, 400, "invalid_parameter"),
        ({"expires_in": 1.5}, 400, "invalid_parameter"),
        ({"expires_in": True}, 400, "invalid_parameter"),
        ({"expires_in": "an hour"}, 400, "invalid_parameter"),
        ({"expires_in": [60]}, 400, "invalid_parameter"),
        ({"expires_at": "tomorrow"}, 400, "invalid_parameter"),
        ({"expires_at": ""}, 400, "invalid_parameter"),
        ({"expires_at": 5}, 400, "invalid_parameter"),
        ({"expires_at": True}, 400, "invalid_parameter"),
        ({"expires_at": ["2026-11-26T12:00:00Z"]}, 400, "invalid_parameter"),
        ({"expires_at": {"a": 1}}, 400, "invalid_parameter"),
        ({"expires_at": "2026-02-30T12:00:00Z"}, 400, "invalid_parameter"),
        ({"expires_at": "9999-12-31T23:59:59-14:00"}, 400, "invalid_parameter"),
        ({"expires_at": "0001-01-01T00:00:00+14:00"}, 400, "invalid_parameter"),
        ({"expires_at": "9999-12-31T23:59:59Z"}, 422, "invalid_time_limit"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, 422, "invalid_time_limit"),
        ({"expires_in": 60, "expires_at": "2026-11-26T12:00:00Z"}, 422, "contradictory"),
    ],
)
def test_refuses_a_time_limit_that_is_none(api, customer, limit, status, code):
    answer = api.post(PATH, {"customer_id": customer.pk, "points": 10, **limit})

    assert refusal(answer) == (status, code)
    assert figures(customer) == (250, 0)


POINTS = [
    (True, 400, "invalid_parameter"),
    (1.5, 400, "invalid_parameter"),
    ("1e400", 400, "invalid_parameter"),
    ("", 400, "invalid_parameter"),
    ("5 points", 400, "invalid_parameter"),
    ("٥", 400, "invalid_parameter"),
    ([5], 400, "invalid_parameter"),
    ({"a": 5}, 400, "invalid_parameter"),
    (2**63, 400, "invalid_parameter"),
    (0, 422, "invalid_points"),
    (-5, 422, "invalid_points"),
    (2**31, 422, "invalid_points"),
    (2**63 - 1, 422, "invalid_points"),
]


@pytest.mark.parametrize(("value", "status", "code"), [*POINTS, (None, 400, "missing_parameter")])
def test_refuses_points_that_are_no_usable_whole_number(api, customer, value, status, code):
    assert refusal(api.post(PATH, {"customer_id": customer.pk, "points": value})) == (status, code)
    assert not PointsHold.objects.exists()


@pytest.mark.parametrize(("value", "status", "code"), [*POINTS, (101, 422, "invalid_points")])
def test_refuses_to_capture_such_a_number_too(api, customer, value, status, code):
    made = hold(api, customer)

    assert refusal(api.post(f"{PATH}/{made['id']}/capture", {"points": value})) == (status, code)
    assert figures(customer) == (150, 100)


@pytest.mark.parametrize("value", [True, 1.5, "x", "", -1, 0, 2**63, 2**63 - 1, None, [1], {"id": 1}])
def test_refuses_a_customer_id_that_is_none(api, value):
    answer = api.post(PATH, {"customer_id": value, "points": 1})

    assert answer.status_code in {400, 422}
    refusal(answer)


@pytest.mark.parametrize("body", ["[]", '"x"', "5", "null", "{", '{"points": NaN}', b"\xff", "[" * 100_000])
@pytest.mark.parametrize("path", [PATH, f"{PATH}/{{id}}/capture", f"{PATH}/{{id}}/release"])
def test_refuses_a_body_that_is_no_object(api, customer, path, body):
    path = path.format(id=hold(api, customer)["id"])

    answer = api.post(path, body)

    assert refusal(answer)[0] == 400
    assert figures(customer) == (150, 100)


@pytest.mark.parametrize("text", ["x" * 501, "a\x00b", "\ud83d", True, ["x"]])
def test_refuses_a_description_that_cannot_be_kept(api, customer, text):
    answer = api.post(PATH, {"customer_id": customer.pk, "points": 1, "description": text})

    assert refusal(answer) == (400, "invalid_parameter")
    assert not PointsHold.objects.exists()


def test_says_which_parameter_is_missing(api, customer):
    answer = api.post(PATH, {"points_hold": {"customer_id": customer.pk}})

    assert refusal(answer) == (400, "missing_parameter")
    assert answer.json()["error"]["message"].startswith("points is missing")


def test_refuses_more_than_there_is(api, customer):
    answer = api.post(PATH, {"customer_id": customer.pk, "points": 251})

    assert refusal(answer) == (422, "insufficient_points")
    assert figures(customer) == (250, 0)


def test_refuses_a_customer_who_is_excluded(api, customer):
    customer.state = CustomerState.DISABLED
    customer.save()

    assert refusal(api.post(PATH, {"customer_id": customer.pk, "points": 1})) == (422, "customer_disabled")


@pytest.mark.parametrize("pk", ["0", "987654321", "abc", "-1", "1.0", str(2**63), "%00"])
@pytest.mark.parametrize("end", ["/capture", "/release"])
def test_a_hold_that_is_not_there_is_not_found(api, pk, end):
    assert refusal(api.post(f"{PATH}/{pk}{end}")) == (404, "not_found")
    assert refusal(api.get(f"{PATH}/{pk}")) == (404, "not_found")


@pytest.mark.parametrize("end", ["capture", "release"])
def test_the_hold_of_a_redemption_is_not_shown_and_not_decided_about(api, customer, end):
    held = hold_of_a_redemption(customer)

    answer = api.post(f"{PATH}/{held.pk}/{end}")

    assert refusal(answer) == (422, "hold_of_reward")
    assert "belongs to a redeemed reward" in answer.json()["error"]["message"]
    assert refusal(api.get(f"{PATH}/{held.pk}")) == (404, "not_found")
    assert api.get(PATH).json()["points_holds"] == []
    assert figures(customer) == (240, 10)


def test_lists_newest_first_by_customer_and_by_state(api, customer):
    other = CustomerFactory()
    give(other, 50, now=timezone.now())
    mine = [hold(api, customer, points)["id"] for points in (1, 2, 3)]
    theirs = hold(api, other, 4)["id"]
    api.post(f"{PATH}/{mine[0]}/capture")
    api.post(f"{PATH}/{mine[1]}/release")

    def ids(**filters):
        return [row["id"] for row in api.get(PATH, **filters).json()["points_holds"]]

    assert ids() == [theirs, *mine[::-1]]
    assert ids(customer_id=customer.pk) == mine[::-1]
    assert ids(state="open") == [theirs, mine[2]]
    assert ids(state=["captured", "released"]) == [mine[1], mine[0]]
    assert ids(customer_id=customer.pk, state="open") == [mine[2]]
    assert ids(customer_id=987654321) == []


def test_pages_follow_each_other_by_cursor(api, customer):
    made = [hold(api, customer, 1)["id"] for _ in range(3)]

    first = api.get(PATH, limit=2).json()
    second = api.get(PATH, limit=2, cursor=first["metadata"]["next_cursor"]).json()

    assert [row["id"] for row in first["points_holds"] + second["points_holds"]] == made[::-1]
    assert second["metadata"]["next_cursor"] is None


@pytest.mark.parametrize(
    ("name", "value"), [("customer_id", "abc"), ("customer_id", ""), ("state", "gone"), ("state", ""), ("limit", "0")]
)
def test_a_filter_that_means_nothing_is_refused_and_never_ignored(api, name, value):
    assert refusal(api.get(PATH, **{name: value})) == (400, "invalid_parameter")


def test_a_list_costs_the_same_few_queries_however_long(api, customer, django_assert_num_queries):
    for many in (1, 20):
        for _ in range(many):
            api.post(f"{PATH}/{hold(api, customer, 1)['id']}/capture")
        with django_assert_num_queries(2):
            assert api.get(PATH).status_code == 200


def test_asks_for_its_own_scopes(integrator, stranger, customer):
    reader, other = integrator("points_hold:read"), integrator("points_transaction:write")
    made = hold(integrator("points_hold:write"), customer)

    assert reader.get(f"{PATH}/{made['id']}").status_code == 200
    assert reader.get(PATH).status_code == 200
    for path in (PATH, f"{PATH}/{made['id']}/capture", f"{PATH}/{made['id']}/release"):
        assert refusal(reader.post(path, {"customer_id": customer.pk, "points": 1}))[0] == 403
        assert refusal(other.post(path, {}))[0] == 403
        assert refusal(stranger.post(path, {}))[0] == 401
    assert refusal(other.get(PATH))[0] == 403
    assert figures(customer) == (150, 100)
