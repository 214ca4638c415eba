"""The customer page: what staff see there, and what they change."""

import html
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from loyalty.accounts.models import User
from loyalty.common import actors
from loyalty.common.adminkit import show
from loyalty.common.causes import Cause, CauseType
from loyalty.customers.admin import panels
from loyalty.customers.models import Customer, CustomerIdentity, ShippingAddress
from loyalty.events.models import Event
from loyalty.merchant.models import Programme
from loyalty.points import adjustments, clawback, holds, ledger, requests
from loyalty.points.models import AdjustmentRequest, PointsShortfall, PointsTransfer
from loyalty.program.models import Order
from rewards import granting, redemption, usage
from rewards.admin import words
from rewards.models import FulfillmentStatus, Origin, RedeemedReward
from tests.factories.catalogue import GiftFactory, PointsProductFactory, RewardFactory, VariablePriceFactory
from tests.factories.people import ConnectionFactory, CustomerFactory, ShippingAddressFactory, StaffFactory
from tests.factories.points import NO_ORDER, give
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
    whole = answer.content.decode().replace("\u202f", "")
    main = whole[whole.index("<main") : whole.index("</main>")]
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
        assert "Give a reward" not in shown
        assert "Save" not in shown


class TestAdjusting:
    def url(self, customer) -> str:
        return reverse("admin:customers_customer_adjust", args=(customer.pk,))

    def filled(self, client, customer, **fields) -> dict[str, str]:
        form = client.get(self.url(customer)).context["form"]
        return {"once": str(form["once"].value()), "reason": "goodwill", **fields}

    def previewed(self, client, customer, **fields) -> dict[str, str]:
        """The form as it stands under its preview, ready to be sent."""
        typed = self.filled(client, customer, **fields)
        answer = client.post(self.url(customer), typed)
        return {**typed, "token": answer.context["plan"].fingerprint, "apply": answer.context["act"]}

    def test_adds_points_with_both_notes_and_a_last_day(self, support, anna):
        fields = {"points": "50", "internal_note": "Late parcel", "customer_note": "Sorry!", "last_day": "2099-12-31"}

        answer = support.post(self.url(anna), self.previewed(support, anna, **fields), follow=True)

        row = anna.points_transactions.get()
        assert (row.points_change, row.note.internal_note, row.note.description) == (50, "Late parcel", "Sorry!")
        assert (row.actor_kind, row.adjustment.reason) == ("staff", "goodwill")
        assert row.lots.get().expires_at == datetime(2100, 1, 1, tzinfo=UTC)
        assert "Points adjusted by +50" in text_of(answer)
        assert "50 active points" in text_of(answer)

    def test_reads_the_last_day_in_the_zone_of_the_programme(self, support, anna):
        Programme.objects.update_or_create(pk=1, defaults={"time_zone": "Pacific/Kiritimati"})

        support.post(self.url(anna), self.previewed(support, anna, points="50", last_day="2099-12-31"))

        assert anna.points_lots.get().expires_at == datetime(2099, 12, 31, 10, tzinfo=UTC)

    def test_needs_no_note(self, support, anna):
        give(anna, 80, now=timezone.now())

        support.post(self.url(anna), self.previewed(support, anna, points="-30"))

        assert [row.points_change for row in anna.points_transactions.order_by("id")] == [80, -30]

    def test_needs_a_reason_from_the_list(self, support, anna):
        for reason, sentence in (("", "Choose why the points change."), ("boredom", "is not one of the available")):
            answer = support.post(self.url(anna), self.filled(support, anna, points="50", reason=reason))

            assert sentence in text_of(answer)
        assert not anna.points_transactions.exists()

    def test_says_what_the_customer_reads_without_a_note(self, support, anna):
        Programme.objects.update_or_create(pk=1, defaults={"adjustment_text": "A present from us"})

        assert "Left empty, they read “A present from us”." in text_of(support.get(self.url(anna)))
        answer = support.post(self.url(anna), self.previewed(support, anna, points="50"), follow=True)
        assert "A present from us" in text_of(answer)

    @pytest.mark.parametrize(
        ("mode", "sentence"),
        [
            ("never", "Left empty, they never expire"),
            ("days", "Left empty, they expire 365 days from today"),
            ("month_end", "Left empty, they expire at the end of this month"),
            ("year_end", "Left empty, they expire at the end of this year"),
            ("idle", "Left empty, they expire after 365 days without activity"),
        ],
    )
    def test_says_when_added_points_end_without_a_last_day(self, support, anna, mode, sentence):
        Programme.objects.update_or_create(pk=1, defaults={"expiry_mode": mode})

        assert sentence in text_of(support.get(self.url(anna)))

    def test_adjusts_once_when_sent_twice(self, support, anna):
        fields = self.previewed(support, anna, points="50")

        for _ in range(2):
            assert support.post(self.url(anna), fields).status_code == 302

        assert anna.points_transactions.count() == 1

    def test_refuses_the_same_form_with_other_values(self, support, anna):
        fields = self.previewed(support, anna, points="50")
        support.post(self.url(anna), fields)

        answer = support.post(self.url(anna), {**fields, "points": "70"})

        assert "sent before with other values" in text_of(answer)
        assert [row.points_change for row in anna.points_transactions.all()] == [50]

    def test_adjusts_nothing_that_was_not_previewed(self, support, anna):
        fields = self.filled(support, anna, points="50", apply="adjust")

        answer = support.post(self.url(anna), fields)

        assert "This is not what the preview showed" in text_of(answer)
        assert "Active points go from 0 to 50." in text_of(answer)
        assert not anna.points_transactions.exists()

    def test_shows_a_new_preview_when_something_moved_since(self, support, anna):
        give(anna, 80, now=timezone.now())
        fields = self.previewed(support, anna, points="-30")
        give(anna, 20, now=timezone.now(), expires_at=timezone.now() + timedelta(days=1))

        answer = support.post(self.url(anna), fields)

        assert "This is not what the preview showed" in text_of(answer)
        assert "Active points go from 100 to 70." in text_of(answer)
        assert anna.points_transactions.count() == 2
        support.post(self.url(anna), {**fields, "token": answer.context["plan"].fingerprint})
        assert anna.points_transactions.count() == 3

    def test_refuses_to_go_below_zero(self, support, anna):
        give(anna, 80, now=timezone.now())

        answer = support.post(self.url(anna), self.previewed(support, anna, points="-100"))

        assert "negative points balance" in text_of(answer)
        assert anna.points_transactions.count() == 1

    @pytest.mark.parametrize("points", ["0", "", "ten", "1.5", "99999999999", "-99999999999", "1e3", "NaN"])
    def test_refuses_what_is_no_whole_number(self, support, anna, points):
        answer = support.post(self.url(anna), self.filled(support, anna, points=points))

        assert answer.status_code == 200
        assert answer.context["form"].errors["points"]
        assert not anna.points_transactions.exists()

    @pytest.mark.parametrize("day", ["2020-01-01", "31.12.2030", "9999-12-31", "soon"])
    def test_refuses_a_last_day_that_makes_no_sense(self, support, anna, day):
        answer = support.post(self.url(anna), self.filled(support, anna, points="50", last_day=day, apply="adjust"))

        assert answer.status_code == 200
        assert answer.context["form"].errors.get("last_day") or answer.context["plan"].refusal
        assert not anna.points_transactions.exists()

    def test_refuses_a_last_day_for_points_that_are_taken(self, support, anna):
        give(anna, 80, now=timezone.now())

        answer = support.post(self.url(anna), self.filled(support, anna, points="-50", last_day="2099-01-01"))

        assert "Only points that are added have a last day" in text_of(answer)

    def test_refuses_a_form_without_its_key(self, support, anna):
        answer = support.post(self.url(anna), {"points": "50", "reason": "other", "apply": "adjust"})

        assert "This form cannot be taken as it is. Nothing was changed." in text_of(answer)
        assert not anna.points_transactions.exists()

    def test_previews_the_lots_without_changing_anything(self, support, anna):
        soon = give(anna, 20, now=timezone.now(), expires_at=timezone.now() + timedelta(days=1)).lots.get()
        never = give(anna, 60, now=timezone.now()).lots.get()

        shown = text_of(support.post(self.url(anna), self.filled(support, anna, points="-30")))

        assert "Active points go from 80 to 50." in shown
        assert f"20 points from lot {soon.pk} (last day" in shown
        assert f"10 points from lot {never.pk} (never expires): 50 stay in it." in shown
        assert anna.points_transactions.count() == 2


