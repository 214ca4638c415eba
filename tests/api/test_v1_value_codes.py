"""Value codes at a till: parts are spent and given back, and never more than there is, whoever asks how often."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from loyalty.api import keys
from loyalty.common import actors
from rewards import cancellation, granting
from rewards.models import RedeemedReward, ValueCodeUse
from tests.api.conftest import Integrator, refusal
from tests.concurrency.races import race
from tests.factories.catalogue import RewardFactory, ValueCodeFactory
from tests.factories.people import CustomerFactory

pytestmark = pytest.mark.django_db

BY_CODE = "/value_code_redemptions"


@pytest.fixture
def held(db):
    """A value code of 20 USD."""
    return have()


def have(**fields):
    reward = ValueCodeFactory(**fields)
    return granting.grant(
        customer_id=CustomerFactory().pk, reward_id=reward.pk, actor=actors.SYSTEM, now=timezone.now()
    )


def redeem(api, redeemed, amount="7.50", **more):
    fields = {"amount": amount, "currency": "USD"} | {name: more.pop(name) for name in ("order_id",) if name in more}
    return api.post(f"/reward_fulfillments/{redeemed.pk}/redeem", {"value_code_redemption": fields}, **more)


def done(answer):
    assert answer.status_code == 201, answer.json()
    return answer.json()["value_code_redemption"]


def left(redeemed):
    redeemed.refresh_from_db()
    return redeemed.remaining, redeemed.usage_status


def test_a_part_is_spent_and_the_answer_says_what_remains_with_the_history(api, held):
    first = done(redeem(api, held, "7.50", order_id="till-1"))
    second = done(redeem(api, held, "12.50"))

    assert first.pop("created_at").endswith("Z")
    code = first.pop("value_code")
    assert first == {
        "id": first["id"],
        "reward_fulfillment_id": held.pk,
        "kind": "redeemed",
        "amount": "7.50",
        "remaining": "12.50",
        "order_id": "till-1",
        "reversal_of_id": None,
        "reversed_by_id": None,
    }
    assert (code["amount"], code["remaining"], code["currency"], code["usage_status"]) == (
        "20.00",
        "12.50",
        "USD",
        "unused",
    )
    assert [row["remaining"] for row in code["history"]] == ["12.50"]
    assert [row["remaining"] for row in second["value_code"]["history"]] == ["0.00", "12.50"]
    assert second["value_code"]["usage_status"] == "used"


def test_a_part_is_spent_by_the_code_as_people_type_it(api, held):
    body = {"code": f" {held.code.code.lower()} ", "amount": "5", "currency": "usd"}

    assert done(api.post(BY_CODE, body))["reward_fulfillment_id"] == held.pk
    assert left(held) == (Decimal(15), "unused")


def test_a_code_that_is_no_value_code_is_not_found_as_one_that_nobody_has(api):
    other = granting.grant(
        customer_id=CustomerFactory().pk, reward_id=RewardFactory().pk, actor=actors.SYSTEM, now=timezone.now()
    )

    answers = [
        api.post(BY_CODE, {"code": code, "amount": "1", "currency": "USD"})
        for code in (other.code.code, "NO-SUCH-CODE")
    ]

    assert [refusal(answer) for answer in answers] == [(404, "not_found")] * 2
    assert len({answer.json()["error"]["message"] for answer in answers}) == 1


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"amount": "20.01"}, 422, "value_code_refused"),
        ({"amount": "0"}, 422, "value_code_refused"),
        ({"amount": "-1"}, 422, "value_code_refused"),
        ({"currency": "EUR"}, 422, "currency_mismatch"),
        ({"amount": "1.005"}, 400, "invalid_parameter"),
        ({"amount": "NaN"}, 400, "invalid_parameter"),
        ({"amount": None}, 400, "missing_parameter"),
        ({"currency": None}, 400, "missing_parameter"),
        ({"currency": "DOLLARS"}, 400, "invalid_parameter"),
    ],
)
def test_what_cannot_be_spent_is_refused_and_nothing_is_taken(api, held, fields, status, code):
    body = {"amount": "1", "currency": "USD"} | fields

    assert refusal(api.post(f"/reward_fulfillments/{held.pk}/redeem", body)) == (status, code)

    assert left(held) == (Decimal(20), "unused")
    assert not ValueCodeUse.objects.exists()


def test_what_is_canceled_or_expired_cannot_be_spent(api):
    canceled, expired = have(), have()
    cancellation.cancel(redeemed_reward_id=canceled.pk, actor=actors.SYSTEM, now=timezone.now())
    RedeemedReward.objects.filter(pk=expired.pk).update(expires_at=timezone.now() - timedelta(seconds=1))

    assert refusal(redeem(api, canceled))[1] == "usage_refused"
    assert refusal(redeem(api, expired))[1] == "usage_refused"


def test_the_same_key_spends_once_and_another_body_is_refused(api, held):
    first = redeem(api, held, "7.50", key="receipt-7")
    again = redeem(api, held, "7.50", key="receipt-7")

    assert done(again) == done(first)
    assert again["Idempotent-Replayed"] == "true"
    assert refusal(redeem(api, held, "8", key="receipt-7")) == (422, "idempotency_conflict")
    assert left(held) == (Decimal("12.50"), "unused")


def test_the_same_key_of_another_system_is_another_spending(integrator, held):
    done(redeem(integrator(), held, "1", key="receipt-7"))
    done(redeem(integrator(), held, "1", key="receipt-7"))

    assert left(held) == (Decimal(18), "unused")


def test_what_was_spent_is_given_back_once_however_often_it_is_asked(api, held):
    spent = done(redeem(api, held, "20", order_id="till-9"))
    assert left(held) == (Decimal(0), "used")

    back = done(api.post(f"{BY_CODE}/{spent['id']}/reverse"))
    again = done(api.post(f"{BY_CODE}/{spent['id']}/reverse"))

    assert (back["kind"], back["amount"], back["remaining"], back["order_id"], back["reversal_of_id"]) == (
        "reversed",
        "20.00",
        "20.00",
        "till-9",
        spent["id"],
    )
    assert again["id"] == back["id"]
    assert [row["reversed_by_id"] for row in back["value_code"]["history"]] == [None, back["id"]]
    assert left(held) == (Decimal(20), "unused")
    assert refusal(api.post(f"{BY_CODE}/{back['id']}/reverse")) == (422, "value_code_refused")


@pytest.mark.parametrize("pk", ["0", "999999", "abc", "1e3", "99999999999999999999"])
def test_a_redemption_that_is_not_there_is_not_found(api, pk):
    assert refusal(api.post(f"{BY_CODE}/{pk}/reverse")) == (404, "not_found")
    assert refusal(api.post(f"/reward_fulfillments/{pk}/redeem")) == (404, "not_found")
    assert refusal(api.get(f"/reward_fulfillments/{pk}/value_code")) == (404, "not_found")


def test_the_history_is_read_by_code_and_by_customer(api, held):
    other = have()
    rows = [done(redeem(api, each, "1"))["id"] for each in (held, other, held)]

    def listed(**query):
        return [row["id"] for row in api.get(BY_CODE, **query).json()["value_code_redemptions"]]

    assert listed(reward_fulfillment_id=held.pk) == [rows[2], rows[0]]
    assert listed(customer_id=other.customer_id) == [rows[1]]
    assert listed(limit=1) == [rows[2]]
    assert api.get(f"/reward_fulfillments/{held.pk}/value_code").json()["value_code"]["remaining"] == "18.00"


def test_other_rewards_have_no_value_to_read(api):
    other = granting.grant(
        customer_id=CustomerFactory().pk, reward_id=RewardFactory().pk, actor=actors.SYSTEM, now=timezone.now()
    )

    assert refusal(api.get(f"/reward_fulfillments/{other.pk}/value_code")) == (404, "not_found")
    assert refusal(redeem(api, other)) == (422, "value_code_refused")


def test_a_code_check_shows_a_till_what_is_left(api, held):
    done(redeem(api, held, "7.50"))

    (match,) = api.post("/code_checks", {"code": held.code.code}).json()["code_check"]["matches"]

    assert (match["remaining"], match["currency"], match["reward_fulfillment_id"]) == ("12.50", "USD", held.pk)


def test_spending_and_reading_need_scopes_of_their_own(integrator, stranger, held):
    till, reader = integrator("value_code:write"), integrator("value_code:read")
    others = integrator("reward_fulfillment:write", "code:read", "points_purchase:write")
    spent = done(redeem(till, held, "1"))
    assert till.get(BY_CODE).status_code == reader.get(BY_CODE).status_code == 200
    assert refusal(till.get("/reward_fulfillments")) == (403, "missing_scope")

    for allowed, who, status in (
        (False, reader, 403),
        (False, others, 403),
        (True, others, 403),
        (True, stranger, 401),
    ):
        assert refusal(redeem(who, held))[0] == status
        assert refusal(who.post(BY_CODE, {"code": held.code.code, "amount": "1", "currency": "USD"}))[0] == status
        assert refusal(who.post(f"{BY_CODE}/{spent['id']}/reverse"))[0] == status
        if allowed:
            assert refusal(who.get(BY_CODE))[0] == status
            assert refusal(who.get(f"/reward_fulfillments/{held.pk}/value_code"))[0] == status
    assert left(held) == (Decimal(19), "unused")


@pytest.mark.django_db(transaction=True)
def test_sixteen_tills_at_once_never_spend_more_than_there_is():
    held = have()
    _, secret = keys.create(name="Tills", scopes=["value_code:write"], created_by_id=None, now=timezone.now())

    answers = race(*[lambda: redeem(Integrator(secret), held, "3").status_code] * 16)

    assert sorted(answers) == [201] * 6 + [422] * 10
    assert left(held) == (Decimal(2), "unused")
    assert sum(use.amount for use in ValueCodeUse.objects.all()) == Decimal(18)


@pytest.mark.django_db(transaction=True)
def test_sixteen_tills_give_one_part_back_once():
    held = have()
    _, secret = keys.create(name="Tills", scopes=["value_code:write"], created_by_id=None, now=timezone.now())
    spent = done(redeem(Integrator(secret), held, "20"))

    answers = race(*[lambda: done(Integrator(secret).post(f"{BY_CODE}/{spent['id']}/reverse"))["id"]] * 16)

    assert len(set(answers)) == 1
    assert left(held) == (Decimal(20), "unused")
