"""Acts on redeemed rewards: each with its own right, confirmed, row by row, and reported with reasons."""

from datetime import timedelta

import pytest
from django.utils import timezone

from loyalty.common import actors
from loyalty.common.adminkit import acts as desk_acts
from loyalty.points import queries as points
from rewards import granting, redemption, usage
from rewards.models import Cancellation, Delivery, RedeemedReward
from tests.factories.catalogue import GiftFactory, PointsProductFactory, RewardTextFactory
from tests.factories.people import ConnectionFactory
from tests.rewards.admin_rows import GRID, VIEW, gift_row, row, staff, words

pytestmark = pytest.mark.django_db

ACTS = {
    "mark-used": "rewards.mark_used",
    "mark-unused": "rewards.mark_unused",
    "cancel": "rewards.cancel_redeemedreward",
    "force-cancel": "rewards.cancel_redeemedreward",
    "ship": "rewards.deliver_redeemedreward",
    "deliver": "rewards.deliver_redeemedreward",
    "cancel-delivery": "rewards.deliver_redeemedreward",
    "came-back": "rewards.deliver_redeemedreward",
    "order-again": "rewards.deliver_redeemedreward",
    "cancel-used": "rewards.cancel_used_redeemedreward",
    "check-again": "rewards.cancel_redeemedreward",
    "retry": "rewards.reissue_redeemedreward",
    "reissue": "rewards.reissue_redeemedreward",
    "extend": "rewards.extend_redeemedreward",
}
LABELS = {
    "Mark used": "rewards.mark_used",
    "Mark unused": "rewards.mark_unused",
    "Cancel reward": "rewards.cancel_redeemedreward",
    "Mark shipped": "rewards.deliver_redeemedreward",
    "Mark delivered": "rewards.deliver_redeemedreward",
    "Cancel delivery": "rewards.deliver_redeemedreward",
}


def url(redeemed, slug):
    return f"{GRID}{redeemed.pk}/act/{slug}/"


def fresh(redeemed):
    return RedeemedReward.objects.get(pk=redeemed.pk)


def hidden(response, name):
    """The value of a hidden field on a confirmation page."""
    html = response.content.decode()
    _, _, rest = html.partition(f'name="{name}" value="')
    return rest.split('"')[0].replace("&#x27;", "'")


def confirm(client, redeemed, slug, **data):
    """Look at the confirmation page and send what it holds."""
    page = client.get(url(redeemed, slug))
    token = {f"token_{redeemed.pk}": hidden(page, f"token_{redeemed.pk}"), "shown": hidden(page, "shown")}
    return client.post(url(redeemed, slug), {"confirmed": "yes", "reason": "mistake", **token, **data}, follow=True)


def choose(client, action, *rows, **data):
    """Choose rows in the grid and press a button."""
    chosen = {"action": action, "index": "0", "_selected_action": [each.pk for each in rows], "select_across": "0"}
    return client.post(GRID, {**chosen, **data})


def carry_out(client, action, *rows, **data):
    """Choose, look at the plan, confirm."""
    page = choose(client, action, *rows)
    tokens = {f"token_{each.pk}": hidden(page, f"token_{each.pk}") for each in rows}
    confirmed = {
        "action": action,
        "_selected_action": [each.pk for each in rows],
        "select_across": "0",
        "confirmed": "yes",
        "shown": hidden(page, "shown"),
    }
    return client.post(GRID, {**confirmed, **tokens, **data}, follow=True)


@pytest.mark.parametrize("slug", ACTS)
def test_each_act_needs_its_own_right(slug):
    redeemed = row()
    others = staff(VIEW, *(set(ACTS.values()) - {ACTS[slug]}))

    assert others.get(url(redeemed, slug)).status_code == 403
    assert others.post(url(redeemed, slug), {"confirmed": "yes"}).status_code == 403
    assert staff(VIEW, ACTS[slug]).get(url(redeemed, slug)).status_code == 200
    assert fresh(redeemed).updated_at == redeemed.updated_at