class TestAskingForASecondPerson:
    url, filled, previewed = TestAdjusting.url, TestAdjusting.filled, TestAdjusting.previewed

    def ask(self, client, customer, **fields) -> AdjustmentRequest:
        client.post(self.url(customer), self.previewed(client, customer, **{"points": "5000", **fields}))
        return AdjustmentRequest.objects.get()

    def test_says_the_ceiling_before_anybody_types(self, support, signed_in, anna):
        assert "You may adjust 1000 points at once" in text_of(support.get(self.url(anna)))
        assert "at once" not in text_of(signed_in("manager").get(self.url(anna)))

    def test_asks_above_the_ceiling_and_changes_nothing(self, support, anna):
        fields = self.previewed(support, anna, points="5000", customer_note="Sorry!")
        assert fields["apply"] == "ask"

        for _ in range(2):
            answer = support.post(self.url(anna), fields, follow=True)

        row = AdjustmentRequest.objects.get()
        assert (row.points, row.description, row.reason) == (5000, "Sorry!", "goodwill")
        assert "+5000 points for Anna Nowak wait for a second person" in text_of(answer)
        assert "Waiting for a second person +5000 points" in text_of(answer)
        assert not anna.points_transactions.exists()

    def test_never_adjusts_above_the_ceiling_whatever_the_form_says(self, support, anna):
        fields = self.previewed(support, anna, points="5000")

        answer = support.post(self.url(anna), {**fields, "apply": "adjust"})

        assert "This is not what the preview showed" in text_of(answer)
        assert not anna.points_transactions.exists()
        assert not AdjustmentRequest.objects.exists()

    def test_asks_for_nothing_that_was_not_previewed(self, support, anna):
        fields = self.previewed(support, anna, points="5000")

        answer = support.post(self.url(anna), {**fields, "points": "6000"})

        assert "This is not what the preview showed" in text_of(answer)
        assert not AdjustmentRequest.objects.exists()

    def test_lets_a_manager_adjust_alone(self, signed_in, anna):
        manager = signed_in("manager")

        manager.post(self.url(anna), self.previewed(manager, anna, points="5000"))

        assert anna.points_transactions.get().points_change == 5000

    def test_is_changed_by_its_author_alone(self, support, signed_in, anna):
        row = self.ask(support, anna, last_day="2099-12-31")
        url = reverse("admin:customers_customer_adjust_request", args=(anna.pk, row.pk))
        page = support.get(url)
        assert page.context["form"]["points"].value() == 5000
        assert str(page.context["form"]["last_day"].value()) == "2099-12-31"
        fields = {"once": str(page.context["form"]["once"].value()), "points": "4000", "reason": "other"}
        token = support.post(url, fields).context["plan"].fingerprint

        support.post(url, {**fields, "token": token, "apply": "change"})

        row.refresh_from_db()
        assert (row.points, row.reason, row.expires_at) == (4000, "other", None)
        assert signed_in("manager").get(url).status_code == 403
        assert support.get(url.replace(str(anna.pk), str(CustomerFactory().pk), 1)).status_code == 404

    def test_is_approved_on_its_page_by_somebody_else(self, support, signed_in, anna):
        row = self.ask(support, anna)
        page = reverse("admin:points_adjustmentrequest_change", args=(row.pk,))
        act = reverse("admin:points_adjustmentrequest_act", args=(row.pk, "approve"))
        manager = signed_in("manager")

        assert "Change Withdraw" in text_of(support.get(page))
        assert "Approve Reject" in text_of(manager.get(page))
        preview = manager.get(act)
        assert "Active points go from 0 to 5000." in text_of(preview)
        token = preview.context["rows"][0][2].token
        answer = manager.post(act, {"confirmed": "yes", "shown": "", f"token_{row.pk}": token}, follow=True)

        assert "approved and adjusted" in text_of(answer)
        entry = anna.points_transactions.get()
        shown = text_of(manager.get(reverse("admin:points_pointstransaction_change", args=(entry.pk,))))
        assert f"Asked by: {User.objects.get(pk=row.requested_by).get_full_name()}" in shown
        assert "Approve Reject" not in text_of(manager.get(page))

    def test_says_row_by_row_what_was_refused(self, support, signed_in, anna):
        manager = signed_in("manager")
        theirs = self.ask(support, anna)
        own = requests.ask(
            customer_id=anna.pk,
            wish=requests.Wish(points=7),
            user_id=int(manager.session["_auth_user_id"]),
            now=timezone.now(),
        )
        url = reverse("admin:points_adjustmentrequest_changelist")
        chosen = {"action": "approve", "_selected_action": [theirs.pk, own.pk]}
        rows = manager.post(url, chosen).context["rows"]
        tokens = {f"token_{pk}": preview.token for pk, _, preview in rows}

        answer = manager.post(url, {**chosen, **tokens, "confirmed": "yes", "shown": ""}, follow=True)

        assert "Anna Nowak, +5000 points: approved and adjusted." in text_of(answer)
        assert "Anna Nowak, +7 points: Nobody decides about their own request" in text_of(answer)
        assert [row.points_change for row in anna.points_transactions.all()] == [5000]

    def test_is_withdrawn_and_rejected_on_its_page(self, support, signed_in, anna):
        row = self.ask(support, anna)
        withdraw = reverse("admin:points_adjustmentrequest_act", args=(row.pk, "withdraw"))
        reject = reverse("admin:points_adjustmentrequest_act", args=(row.pk, "reject"))

        refused = signed_in("manager").post(withdraw, {"confirmed": "yes", "shown": ""}, follow=True)
        assert "Only the person who asked can change or withdraw this request." in text_of(refused)
        support.post(withdraw, {"confirmed": "yes", "shown": ""})

        row.refresh_from_db()
        assert row.state == "withdrawn"
        assert "This request was withdrawn already." in text_of(signed_in("manager").get(reject))


