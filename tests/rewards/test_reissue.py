"""Reissue: failed is final, and a new reward takes its place, once."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse

from loyalty.common import actors
from loyalty.common.plans import PlanOutdated
from loyalty.events.models import Event
from loyalty.points import queries as points
from rewards import cancellation, granting, issuing, limits, redemption, reissue, usage
from rewards.limits import RewardNotAvailable
from rewards.models import IssueWork, RedeemedReward, Reward, RewardStock
from rewards.redemption import RedemptionFailed
from rewards.reissue import ReissueRefused
from rewards.usage import OrderUse
from tests.factories.catalogue import RewardFactory
from tests.factories.people import ConnectionFactory
from tests.factories.points import NOW
from tests.rewards.admin_rows import GRID, VIEW, attempt, row, staff, words

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("ledger_stays_proved")]

STAFF = actors.staff(1)
DAY = timedelta(days=1)


def grant(customer, reward):
    return granting.grant(customer_id=customer.pk, reward_id=reward.pk, actor=STAFF, now=NOW)


def generate(redeemed, *, now=NOW):
    claim = issuing.take(redeemed_reward_id=redeemed.pk, now=now)
    issuing.work(claim=claim, now=now, patience=5.0)
    redeemed.refresh_from_db()
    return redeemed


def anew(redeemed, *, now=NOW + DAY, **more):
    return reissue.reissue(redeemed_reward_id=redeemed.pk, actor=STAFF, now=now, **more)


@pytest.fixture
def failed(customer, connection, shop):
    """A grant the shop refused."""
    shop.fault("create", "refuse")
    return generate(grant(customer, RewardFactory(connection=connection, days_valid=10)))


def test_gives_a_failed_reward_anew_and_links_both(failed, shop):
    new = anew(failed)

    assert (new.reissue_of, new.fulfillment_status, new.cost_in_points) == (failed, "pending", 0)
    assert generate(new, now=NOW + DAY).fulfillment_status == "issued"
    assert shop.codes(new.code.code)[0]["alive"] is True
    failed.refresh_from_db()
    assert failed.fulfillment_status == "failed"
    assert Event.objects.get(kind="reward.reissued").data["new_id"] == new.pk


def test_twice_gives_the_same_one(failed):
    first, second = anew(failed), anew(failed, now=NOW + 2 * DAY)

    assert first == second
    assert RedeemedReward.objects.count() == 2


def test_cannot_stand_twice_in_the_database(failed):
    new = anew(failed)
    other = grant(failed.customer, failed.reward)

    with pytest.raises(IntegrityError, match="redeemed_reissued_once"), transaction.atomic():
        RedeemedReward.objects.filter(pk=other.pk).update(reissue_of=new.reissue_of)


def test_of_a_reissue_that_failed_goes_on_the_chain(failed, shop):
    shop.fault("create", "refuse")
    second = generate(anew(failed), now=NOW + DAY)

    third = anew(second, now=NOW + 2 * DAY)

    assert (second.fulfillment_status, third.reissue_of) == ("failed", second)


def test_keeps_the_promise_of_then_and_begins_its_days_anew(failed):
    Reward.objects.update(amount=Decimal(9), enabled=False)

    new = anew(failed)

    assert (new.amount, new.name) == (Decimal(5), failed.name)
    assert new.expires_at == failed.expires_at + DAY


def test_takes_a_place_in_the_limits_again(customer, connection, shop):
    reward = RewardFactory(connection=connection, limit_total=1)
    limits.set_total(reward_id=reward.pk, limit=1, now=NOW)
    shop.fault("create", "refuse")
    failed = generate(grant(customer, reward))
    anew(failed)

    assert RewardStock.objects.get(reward=reward).left == 0
    with pytest.raises(RewardNotAvailable, match="sold out"):
        grant(customer, reward)


def test_is_refused_when_the_limit_is_reached_meanwhile(customer, connection, shop):
    reward = RewardFactory(connection=connection, limit_per_customer=1)
    shop.fault("create", "refuse")
    failed = generate(grant(customer, reward))
    grant(customer, reward)

    with pytest.raises(RewardNotAvailable, match="once per customer"):
        anew(failed)
    assert not RedeemedReward.objects.filter(reissue_of=failed).exists()


def test_is_refused_when_so_much_is_out_meanwhile_that_it_would_go_over_the_limit_of_value(customer, connection, shop):
    reward = RewardFactory(connection=connection, liability_limit=Decimal(5))
    shop.fault("create", "refuse")
    failed = generate(grant(customer, reward))
    grant(customer, reward)

    with pytest.raises(RewardNotAvailable) as refusal:
        anew(failed)

    assert refusal.value.code == "liability_limit_reached"
    assert not RedeemedReward.objects.filter(reissue_of=failed).exists()
    assert limits.outstanding(reward_id=reward.pk, now=NOW) == Decimal(5)


@pytest.mark.parametrize("state", ["issued", "pending", "cancelled"])
def test_of_what_has_not_failed_is_refused(state):
    with pytest.raises(ReissueRefused, match="has not failed"):
        anew(row(fulfillment_status=state))


def test_of_a_redemption_is_refused_for_nothing_was_spent(customer, product, shop):
    shop.fault("create", "refuse")
    with pytest.raises(RedemptionFailed):
        redemption.redeem(customer_id=customer.pk, points_product_id=product.pk, actor=STAFF, now=NOW)

    with pytest.raises(ReissueRefused, match="no points were spent"):
        anew(RedeemedReward.objects.get())
    assert points.balance(customer_id=customer.pk, now=NOW).balance == 250


def test_is_refused_when_it_is_no_longer_what_was_shown(failed):
    with pytest.raises(PlanOutdated):
        anew(failed, fingerprint="something else")


@pytest.fixture
def spent(customer):
    """A redeemed code of a shop that keeps a code used when its order is canceled; the order was canceled."""
    shop = ConnectionFactory()
    redeemed = grant(customer, RewardFactory(connection=shop, limit_per_customer=1))
    IssueWork.objects.all().delete()
    issuing.record_issued(redeemed=redeemed, now=NOW)
    usage.record_order_use(
        use=OrderUse(connection_id=shop.pk, order_id="77", code=redeemed.code.code, used_at=NOW), actor=STAFF, now=NOW
    )
    count = usage.record_code_spent(connection_id=shop.pk, order_id="77", actor=actors.shop(shop.pk), now=NOW)
    assert count == 1
    redeemed.refresh_from_db()
    return redeemed


def test_of_a_code_spent_on_a_canceled_order_takes_over_its_place(spent):
    new = anew(spent)

    spent.refresh_from_db()
    assert (spent.usage_status, spent.takes_place, new.takes_place) == ("used", False, True)


def test_of_a_used_code_whose_order_stands_is_refused(spent):
    RedeemedReward.objects.filter(pk=spent.pk).update(used_order_id="78")

    with pytest.raises(ReissueRefused, match="has not failed"):
        anew(spent)


def test_of_a_canceled_order_is_told_once(spent):
    again = usage.record_code_spent(connection_id=spent.connection_id, order_id="77", actor=STAFF, now=NOW)

    assert again == 0
    assert Event.objects.filter(kind=usage.SPENT).count() == 1


def test_can_be_canceled_like_any_other(failed, shop):
    new = generate(anew(failed), now=NOW + DAY)

    row = cancellation.cancel(redeemed_reward_id=new.pk, actor=STAFF, now=NOW + DAY)

    assert row.state == "proved"
    assert shop.codes(new.code.code)[0]["alive"] is False


RIGHTS = (VIEW, "rewards.reissue_redeemedreward")


def test_page_lists_classes_of_failures_and_reissues_one_as_a_whole():
    shop = ConnectionFactory(name="Roastery")
    failures = {"fulfillment_status": "failed", "failure_code": "unauthorized", "connection": shop}
    ours = [row(failure_reason="The shop refused our token.", **failures) for _ in range(2)]
    row(fulfillment_status="failed", failure_code="other", failure_reason="Something else.")
    attempt()
    client = staff(*RIGHTS)

    page = client.get(reverse("admin:rewards_redeemedreward_failures"))
    assert "2 in Roastery The shop refused our token." in words(page)
    assert "1 in No shop Something else." in words(page)

    form = {"action": "reissue", "select_across": "0", "_selected_action": page.context["classes"][0]["pks"]}
    shown = client.post(GRID, form)
    assert "2 will be done." in words(shown)
    tokens = {f"token_{pk}": preview.token for pk, _, preview in shown.context["rows"]}
    done = client.post(GRID, {**form, **tokens, "confirmed": "yes", "shown": "", "internal_note": ""}, follow=True)

    assert "Reissue: 2 done." in words(done)
    assert set(RedeemedReward.objects.filter(reissue_of__isnull=False).values_list("reissue_of", flat=True)) == {
        each.pk for each in ours
    }
    assert "Roastery" not in words(client.get(reverse("admin:rewards_redeemedreward_failures"))).split("At most")[1]


def test_page_is_closed_to_others():
    assert staff(VIEW).get(reverse("admin:rewards_redeemedreward_failures")).status_code == 403


def test_pages_of_both_are_linked():
    old = row(fulfillment_status="failed", failure_reason="No.")
    new = anew(old)

    assert f"Reissued as Reward {new.pk}" in words(staff(*RIGHTS).get(f"{GRID}{old.pk}/change/"))
    assert f"Reissue of Reward {old.pk}" in words(staff(*RIGHTS).get(f"{GRID}{new.pk}/change/"))
