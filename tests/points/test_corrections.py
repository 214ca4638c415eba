"""Corrections by staff: each is stated before, does just that, and is refused when it has moved since."""

from datetime import timedelta
from decimal import Decimal

import pytest

from loyalty.common.actors import SYSTEM, staff
from loyalty.common.causes import Cause, CauseType
from loyalty.common.errors import DomainError
from loyalty.common.plans import PlanOutdated
from loyalty.events.models import Event
from loyalty.merchant.models import Programme
from loyalty.points import adjustments, clawback, corrections, ledger, queries
from loyalty.points.corrections import NothingToCollect
from loyalty.points.credit_cancellation import CreditNotCancellable
from loyalty.points.errors import NotReversible
from loyalty.points.models import PointsShortfall, TransactionKind
from loyalty.points.shortfalls import ShortfallClosed
from loyalty.points.transfers import TransferRefused
from tests.factories.people import CustomerFactory
from tests.factories.points import NOW, give

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
END = NOW.replace(hour=0) + 10 * DAY  # the last day before it is 30 Nov 2026


def policy(**values):
    Programme.objects.update_or_create(pk=1, defaults=values)


def spend(customer, points, *, now=NOW):
    return adjustments.adjust(customer_id=customer.pk, points=-points, actor=staff(1), now=now).transaction


def balance(customer, *, now=NOW):
    return queries.balance(customer_id=customer.pk, now=now).balance


class TestCancelingACredit:
    def cancel(self, entry, plan, *, now=NOW):
        return corrections.cancel_credit(
            transaction_id=entry.pk, actor=staff(1), now=now, fingerprint=plan.fingerprint, internal_note="Wrong file"
        )

    def test_says_what_goes_and_what_is_gone(self, customer):
        wrong = give(customer, 100, expires_at=END)
        spend(customer, 30)
        ledger.hold(customer_id=customer.pk, points=20, cause=Cause(CauseType.API, 1), actor=SYSTEM, now=NOW)

        plan = corrections.plan_cancellation(transaction_id=wrong.pk, now=NOW)
        taken = self.cancel(wrong, plan)

        lot = wrong.lots.get()
        assert plan.effects == (
            f"50 points from lot {lot.pk} (last day 30 Nov 2026): nothing stays in it.",
            "30 points of 100 are spent or expired already: they stay gone.",
            "20 points are held at the moment and are not taken.",
        )
        assert (taken.points_change, taken.note.internal_note, balance(customer)) == (-50, "Wrong file", 0)

    def test_is_refused_when_some_was_spent_since(self, customer):
        wrong = give(customer, 100)
        plan = corrections.plan_cancellation(transaction_id=wrong.pk, now=NOW)
        spend(customer, 30)

        with pytest.raises(PlanOutdated):
            self.cancel(wrong, plan)

        assert balance(customer) == 70

    def test_is_refused_the_second_time(self, customer):
        wrong = give(customer, 100)
        plan = corrections.plan_cancellation(transaction_id=wrong.pk, now=NOW)
        self.cancel(wrong, plan)

        with pytest.raises(CreditNotCancellable, match="canceled already"):
            self.cancel(wrong, corrections.plan_cancellation(transaction_id=wrong.pk, now=NOW))

    def test_counts_what_expired_as_gone_although_nobody_swept(self, customer):
        wrong = give(customer, 100, expires_at=END)

        plan = corrections.plan_cancellation(transaction_id=wrong.pk, now=END)

        assert plan.refusal.startswith("Nothing is left of these 100 points: 100 are spent or expired")
        with pytest.raises(CreditNotCancellable):
            self.cancel(wrong, plan, now=END)

    def test_is_refused_for_what_is_no_credit(self, customer):
        give(customer, 100)

        plan = corrections.plan_cancellation(transaction_id=spend(customer, 10).pk, now=NOW)

        assert "credited no points" in plan.refusal