def act_on(client, name: str, pk: int, slug: str, **fields):
    """Preview an act from the customer page, then confirm it."""
    url = reverse(f"admin:points_{name}_act", args=(pk, slug)) + "?from=customer"
    preview = client.get(url)
    token, shown = preview.context["rows"][0][2].token, preview.context["shown"]
    return client.post(url, {"confirmed": "yes", "shown": shown, f"token_{pk}": token, **fields}, follow=True)


class TestPuttingRight:
    @pytest.fixture
    def manager(self, signed_in):
        return signed_in("manager")

    def test_cancels_a_credit_and_comes_back_to_the_customer(self, manager, anna):
        wrong = give(anna, 100, now=timezone.now())
        assert "Cancel this credit" in text_of(manager.get(page(anna)))

        answer = act_on(manager, "pointstransaction", wrong.pk, "cancel-credit", internal_note="Wrong file")

        assert answer.request["PATH_INFO"] == page(anna)
        assert "credit canceled, 100 points taken." in text_of(answer)
        assert "Wrong file" in text_of(answer)
        assert "Cancel this credit" not in text_of(answer)
        assert anna.points_transactions.count() == 2

    def test_returns_a_part_of_what_was_taken(self, manager, anna):
        give(anna, 100, now=timezone.now())
        debit = adjustments.adjust(customer_id=anna.pk, points=-60, actor=actors.SYSTEM, now=timezone.now()).transaction
        url = reverse("admin:points_pointstransaction_act", args=(debit.pk, "return-points")) + "?from=customer"
        preview = manager.get(url)
        assert "60 points go back in all." in text_of(preview)
        fields = {"confirmed": "yes", "points": "20", "customer_note": "Sorry!"}

        again = manager.post(url, {**fields, "shown": preview.context["shown"], f"token_{debit.pk}": "x"})
        assert "Your choice changes what will happen" in text_of(again)
        token = again.context["rows"][0][2].token
        done = manager.post(url, {**fields, "shown": again.context["shown"], f"token_{debit.pk}": token}, follow=True)

        assert "20 points returned." in text_of(done)
        assert "Sorry!" in text_of(done)
        assert "Return points" in text_of(done)
        assert anna.points_account.balance == 60

    def test_offers_nothing_that_is_done(self, manager, anna):
        give(anna, 100, now=timezone.now())
        debit = adjustments.adjust(customer_id=anna.pk, points=-60, actor=actors.SYSTEM, now=timezone.now()).transaction
        assert "Return points" in text_of(manager.get(page(anna)))

        act_on(manager, "pointstransaction", debit.pk, "return-points")

        assert "Return points" not in text_of(manager.get(page(anna)))
        shown = text_of(manager.get(reverse("admin:points_pointstransaction_act", args=(debit.pk, "return-points"))))
        assert "Refused." in shown

    def test_stands_on_the_page_of_the_transaction_too(self, manager, signed_in, anna):
        wrong = give(anna, 100, now=timezone.now())
        url = reverse("admin:points_pointstransaction_change", args=(wrong.pk,))

        assert "Cancel credit" in text_of(manager.get(url))
        assert "Cancel credit" not in text_of(signed_in("support").get(url))
        assert "Return points" not in text_of(manager.get(url))

    def test_says_row_by_row_what_was_refused(self, manager, anna):
        now = timezone.now()
        spent, left = give(anna, 10, now=now, expires_at=now + timedelta(days=1)), give(anna, 20, now=now)
        adjustments.adjust(customer_id=anna.pk, points=-10, actor=actors.SYSTEM, now=now)
        url = reverse("admin:points_pointstransaction_changelist")

        shown = text_of(manager.post(url, {"action": "cancel_credit", "_selected_action": [spent.pk, left.pk]}))

        assert "1 will be done. 1 will be refused. 20 points are taken in all." in shown
        assert "Nothing is left of these 10 points: 10 are spent or expired, 0 are held." in shown