@pytest.mark.parametrize("slug", ACTS)
def test_a_right_to_act_without_the_right_to_see_opens_nothing(slug):
    assert staff(ACTS[slug]).get(url(row(), slug)).status_code == 403


@pytest.mark.parametrize("label", LABELS)
def test_the_grid_offers_only_what_a_person_may_do(label):
    row()

    assert f">{label}<" in staff(VIEW, LABELS[label]).get(GRID).content.decode()
    assert f">{label}<" not in staff(VIEW, *(set(LABELS.values()) - {LABELS[label]})).get(GRID).content.decode()


def test_a_forged_bulk_action_without_the_right_changes_nothing():
    redeemed = row()

    answers = [
        choose(staff(*rights), "mark_used", redeemed, confirmed="yes")
        for rights in ((VIEW,), (VIEW, "rewards.mark_unused"))
    ]

    assert [answer.status_code for answer in answers] == [403, 403]
    assert fresh(redeemed).usage_status == "unused"


def test_a_row_that_left_the_filter_after_the_plan_was_shown_is_reported_too():
    first, second = gift_row(), gift_row()
    client = staff(VIEW, "rewards.mark_unused")
    for each in (first, second):
        usage.mark_used(redeemed_reward_id=each.pk, actor=actors.SYSTEM, now=timezone.now())
    usage.mark_unused(redeemed_reward_id=first.pk, actor=actors.SYSTEM, now=timezone.now())
    sent = {"action": "mark_unused", "_selected_action": [first.pk, second.pk], "confirmed": "yes", "shown": ""}

    page = client.post(f"{GRID}?usage=used", sent, follow=True)

    assert "Mark unused: 2 done." in words(page)
    assert fresh(second).usage_status == "unused"


def test_rows_chosen_under_a_filter_that_cannot_be_read_are_still_the_chosen_ones():
    chosen = {"action": "mark_used", "index": "0", "_selected_action": [row().pk], "select_across": "0"}

    page = staff(VIEW, "rewards.mark_used").post(f"{GRID}?usage=nonsense", chosen)

    assert "Mark used: 1 redeemed reward" in words(page)


@pytest.mark.parametrize("across", ["0", "1"])
def test_a_choice_of_no_row_at_all_says_so(across):
    chosen = {"action": "mark_used", "index": "0", "_selected_action": ["9" * 25], "select_across": across}

    page = staff(VIEW, "rewards.mark_used").post(GRID, chosen, follow=True)

    assert "None of the chosen rows exists. Nothing was changed." in words(page)


def test_a_chosen_row_that_is_no_number_is_a_bad_request():
    chosen = {"action": "mark_used", "index": "0", "_selected_action": ["abc"], "select_across": "0"}

    assert staff(VIEW, "rewards.mark_used").post(GRID, chosen).status_code == 400


def test_an_act_that_does_not_exist_is_not_found():
    assert staff(VIEW).get(url(row(), "explode")).status_code == 404


def test_an_act_on_no_row_is_not_found():
    assert staff(VIEW, "rewards.mark_used").get(f"{GRID}999/act/mark-used/").status_code == 404


def test_marking_used_is_previewed_without_doing_it():
    redeemed = row()

    page = words(staff(VIEW, "rewards.mark_used").get(url(redeemed, "mark-used")))

    assert "Usage: Unused → Used" in page
    assert "Delivery: – → Ordered" in page
    assert fresh(redeemed).usage_status == "unused"


def test_marks_used_and_says_so_on_the_rewards_page():
    redeemed = row(code="ABC-2345")

    page = confirm(staff(VIEW, "rewards.mark_used"), redeemed, "mark-used")

    assert page.redirect_chain == [(f"{GRID}{redeemed.pk}/change/", 302)]
    assert "5 off (ABC-2345) of Anna Nowak: marked used." in words(page)
    assert fresh(redeemed).usage_status == "used"


def test_the_history_names_the_member_of_staff():
    redeemed = row()
    client = staff(VIEW, "rewards.mark_used")

    page = words(confirm(client, redeemed, "mark-used"))

    assert "Marked used" in page
    assert "by Pat Person" in page


