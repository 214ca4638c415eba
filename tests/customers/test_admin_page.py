"""The customer page: what staff see there, and what they change."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, Permission
from django.urls import reverse
from django.utils import timezone

from loyalty.common import actors
from loyalty.common.causes import Cause, CauseType
from loyalty.customers.admin import panels
from loyalty.customers.models import Customer, CustomerIdentity, ShippingAddress
from loyalty.events.models import Event
from loyalty.points import adjustments, ledger
from loyalty.program.models import Order
from rewards import granting, redemption, usage
from rewards.admin import words
from rewards.models import FulfillmentStatus, Origin, RedeemedReward
from tests.factories.catalogue import GiftFactory, PointsProductFactory, RewardFactory
from tests.factories.people import ConnectionFactory, CustomerFactory, ShippingAddressFactory, StaffFactory
from tests.factories.points import give
from tests.factories.shop import connect

pytestmark = pytest.mark.django_db


@pytest.fixture
def anna():
    return CustomerFactory(email="anna@example.com", phone="+48501234567")


@pytest.fixture
def support(signed_in):
    return signed_in("support")


def page(customer) -> str:
    return reverse("admin:customers_customer_change", args=(customer.pk,))


def text_of(answer) -> str:
    """The words of a page, as a person reads them."""
    html = answer.content.decode().replace("\u202f", "")
    main = html[html.index("<main") : html.index("</main>")]
    return " ".join(re.sub(r"<[^>]+>", " ", main).split())


def attempt(customer, *, reason: str = "The shop refused the code.", status: str = "failed") -> RedeemedReward:
    """A redemption that did not succeed."""
    now = timezone.now()
    reward = RewardFactory(name="10 off")
    return RedeemedReward.objects.create(
        customer=customer,
        reward=reward,
        origin=Origin.REDEMPTION,
        on_profile=False,
        takes_place=status == "pending",
        actor_kind="customer",
        fulfillment_status=status,
        usage_status="unused",
        failure_reason=reason if status == "failed" else "",
        redeemed_at=now,
        updated_at=now,
        name="10 off",
        type=reward.type,
        cost_in_points=100,
        currency="USD",
        balance_after=0,
    )


class TestPointsCard:
    def test_shows_active_pending_and_held_points_and_the_next_expiry(self, support, anna):
        now = timezone.now()
        give(anna, 120, now=now, expires_at=now + timedelta(days=10))
        give(anna, 1500, now=now)
        give(anna, 70, now=now, available_at=now + timedelta(days=3))
        ledger.hold(
            customer_id=anna.pk, points=20, cause=Cause(CauseType.API, 1), actor=actors.SYSTEM, now=timezone.now()
        )

        shown = text_of(support.get(page(anna)))

        assert "1600 active points" in shown
        assert "Held 20" in shown
        assert "Pending 70" in shown
        assert "Next expiry 100 on" in shown

    def test_explains_what_expires_when(self, support, anna):
        now = timezone.now()
        end = timezone.localtime(now + timedelta(days=10)).replace(hour=0, minute=0, second=0, microsecond=0)
        give(anna, 120, now=now, expires_at=end)
        give(anna, 80, now=now)

        shown = text_of(support.get(page(anna)))

        last = end - timedelta(days=1)
        assert f"{last.day} {last:%b %Y} 120 Never 80" in shown

    def test_has_no_buttons_for_a_viewer(self, signed_in, anna):
        shown = text_of(signed_in("viewer").get(page(anna)))

        assert "Adjust balance" not in shown
        assert "Grant a reward" not in shown
        assert "Save" not in shown


class TestAdjusting:
    def url(self, customer) -> str:
        return reverse("admin:customers_customer_adjust", args=(customer.pk,))

    def filled(self, client, customer, **fields) -> dict[str, str]:
        form = client.get(self.url(customer)).context["form"]
        return {"once": str(form["once"].value()), **fields}

    def test_adds_points_with_both_notes(self, support, anna):
        fields = {"points": "50", "reason": "goodwill", "internal_note": "Late parcel", "customer_note": "Sorry!"}

        answer = support.post(self.url(anna), self.filled(support, anna, **fields), follow=True)

        row = anna.points_transactions.get()
        assert (row.points_change, row.note.internal_note, row.note.description) == (50, "Late parcel", "Sorry!")
        assert (row.actor_kind, row.adjustment.reason) == ("staff", "goodwill")
        assert "Points adjusted by +50" in text_of(answer)
        assert "50 active points" in text_of(answer)

    def test_needs_no_note(self, support, anna):
        give(anna, 80, now=timezone.now())

        support.post(self.url(anna), self.filled(support, anna, points="-30"))

        assert [row.points_change for row in anna.points_transactions.order_by("id")] == [80, -30]

    def test_adjusts_once_when_sent_twice(self, support, anna):
        fields = self.filled(support, anna, points="50")

        for _ in range(2):
            assert support.post(self.url(anna), fields).status_code == 302

        assert anna.points_transactions.count() == 1

    def test_refuses_the_same_form_with_other_values(self, support, anna):
        fields = self.filled(support, anna, points="50")
        support.post(self.url(anna), fields)

        answer = support.post(self.url(anna), {**fields, "points": "70"})

        assert "sent before with other values" in text_of(answer)
        assert [row.points_change for row in anna.points_transactions.all()] == [50]

    def test_refuses_to_go_below_zero(self, support, anna):
        give(anna, 80, now=timezone.now())

        answer = support.post(self.url(anna), self.filled(support, anna, points="-100"))

        assert "negative points balance" in text_of(answer)
        assert anna.points_transactions.count() == 1

    @pytest.mark.parametrize("points", ["0", "", "ten", "1.5", "99999999999", "-99999999999", "1e3"])
    def test_refuses_what_is_no_whole_number(self, support, anna, points):
        answer = support.post(self.url(anna), self.filled(support, anna, points=points))

        assert answer.status_code == 200
        assert answer.context["form"].errors["points"]
        assert not anna.points_transactions.exists()

    def test_refuses_a_form_without_its_key(self, support, anna):
        answer = support.post(self.url(anna), {"points": "50"})

        assert "This form cannot be taken as it is. Nothing was changed." in text_of(answer)
        assert not anna.points_transactions.exists()

    @pytest.mark.parametrize(
        ("points", "sentence"),
        [
            ("50", "Active points would go from 80 to 130."),
            ("-30", "Active points would go from 80 to 50. Points that expire soonest are taken first."),
            ("-100", "This would be refused."),
        ],
    )
    def test_previews_without_changing_anything(self, support, anna, points, sentence):
        give(anna, 80, now=timezone.now())

        answer = support.post(self.url(anna), self.filled(support, anna, points=points, preview="yes"))

        assert sentence in text_of(answer)
        assert ("desk-note--warn" in answer.content.decode()) is sentence.startswith("This would be refused")
        assert anna.points_transactions.count() == 1


class TestGranting:
    def url(self, customer) -> str:
        return reverse("admin:customers_customer_grant", args=(customer.pk,))

    def test_grants_once_when_sent_twice(self, support, anna):
        mug = GiftFactory()
        form = support.get(self.url(anna)).context["form"]
        fields = {"once": str(form["once"].value()), "reward": str(mug.pk), "internal_note": "Birthday"}

        for _ in range(2):
            answer = support.post(self.url(anna), fields, follow=True)

        redeemed = anna.redeemed_rewards.get()
        assert (redeemed.origin, redeemed.cost_in_points) == (Origin.STAFF, 0)
        assert "A mug was granted" in text_of(answer)
        assert answer.context["tab"] == "rewards"

    def test_offers_only_rewards_that_are_switched_on(self, support, anna):
        off = RewardFactory(name="Switched off", enabled=False)
        form = support.get(self.url(anna)).context["form"]

        assert off not in form.fields["reward"].queryset
        answer = support.post(self.url(anna), {"once": str(form["once"].value()), "reward": str(off.pk)})
        assert answer.context["form"].errors["reward"]

    def test_says_why_an_excluded_customer_gets_nothing(self, support):
        ben = CustomerFactory(state="disabled", first_name="Ben")
        form = support.get(self.url(ben)).context["form"]

        answer = support.post(self.url(ben), {"once": str(form["once"].value()), "reward": str(GiftFactory().pk)})

        assert answer.status_code == 200
        assert answer.context["form"].non_field_errors()
        assert not ben.redeemed_rewards.exists()


class TestPointsTab:
    def test_says_what_happened_with_notes_cause_and_actor(self, support, anna):
        staff = StaffFactory(name="Sam Support")
        order = Order.objects.create(
            external_id="7",
            customer=anna,
            status="completed",
            total=10,
            currency="USD",
            placed_at=timezone.now(),
            changed_at=timezone.now(),
            recorded_at=timezone.now(),
        )
        ledger.credit(
            customer_id=anna.pk,
            points=90,
            kind="earning",
            cause=Cause(CauseType.ORDER, order.pk),
            actor=actors.SYSTEM,
            now=timezone.now(),
        )
        adjustments.adjust(
            customer_id=anna.pk,
            points=-10,
            actor=actors.staff(staff.pk),
            now=timezone.now(),
            description="Counted twice",
            internal_note="Ticket 12",
        )

        answer = support.get(page(anna))

        shown = text_of(answer)
        assert "Counted twice" in shown
        assert "Internal note: Ticket 12" in shown
        assert "−10 80 Sam Support" in shown
        assert "+90 90 the programme" in shown
        assert reverse("admin:program_order_change", args=(order.pk,)) in answer.content.decode()

    def test_pages_through_the_history(self, support, anna):
        for number in range(1, 13):
            give(anna, number, now=timezone.now())

        first, second = support.get(page(anna)), support.get(page(anna), {"tab": "points", "page": "2"})

        assert "1–10 of 12" in text_of(first)
        assert "11–12 of 12" in text_of(second)
        assert 'rel="next"' in first.content.decode()
        assert 'rel="prev"' not in first.content.decode()
        assert 'rel="prev"' in second.content.decode()
        assert "+12 " in text_of(first)
        assert "+1 1 " in text_of(second)

    @pytest.mark.parametrize("number", ["0", "-1", "999", "x"])
    def test_shows_some_page_whatever_is_asked_for(self, support, anna, number):
        give(anna, 5, now=timezone.now())

        assert "+5" in text_of(support.get(page(anna), {"page": number}))

    def test_leads_to_failed_redemptions_and_why(self, support, anna):
        failed = attempt(anna, reason="The shop refused the credentials.")
        attempt(anna, status="pending")

        assert "Failed redemptions (2)" in text_of(support.get(page(anna)))
        answer = support.get(page(anna), {"tab": "failed"})
        assert "The shop refused the credentials." in text_of(answer)
        assert "It is being checked" in text_of(answer)
        assert "Being checked" in text_of(answer)
        assert reverse("admin:rewards_redeemedreward_change", args=(failed.pk,)) in answer.content.decode()

    def test_mentions_no_failures_where_there_are_none(self, support, anna):
        assert "Failed redemptions" not in text_of(support.get(page(anna)))


class TestRewardsTab:
    def rewards(self, customer, times: int = 1) -> list[RedeemedReward]:
        reward = GiftFactory()
        return [
            granting.grant(customer_id=customer.pk, reward_id=reward.pk, actor=actors.SYSTEM, now=timezone.now())
            for _ in range(times)
        ]

    def test_shows_code_cost_and_status_but_no_attempt(self, support, anna, shop_process):
        give(anna, 300, now=timezone.now())
        product = PointsProductFactory(reward__name="5 off", reward__connection=connect(shop_process))
        redeemed = redemption.redeem(
            customer_id=anna.pk, points_product_id=product.pk, actor=actors.SYSTEM, now=timezone.now()
        )
        attempt(anna)

        shown = text_of(support.get(page(anna), {"tab": "rewards"}))

        assert f"{redeemed.name} {redeemed.code.code} Discount code 100" in shown
        assert "Issued" in shown
        assert "10 off" not in shown

    def test_colours_each_status_as_the_grid_does(self):
        assert panels.STATUS_TONES == words.TONES

    def test_filters_what_is_available_now(self, support, anna):
        used, fresh, stale = self.rewards(anna, 3)
        usage.mark_used(redeemed_reward_id=used.pk, actor=actors.SYSTEM, now=timezone.now())
        RedeemedReward.objects.filter(pk=stale.pk).update(expires_at=timezone.now())

        everything = support.get(page(anna), {"tab": "rewards"}).context["rows"]
        available = support.get(page(anna), {"tab": "rewards", "available": "1"}).context["rows"]

        assert {row.redeemed.status for row in everything} == {"used", "issued", "expired"}
        assert [row.redeemed.pk for row in available] == [fresh.pk]

    def test_keeps_the_filter_from_page_to_page(self, support, anna):
        self.rewards(anna, 12)

        first = support.get(page(anna), {"tab": "rewards", "available": "1"})

        assert "?tab=rewards&amp;available=1&amp;page=2#activity" in first.content.decode()
        assert "1–10 of 12" in text_of(first)

    def test_shows_pending_and_failed_grants_too(self, support, anna):
        (redeemed,) = self.rewards(anna)
        RedeemedReward.objects.filter(pk=redeemed.pk).update(
            fulfillment_status=FulfillmentStatus.FAILED, takes_place=False
        )

        assert "Failed" in text_of(support.get(page(anna), {"tab": "rewards"}))


class TestEditing:
    FORM = {"first_name": "Anna", "last_name": "Nowak", "email": "anna@example.com", "state": "member"}

    def test_saves_contacts_and_address_through_the_domain(self, support, anna):
        answer = support.post(
            page(anna),
            {
                **self.FORM,
                "email": " Anna.N@example.com ",
                "phone": "0048 600 700 800",
                "address-line_1": "Prosta 2",
                "address-city": "Warszawa",
                "address-country": "PL",
            },
        )

        assert answer.status_code == 302
        anna.refresh_from_db()
        assert (anna.email, anna.phone) == ("Anna.N@example.com", "+48600700800")
        assert ShippingAddress.objects.get(customer=anna).line_1 == "Prosta 2"
        assert Event.objects.filter(kind="customer.updated", customer_id=anna.pk).count() == 2

    def test_shows_a_refusal_at_its_field_and_changes_nothing(self, support, anna):
        CustomerFactory(email="ben@example.com")

        answer = support.post(page(anna), {**self.FORM, "first_name": "Other", "email": "BEN@example.com"})

        assert "Another customer has this e-mail address" in text_of(answer)
        assert answer.context["forms"]["person"].errors["email"]
        anna.refresh_from_db()
        assert (anna.email, anna.first_name) == ("anna@example.com", "Anna")

    def test_refuses_half_an_address(self, support, anna):
        answer = support.post(page(anna), {**self.FORM, "first_name": "Other", "address-city": "Warszawa"})

        assert "An address needs a street, a city and a country" in text_of(answer)
        anna.refresh_from_db()
        assert anna.first_name == "Anna"

    def test_excludes_and_lets_back_in(self, support, anna):
        support.post(page(anna), {**self.FORM, "state": "disabled"})
        anna.refresh_from_db()
        assert anna.state == "disabled"
        assert "Excluded" in text_of(support.get(page(anna)))

        support.post(page(anna), self.FORM)
        anna.refresh_from_db()
        assert anna.state == "member"

    def test_does_not_make_a_member_a_guest(self, support, anna):
        answer = support.post(page(anna), {**self.FORM, "state": "candidate"})

        assert answer.context["forms"]["person"].errors["state"]

    def test_keeps_the_address_from_whoever_may_not_see_it(self, signed_in, anna):
        ShippingAddressFactory(customer=anna, line_1="Secret Street 7")
        editor = signed_in("viewer")
        group = Group.objects.get(name="viewer")
        group.permissions.add(Permission.objects.get(codename="change_customer"))

        shown = editor.get(page(anna))
        editor.post(page(anna), {**self.FORM, "address-line_1": "Mine", "address-city": "X", "address-country": "PL"})

        assert b"Secret Street 7" not in shown.content
        assert ShippingAddress.objects.get(customer=anna).line_1 == "Secret Street 7"

    def test_refuses_a_viewer(self, signed_in, anna):
        assert signed_in("viewer").post(page(anna), {**self.FORM, "first_name": "X"}).status_code == 403

    def test_leaves_an_anonymised_customer_alone(self, support, anna):
        anna.anonymised_at = timezone.now()
        anna.save()

        assert "was anonymised on" in text_of(support.get(page(anna)))
        assert support.post(page(anna), self.FORM).status_code == 403

    def test_shows_the_identities_in_shops(self, support, anna):
        CustomerIdentity.objects.create(customer=anna, connection=ConnectionFactory(name="Berlin"), external_id="c-77")

        assert "Berlin c-77" in text_of(support.get(page(anna)))

    def test_answers_404_for_nobody(self, support):
        assert support.get("/admin/customers/customer/404/change/").status_code == 404
        assert support.get("/admin/customers/customer/404/adjust/").status_code == 404

    def test_escapes_what_people_typed(self, support):
        evil = CustomerFactory(first_name="<script>alert(1)</script>", last_name="")

        assert b"<script>alert(1)" not in support.get(page(evil)).content


class TestAdding:
    URL = "/admin/customers/customer/add/"

    def test_adds_a_member(self, support):
        answer = support.post(self.URL, {"email": "new@example.com", "state": "member"}, follow=True)

        assert "was added" in text_of(answer)
        assert Event.objects.filter(kind="customer.enrolled").exists()

    def test_refuses_nobody_in_particular(self, support):
        answer = support.post("/admin/customers/customer/add/", {"first_name": "Ada", "state": "member"})

        assert "Write an e-mail address or a phone number" in text_of(answer)
        assert not Customer.objects.exists()

    def test_refuses_a_taken_address(self, support, anna):
        answer = support.post(self.URL, {"email": "ANNA@example.com", "state": "member"})

        assert "Another customer has this e-mail address" in text_of(answer)


def test_needs_the_same_queries_for_much_as_for_little(support, anna, django_assert_max_num_queries):
    for number in range(1, 25):
        adjustments.adjust(
            customer_id=anna.pk,
            points=number,
            actor=actors.staff(StaffFactory().pk),
            now=timezone.now(),
            internal_note="n",
        )
    for _ in range(12):
        granting.grant(customer_id=anna.pk, reward_id=GiftFactory().pk, actor=actors.SYSTEM, now=timezone.now())
    attempt(anna)

    for tab in ("points", "rewards", "failed"):
        with django_assert_max_num_queries(20):
            support.get(page(anna), {"tab": tab})