class TestWhatIsOwed:
    @pytest.fixture
    def owed(self, anna):
        """80 points of a refunded order that were spent before, and 30 active points."""
        now = timezone.now()
        earned = give(anna, 80, now=now)
        adjustments.adjust(customer_id=anna.pk, points=-80, actor=actors.SYSTEM, now=now)
        clawback.claw_back(earning_id=earned.pk, refunded=Decimal(10), total=Decimal(10), actor=actors.SYSTEM, now=now)
        give(anna, 30, now=now)
        return PointsShortfall.objects.get()

    def test_stands_on_the_points_card_with_its_order(self, signed_in, anna, owed):
        answer = signed_in("support").get(page(anna))

        assert "30 active points Owed 80 from refunds" in text_of(answer)
        assert "Owed from refunds 80 points order of" in text_of(answer)
        assert reverse("admin:program_order_change", args=(NO_ORDER,)) in answer.content.decode()
        assert "Waive" not in text_of(answer)

    def test_counts_against_the_balance_where_the_programme_says_so(self, support, anna, owed):
        Programme.objects.update_or_create(pk=1, defaults={"shortfall_blocks": True})

        shown = text_of(support.get(page(anna)))

        assert "−50 points, after what is owed 30 active points, less 80 owed from refunds." in shown
        assert "Nothing can be redeemed until nothing is owed." in shown

    def test_is_collected_and_then_waived(self, signed_in, anna, owed):
        manager = signed_in("manager")

        collected = act_on(manager, "pointsshortfall", owed.pk, "collect")
        assert collected.request["PATH_INFO"] == page(anna)
        assert "30 points collected." in text_of(collected)
        assert "0 active points Owed 50 from refunds" in text_of(collected)
        assert "50 of 80 points" in text_of(collected)
        assert "There are no active points to collect." in text_of(collected)

        waived = act_on(manager, "pointsshortfall", owed.pk, "waive", internal_note="Old friend")
        assert "50 owed points waived." in text_of(waived)
        assert "Owed" not in text_of(waived)
        owed.refresh_from_db()
        assert (owed.state, owed.internal_note) == ("waived", "Old friend")

    def test_has_a_list_and_pages_of_its_own(self, signed_in, anna, owed):
        manager = signed_in("manager")

        listed = text_of(manager.get(reverse("admin:points_pointsshortfall_changelist")))
        shown = text_of(manager.get(reverse("admin:points_pointsshortfall_change", args=(owed.pk,))))

        assert "Anna Nowak" in listed
        assert "Collect now Waive" in shown