class TestReturningPoints:
    def give_back(self, entry, plan, *, now=NOW, **more):
        return corrections.return_points(
            transaction_id=entry.pk, actor=staff(1), now=now, fingerprint=plan.fingerprint, **more
        )

    def test_says_to_which_lots_and_until_when(self, customer):
        lot = give(customer, 100, expires_at=END).lots.get()
        debit = spend(customer, 30)

        plan = corrections.plan_return(transaction_id=debit.pk, now=NOW)
        back = self.give_back(debit, plan, description="Sorry!", internal_note="Mine")

        assert plan.effects == (f"30 points to lot {lot.pk}, where they came from: their last day is 30 Nov 2026.",)
        assert (back.kind, back.points_change, back.reverses, balance(customer)) == (
            TransactionKind.REVERSAL, 30, debit, 100,
        )  # fmt: skip
        assert (back.note.description, back.note.internal_note) == ("Sorry!", "Mine")
        assert Event.objects.get(kind="points.returned").data == {"points": 30}

    def test_returns_a_part_and_then_the_rest_but_never_more(self, customer):
        give(customer, 100)
        debit = spend(customer, 30)

        part = corrections.plan_return(transaction_id=debit.pk, now=NOW, points=10)
        self.give_back(debit, part, points=10)
        rest = corrections.plan_return(transaction_id=debit.pk, now=NOW)
        self.give_back(debit, rest)

        assert (part.points, rest.points, balance(customer)) == (10, 20, 100)
        with pytest.raises(NotReversible):
            self.give_back(debit, corrections.plan_return(transaction_id=debit.pk, now=NOW))

    @pytest.mark.parametrize(
        ("mode", "words"),
        [
            ("grace", "to a new lot, because lot {} has ended: their last day is 31 Dec 2026."),
            ("strict", "to lot {}, which has ended: they expire at once."),
            ("original", "to a new lot, because lot {} has ended: their last day is 10 Dec 2026."),
        ],
    )
    def test_says_what_the_policy_does_with_lots_that_ended(self, customer, mode, words):
        policy(return_policy=mode, grace_days=30)
        lot = give(customer, 100, expires_at=END).lots.get()
        debit = spend(customer, 30)

        plan = corrections.plan_return(transaction_id=debit.pk, now=END + DAY / 2)

        assert plan.effects == (f"30 points {words.format(lot.pk)}",)

    def test_warns_that_the_reward_stays(self, customer):
        give(customer, 100)
        debit = ledger.debit(
            customer_id=customer.pk, points=50, kind=TransactionKind.REDEMPTION,
            cause=Cause(CauseType.REDEEMED_REWARD, 1), actor=SYSTEM, now=NOW,
        )  # fmt: skip

        plan = corrections.plan_return(transaction_id=debit.pk, now=NOW)

        assert plan.effects[-1] == "The reward itself stays as it is: to end its code too, cancel the reward instead."

    def test_is_refused_when_some_came_back_since(self, customer):
        give(customer, 100)
        debit = spend(customer, 30)
        plan = corrections.plan_return(transaction_id=debit.pk, now=NOW)
        self.give_back(debit, corrections.plan_return(transaction_id=debit.pk, now=NOW, points=5), points=5)

        with pytest.raises(PlanOutdated):
            self.give_back(debit, plan)

        assert balance(customer) == 75

    def test_is_refused_for_a_credit_and_for_what_came_back(self, customer):
        earned = give(customer, 100)
        debit = spend(customer, 30)
        back = self.give_back(debit, corrections.plan_return(transaction_id=debit.pk, now=NOW))

        for entry in (earned, back):
            assert "took no points" in corrections.plan_return(transaction_id=entry.pk, now=NOW).refusal


class TestMovingPoints:
    @pytest.fixture(autouse=True)
    def _allowed(self, db):
        policy(transfers_allowed=True)

    def plan(self, sender, receiver, points=30):
        return corrections.plan_transfer(sender_id=sender.pk, receiver_id=receiver.pk, points=points, now=NOW)

    def move(self, sender, receiver, plan, points=30, key="k"):
        return corrections.transfer(
            sender_id=sender.pk, receiver_id=receiver.pk, points=points, actor=staff(1), now=NOW,
            fingerprint=plan.fingerprint, idempotency_key=key,
        )  # fmt: skip

    def test_says_which_lots_move_and_changes_nothing_before(self, customer):
        lot = give(customer, 100, expires_at=END).lots.get()
        receiver = CustomerFactory()

        plan = self.plan(customer, receiver)
        assert (balance(customer), balance(receiver), Event.objects.count()) == (100, 0, 0)
        self.move(customer, receiver, plan)

        assert plan.effects == (
            "The sender's active points go from 100 to 70.",
            "The receiver's go from 0 to 30.",
            "Each part keeps its last day:",
            f"30 points from lot {lot.pk} (last day 30 Nov 2026): 70 stay in it.",
        )
        assert (balance(customer), balance(receiver, now=NOW)) == (70, 30)
        assert receiver.points_lots.get().expires_at == END

    def test_moves_once_for_one_key_although_the_balances_have_moved(self, customer):
        give(customer, 100)
        receiver = CustomerFactory()
        plan = self.plan(customer, receiver)

        assert self.move(customer, receiver, plan) == self.move(customer, receiver, plan)

        assert balance(receiver) == 30

    def test_is_refused_when_a_balance_has_moved_since(self, customer):
        give(customer, 100)
        receiver = CustomerFactory()
        plan = self.plan(customer, receiver)
        give(receiver, 1)

        with pytest.raises(PlanOutdated):
            self.move(customer, receiver, plan)

        assert balance(customer) == 100

    def test_says_why_it_is_refused(self, customer):
        give(customer, 10)
        receiver, excluded = CustomerFactory(), CustomerFactory(state="disabled")

        assert "20 too few" in self.plan(customer, receiver).refusal
        assert "excluded" in self.plan(customer, excluded, 5).refusal
        assert "same customer" in self.plan(customer, customer, 5).refusal
        policy(transfers_allowed=False)
        plan = self.plan(customer, receiver, 5)
        assert "switched off" in plan.refusal
        with pytest.raises(TransferRefused):
            self.move(customer, receiver, plan, 5)


