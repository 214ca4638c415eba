"""Requests for adjustments above a ceiling: they change while they wait, and a second person approves them once."""

import threading
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.db import IntegrityError, transaction

from loyalty.accounts import roles
from loyalty.common.plans import PlanOutdated
from loyalty.events.models import Event
from loyalty.points import locking, queries, requests
from loyalty.points.adjustments import AboveCeiling, InvalidExpiry
from loyalty.points.errors import IdempotencyConflict, InsufficientPoints, InvalidPoints
from loyalty.points.models import AdjustmentRequest, PointsAccount, PointsAdjustment
from loyalty.points.requests import RequestRefused, Wish
from tests.concurrency.races import kinds_of_failure, race, succeeded
from tests.factories.people import CustomerFactory, StaffFactory
from tests.factories.points import NOW, give

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
WISH = Wish(points=5000, reason="goodwill", internal_note="Ticket 7", description="Sorry!", expires_at=NOW + 9 * DAY)


def person(role):
    roles.sync()
    user = StaffFactory()
    user.groups.add(Group.objects.get(name=role))
    return user


@pytest.fixture
def author(db):
    return person("support")


@pytest.fixture
def manager(db):
    return person("manager")


@pytest.fixture
def request_(customer, author):
    return ask(customer, author)


def ask(customer, user, wish=WISH, **more):
    return requests.ask(customer_id=customer.pk, wish=wish, user_id=user.pk, now=NOW, **more)


def approve(row, user, *, now=NOW, **more):
    return requests.approve(request_id=row.pk, user_id=user.pk, now=now, **more)


def balance(customer, *, now=NOW):
    return queries.balance(customer_id=customer.pk, now=now).balance


def kinds():
    return list(Event.objects.order_by("id").values_list("kind", flat=True))


class TestAsking:
    def test_changes_nothing_yet(self, customer, author):
        row = ask(customer, author)

        assert (row.state, row.points, row.requested_by, row.decided_at) == ("waiting", 5000, author.pk, None)
        assert (balance(customer), PointsAdjustment.objects.count()) == (0, 0)
        assert kinds() == ["points.adjustment_requested"]

    def test_happens_once_for_one_key(self, customer, author):
        assert ask(customer, author, idempotency_key="k") == ask(customer, author, idempotency_key="k")
        with pytest.raises(IdempotencyConflict):
            ask(customer, author, Wish(points=6000), idempotency_key="k")

        assert AdjustmentRequest.objects.count() == 1

    def test_refuses_what_could_not_be_done(self, customer, author):
        give(customer, 100)

        for wish, error in (
            (Wish(points=0), InvalidPoints),
            (Wish(points=5, reason="boredom"), InvalidPoints),
            (Wish(points=5, expires_at=NOW), InvalidExpiry),
            (Wish(points=-101), RequestRefused),
        ):
            with pytest.raises(error):
                ask(customer, author, wish)

        assert not AdjustmentRequest.objects.exists()


class TestApproving:
    def test_writes_the_adjustment_in_the_name_of_the_second_person(self, customer, request_, manager):
        row = approve(request_, manager, note=" Fine ")

        entry = row.adjustment.transaction
        assert (row.state, row.decided_by, row.decision_note) == ("approved", manager.pk, "Fine")
        assert (entry.points_change, entry.actor_kind, entry.actor_id) == (5000, "staff", manager.pk)
        assert (entry.note.internal_note, entry.note.description) == ("Ticket 7", "Sorry!")
        assert (row.adjustment.reason, entry.lots.get().expires_at) == ("goodwill", NOW + 9 * DAY)
        assert balance(customer) == 5000
        assert kinds() == [
            "points.adjustment_requested",
            "points.adjusted",
            "points.adjustment_request_approved",
        ]

    def test_happens_once(self, customer, request_, manager):
        first = approve(request_, manager)

        assert approve(request_, manager, now=NOW + DAY).adjustment == first.adjustment
        with pytest.raises(RequestRefused, match="was approved already") as refusal:
            approve(request_, person("manager"))

        assert refusal.value.code == "request_closed"
        assert balance(customer) == 5000

    def test_is_never_done_by_the_author(self, customer, manager):
        row = ask(customer, manager)

        for decide in (requests.approve, requests.reject):
            with pytest.raises(RequestRefused, match="Nobody decides about their own request") as refusal:
                decide(request_id=row.pk, user_id=manager.pk, now=NOW)

        assert refusal.value.code == "own_request"
        row.refresh_from_db()
        assert (row.state, balance(customer)) == ("waiting", 0)

    def test_is_held_apart_from_the_author_by_the_database_too(self, customer, request_, manager, author):
        approve(request_, manager)

        with pytest.raises(IntegrityError, match="request_approved_by_another"), transaction.atomic():
            AdjustmentRequest.objects.update(decided_by=author.pk)

    def test_looks_at_the_balance_again(self, customer, author, manager):
        give(customer, 6000)
        row = ask(customer, author, Wish(points=-5500))
        requests.approve(request_id=ask(customer, author, Wish(points=-5000)).pk, user_id=manager.pk, now=NOW)

        with pytest.raises(InsufficientPoints):
            approve(row, manager)

        row.refresh_from_db()
        assert (row.state, row.adjustment, balance(customer)) == ("waiting", None, 1000)

    def test_looks_at_the_ceiling_of_the_second_person(self, customer, request_):
        with pytest.raises(AboveCeiling, match="5\u202f000 points are above the 1\u202f000"):
            approve(request_, person("support"))

        assert balance(customer) == 0

    def test_refuses_an_end_that_has_passed_meanwhile(self, customer, request_, manager):
        with pytest.raises(InvalidExpiry, match="has passed already"):
            approve(request_, manager, now=NOW + 9 * DAY)

        assert balance(customer) == 0

    def test_does_what_was_shown_or_nothing(self, customer, request_, author, manager):
        shown = requests.plan(request_id=request_.pk, now=NOW)
        assert shown.adjustment.effects[0] == "Active points go from 0 to 5\u202f000."
        requests.change(request_id=request_.pk, wish=Wish(points=9000), user_id=author.pk, now=NOW)

        with pytest.raises(PlanOutdated):
            approve(request_, manager, fingerprint=shown.fingerprint)
        assert balance(customer) == 0

        approve(request_, manager, fingerprint=requests.plan(request_id=request_.pk, now=NOW).fingerprint)
        assert balance(customer) == 9000

    def test_shows_the_words_too(self, request_, author, manager):
        shown = requests.plan(request_id=request_.pk, now=NOW)
        other = Wish(
            points=5000, reason="goodwill", internal_note="Ticket 7", description="!", expires_at=NOW + 9 * DAY
        )
        requests.change(request_id=request_.pk, wish=other, user_id=author.pk, now=NOW)

        with pytest.raises(PlanOutdated):
            approve(request_, manager, fingerprint=shown.fingerprint)

    def test_plans_nothing_for_a_request_that_is_decided(self, request_, manager):
        requests.reject(request_id=request_.pk, user_id=manager.pk, now=NOW)

        assert requests.plan(request_id=request_.pk, now=NOW).refusal == "This request was rejected already."