def test_lists_open_holds_with_their_time_limit(support, anna):
    now = timezone.now()
    give(anna, 100, now=now)
    held = holds.create(
        customer_id=anna.pk, points=40, actor=actors.api_key(7), now=now, description="Till 2", lasts=timedelta(hours=1)
    )

    shown = text_of(support.get(page(anna)))

    assert "Held 40 set aside, see below" in shown
    assert "40 points for API key 7: Till 2" in shown
    assert f"released on {show.instant_text(held.expires_at)} at the latest" in shown


class TestMovingPoints:
    @pytest.fixture
    def manager(self, signed_in):
        return signed_in("manager")

    @pytest.fixture
    def ben(self):
        return CustomerFactory(first_name="Ben", last_name="Kowal", email="ben@example.com", phone="+48700100200")

    @pytest.fixture
    def _allowed(self, db):
        Programme.objects.update_or_create(pk=1, defaults={"transfers_allowed": True})

    def url(self, customer) -> str:
        return reverse("admin:customers_customer_transfer", args=(customer.pk,))

    def test_is_shown_only_where_the_programme_allows_it(self, manager, anna):
        assert "Move points" not in text_of(manager.get(page(anna)))
        assert manager.get(self.url(anna)).status_code == 404

        Programme.objects.update_or_create(pk=1, defaults={"transfers_allowed": True})

        assert "Move points" in text_of(manager.get(page(anna)))
        assert manager.get(self.url(anna)).status_code == 200

    @pytest.mark.usefixtures("_allowed")
    def test_finds_the_receiver_by_mail_phone_name_and_number(self, manager, anna, ben):
        for text in ("ben@example.com", "700 100 200", "kowal"):
            assert manager.get(self.url(anna), {"q": text}).context["found"] == [ben], text
        # A short number is part of phones, too.
        assert ben in manager.get(self.url(anna), {"q": str(ben.pk)}).context["found"]
        assert anna not in manager.get(self.url(anna), {"q": str(anna.pk)}).context["found"]
        assert "No other customer matches" in text_of(manager.get(self.url(anna), {"q": "anna@example.com"}))

    @pytest.mark.usefixtures("_allowed")
    def test_moves_what_was_previewed_once(self, manager, anna, ben):
        give(anna, 100, now=timezone.now())
        url = f"{self.url(anna)}?to={ben.pk}"
        fields = {"once": str(manager.get(url).context["form"]["once"].value()), "points": "30", "internal_note": "n"}
        preview = manager.post(url, fields)
        assert "The sender's active points go from 100 to 70." in html.unescape(text_of(preview))
        assert PointsTransfer.objects.count() == 0

        for _ in range(2):
            answer = manager.post(
                url, {**fields, "apply": "yes", "token": preview.context["plan"].fingerprint}, follow=True
            )

        assert "30 points moved from Anna Nowak to Ben Kowal." in text_of(answer)
        assert PointsTransfer.objects.get().points == 30
        assert ben.points_account.balance == 30

    @pytest.mark.usefixtures("_allowed")
    def test_moves_nothing_that_was_not_previewed(self, manager, anna, ben):
        give(anna, 100, now=timezone.now())
        url = f"{self.url(anna)}?to={ben.pk}"
        fields = {"once": str(manager.get(url).context["form"]["once"].value()), "points": "30", "apply": "yes"}

        answer = manager.post(url, fields)

        assert "has changed since you looked" in text_of(answer)
        assert PointsTransfer.objects.count() == 0

    @pytest.mark.usefixtures("_allowed")
    def test_says_why_it_is_refused(self, manager, anna, ben):
        url = f"{self.url(anna)}?to={ben.pk}"
        fields = {"once": str(manager.get(url).context["form"]["once"].value()), "points": "30"}

        assert "Refused. The customer has 0 active points" in text_of(manager.post(url, fields))

    @pytest.mark.usefixtures("_allowed")
    @pytest.mark.parametrize("text", ["0", "x", "99999999999999999999", "self"])
    def test_answers_404_for_no_receiver(self, manager, anna, text):
        to = str(anna.pk) if text == "self" else text

        assert manager.get(self.url(anna), {"to": to}).status_code == 404


