"""The proof of a cancellation: asked for again after an hour and a day, kept as evidence, and loud when it fails."""

import sqlite3
from dataclasses import replace
from datetime import timedelta

import pytest

from loyalty.common import actors
from loyalty.events.models import Event
from loyalty.points import queries as points
from platforms.adapter import UnreadOrder
from platforms.sandbox.adapter import SandboxAdapter
from rewards import cancellation, probing, redemption
from rewards.models import Cancellation, CodeEvidence, EvidenceKind, RedeemedReward
from rewards.probing import NothingToCheck
from tests.factories.catalogue import GiftFactory, PointsProductFactory
from tests.factories.points import NOW
from tests.rewards.admin_rows import GRID, VIEW, staff, words
from tests.rewards.reconciling import remove

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("ledger_stays_proved")]

STAFF = actors.staff(1)
HOUR = timedelta(hours=1)


@pytest.fixture
def everything_sampled(monkeypatch):
    monkeypatch.setattr(probing, "ONE_IN", 1)


@pytest.fixture
def redeemed(customer, product):
    return redemption.redeem(
        customer_id=customer.pk, points_product_id=product.pk, actor=actors.SYSTEM, now=NOW, deadline=5.0
    )


@pytest.fixture
def forced(redeemed, shop):
    """Canceled by force while the shop was away: the code lives."""
    shop.stop()
    try:
        cancel(redeemed)
        return cancellation.force(redeemed_reward_id=redeemed.pk, actor=STAFF, now=NOW)
    finally:
        shop.start()


def cancel(redeemed):
    return cancellation.cancel(redeemed_reward_id=redeemed.pk, actor=STAFF, now=NOW)


def enable(shop, code):
    """Somebody at the shop switches the code on again."""
    with sqlite3.connect(next(shop.data.glob("*.sqlite*"))) as database:
        database.execute("UPDATE codes SET enabled = 1 WHERE code = ?", [code])


def alive(shop, redeemed):
    return shop.codes(redeemed.code.code)[0]["alive"]


def kinds(row):
    return list(row.evidence.order_by("id").values_list("kind", "alive"))


def test_waits_while_a_shop_without_a_count_has_an_order_that_cannot_be_understood(customer, redeemed, monkeypatch):
    find, orders = SandboxAdapter.find_code, SandboxAdapter.orders_since

    def uncounted(adapter, code):
        answer = find(adapter, code)
        return replace(answer, value=replace(answer.value, uses=None))

    def with_one_unread(adapter, cursor):
        answer = orders(adapter, cursor)
        unread = (UnreadOrder(external_id="order_9", reason="a refund has no amount"),)
        return replace(answer, value=replace(answer.value, unread=unread))

    monkeypatch.setattr(SandboxAdapter, "find_code", uncounted)
    with monkeypatch.context() as patched:
        patched.setattr(SandboxAdapter, "orders_since", with_one_unread)
        row = cancel(redeemed)

    assert (row.state, points.balance(customer_id=customer.pk, now=NOW).balance) == ("cancelling", 150)
    assert "a use cannot be ruled out yet" in row.last_reason

    cancellation.proceed(cancellation_id=row.pk, now=row.due_at)
    row.refresh_from_db()
    assert row.state == "proved"
    assert points.balance(customer_id=customer.pk, now=NOW).balance > 150


def test_is_asked_for_after_an_hour_and_after_a_day(redeemed, everything_sampled):
    row = cancel(redeemed)

    for hours in (0.9, 1, 23.9, 24, 99):
        probing.proceed(cancellation_id=row.pk, now=row.closed_at + hours * HOUR)

    probed = row.evidence.filter(kind=EvidenceKind.PROBED).order_by("id")
    assert [evidence.alive for evidence in probed] == [False, False]
    row.refresh_from_db()
    assert (row.probes, row.probe_due_at) == (2, None)


def test_leaves_a_foreign_code_alone_that_has_taken_the_name_since(redeemed, shop, everything_sampled):
    row = cancel(redeemed)
    remove(shop, redeemed.code.code)
    shop.create_code(redeemed.code.code)

    finding = probing.check(cancellation_id=row.pk, actor=STAFF, now=NOW + HOUR)

    assert (finding.alive, finding.used) == (False, False)
    assert alive(shop, redeemed)