class TestDecidingOtherwise:
    def test_rejects_with_a_note(self, customer, request_, manager):
        for _ in range(2):
            row = requests.reject(request_id=request_.pk, user_id=manager.pk, now=NOW, note="Too much")

        assert (row.state, row.decided_by, row.decision_note) == ("rejected", manager.pk, "Too much")
        assert kinds()[1:] == ["points.adjustment_request_rejected"]
        with pytest.raises(RequestRefused, match="was rejected already"):
            approve(request_, manager)
        assert balance(customer) == 0

    def test_withdraws_what_is_ones_own(self, request_, author, manager):
        with pytest.raises(RequestRefused, match="Only the person who asked"):
            requests.withdraw(request_id=request_.pk, user_id=manager.pk, now=NOW)

        for _ in range(2):
            row = requests.withdraw(request_id=request_.pk, user_id=author.pk, now=NOW)

        assert row.state == "withdrawn"
        with pytest.raises(RequestRefused, match="was withdrawn already"):
            approve(request_, manager)

    def test_changes_what_is_ones_own_while_it_waits(self, request_, author, manager):
        wish = Wish(points=4000, reason="other")
        with pytest.raises(RequestRefused, match="Only the person who asked"):
            requests.change(request_id=request_.pk, wish=wish, user_id=manager.pk, now=NOW)

        row = requests.change(request_id=request_.pk, wish=wish, user_id=author.pk, now=NOW + DAY)

        assert (row.points, row.reason, row.description, row.expires_at) == (4000, "other", "", None)
        assert row.updated_at == NOW + DAY
        approve(request_, manager)
        with pytest.raises(RequestRefused, match="was approved already"):
            requests.change(request_id=request_.pk, wish=wish, user_id=author.pk, now=NOW)

    def test_says_that_there_is_no_such_request(self, manager):
        with pytest.raises(RequestRefused, match="There is no request 404404"):
            requests.approve(request_id=404404, user_id=manager.pk, now=NOW)


@pytest.mark.django_db(transaction=True)
class TestRaces:
    def test_two_who_approve_at_once_make_one_adjustment(self):
        customer, author = CustomerFactory(), person("support")
        managers = [person("manager") for _ in range(8)]
        give(customer, 10)
        row = ask(customer, author)

        results = race(*(lambda user=user: approve(row, user) for user in managers))

        assert len(succeeded(results)) == 1
        assert kinds_of_failure(results) == {"RequestRefused"}
        assert (balance(customer), PointsAdjustment.objects.count()) == (5010, 1)

    def test_the_lock_is_what_holds_them_apart(self, monkeypatch):
        """Without it both find the request waiting, and only a constraint of the database stops the second."""
        customer, author = CustomerFactory(), person("support")
        managers = [person("manager") for _ in range(2)]
        give(customer, 10)
        row = ask(customer, author)
        both_found_it, looked = threading.Barrier(2), threading.local()
        require_waiting = requests._require_waiting

        def look_together(found):
            require_waiting(found)
            if not hasattr(looked, "once"):
                looked.once = True
                both_found_it.wait(timeout=20)

        monkeypatch.setattr(requests, "_require_waiting", look_together)
        monkeypatch.setattr(locking, "lock", lambda *, customer_id, now: PointsAccount.objects.get(pk=customer_id))

        results = race(*(lambda user=user: approve(row, user) for user in managers))

        assert len(succeeded(results)) == 1
        assert kinds_of_failure(results) == {"IntegrityError"}

    def test_approving_and_withdrawing_at_once_end_in_one_of_them(self):
        customer, author, manager = CustomerFactory(), person("support"), person("manager")
        row = ask(customer, author)

        results = race(
            lambda: approve(row, manager),
            lambda: requests.withdraw(request_id=row.pk, user_id=author.pk, now=NOW),
        )

        row.refresh_from_db()
        assert len(succeeded(results)) == 1
        assert balance(customer) == (5000 if row.state == "approved" else 0)
