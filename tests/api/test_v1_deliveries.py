"""Parcels through the API: the same steps, refusals and plans as in the back office, for those who may."""

import pytest

from rewards import parcels
from rewards.models import DeliveryChange, RedeemedReward
from tests.api.conftest import refusal
from tests.rewards.admin_rows import gift_row, row

pytestmark = pytest.mark.django_db

ADDRESS = {
    "recipient": "Anna Nowak",
    "line_1": "ul. Długa 2",
    "city": "Gdańsk",
    "postal_code": "80-001",
    "country": "PL",
}
WHOLE = {"recipient": "Anna Nowak", "line_1": "ul. Długa 2", "line_2": "", "postal_code": "80-001"} | {
    "city": "Gdańsk",
    "region": "",
    "country": "PL",
}
STEPS = ("ship", "deliver", "cancel", "came_back", "order_again", "address")


@pytest.fixture
def parcel(db):
    """A gift that was ordered."""
    return gift_row(usage_status="used", shipping_address=WHOLE | {"line_1": "ul. Prosta 1"})


def do(api, redeemed, step, body=None, **more):
    return api.post(f"/reward_fulfillments/{redeemed.pk}/delivery/{step}", {"delivery": body or {}}, **more)


def told(answer):
    assert answer.status_code == 200, answer.json()
    return answer.json()["delivery"]


def status(redeemed):
    return RedeemedReward.objects.values_list("delivery_status", flat=True).get(pk=redeemed.pk)


def test_a_parcel_is_shipped_followed_and_delivered(api, parcel):
    sent = told(
        do(
            api,
            parcel,
            "ship",
            {
                "carrier": "DHL",
                "tracking_number": "JD01",
                "tracking_url": "https://dhl.example/JD01",
                "comment": "Fragile",
            },
        )
    )
    assert (sent["status"], sent["carrier"], sent["tracking_number"], sent["tracking_url"]) == (
        "shipped",
        "DHL",
        "JD01",
        "https://dhl.example/JD01",
    )
    assert sent["shipped_at"].endswith("Z")
    assert sent["address"]["line_1"] == "ul. Prosta 1"

    followed = told(do(api, parcel, "ship", {"carrier": "DHL", "tracking_number": "JD02"}))
    arrived = told(do(api, parcel, "deliver"))

    assert followed["tracking_number"] == "JD02"
    assert arrived["status"] == "delivered"
    assert [step["step"] for step in arrived["history"]] == ["delivered", "tracking", "shipped"]
    assert arrived["history"][-1]["comment"] == "Fragile"
    assert api.get(f"/reward_fulfillments/{parcel.pk}/delivery").json()["delivery"] == arrived


def test_doing_a_step_twice_changes_nothing_more(api, parcel):
    first = told(do(api, parcel, "ship", {"carrier": "DHL", "tracking_number": "JD01"}))

    assert told(do(api, parcel, "ship", {"carrier": "DHL", "tracking_number": "JD01"})) == first
    assert told(do(api, parcel, "ship")) == first
    assert DeliveryChange.objects.count() == 1


def test_a_parcel_that_came_back_is_ordered_anew_or_its_delivery_is_canceled(api, parcel):
    do(api, parcel, "ship", {"carrier": "DHL"})

    back = told(do(api, parcel, "came_back", {"comment": "Nobody home"}))
    assert (back["status"], back["history"][0]["step"]) == ("cancelled", "returned")
    assert back["returned_at"]
    assert told(do(api, parcel, "order_again"))["status"] == "ordered"
    assert told(do(api, parcel, "cancel"))["status"] == "cancelled"


def test_the_address_is_corrected_while_the_parcel_is_here(api, parcel):
    corrected = told(do(api, parcel, "address", {"address": ADDRESS, "comment": "She moved"}))
    assert corrected["address"] == WHOLE
    assert parcels.address_of(RedeemedReward.objects.select_related("delivery").get(pk=parcel.pk)) == WHOLE

    do(api, parcel, "ship")
    assert refusal(do(api, parcel, "address", {"address": ADDRESS | {"city": "Sopot"}})) == (422, "delivery_refused")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/delivery/address"),
        ({"address": {"city": "Gdańsk", "country": "PL"}}, "/delivery/address/line_1"),
        ({"address": ADDRESS | {"line_1": "  "}}, "/delivery/address/line_1"),
        ({"address": ADDRESS | {"country": "Poland"}}, "/delivery/address/country"),
    ],
)
def test_what_lacks_in_an_address_is_named(api, parcel, body, pointer):
    answer = do(api, parcel, "address", body)

    assert refusal(answer)[0] == 400
    assert answer.json()["error"]["pointer"] == pointer


def test_a_step_can_be_tried_and_changes_nothing(api, parcel):
    answer = do(api, parcel, "ship", {"carrier": "DHL", "dry_run": True})

    assert answer.json()["plan"] == {
        "effects": [{"kind": "status", "sentence": "Delivery: Ordered → Shipped"}],
        "refusal": None,
        "points_returned": 0,
        "fingerprint": None,
    }
    assert told(answer)["status"] == status(parcel) == "ordered"
    assert not DeliveryChange.objects.exists()


def test_a_step_that_would_be_refused_says_why_when_tried(api, parcel):
    plan = do(api, parcel, "deliver", {"dry_run": True}).json()["plan"]

    assert plan["effects"] == []
    assert plan["refusal"] == "The parcel of “A mug” is ordered: it cannot become delivered now."
    assert refusal(do(api, parcel, "deliver")) == (422, "delivery_refused")


def test_only_gifts_have_steps(api):
    other = row()

    assert refusal(do(api, other, "ship")) == (422, "delivery_refused")
    assert api.get(f"/reward_fulfillments/{other.pk}/delivery").json()["delivery"]["status"] is None


def test_a_tracking_address_is_one(api, parcel):
    answer = do(api, parcel, "ship", {"tracking_url": "javascript:alert(1)"})

    assert (refusal(answer)[0], answer.json()["error"]["pointer"]) == (400, "/delivery/tracking_url")


def test_the_same_key_ships_once_and_answers_the_same(api, parcel):
    first = do(api, parcel, "ship", {"carrier": "DHL"}, key="parcel-1")
    do(api, parcel, "deliver")

    again = do(api, parcel, "ship", {"carrier": "DHL"}, key="parcel-1")

    assert again.json() == first.json()
    assert again["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize("step", STEPS)
def test_each_step_needs_the_scope_of_deliveries_and_a_reward_that_is_there(integrator, stranger, api, parcel, step):
    body = {"address": ADDRESS}

    assert refusal(do(integrator("reward_fulfillment:write", "delivery:read"), parcel, step, body)) == (
        403,
        "missing_scope",
    )
    assert refusal(do(stranger, parcel, step, body))[0] == 401
    assert refusal(api.post(f"/reward_fulfillments/{parcel.pk + 1}/delivery/{step}", body)) == (404, "not_found")
    assert status(parcel) == "ordered"
    assert not DeliveryChange.objects.exists()


def test_addresses_are_shown_to_those_alone_who_may_see_deliveries(integrator, stranger, parcel):
    path = f"/reward_fulfillments/{parcel.pk}/delivery"

    assert integrator("delivery:read").get(path).status_code == 200
    assert refusal(integrator("reward_fulfillment:write", "customer:read").get(path)) == (403, "missing_scope")
    assert refusal(stranger.get(path))[0] == 401
    shown = integrator("reward_fulfillment:read").get(f"/reward_fulfillments/{parcel.pk}")
    assert "Prosta" not in shown.content.decode()