def test_marks_several_rows_used_and_reports_those_it_refused():
    good, expired, cancelled = row(code="GOOD-2"), row(expires_at=timezone.now()), row(fulfillment_status="cancelled")
    client = staff(VIEW, "rewards.mark_used")

    plan = words(choose(client, "mark_used", good, expired, cancelled))
    page = words(carry_out(client, "mark_used", good, expired, cancelled))

    assert "1 will be done. 2 will be refused." in plan
    assert "has expired: it can no longer be marked used." in plan
    assert "5 off (GOOD-2) of Anna Nowak: marked used." in page
    assert "Mark used: 2 refused." in page
    assert "only an issued reward can be marked used" in page
    assert [fresh(each).usage_status for each in (good, expired, cancelled)] == ["used", "unused", "unused"]


def test_the_plan_lists_what_is_refused_last():
    refused, good = row(code="LATE-2", expires_at=timezone.now()), row(code="GOOD-2")

    plan = words(choose(staff(VIEW, "rewards.mark_used"), "mark_used", refused, good))

    assert plan.index("GOOD-2") < plan.index("LATE-2")


def test_choosing_rows_alone_changes_nothing():
    redeemed = row()

    page = choose(staff(VIEW, "rewards.mark_used"), "mark_used", redeemed)

    assert "What will happen" in words(page)
    assert fresh(redeemed).usage_status == "unused"


def test_marks_unused():
    redeemed = row(usage_status="used")

    confirm(staff(VIEW, "rewards.mark_unused"), redeemed, "mark-unused")

    assert fresh(redeemed).usage_status == "unused"
    assert fresh(redeemed).delivery_status == ""


def test_takes_no_more_rows_at_a_time_than_one_request_does(monkeypatch):
    monkeypatch.setattr(desk_acts, "MOST_ROWS", 2)
    rows = [row() for _ in range(3)]
    client = staff(VIEW, "rewards.mark_used")

    page = client.get(choose(client, "mark_used", *rows).url)

    assert "More than 2 rows are selected, and “Mark used” takes at most 2 at a time. Nothing was changed." in words(
        page
    )
    assert "What will happen" in words(choose(client, "mark_used", *rows[:2]))


def test_stops_when_it_takes_too_long_and_says_how_many_are_left(monkeypatch):
    monkeypatch.setattr(desk_acts, "MOST_SECONDS", -1.0)
    rows = [row() for _ in range(3)]

    page = words(carry_out(staff(VIEW, "rewards.mark_used"), "mark_used", *rows))

    assert "2 more were not begun, because this took too long. Select them again." in page
    assert sorted(fresh(each).usage_status for each in rows) == ["unused", "unused", "used"]


def test_says_so_when_nothing_is_chosen():
    row()
    client = staff(VIEW, "rewards.mark_used")

    page = client.post(GRID, {"action": "mark_used", "index": "0", "select_across": "0"}, follow=True)

    assert "Items must be selected" in words(page)


def test_ships_a_gift_with_its_tracking_and_delivers_it():
    gift = gift_row(usage_status="used")
    client = staff(VIEW, "rewards.deliver_redeemedreward")

    confirm(
        client,
        gift,
        "ship",
        carrier="InPost",
        tracking_number="680",
        tracking_url="https://example.com/680",
        comment="Fragile",
    )
    parcel = Delivery.objects.get(redeemed_reward=gift)
    shipped = fresh(gift).delivery_status
    confirm(client, gift, "deliver")

    assert shipped == "shipped"
    assert (parcel.carrier, parcel.tracking_number, parcel.tracking_url, parcel.comment) == (
        "InPost",
        "680",
        "https://example.com/680",
        "Fragile",
    )
    assert fresh(gift).delivery_status == "delivered"


def test_refuses_an_address_for_tracking_that_is_none_and_changes_nothing():
    gift = gift_row(usage_status="used")

    page = confirm(staff(VIEW, "rewards.deliver_redeemedreward"), gift, "ship", tracking_url="javascript:alert(1)")

    assert "Enter a valid URL." in words(page)
    assert fresh(gift).delivery_status == "ordered"