def test_is_asked_for_on_a_sample_alone(redeemed, monkeypatch):
    monkeypatch.setattr(probing, "ONE_IN", 10**9)

    assert cancel(redeemed).probe_due_at is None


def test_is_asked_for_always_after_force(forced, monkeypatch):
    assert forced.probe_due_at == forced.closed_at + HOUR


def test_rings_for_what_is_due(forced, monkeypatch):
    rung = []
    monkeypatch.setattr(probing.queue, "enqueue", lambda task, **ids: rung.append((task, ids)))

    assert probing.sweep(now=forced.closed_at + HOUR - timedelta(seconds=1)) == 0
    assert probing.sweep(now=forced.closed_at + HOUR) == 1
    assert rung == [("rewards.probe", {"cancellation_id": forced.pk})]


def test_of_a_forced_one_kills_the_code_and_says_so(forced, redeemed, shop):
    assert alive(shop, redeemed)

    probing.proceed(cancellation_id=forced.pk, now=NOW + 2 * HOUR)

    forced.refresh_from_db()
    assert (forced.state, alive(shop, redeemed)) == ("proved", False)
    assert kinds(forced)[-3:] == [("probed", True), ("disabled", False), ("read_back", False)]
    assert Event.objects.filter(kind="reward.cancel_proved").count() == 1
    assert RedeemedReward.objects.get(pk=redeemed.pk).code.disabled_at is not None


def test_that_fails_is_told_to_staff_and_the_code_is_killed_again(redeemed, shop, everything_sampled):
    row = cancel(redeemed)
    enable(shop, redeemed.code.code)

    probing.proceed(cancellation_id=row.pk, now=NOW + 2 * HOUR)

    assert Event.objects.filter(kind=probing.ALIVE_AGAIN).count() == 1
    assert alive(shop, redeemed) is False


def test_of_a_forced_one_that_was_used_stays_open_and_is_told_once(forced, redeemed, shop):
    shop.checkout(redeemed.customer_email, code=redeemed.code.code)

    for hours in (2, 30):
        probing.proceed(cancellation_id=forced.pk, now=NOW + hours * HOUR)

    forced.refresh_from_db()
    assert forced.state == "unproved"
    assert Event.objects.filter(kind="reward.used_after_cancel").count() == 1


def test_without_an_answer_proves_nothing_and_is_asked_for_again(forced, shop):
    shop.fault("find", "server_error")

    probing.proceed(cancellation_id=forced.pk, now=NOW + 2 * HOUR)

    forced.refresh_from_db()
    assert forced.state == "unproved"
    assert kinds(forced)[-1] == ("probed", None)
    assert forced.probe_due_at == forced.closed_at + 24 * HOUR


def test_is_asked_for_once_however_often_it_rings(forced):
    for _ in range(3):
        probing.proceed(cancellation_id=forced.pk, now=NOW + 2 * HOUR)

    assert CodeEvidence.objects.filter(kind=EvidenceKind.PROBED).count() == 1


def test_of_what_no_shop_knows_cannot_be_asked_for(customer):
    product = PointsProductFactory(reward=GiftFactory())
    gift = redemption.redeem(customer_id=customer.pk, points_product_id=product.pk, actor=STAFF, now=NOW)
    row = cancel(gift)

    assert row.probe_due_at is None
    with pytest.raises(NothingToCheck):
        probing.check(cancellation_id=row.pk, actor=STAFF, now=NOW)


RIGHTS = (VIEW, "rewards.cancel_redeemedreward")


def test_missing_shows_the_steps_by_hand_and_a_button_that_asks_again(forced, redeemed, shop):
    client = staff(*RIGHTS)

    page = client.get(f"{GRID}{redeemed.pk}/change/")
    assert "The code may still work." in words(page)
    assert f"Open Codes and search for {redeemed.code.code}." in words(page)
    assert "Checked again By itself at" in words(page)
    assert [act["label"] for act in page.context["acts"]] == ["Check again"]

    url = f"{GRID}{redeemed.pk}/act/check-again/"
    done = words(client.post(url, {"confirmed": "yes", "shown": ""}, follow=True))
    assert "the code is dead at the shop." in done
    assert "The code may still work." not in done
    assert Cancellation.objects.get().state == "proved"
