"""Adjusting points: what it would do, when added points end, what the customer reads, how much one person may do."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import Group

from loyalty.accounts import roles
from loyalty.common.actors import api_key, staff
from loyalty.common.plans import PlanOutdated
from loyalty.merchant import queries as merchant
from loyalty.merchant.models import ExpiryMode
from loyalty.points import adjustments, queries
from loyalty.points.adjustments import AboveCeiling, InvalidExpiry
from loyalty.points.errors import IdempotencyConflict, InsufficientPoints, InvalidPoints, UnknownCustomer
from loyalty.points.models import AdjustmentCeiling, PointsTransaction
from tests.factories.people import StaffFactory
from tests.factories.points import NOW, give

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


def set_up(**fields):
    programme = merchant.programme()
    for name, value in fields.items():
        setattr(programme, name, value)
    programme.save()


def adjust(customer, points, *, now=NOW, actor=None, **more):
    return adjustments.adjust(customer_id=customer.pk, points=points, actor=actor or api_key(1), now=now, **more)


def plan(customer, points, *, now=NOW, **more):
    return adjustments.plan(customer_id=customer.pk, points=points, now=now, **more)


def balance(customer, *, now=NOW):
    return queries.balance(customer_id=customer.pk, now=now).balance


def person(*names):
    user = StaffFactory()
    user.groups.add(*Group.objects.filter(name__in=names))
    return user


class TestEndOfAddedPoints:
    @pytest.mark.parametrize(
        ("mode", "end"),
        [
            (ExpiryMode.NEVER, None),
            (ExpiryMode.DAYS, datetime(2026, 12, 1, 23, tzinfo=UTC)),
            (ExpiryMode.MONTH_END, datetime(2026, 11, 30, 23, tzinfo=UTC)),
            (ExpiryMode.YEAR_END, datetime(2026, 12, 31, 23, tzinfo=UTC)),
            (ExpiryMode.IDLE, datetime(2026, 12, 1, 23, tzinfo=UTC)),
        ],
    )
    def test_is_what_the_programme_gives_to_points_earned_now(self, customer, mode, end):
        set_up(expiry_mode=mode, expiry_days=10, pending_days=7, time_zone="Europe/Warsaw")

        lot = adjust(customer, 50).transaction.lots.get()

        assert (lot.expires_at, lot.available_at) == (end, NOW)
        assert lot.idle_days == (10 if mode == ExpiryMode.IDLE else None)
        assert balance(customer) == 50

    def test_is_the_one_that_was_asked_for(self, customer):
        set_up(expiry_mode=ExpiryMode.IDLE, expiry_days=10)

        lot = adjust(customer, 50, expires_at=NOW + 3 * DAY).transaction.lots.get()

        assert (lot.expires_at, lot.idle_days) == (NOW + 3 * DAY, None)
        assert balance(customer, now=NOW + 3 * DAY) == 0

    @pytest.mark.parametrize(("points", "end"), [(50, NOW), (50, NOW - DAY), (-50, NOW + DAY)])
    def test_is_refused_where_it_makes_no_sense(self, customer, points, end):
        give(customer, 100)

        with pytest.raises(InvalidExpiry):
            adjust(customer, points, expires_at=end)

        assert balance(customer) == 100


class TestTaking:
    def test_takes_what_expires_soonest_first(self, customer):
        never, late, soon = give(customer, 10), give(customer, 20, expires_at=NOW + 9 * DAY), None
        soon = give(customer, 30, expires_at=NOW + DAY)

        adjust(customer, -45)

        left = [entry.lots.get().remaining for entry in (never, late, soon)]
        assert left == [10, 5, 0]

    def test_never_takes_pending_points(self, customer):
        give(customer, 30)
        give(customer, 100, available_at=NOW + DAY)

        with pytest.raises(InsufficientPoints, match="negative points balance"):
            adjust(customer, -31)

        assert balance(customer) == 30

    @pytest.mark.parametrize("points", [0, 2**31, -(2**31), 1.5, True, "50", float("nan"), None])
    def test_refuses_what_is_no_number_of_points(self, customer, points):
        with pytest.raises(InvalidPoints, match="Points adjustment: "):
            adjust(customer, points)

        assert not PointsTransaction.objects.exists()

    def test_refuses_an_unknown_reason_and_an_unknown_customer(self, customer):
        with pytest.raises(InvalidPoints, match="Reason: 'boredom'"):
            adjust(customer, 5, reason="boredom")
        with pytest.raises(UnknownCustomer):
            adjustments.adjust(customer_id=404404, points=5, actor=api_key(1), now=NOW)


class TestWhatTheCustomerReads:
    def read(self, adjustment):
        return queries.describe(transaction=PointsTransaction.objects.get(pk=adjustment.transaction_id))

    def test_is_the_note_written_for_them(self, customer):
        set_up(adjustment_text="A present from us")

        assert self.read(adjust(customer, 5, description=" Sorry! ")) == "Sorry!"

    def test_is_the_text_of_the_programme_without_one(self, customer):
        set_up(adjustment_text="A present from us")

        assert self.read(adjust(customer, 5, internal_note="Ticket 1")) == "A present from us"
        assert adjustments.customer_text() == "A present from us"

    def test_is_points_adjusted_where_nobody_wrote_anything(self, customer):
        entry = adjust(customer, 5).transaction

        assert queries.describe(transaction=entry) == adjustments.customer_text() == "Points adjusted"
        assert not hasattr(entry, "note")

    def test_stays_what_it_was_when_the_text_of_the_programme_changes(self, customer):
        set_up(adjustment_text="A present from us")
        adjustment = adjust(customer, 5)

        set_up(adjustment_text="Happy New Year")

        assert self.read(adjustment) == "A present from us"


class TestKey:
    def test_adjusts_once(self, customer):
        first = adjust(customer, 50, idempotency_key="k", internal_note="n ", reason="goodwill")

        again = adjust(customer, 50, idempotency_key="k", internal_note="n", reason="goodwill", now=NOW + DAY)

        assert (again, balance(customer)) == (first, 50)

    def test_gives_the_same_when_the_programme_changed_what_was_left_blank(self, customer):
        set_up(adjustment_text="A present from us")
        first = adjust(customer, 50, idempotency_key="k")

        set_up(adjustment_text="Happy New Year", expiry_mode=ExpiryMode.DAYS)

        assert adjust(customer, 50, idempotency_key="k") == first

    def test_gives_the_last_points_taken_once_more(self, customer):
        give(customer, 50)
        first = adjust(customer, -50, idempotency_key="k")

        assert adjust(customer, -50, idempotency_key="k") == first

    @pytest.mark.parametrize(
        "other",
        [
            {"points": 51},
            {"reason": "other"},
            {"internal_note": "x"},
            {"description": "x"},
            {"expires_at": NOW + 2 * DAY},
        ],
    )
    def test_refuses_other_input(self, customer, other):
        given = {"points": 50, "reason": "goodwill", "description": "Hi", "expires_at": NOW + DAY}
        adjust(customer, idempotency_key="k", **given)

        with pytest.raises(IdempotencyConflict):
            adjust(customer, idempotency_key="k", **{**given, **other})

        assert balance(customer) == 50


class TestPlan:
    def test_names_the_lots_that_pay_and_what_stays(self, customer):
        soon = give(customer, 30, expires_at=datetime(2026, 12, 2, tzinfo=UTC)).lots.get()
        never = give(customer, 20).lots.get()

        found = plan(customer, -40)

        assert [(line.lot_id, line.points, line.left) for line in found.lines] == [(soon.pk, 30, 0), (never.pk, 10, 10)]
        assert found.effects == (
            "Active points go from 50 to 10.",
            f"30 points from lot {soon.pk} (last day 1 Dec 2026): nothing stays in it.",
            f"10 points from lot {never.pk} (never expires): 10 stay in it.",
        )
        assert balance(customer) == 50

    def test_names_the_end_of_the_lot_that_is_opened(self, customer):
        set_up(expiry_mode=ExpiryMode.DAYS, expiry_days=10)

        assert plan(customer, 50).effects == (
            "Active points go from 0 to 50.",
            "50 points as a new lot (last day 1 Dec 2026).",
        )
        assert "(last day 23 Nov 2026)" in plan(customer, 1, expires_at=datetime(2026, 11, 24, tzinfo=UTC)).effects[1]

    def test_says_that_it_counts_as_activity(self, customer):
        set_up(expiry_mode=ExpiryMode.IDLE, expiry_days=10)
        adjust(customer, 50)

        effects = plan(customer, 50, now=NOW + DAY).effects

        assert "later with each activity" in effects[1]
        assert effects[2].startswith("It counts as activity")

    def test_is_what_happens(self, customer):
        set_up(expiry_mode=ExpiryMode.IDLE, expiry_days=10)
        give(customer, 30, expires_at=NOW + DAY)
        later = NOW + timedelta(hours=20)

        foreseen = plan(customer, 50, now=later)
        entry = adjust(customer, 50, now=later, fingerprint=foreseen.fingerprint).transaction
        lot = entry.lots.get()
        assert (lot.points, lot.expires_at, lot.idle_days) == (
            foreseen.lines[0].points,
            foreseen.lines[0].expires_at,
            foreseen.lines[0].idle_days,
        )

        foreseen = plan(customer, -60, now=later)
        entry = adjust(customer, -60, now=later, fingerprint=foreseen.fingerprint).transaction
        paid = list(entry.allocations.order_by("id").values_list("lot_id", "points"))
        assert paid == [(line.lot_id, line.points) for line in foreseen.lines]

    def test_counts_no_expired_point_although_nobody_swept(self, customer):
        give(customer, 30, expires_at=NOW + DAY)

        found = plan(customer, -10, now=NOW + 2 * DAY)

        assert (found.balance, found.lines) == (0, ())
        assert "negative points balance" in found.refusal

    def test_is_refused_when_it_has_moved_since(self, customer):
        give(customer, 30, expires_at=NOW + DAY)
        shown = plan(customer, -10).fingerprint
        give(customer, 5, expires_at=NOW + DAY / 2)

        with pytest.raises(PlanOutdated, match="has changed since you looked"):
            adjust(customer, -10, fingerprint=shown)

        assert balance(customer) == 35

    def test_is_refused_for_other_points_than_were_shown(self, customer):
        shown = plan(customer, 10).fingerprint

        for other in ({"points": 11}, {"points": 10, "expires_at": NOW + DAY}):
            with pytest.raises(PlanOutdated):
                adjust(customer, fingerprint=shown, **other)

        assert balance(customer) == 0

    def test_does_not_stop_the_replay_of_what_was_done(self, customer):
        shown = plan(customer, 10).fingerprint
        first = adjust(customer, 10, fingerprint=shown, idempotency_key="k")

        assert adjust(customer, 10, fingerprint=shown, idempotency_key="k") == first


class TestCeiling:
    @pytest.fixture(autouse=True)
    def _roles(self):
        roles.sync()

    def test_is_a_thousand_for_support_and_none_for_managers(self):
        assert adjustments.ceiling_of(user_id=person("support").pk) == 1000
        assert adjustments.ceiling_of(user_id=person("manager").pk) is None

    def test_is_the_highest_of_several_roles(self):
        two = Group.objects.create(name="senior support")
        two.permissions.set(Group.objects.get(name="support").permissions.all())
        AdjustmentCeiling.objects.create(role=two, points=5000)

        assert adjustments.ceiling_of(user_id=person("support", "senior support").pk) == 5000
        assert adjustments.ceiling_of(user_id=person("support", "manager").pk) is None

    def test_is_not_lifted_by_a_role_that_adjusts_nothing(self):
        assert adjustments.ceiling_of(user_id=person("support", "viewer", "fulfilment").pk) == 1000

    @pytest.mark.parametrize("points", [1000, -1000])
    def test_holds_for_staff_up_and_down(self, customer, points):
        give(customer, 5000)
        actor = staff(person("support").pk)
        beyond = points + (1 if points > 0 else -1)

        adjust(customer, points, actor=actor)
        with pytest.raises(AboveCeiling, match="1\u202f001 points are above the 1\u202f000"):
            adjust(customer, beyond, actor=actor)

        assert balance(customer) == 5000 + points

    def test_does_not_hold_for_an_integrator(self, customer):
        assert adjust(customer, 1_000_000).points == 1_000_000