class TestGiving:
    def url(self, customer) -> str:
        return reverse("admin:customers_customer_grant", args=(customer.pk,))

    def fields(self, browser, customer, reward, **more) -> dict[str, str]:
        """The form as it was opened, filled in."""
        form = browser.get(self.url(customer)).context["form"]
        return {"once": str(form["once"].value()), "reward": str(reward.pk), "way": "free", "quantity": "1", **more}

    def confirm(self, browser, customer, fields):
        """Preview, and press the button of the preview."""
        plan = browser.post(self.url(customer), fields).context["plan"]
        return browser.post(self.url(customer), {**fields, "token": plan.fingerprint, "apply": "1"}, follow=True)

    def test_previews_and_changes_nothing(self, support, anna):
        give(anna, 300, now=timezone.now())
        product = PointsProductFactory(reward=GiftFactory())

        shown = text_of(
            support.post(self.url(anna), self.fields(support, anna, product.reward, way="points", quantity="2"))
        )

        assert "The customer gets “A mug”, 2 times, for 200 points in all, 100 points each." in shown
        assert "200 points from lot" in shown
        assert "100 points are left to the customer." in shown
        assert "No address is known. Ask for it" in shown
        assert "Redeem for 200 points" in shown
        assert not anna.redeemed_rewards.exists()

    @pytest.mark.parametrize(("way", "origin", "cost"), [("points", "redemption", 100), ("free", "staff", 0)])
    def test_gives_once_when_sent_twice(self, support, anna, way, origin, cost):
        give(anna, 500, now=timezone.now())
        product = PointsProductFactory(reward=GiftFactory())
        fields = self.fields(support, anna, product.reward, way=way, quantity="3", internal_note="Birthday")

        answer = self.confirm(support, anna, fields)
        support.post(self.url(anna), {**fields, "token": "whatever", "apply": "1"})

        rows = list(anna.redeemed_rewards.all())
        assert [(row.origin, row.cost_in_points, row.internal_note) for row in rows] == [(origin, cost, "Birthday")] * 3
        assert "has “A mug” 3 times now." in text_of(answer)
        assert answer.context["tab"] == "rewards"

    def test_says_the_codes_that_were_made(self, support, anna):
        answer = self.confirm(support, anna, self.fields(support, anna, RewardFactory()))

        code = anna.redeemed_rewards.get().code.code
        assert f"has “5 off” now: {code}." in text_of(answer)

    def test_refuses_what_has_changed_since_it_was_previewed(self, support, anna):
        give(anna, 500, now=timezone.now())
        product = PointsProductFactory(reward=GiftFactory())
        fields = self.fields(support, anna, product.reward, way="points")
        plan = support.post(self.url(anna), fields).context["plan"]
        product.points_price = 200
        product.save()

        answer = support.post(self.url(anna), {**fields, "token": plan.fingerprint, "apply": "1"})

        assert "This is not what the preview showed" in text_of(answer)
        assert answer.context["plan"].points == 200
        assert not anna.redeemed_rewards.exists()

    def test_the_same_form_with_another_number_is_refused(self, support, anna):
        fields = self.fields(support, anna, GiftFactory())
        self.confirm(support, anna, fields)

        answer = support.post(self.url(anna), {**fields, "quantity": "2", "token": "x", "apply": "1"})

        assert "This form was sent before with other values" in text_of(answer)
        assert anna.redeemed_rewards.count() == 1

    def test_asks_how_many_points_where_the_cost_is_variable(self, support, anna):
        product = VariablePriceFactory()

        answer = support.post(self.url(anna), self.fields(support, anna, product.reward, way="points"))

        assert answer.context["form"].errors["points_each"] == [
            "Say how many points to spend on each: a multiple of 100, from 200 to 800."
        ]

    def test_offers_only_rewards_that_are_switched_on(self, support, anna):
        off = RewardFactory(name="Switched off", enabled=False)

        answer = support.post(self.url(anna), self.fields(support, anna, off))

        assert answer.context["form"].errors["reward"]

    def test_says_why_an_excluded_customer_gets_nothing(self, support):
        ben = CustomerFactory(state="disabled", first_name="Ben")

        shown = text_of(support.post(self.url(ben), self.fields(support, ben, GiftFactory())))

        assert "Refused. This customer is excluded from the programme" in shown
        assert not ben.redeemed_rewards.exists()

    def test_only_offers_the_ways_this_person_may_use(self, signed_in, anna):
        user = StaffFactory()
        user.user_permissions.add(*Permission.objects.filter(codename__in=["view_customer", "grant_reward"]))
        browser = Client()
        browser.force_login(user)

        answer = browser.post(self.url(anna), self.fields(browser, anna, GiftFactory(), way="points"))

        assert answer.context["form"].errors["way"]

    def test_is_reached_from_the_reward_s_page_by_an_e_mail_address(self, signed_in, anna):
        manager, mug = signed_in("manager"), GiftFactory()
        page_of_reward = manager.get(reverse("admin:rewards_reward_change", args=(mug.pk,)))
        address = reverse("admin:rewards_reward_give", args=(mug.pk,))
        assert f'href="{address}">Give to a customer</a>' in page_of_reward.content.decode()

        unknown = manager.post(address, {"email": "nobody@example.com"})
        known = manager.post(address, {"email": "ANNA@example.com"}, follow=True)

        assert "No customer has this address." in text_of(unknown)
        assert f'<option value="{mug.pk}" selected>' in known.content.decode()


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


