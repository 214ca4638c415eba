"""Forgetting a person: nothing says who they were, no total moves, and what cannot go yet is said."""

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from loyalty.accounts.models import SavedView
from loyalty.common import actors
from loyalty.common.plans import PlanOutdated
from loyalty.customers import enrollment, profile
from loyalty.customers.models import Customer, CustomerIdentity
from loyalty.erasure import forgetting, searching
from loyalty.erasure.models import Erasure
from loyalty.hooks.models import InboundWebhook
from loyalty.merging import joining, parting
from loyalty.messages.models import Mail
from loyalty.points import adjustments, audit, queries
from rewards import granting, usage
from tests.factories.catalogue import GiftFactory, RewardFactory
from tests.factories.people import ConnectionFactory, CustomerFactory, ShippingAddressFactory, StaffFactory, UserFactory
from tests.factories.points import give

pytestmark = pytest.mark.django_db

STAFF = actors.staff(1)
SPARE = {"connection": None, "type": "custom", "amount": None, "action_url": "https://shop.example/x"}
WORDS = ["zdzislawa.wyrwich@example.com", "+48501234567", "Zdzisława Wyrwich", "ul. Krzywa 17", "shop-customer-991177"]


@pytest.fixture
def person():
    """Somebody who is named wherever a person can be."""
    now = timezone.now()
    user = UserFactory(email=WORDS[0])
    customer = CustomerFactory(
        email=WORDS[0], phone=WORDS[1], first_name="Zdzisława", last_name="Wyrwich", user=user,
        date_of_birth="1980-02-29",
    )  # fmt: skip
    ShippingAddressFactory(customer=customer, recipient=WORDS[2], line_1=WORDS[3])
    shop = ConnectionFactory()
    enrollment.link_identity(
        customer_id=customer.pk, connection_id=shop.pk, external_id=WORDS[4], now=now, actor=actors.SYSTEM
    )
    give(customer, 500, now=now)
    adjustments.adjust(
        customer_id=customer.pk, points=20, reason="goodwill", actor=STAFF, now=now,
        internal_note=f"{WORDS[2]} called from {WORDS[1]}", description="Dear Zdzisława Wyrwich",
    )  # fmt: skip
    granting.grant(
        customer_id=customer.pk, reward_id=RewardFactory(**SPARE).pk, actor=STAFF, now=now, internal_note=WORDS[0]
    )
    Mail.objects.create(
        kind="reward_ready", customer=customer, recipient=f"customer:{customer.pk}", about_type="redeemed_reward",
        about_id=1, message_id="<1@x>", state="sent", deadline_at=now, created_at=now, sent_at=now, handed_at=now, closed_at=now,
        address=WORDS[0], subject=f"Hello {WORDS[2]}", text=WORDS[2], html=WORDS[2],
    )  # fmt: skip
    InboundWebhook.objects.create(
        connection=shop, event_id="1", topic="orders/paid", body=f'{{"email": "{WORDS[0]}"}}'.encode(),
        headers={"x": WORDS[0]}, state="done", received_at=now, processed_at=now,
    )  # fmt: skip
    SavedView.objects.create(user=StaffFactory(), list_name="customers", name="Her", query=f"search={WORDS[0]}")
    return customer


def forget(customer):
    erasure = forgetting.forget(customer_id=customer.pk, actor=STAFF, now=timezone.now())
    return forgetting.finish(erasure_id=erasure.pk, now=timezone.now())


def left():
    return {str(column): rows for column, rows in searching.search(WORDS) if rows}


def totals():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT sum(balance) FROM points_pointsaccount), (SELECT sum(remaining) FROM points_pointslot), "
            "(SELECT sum(points_change) FROM points_pointstransaction), (SELECT count(*) FROM rewards_redeemedreward), "
            "(SELECT count(*) FROM events_event WHERE kind <> 'customer.anonymised')"
        )
        return cursor.fetchone()


def test_no_column_of_the_database_says_who_it_was_and_no_total_moves(person):
    before = totals()
    assert len(left()) > 12

    erasure = forget(person)

    assert left() == {}
    assert (erasure.found, erasure.words) == ({}, "")
    assert erasure.columns_searched > 200
    assert totals() == before
    assert list(audit.differences()) == []
    assert queries.balance(customer_id=person.pk, now=timezone.now()).balance == 520