def test_cancels_a_delivery():
    gift = gift_row(usage_status="used")

    confirm(staff(VIEW, "rewards.deliver_redeemedreward"), gift, "cancel-delivery", comment="Lost")

    assert fresh(gift).delivery_status == "cancelled"


def test_refuses_to_ship_what_is_no_gift():
    redeemed = row(usage_status="used")

    page = words(staff(VIEW, "rewards.deliver_redeemedreward").get(url(redeemed, "ship")))

    assert "Refused." in page
    assert "only gifts are delivered" in page
    assert fresh(redeemed).delivery_status == "ordered"


@pytest.fixture
def paid(customer):
    """A mug bought with 100 of the customer's 250 points."""
    product = PointsProductFactory(reward=GiftFactory())
    RewardTextFactory(reward=product.reward, name="A mug")
    return redemption.redeem(
        customer_id=customer.pk,
        points_product_id=product.pk,
        actor=actors.customer(customer.pk),
        now=timezone.now(),
    )


def spendable(customer):
    return points.balance(customer_id=customer.pk, now=timezone.now()).balance


CANCEL = (VIEW, "rewards.cancel_redeemedreward")


@pytest.mark.django_db(transaction=True)
def test_canceling_shows_every_effect_and_then_returns_the_points(customer, paid):
    client = staff(*CANCEL)

    plan = words(client.get(url(paid, "cancel")))
    page = words(confirm(client, paid, "cancel", return_points="on", internal_note="Ordered by mistake"))

    assert "100 points go back in all." in plan
    assert "100 points go back to the lot they came from" in plan
    assert "The customer no longer sees it." in plan
    assert "A mug of Anna Nowak: canceled." in page
    assert "Ordered by mistake" in page
    assert fresh(paid).fulfillment_status == "cancelled"
    assert spendable(customer) == 250


@pytest.mark.django_db(transaction=True)
def test_a_choice_that_changes_the_plan_is_shown_before_it_is_done(customer, paid):
    client = staff(*CANCEL)

    changed = confirm(client, paid, "cancel")
    again = {
        "confirmed": "yes",
        "reason": "mistake",
        "shown": hidden(changed, "shown"),
        f"token_{paid.pk}": hidden(changed, f"token_{paid.pk}"),
    }

    assert "Your choice changes what will happen." in words(changed)
    assert "The 100 points are not returned." in words(changed)
    assert fresh(paid).fulfillment_status == "issued"
    client.post(url(paid, "cancel"), again)
    assert fresh(paid).fulfillment_status == "cancelled"
    assert spendable(customer) == 150


@pytest.mark.parametrize("shown", [True, False])
def test_refuses_a_plan_that_was_not_the_one_shown(shown):
    redeemed = row(fulfillment_status="pending")
    client = staff(*CANCEL)
    page = client.get(url(redeemed, "cancel"))
    token = hidden(page, f"token_{redeemed.pk}") if shown else ""
    RedeemedReward.objects.filter(pk=redeemed.pk).update(fulfillment_status="issued", issued_at=redeemed.redeemed_at)

    data = {"confirmed": "yes", "return_points": "on", "reason": "mistake", "shown": hidden(page, "shown")}
    data[f"token_{redeemed.pk}"] = token
    answer = words(client.post(url(redeemed, "cancel"), data, follow=True))

    assert "“5 off” has changed since you looked. Look at the new preview and confirm again." in answer
    assert fresh(redeemed).fulfillment_status == "issued"
    assert not Cancellation.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_refuses_a_plan_that_is_no_longer_true(customer, paid):
    client = staff(*CANCEL)
    shown = client.get(url(paid, "cancel"))
    usage.mark_used(redeemed_reward_id=paid.pk, actor=actors.SYSTEM, now=timezone.now())
    usage.mark_unused(redeemed_reward_id=paid.pk, actor=actors.SYSTEM, now=timezone.now())
    usage.mark_used(redeemed_reward_id=paid.pk, actor=actors.SYSTEM, now=timezone.now())

    data = {
        "confirmed": "yes",
        "return_points": "on",
        "reason": "mistake",
        "shown": hidden(shown, "shown"),
        f"token_{paid.pk}": hidden(shown, f"token_{paid.pk}"),
    }
    page = words(client.post(url(paid, "cancel"), data, follow=True))

    assert "was used: mark it unused first if that was a mistake." in page
    assert fresh(paid).fulfillment_status == "issued"
    assert spendable(customer) == 150