def queries_of(client, customer, tab: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        client.get(page(customer), {"tab": tab})
    return len(captured)


def test_needs_the_same_queries_for_much_as_for_little(signed_in, anna):
    """Every kind of thing once, then much more of each: the page costs what it cost."""
    manager = signed_in("manager")
    Programme.objects.update_or_create(pk=1, defaults={"transfers_allowed": True, "shortfall_blocks": True})

    def live(times: int) -> None:
        now = timezone.now()
        for _ in range(times):
            staff = StaffFactory()
            adjustments.adjust(customer_id=anna.pk, points=50, actor=actors.staff(staff.pk), now=now, internal_note="n")
            spent = adjustments.adjust(customer_id=anna.pk, points=-20, actor=actors.staff(staff.pk), now=now)
            ledger.reverse(
                transaction_id=spent.transaction_id,
                cause=Cause(CauseType.API, 1),
                actor=actors.SYSTEM,
                now=now,
                points=5,
            )
            ledger.hold(
                customer_id=anna.pk, points=10, cause=Cause(CauseType.API, staff.pk), actor=actors.SYSTEM, now=now
            )
            earned = give(anna, 10, now=now, expires_at=now + timedelta(days=staff.pk))
            left = anna.points_account.__class__.objects.get(pk=anna.pk).balance
            adjustments.adjust(customer_id=anna.pk, points=-left, actor=actors.SYSTEM, now=now)
            clawback.claw_back(
                earning_id=earned.pk, refunded=Decimal(1), total=Decimal(1), actor=actors.SYSTEM, now=now
            )
            give(anna, 30, now=now)
            requests.ask(customer_id=anna.pk, wish=requests.Wish(points=9), user_id=staff.pk, now=now)
            granting.grant(customer_id=anna.pk, reward_id=GiftFactory().pk, actor=actors.SYSTEM, now=now)
            attempt(anna)

    live(1)
    for tab in panels.TABS:  # what this process remembers from then on, such as permissions, is read once
        queries_of(manager, anna, tab)
    few = {tab: queries_of(manager, anna, tab) for tab in panels.TABS}
    live(12)
    many = {tab: queries_of(manager, anna, tab) for tab in panels.TABS}

    assert many == few
    assert many.pop("why") <= 32  # it asks what stands before each reward, too
    assert max(many.values()) <= 26
