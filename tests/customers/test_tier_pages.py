"""What staff and customers see of the tiers."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from loyalty.customers.models import Tier
from loyalty.program.tiers.models import TierEntry, TierRules, VipTierChange
from tests.factories.catalogue import InvitationFactory
from tests.factories.people import CustomerFactory
from tests.factories.points import give
from tests.factories.tiers import judge, switch_on, tier

pytestmark = pytest.mark.django_db

TIERS, RULES = "/admin/customers/tier/", "/admin/program/tierrules/1/change/"


@pytest.fixture
def manager(signed_in):
    return signed_in("manager")


@pytest.fixture
def tiers():
    now = timezone.now()
    made = tier("Silver", 100, now=now), tier("Gold", 500, now=now, entry_points=50)
    switch_on(now=now)
    return made


@pytest.fixture
def anna(tiers):
    customer = CustomerFactory(email="anna@example.com")
    give(customer, 120, now=timezone.now())
    judge(customer, now=timezone.now())
    return customer


def words(answer) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


def test_a_tier_is_added_changed_and_listed_with_its_size(manager):
    reward = InvitationFactory(name="Garden evening")
    sent = {"name": "Gold", "milestone": "500", "active": "on", "entry_points": "50", "rewards": [reward.pk],
            "perks": "Free coffee\n\nFirst in line"}  # fmt: skip

    added = manager.post(f"{TIERS}add/", sent, follow=True)
    gold = Tier.objects.get()
    assert "“Gold” is saved." in words(added)
    assert (gold.terms.milestone, gold.terms.perks) == (500, ["Free coffee", "First in line"])
    page = manager.get(f"{TIERS}{gold.pk}/change/").content.decode()
    assert re.search(r'value="\d+" id="id_rewards_0"[^>]* checked', page)
    assert "Another tier has this name" in words(manager.post(f"{TIERS}add/", sent))

    CustomerFactory(tier=gold)
    listed = words(manager.get(TIERS))
    assert "500 points" in listed
    assert "50 points, Garden evening" in listed
    assert "switched off: nobody is judged" in listed


def test_a_tier_nobody_was_in_is_removed_and_no_other(manager, anna, tiers):
    for each in tiers:
        manager.post(f"{TIERS}{each.pk}/act/remove/", {"confirmed": "yes", "shown": ""})

    assert list(Tier.objects.values_list("name", flat=True)) == ["Silver"]


def test_rules_are_kept_and_everybody_is_judged_anew(manager, anna):
    TierRules.objects.update(marked_on=timezone.now().date())

    answer = manager.post(
        RULES,
        {"enabled": "on", "basis": "amount_spent", "period": "rolling", "rolling_days": "90", "grace_days": "7"},
    )

    rules = TierRules.objects.get()
    assert answer.status_code == 302
    assert (rules.basis, rules.rolling_days, rules.grace_days, rules.kept_next_year) == ("amount_spent", 90, 7, False)
    assert (rules.marked_on, rules.mark_quietly) == (None, True)


def test_before_rules_or_a_tier_are_saved_staff_see_who_would_move(manager, anna, tiers):
    rules = {"enabled": "on", "basis": "amount_spent", "period": "lifetime", "rolling_days": "365", "grace_days": "0"}

    shown = words(manager.post(RULES, {**rules, "preview": "1"}))
    assert "1 customer would move" in shown
    assert "Silver ↓ no tier 1" in shown
    assert "Everybody, 1 customer, was judged as of now" in shown
    assert TierRules.objects.get().basis == "points_earned"
    sent_back = manager.post(RULES, {**rules, "preview": "1"}).content.decode()
    assert re.search(r'value="amount_spent"[^>]* checked', sent_back)

    lower = {"name": "Gold", "milestone": "110", "active": "on", "entry_points": "50", "gives": "on", "preview": "1"}
    shown = words(manager.post(f"{TIERS}{tiers[1].pk}/change/", lower))
    assert "Silver ↑ Gold 1" in shown
    assert "1 customer would be given 50 points altogether for entering." in shown
    assert Tier.objects.get(name="Gold").terms.milestone == 500
    same = manager.post(f"{TIERS}{tiers[1].pk}/change/", {**lower, "milestone": "100"})
    assert "“Silver” begins there already." in words(same)


def test_the_customer_page_says_how_far_they_are_and_until_when(manager, anna):
    page = words(manager.get(f"/admin/customers/customer/{anna.pk}/change/"))

    assert "120 of 500 points to Gold" in page
    assert "Missing 380 points" in page
    assert "Lasts until" in page


def test_staff_move_a_customer_after_seeing_what_that_does(manager, anna, tiers):
    url = f"/admin/customers/customer/{anna.pk}/act/move-to-tier/"
    sent = {"tier": str(tiers[1].pk), "until": "", "gives": "on", "reason": "Friend of the house"}
    assert "Choose a tier below" in words(manager.get(url))
    preview = manager.post(url, sent | {"shown": ""})
    assert "Moves up from Silver to Gold." in words(preview)
    assert VipTierChange.objects.count() == 1
    hidden = dict(re.findall(r'type="hidden" name="(shown|token_\d+)" value="([^"]*)"', preview.content.decode()))

    shown = preview.context["shown"]
    done = manager.post(url, sent | {**hidden, "shown": shown}, follow=True)

    assert f"{anna} is in Gold now." in words(done)
    change = VipTierChange.objects.latest("pk")
    assert (change.cause, change.note.internal_note) == ("staff", "Friend of the house")
    assert TierEntry.objects.get().points == 50
    listed = words(manager.get("/admin/program/viptierchange/", {"customer": anna.pk}))
    assert "Silver → Gold By staff 120 points, milestone 500 points Due Friend of the house" in listed


def test_whoever_may_only_look_moves_nobody(signed_in, anna, tiers):
    viewer = signed_in("viewer")

    assert viewer.get(f"/admin/customers/customer/{anna.pk}/act/move-to-tier/").status_code == 403
    assert viewer.get(f"{TIERS}add/").status_code == 403
    assert viewer.post(RULES, {"basis": "amount_spent"}).status_code == 403
    assert viewer.post(RULES, {"basis": "amount_spent", "preview": "1"}).status_code == 403
    assert viewer.get(RULES).status_code == 200


def test_customers_are_found_by_their_tier(manager, anna, tiers):
    CustomerFactory()

    found = manager.get("/admin/customers/customer/", {"tier": tiers[0].pk}).context["cl"].result_list

    assert [customer.pk for customer in found] == [anna.pk]


def test_what_was_refused_is_listed_with_its_reason_and_given_again(manager):
    now = timezone.now()
    reward = InvitationFactory(enabled=False)
    tier("Gold", 100, now=now, rewards=(reward.pk,))
    switch_on(now=now)
    customer = CustomerFactory()
    give(customer, 120, now=now)
    judge(customer, now=now)
    entry = TierEntry.objects.get()
    assert entry.refusal in words(manager.get("/admin/program/tierentry/", {"state": "refused"}))

    reward.__class__.objects.update(enabled=True)
    url = f"/admin/program/tierentry/{entry.pk}/act/give-again/"
    manager.post(url, {"confirmed": "yes", "shown": ""})

    entry.refresh_from_db()
    assert entry.state == "given"


def test_lists_need_as_many_queries_for_many_rows_as_for_one(manager, anna, tiers, django_assert_max_num_queries):
    pages = [TIERS, "/admin/program/viptierchange/", "/admin/program/tierentry/"]
    few = {}
    for page in pages:
        manager.get(page)
        with django_assert_max_num_queries(60) as asked:
            manager.get(page)
        few[page] = len(asked)
    people = [CustomerFactory() for _ in range(4)]
    for customer in people:
        give(customer, 600, now=timezone.now())
    judge(*people, now=timezone.now() + timedelta(seconds=1))

    for page in pages:
        with django_assert_max_num_queries(few[page]):
            manager.get(page)