@pytest.mark.django_db(transaction=True)
def test_cancels_several_and_reports_the_refused_one(customer, paid):
    used = row(usage_status="used", code="USED-1")
    client = staff(*CANCEL)

    plan = words(choose(client, "cancel", paid, used))
    page = words(carry_out(client, "cancel", paid, used, return_points="on", reason="mistake"))

    assert "1 will be done. 1 will be refused. 100 points go back in all." in plan
    assert "A mug of Anna Nowak: canceled." in page
    assert "5 off (USED-1) of Anna Nowak: “5 off” was used" in page
    assert fresh(paid).fulfillment_status == "cancelled"
    assert fresh(used).fulfillment_status == "issued"


@pytest.mark.django_db(transaction=True)
def test_a_code_is_proved_dead_at_the_shop_and_the_page_says_when(customer, product, shop):
    redeemed = redemption.redeem(
        customer_id=customer.pk,
        points_product_id=product.pk,
        actor=actors.customer(customer.pk),
        now=timezone.now(),
    )

    page = words(confirm(staff(*CANCEL), redeemed, "cancel", return_points="on"))

    assert fresh(redeemed).fulfillment_status == "cancelled"
    assert "Dead at the shop, checked" in page
    assert "Canceled, code proved dead" in page
    assert spendable(customer) == 250


@pytest.fixture
def unreachable(customer):
    """A reward whose cancellation waits for a shop that is not there."""
    redeemed = row(customer=customer, connection=ConnectionFactory(), code="LOST-2345")
    now = timezone.now()
    Cancellation.objects.create(
        redeemed_reward=redeemed,
        return_points=True,
        actor_kind="staff",
        created_at=now - timedelta(hours=1),
        due_at=now + timedelta(hours=1),
        attempts=3,
        last_reason="The shop could not be reached.",
    )
    return redeemed


@pytest.mark.django_db(transaction=True)
def test_forces_a_cancellation_whose_shop_is_gone_and_warns_of_the_code(unreachable):
    client = staff(*CANCEL)

    plan = words(client.get(url(unreachable, "force-cancel")))
    page = words(confirm(client, unreachable, "force-cancel", internal_note="Shop closed down"))

    assert "The code may still work at the shop: nobody has proved it dead." in plan
    assert "canceled by force. The code may still work at the shop." in page
    assert "Shop closed down" in page
    assert fresh(unreachable).fulfillment_status == "cancelled"


def test_forcing_is_refused_when_nothing_is_under_way():
    redeemed = row()

    page = words(staff(*CANCEL).get(url(redeemed, "force-cancel")))

    assert "No cancellation of this reward is under way." in page


def test_granted_rewards_are_cancelled_without_points(customer):
    granted = granting.grant(
        customer_id=customer.pk, reward_id=GiftFactory().pk, actor=actors.SYSTEM, now=timezone.now()
    )

    assert "No points go back." in words(staff(*CANCEL).get(url(granted, "cancel")))


def test_one_tracking_number_is_never_put_on_several_parcels():
    client = staff(VIEW, "rewards.deliver_redeemedreward")
    first, second = (gift_row(usage_status="used") for _ in range(2))

    page = choose(client, "ship", first, second)
    carry_out(
        client, "ship", first, second, carrier="DHL", tracking_number="JD0146", tracking_url="https://dhl.example/1"
    )

    assert 'name="tracking_number"' not in page.content.decode()
    assert "Each parcel has a tracking number of its own" in words(page)
    shipped = Delivery.objects.filter(redeemed_reward__in=[first, second])
    assert list(shipped.values_list("carrier", "tracking_number", "tracking_url")) == [("DHL", "", "")] * 2