class TestWhatIsOwed:
    @pytest.fixture
    def owed(self, customer):
        """80 points from a refund of points that were spent, and 30 active points."""
        earned = give(customer, 80)
        spend(customer, 80)
        clawback.claw_back(earning_id=earned.pk, refunded=Decimal(10), total=Decimal(10), actor=SYSTEM, now=NOW)
        give(customer, 30, expires_at=END)
        return PointsShortfall.objects.get()

    def collect(self, customer, plan):
        return corrections.collect(customer_id=customer.pk, actor=staff(1), now=NOW, fingerprint=plan.fingerprint)

    def waive(self, row, plan):
        return corrections.waive(
            shortfall_id=row.pk, actor=staff(1), now=NOW, fingerprint=plan.fingerprint, internal_note="Old friend"
        )

    def test_is_collected_as_far_as_the_points_go(self, customer, owed):
        lot = customer.points_lots.get(open=True)

        plan = corrections.plan_collection(customer_id=customer.pk, now=NOW)
        self.collect(customer, plan)

        assert plan.effects == (
            "30 points of the 80 owed are taken, from the oldest refund on.",
            "50 points are still owed.",
            "Active points go from 30 to 0.",
            f"30 points from lot {lot.pk} (last day 30 Nov 2026): nothing stays in it.",
        )
        assert (balance(customer), PointsShortfall.objects.get().left) == (0, 50)

    def test_is_not_collected_from_nothing(self, customer, owed):
        self.collect(customer, corrections.plan_collection(customer_id=customer.pk, now=NOW))

        plan = corrections.plan_collection(customer_id=customer.pk, now=NOW)

        assert plan.refusal == "This customer has no active points to collect."
        with pytest.raises(NothingToCollect, match="no active points"):
            self.collect(customer, plan)

    def test_is_not_collected_when_nothing_is_owed(self, customer):
        give(customer, 30)

        plan = corrections.plan_collection(customer_id=customer.pk, now=NOW)

        assert plan.refusal == "This customer has nothing to pay back."

    def test_is_not_collected_when_the_balance_has_moved_since(self, customer, owed):
        plan = corrections.plan_collection(customer_id=customer.pk, now=NOW)
        give(customer, 5)

        with pytest.raises(PlanOutdated):
            self.collect(customer, plan)

        assert PointsShortfall.objects.get().left == 80

    def test_is_waived_with_a_note(self, customer, owed):
        plan = corrections.plan_waiver(shortfall_id=owed.pk)

        row = self.waive(owed, plan)

        assert plan.effects == ("80 points are no longer owed, for good.", "Nothing is owed any more.")
        assert (row.state, row.internal_note) == ("waived", "Old friend")
        assert queries.balance(customer_id=customer.pk, now=NOW).owed == 0
        with pytest.raises(ShortfallClosed, match="waived already"):
            self.waive(owed, corrections.plan_waiver(shortfall_id=owed.pk))

    def test_is_not_waived_when_a_part_was_collected_since(self, customer, owed):
        plan = corrections.plan_waiver(shortfall_id=owed.pk)
        self.collect(customer, corrections.plan_collection(customer_id=customer.pk, now=NOW))

        with pytest.raises(PlanOutdated):
            self.waive(owed, plan)

        assert PointsShortfall.objects.get().state == "open"


class TestNumbersThatNameNothing:
    @pytest.mark.parametrize(
        ("plan", "number"),
        [
            (corrections.plan_cancellation, {"transaction_id": 2**40, "now": NOW}),
            (corrections.plan_return, {"transaction_id": 2**40, "now": NOW}),
            (corrections.plan_waiver, {"shortfall_id": 2**40}),
        ],
    )
    def test_a_plan_says_that_there_is_no_such_row(self, plan, number):
        found = plan(**number)

        assert found.points == 0
        assert str(2**40) in found.refusal
        assert "There is no" in found.refusal

    def test_an_act_refuses_in_the_same_words(self):
        with pytest.raises(DomainError, match="There is no transaction 7777777"):
            corrections.return_points(transaction_id=7_777_777, actor=SYSTEM, now=NOW, fingerprint="")