def test_the_customer_is_excluded_cannot_sign_in_and_is_never_entered_again(person):
    forget(person)

    person.refresh_from_db()
    assert (person.state, person.user, person.date_of_birth) == ("disabled", None, None)
    with pytest.raises(profile.Forgotten):
        profile.update(customer_id=person.pk, now=timezone.now(), actor=STAFF, first_name="Zdzisława")


def test_other_people_keep_their_words(person):
    other = CustomerFactory(email="other@example.com", first_name="Zdzisława", last_name="Kowalska")
    kept = granting.grant(customer_id=other.pk, reward_id=RewardFactory(**SPARE).pk, actor=STAFF, now=timezone.now())

    forget(person)

    kept.refresh_from_db()
    assert (kept.customer_email, kept.customer_first_name) == ("other@example.com", "Zdzisława")


def test_a_gift_on_its_way_keeps_its_address_until_it_arrived(person):
    now = timezone.now()
    gift = granting.grant(
        customer_id=person.pk, reward_id=GiftFactory(connection=None).pk, actor=STAFF, now=now, internal_note=""
    )
    usage.mark_used(redeemed_reward_id=gift.pk, actor=STAFF, now=now)  # which orders it

    with pytest.raises(forgetting.ErasureRefused, match="1 gifts are on their way"):
        forget(person)
    person.refresh_from_db()
    assert (person.email, Erasure.objects.count()) == (WORDS[0], 0)


def test_a_plan_that_no_longer_holds_is_refused(person):
    shown = forgetting.plan(customer_id=person.pk).fingerprint
    CustomerIdentity.objects.create(customer=person, connection=None, external_id="another-id")

    with pytest.raises(PlanOutdated):
        forgetting.forget(customer_id=person.pk, actor=STAFF, now=timezone.now(), fingerprint=shown)


def test_forgotten_twice_it_is_one_and_a_dead_worker_is_made_up_for(person):
    first = forgetting.forget(customer_id=person.pk, actor=STAFF, now=timezone.now())
    assert forgetting.forget(customer_id=person.pk, actor=STAFF, now=timezone.now()) == first

    later = timezone.now() + timedelta(minutes=1)
    assert forgetting.sweep(now=later) == 1
    forgetting.finish(erasure_id=first.pk, now=later)
    assert (forgetting.sweep(now=later), forgetting.finish(erasure_id=first.pk, now=later)) == (0, None)


def test_what_is_left_is_said_and_the_command_ends_with_an_error(person, capsys):
    Customer.objects.filter(pk=CustomerFactory(email="namesake@example.com").pk).update(
        first_name="X", last_name=WORDS[3]
    )

    with pytest.raises(CommandError, match="words of theirs are left"):
        call_command("anonymise", str(person.pk))
    assert "left     customers_customer.last_name: 1" in capsys.readouterr().out


def test_a_dry_run_changes_nothing(person, capsys):
    call_command("anonymise", str(person.pk), "--dry-run")

    assert "would blank  rewards.RedeemedReward: 1" in capsys.readouterr().out
    assert Customer.objects.get(pk=person.pk).email == WORDS[0]


def test_staff_see_what_goes_do_it_and_find_the_proof(admin_client, person):
    act = reverse("admin:customers_customer_act", args=[person.pk, "forget"])
    preview = admin_client.get(act)
    assert "1 × redeemed rewards: contacts and address" in preview.content.decode()

    token = forgetting.plan(customer_id=person.pk).fingerprint
    admin_client.post(act, {"shown": "", f"token_{person.pk}": token})
    forgetting.finish(erasure_id=Erasure.objects.get().pk, now=timezone.now())

    page = admin_client.get(reverse("admin:erasure_erasure_changelist")).content.decode()
    assert "Nothing left" in page
    assert (
        WORDS[2] not in admin_client.get(reverse("admin:customers_customer_change", args=[person.pk])).content.decode()
    )


def test_whoever_was_merged_into_them_is_forgotten_with_them_and_never_told_apart_again(person):
    survivor = CustomerFactory(email="the.other@example.com")
    made = joining.merge(
        source_id=person.pk, survivor_id=survivor.pk, actor=STAFF, now=timezone.now(), internal_note=WORDS[2]
    )
    with pytest.raises(forgetting.ErasureRefused, match=f"They are customer {survivor.pk} now"):
        forget(person)

    forget(survivor)
    forgetting.finish(erasure_id=Erasure.objects.get(customer=person).pk, now=timezone.now())

    assert left() == {}
    with pytest.raises(parting.PartingRefused, match="was forgotten"):
        parting.undo(merge_id=made.pk, actor=STAFF, now=timezone.now())
