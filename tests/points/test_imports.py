"""An import checks every row, changes points exactly once, and can be undone as far as the points are still there."""

import os
import random
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
import redis
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from loyalty.common import actors
from loyalty.common.actors import SYSTEM
from loyalty.common.causes import Cause, CauseType
from loyalty.customers.models import Customer, CustomerIdentity, CustomerState
from loyalty.events.models import Event
from loyalty.jobs import lifecycle, work
from loyalty.jobs.models import Job, JobOutcome, JobRow, Step
from loyalty.merchant.models import Programme
from loyalty.points import bulk_debits, bulk_rows, credit_cancellation, import_checks, imports, ledger
from loyalty.points.errors import IdempotencyConflict, InsufficientPoints
from loyalty.points.import_rows import BadHeader, By, Mode
from loyalty.points.models import (
    PointsAccount,
    PointsAllocation,
    PointsLot,
    PointsTransaction,
    TransactionKind,
)
from tests.factories.people import ConnectionFactory, CustomerFactory
from tests.factories.points import NOW, give
from tests.jobs.sheets import Formula, csv_file, workbook
from tests.journeys.worker import running_worker, wait_for

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).parents[2]
DAY = timedelta(days=1)
STAFF = actors.staff(7)


def begin(file, *, mode="add", by="email", **more):
    return imports.begin(file=file, file_name="points.csv", mode=Mode(mode), by=By(by), actor=STAFF, now=NOW, **more)


def run(job, *, now=NOW):
    """Do the present step to its end."""
    imports.work_on(job_id=job.pk, now=now, patience=600)
    job.refresh_from_db()
    assert job.state == "done"
    return job


def step(job, name, *, now=NOW):
    lifecycle.begin(job_id=job.pk, step=Step(name), actor=STAFF, now=now)
    return run(job, now=now)


def applied(file, **more):
    return step(run(begin(file, **more)), "apply")


def told(job, name):
    """{row: (verdict, code)} of a step."""
    found = JobOutcome.objects.filter(job=job, step=name).order_by("number")
    return {each.number: (each.verdict, each.code) for each in found}


def text(job, name, number):
    return JobOutcome.objects.get(job=job, step=name, number=number).text


def balance(customer):
    return PointsAccount.objects.filter(pk=customer.pk).values_list("balance", flat=True).first() or 0


class TestChecking:
    def test_says_of_each_row_what_is_wrong_and_changes_nothing(self):
        anna = CustomerFactory(email="Anna@Example.com")
        CustomerFactory(email="out@example.com", state=CustomerState.DISABLED)
        give(anna, 40)
        lines = {
            "ANNA@example.com,30": ("ok", ""),
            "nobody@example.com,5": ("refused", "unknown_customer"),
            "anna@example.com,11": ("refused", "insufficient_points"),  # 10 are left after the row above
            "anna@example.com,10": ("ok", ""),
            "out@example.com,1": ("refused", "customer_disabled"),
            "not an address,1": ("refused", "invalid_email"),
            ",1": ("refused", "no_customer"),
            "anna@example.com,": ("refused", "bad_number"),
            "anna@example.com,ten": ("refused", "bad_number"),
            "anna@example.com,NaN": ("refused", "bad_number"),
            "anna@example.com,1e3": ("refused", "bad_number"),
            "anna@example.com,٣": ("refused", "bad_number"),
            "anna@example.com,0": ("refused", "out_of_range"),
            "anna@example.com,-5": ("refused", "negative"),
            "anna@example.com,2147483648": ("refused", "out_of_range"),
            "anna@example.com,1.5": ("refused", "fraction"),
            "anna@example.com,1.000": ("refused", "thousands_separator"),
            'anna@example.com,"1,000"': ("refused", "thousands_separator"),
            "anna@example.com,1 000": ("refused", "thousands_separator"),
            "anna@example.com,1,000": ("refused", "too_many_cells"),
            "anna@example.com,=1+1": ("refused", "formula"),
        }

        job = run(begin(csv_file("email,points", *lines), mode="remove"))

        assert list(told(job, "check").values()) == list(lines.values())
        assert job.tally == {"check": {"ok": 2, "refused": len(lines) - 2}}
        assert balance(anna) == 40
        assert text(job, "check", 2) == "40 active points become 10."
        assert text(job, "check", 18) == (
            "Points: “1.000” has a separator that means thousands in one country and a fraction in another. "
            "Write 1000 if that is what you mean."
        )

    def test_sees_one_thousand_that_fell_apart_into_points_and_note(self):
        CustomerFactory(email="anna@example.com")

        job = run(begin(csv_file("email,points,internal note", "anna@example.com,1,000", "anna@example.com,1,0001")))

        assert told(job, "check") == {2: ("refused", "thousands_separator"), 3: ("ok", "")}

    def test_finds_customers_by_phone_and_says_when_two_share_it(self):
        CustomerFactory(phone="+48501234567")
        CustomerFactory(phone="+4930123456")
        CustomerFactory(phone="+4930123456")
        rows = ["+48 501-234-567,5", "+4930123456,5", "0048501234567,5", "12,5"]

        job = run(begin(csv_file("phone,points", *rows), by="phone"))

        assert told(job, "check") == {
            2: ("ok", ""),
            3: ("refused", "ambiguous_customer"),
            4: ("ok", ""),
            5: ("refused", "invalid_phone"),
        }
        assert "Name this one by customer id" in text(job, "check", 3)

    def test_finds_customers_by_id(self):
        customer = CustomerFactory()

        job = run(begin(csv_file("customer id,points", f"{customer.pk},5", "x,5", f"{2**63},5"), by="id"))

        assert told(job, "check") == {2: ("ok", ""), 3: ("refused", "invalid_id"), 4: ("refused", "invalid_id")}

    def test_finds_customers_by_the_id_of_one_shop_alone(self):
        shop, other = ConnectionFactory(), ConnectionFactory()
        anna, ben, own = CustomerFactory(), CustomerFactory(), CustomerFactory()
        CustomerIdentity.objects.create(customer=anna, connection=shop, external_id="7")
        CustomerIdentity.objects.create(customer=ben, connection=other, external_id="7")
        CustomerIdentity.objects.create(customer=own, connection=None, external_id="8")
        rows = ("shop id,points", "7,5", "8,5")

        in_shop = run(begin(csv_file(*rows), by="shop-id", connection_id=shop.pk))
        own_ids = run(begin(csv_file(*rows), by="shop-id"))

        assert told(in_shop, "check") == {2: ("ok", ""), 3: ("refused", "unknown_customer")}
        assert told(own_ids, "check") == {2: ("refused", "unknown_customer"), 3: ("ok", "")}
        assert JobOutcome.objects.get(job=in_shop, number=2).subject_id == anna.pk

    def test_refuses_to_set_one_customer_twice_across_batches_too(self, monkeypatch):
        monkeypatch.setattr(import_checks.Check, "batch_size", 1)
        CustomerFactory(email="anna@example.com")

        job = run(begin(csv_file("email,points", "anna@example.com,5", "anna@example.com,9"), mode="set"))

        assert told(job, "check") == {2: ("ok", ""), 3: ("refused", "named_twice")}

    def test_counts_what_earlier_batches_would_take(self, monkeypatch):
        monkeypatch.setattr(import_checks.Check, "batch_size", 1)
        give(CustomerFactory(email="anna@example.com"), 10)

        job = run(begin(csv_file("email,points", "anna@example.com,6", "anna@example.com,6"), mode="remove"))

        assert told(job, "check") == {2: ("ok", ""), 3: ("refused", "insufficient_points")}

    def test_refuses_more_points_than_anybody_can_hold(self):
        customer = CustomerFactory(email="anna@example.com")
        give(customer, 10)

        job = run(begin(csv_file("email,points", "anna@example.com,2147483647")))

        assert told(job, "check") == {2: ("refused", "too_many_points")}

    def test_refuses_notes_that_are_too_long(self):
        CustomerFactory(email="anna@example.com")
        heads = "email,points,customer note,internal note"

        job = run(begin(csv_file(heads, f"anna@example.com,5,{'x' * 501},", f"anna@example.com,5,,{'x' * 1001}")))

        assert told(job, "check") == {2: ("refused", "note_too_long"), 3: ("refused", "note_too_long")}

    def test_reads_workbooks_and_refuses_their_formulas(self):
        CustomerFactory(email="anna@example.com")
        file = workbook(
            ["E-mail", "Points"],
            ["anna@example.com", 1000],
            ["anna@example.com", Formula("2*3")],
            ["anna@example.com", 1.5],
        )

        job = run(begin(file))

        assert told(job, "check") == {2: ("ok", ""), 3: ("refused", "formula"), 4: ("refused", "fraction")}

    @pytest.mark.parametrize(
        ("header", "said"),
        [
            ("email,points,colour", "The column 'colour' is not known"),
            ("email,internal note", "names no column for points"),
            ("points", "names no column for customer"),
            ("phone,points", "does not fit: customers are named by email"),
            ("email,points,points", "names two columns for points"),
            ("anna@example.com,5", "is not known. The first row names the columns"),
        ],
    )
    def test_refuses_a_header_that_does_not_say_what_is_what(self, header, said):
        with pytest.raises(BadHeader, match=said.replace("'", ".")):
            begin(csv_file(header, "anna@example.com,5,"))

        assert not Job.objects.exists()

    def test_keeps_nothing_of_a_file_without_rows_or_with_too_many_or_that_breaks_off(self, monkeypatch):
        monkeypatch.setattr(imports, "MOST_ROWS", 2)

        with pytest.raises(lifecycle.NoRows):
            begin(csv_file("email,points"))
        with pytest.raises(lifecycle.TooManyRows, match="more than 2 rows"):
            begin(csv_file("email,points", *["a@example.com,1"] * 3))
        with pytest.raises(imports.sheets.UnreadableSheet, match="Line 3"):
            begin(csv_file("email,points", "a@example.com,1", "ü@example.com,1", encoding="latin-1"))

        assert not Job.objects.exists()
        assert not JobRow.objects.exists()

    def test_refuses_a_shop_where_none_is_meant_and_one_that_does_not_exist(self):
        with pytest.raises(imports.NoShop, match="Leave the shop out"):
            begin(csv_file("email,points", "a@example.com,1"), connection_id=1)
        with pytest.raises(imports.NoShop, match="There is no shop 999"):
            begin(csv_file("shop id,points", "1,1"), by="shop-id", connection_id=999)


class TestApplying:
    def test_adds_points_with_notes_actor_and_event(self):
        anna = CustomerFactory(email="anna@example.com")
        heads = "email,points,internal note,customer note"

        job = applied(
            csv_file(heads, "anna@example.com,50,Ticket 1,Sorry", "anna@example.com,7,,", "x@example.com,1,,")
        )

        first, second = PointsTransaction.objects.filter(customer=anna).order_by("id")
        assert (first.points_change, first.kind, first.cause) == (50, "adjustment", Cause(CauseType.IMPORT, job.pk))
        assert (first.actor_kind, first.actor_id, first.idempotency_key) == ("staff", 7, f"job:{job.pk}:2")
        assert (first.note.internal_note, first.note.description) == ("Ticket 1", "Sorry")
        assert not hasattr(second, "note")
        assert balance(anna) == 57
        assert told(job, "apply") == {2: ("ok", ""), 3: ("ok", ""), 4: ("refused", "unknown_customer")}
        assert JobOutcome.objects.get(job=job, step="apply", number=2).result_id == first.pk
        assert list(Event.objects.filter(kind="points.adjusted").values_list("customer_id", "data")) == [
            (anna.pk, {"points": 50, "job_id": job.pk}),
            (anna.pk, {"points": 7, "job_id": job.pk}),
        ]

    def test_removes_points_soonest_expiring_first(self):
        anna = CustomerFactory(email="anna@example.com")
        give(anna, 30)
        late = give(anna, 30, expires_at=NOW + 9 * DAY)
        soon = give(anna, 30, expires_at=NOW + DAY)

        applied(csv_file("email,points", "anna@example.com,40"), mode="remove")

        assert list(PointsAllocation.objects.order_by("id").values_list("lot__transaction_id", "points")) == [
            (soon.pk, 30),
            (late.pk, 10),
        ]
        assert balance(anna) == 50

    def test_sets_points_up_and_down_and_leaves_what_is_so_already(self):
        anna, ben, cleo, dora = (CustomerFactory(email=f"{name}@example.com") for name in "abcd")
        give(anna, 30)
        give(ben, 30)
        give(cleo, 30)

        job = applied(
            csv_file("email,points", "a@example.com,100", "b@example.com,0", "c@example.com,30", "d@example.com,5"),
            mode="set",
        )

        assert [balance(each) for each in (anna, ben, cleo, dora)] == [100, 0, 30, 5]
        assert told(job, "apply") == {2: ("ok", ""), 3: ("ok", ""), 4: ("unchanged", ""), 5: ("ok", "")}
        assert list(
            PointsTransaction.objects.filter(kind="adjustment")
            .order_by("idempotency_key")
            .values_list("points_change", flat=True)
        ) == [70, -30, 5]

    def test_judges_anew_what_has_moved_since_the_check(self):
        anna, ben = CustomerFactory(email="a@example.com"), CustomerFactory(email="b@example.com")
        give(anna, 30)
        give(ben, 30)
        job = run(begin(csv_file("email,points", "a@example.com,20", "b@example.com,20"), mode="remove"))
        ledger.debit(
            customer_id=anna.pk,
            points=15,
            kind=TransactionKind.REDEMPTION,
            cause=Cause(CauseType.API, 1),
            actor=SYSTEM,
            now=NOW,
        )
        ben.state = CustomerState.DISABLED
        ben.save()

        step(job, "apply")

        assert told(job, "apply") == {2: ("refused", "insufficient_points"), 3: ("refused", "customer_disabled")}
        assert (balance(anna), balance(ben)) == (15, 30)

    def test_is_refused_before_the_check_is_done_and_a_second_time(self):
        CustomerFactory(email="anna@example.com")
        job = begin(csv_file("email,points", "anna@example.com,5"))

        with pytest.raises(lifecycle.JobRefused, match="under way"):
            lifecycle.begin(job_id=job.pk, step=Step.APPLY, actor=STAFF, now=NOW)
        step(run(job), "apply")
        with pytest.raises(lifecycle.JobRefused, match="its step is done"):
            lifecycle.begin(job_id=job.pk, step=Step.APPLY, actor=STAFF, now=NOW)

        assert PointsTransaction.objects.count() == 1

    @pytest.mark.parametrize("mode", ["add", "remove", "set"])
    @pytest.mark.parametrize("name", ["check", "apply", "undo"])
    def test_asks_the_database_as_often_for_a_thousand_rows_as_for_ten(self, mode, name):
        def asked(rows):
            customers = CustomerFactory.create_batch(rows)
            for customer in customers:
                give(customer, 10)
            lines = (
                f"{customer.email},{5 + number % 9 if mode == 'set' else 5},n,n"
                for number, customer in enumerate(customers)
            )
            job = begin(csv_file("email,points,internal note,customer note", *lines), mode=mode)
            for following in list(Step)[1 : list(Step).index(Step(name)) + 1]:
                run(job)
                lifecycle.begin(job_id=job.pk, step=following, actor=STAFF, now=NOW)
            with CaptureQueriesContext(connection) as queries:
                run(job)
            assert job.tally[name]["ok"] >= rows * 0.8
            return len(queries)

        Programme.objects.get_or_create(pk=1)
        assert asked(200) == asked(10)


class TestUndoing:
    def test_takes_back_what_is_left_and_reports_what_is_spent(self):
        anna, ben, cleo = (CustomerFactory(email=f"{name}@example.com") for name in "abc")
        job = applied(csv_file("email,points", "a@example.com,50", "b@example.com,50", "c@example.com,50", "x,5"))
        for customer, points in ((ben, 20), (cleo, 50)):
            ledger.debit(
                customer_id=customer.pk,
                points=points,
                kind=TransactionKind.REDEMPTION,
                cause=Cause(CauseType.API, 1),
                actor=SYSTEM,
                now=NOW,
            )

        step(job, "undo")

        assert told(job, "undo") == {2: ("ok", ""), 3: ("part", "partly_gone"), 4: ("refused", "nothing_left")}
        assert text(job, "undo", 3) == "30 of 50 points taken back; 20 are spent or expired."
        assert [balance(each) for each in (anna, ben, cleo)] == [0, 0, 0]

    def test_returns_what_was_removed_as_far_as_it_was_not_returned_before(self):
        anna, ben, cleo = (CustomerFactory(email=f"{name}@example.com") for name in "abc")
        for customer in (anna, ben, cleo):
            give(customer, 50)
        job = applied(
            csv_file("email,points", "a@example.com,30", "b@example.com,30", "c@example.com,30"), mode="remove"
        )
        for customer, points in ((ben, 10), (cleo, 30)):
            entry = PointsTransaction.objects.get(customer=customer, kind="adjustment")
            ledger.reverse(transaction_id=entry.pk, cause=entry.cause, actor=SYSTEM, now=NOW, points=points)

        step(job, "undo")

        assert told(job, "undo") == {2: ("ok", ""), 3: ("part", "returned_before"), 4: ("refused", "not_reversible")}
        assert text(job, "undo", 3) == "20 of 30 points returned; the others were returned before."
        assert [balance(each) for each in (anna, ben, cleo)] == [50, 50, 50]

    def test_undoes_each_of_several_rows_of_one_customer(self):
        anna = CustomerFactory(email="a@example.com")
        give(anna, 10, expires_at=NOW + DAY)
        give(anna, 100)
        added = applied(csv_file("email,points", *["a@example.com,5", "a@example.com,7"] * 2))
        removed = applied(csv_file("email,points", *["a@example.com,8", "a@example.com,9"] * 2), mode="remove")

        step(removed, "undo")
        step(added, "undo")

        assert balance(anna) == 110
        assert told(added, "undo") == told(removed, "undo") == dict.fromkeys((2, 3, 4, 5), ("ok", ""))
        ids = JobOutcome.objects.filter(job=added, step="undo").order_by("number").values_list("result_id", flat=True)
        assert [-each.points_change for each in map(PointsTransaction.objects.in_bulk(list(ids)).get, ids)] == [
            5,
            7,
            5,
            7,
        ]

    def test_goes_on_exactly_where_a_killed_worker_left_it(self, monkeypatch):
        monkeypatch.setattr(imports.import_undo.Undo, "batch_size", 2)
        customers = [CustomerFactory(email=f"{name}@example.com") for name in "abcde"]
        job = applied(csv_file("email,points", *(f"{customer.email},50" for customer in customers)))
        lifecycle.begin(job_id=job.pk, step=Step.UNDO, actor=STAFF, now=NOW)
        claim = work.take(job_id=job.pk, now=NOW)
        work.batch(claim=claim, handlers=imports.HANDLERS, now=NOW)
        with monkeypatch.context() as killed:
            killed.setattr(Job, "save", None)  # the second batch has done its rows, but does not come to its end
            with pytest.raises(TypeError):
                work.batch(claim=claim, handlers=imports.HANDLERS, now=NOW)
        assert [balance(customer) for customer in customers] == [0, 0, 50, 50, 50]

        run(job, now=NOW + DAY)

        assert [balance(customer) for customer in customers] == [0] * 5
        assert told(job, "undo") == dict.fromkeys(range(2, 7), ("ok", ""))
        assert PointsTransaction.objects.filter(kind="cancellation").count() == 5

    def test_undoes_a_set_in_both_directions(self):
        anna, ben = CustomerFactory(email="a@example.com"), CustomerFactory(email="b@example.com")
        give(anna, 10)
        give(ben, 90)
        job = applied(csv_file("email,points", "a@example.com,50", "b@example.com,50"), mode="set")

        step(job, "undo")

        assert (balance(anna), balance(ben)) == (10, 90)

    def test_leaves_held_points_with_their_holder_and_says_so(self):
        anna = CustomerFactory(email="a@example.com")
        job = applied(csv_file("email,points", "a@example.com,50"))
        ledger.hold(customer_id=anna.pk, points=15, cause=Cause(CauseType.API, 1), actor=SYSTEM, now=NOW)

        step(job, "undo")

        assert text(job, "undo", 2) == "35 of 50 points taken back; 15 are held."

    def test_says_when_somebody_canceled_the_credit_before(self):
        CustomerFactory(email="a@example.com")
        job = applied(csv_file("email,points", "a@example.com,50"))
        credit_cancellation.cancel(transaction_id=PointsTransaction.objects.get().pk, actor=SYSTEM, now=NOW)

        step(job, "undo")

        assert told(job, "undo") == {2: ("refused", "done_before")}

    def test_undoes_the_rows_that_were_applied_before_the_job_was_canceled(self, monkeypatch):
        monkeypatch.setattr(imports.import_changes.Apply, "batch_size", 1)
        anna, ben = CustomerFactory(email="a@example.com"), CustomerFactory(email="b@example.com")
        job = run(begin(csv_file("email,points", "a@example.com,50", "b@example.com,50")))
        lifecycle.begin(job_id=job.pk, step=Step.APPLY, actor=STAFF, now=NOW)
        claim = work.take(job_id=job.pk, now=NOW)
        work.batch(claim=claim, handlers=imports.HANDLERS, now=NOW)
        lifecycle.cancel(job_id=job.pk, now=NOW)
        assert not work.batch(claim=claim, handlers=imports.HANDLERS, now=NOW)
        assert (balance(anna), balance(ben)) == (50, 0)

        step(job, "undo")

        assert (balance(anna), balance(ben)) == (0, 0)
        assert told(job, "undo") == {2: ("ok", "")}


class TestBulkDebits:
    """The rows the ledger would have written one by one, and its refusals."""

    @staticmethod
    def debit(customer, points, *, key):
        return bulk_debits.Debit(
            customer_id=customer.pk,
            points=points,
            kind=TransactionKind.ADJUSTMENT,
            cause=Cause(CauseType.IMPORT, 7),
            actor=SYSTEM,
            idempotency_key=key,
        )

    @staticmethod
    def everything_of(customer):
        lots = {pk: place for place, pk in enumerate(customer.points_lots.order_by("id").values_list("pk", flat=True))}
        return {
            "account": PointsAccount.objects.filter(pk=customer.pk).values_list(
                "balance", "pending", "held", "settled_at", "next_edge_at", "last_activity_at", "has_idle_lots"
            )[0],
            "transactions": list(
                customer.points_transactions.order_by("id").values_list(
                    "kind", "points_change", "balance_after", "effective_at", "recorded_at", "actor_kind"
                )
            ),
            "lots": list(customer.points_lots.order_by("id").values_list("points", "remaining", "open", "expires_at")),
            "allocations": [
                (lots[part.lot_id], part.points)
                for part in PointsAllocation.objects.filter(lot__customer=customer).order_by("id")
            ],
        }

    @staticmethod
    def some_past(rng, customer):
        for _ in range(rng.randrange(1, 6)):
            available_at = NOW + rng.randrange(-20, 5) * DAY
            if rng.random() < 0.3:
                ledger.credit(
                    customer_id=customer.pk,
                    points=rng.randrange(1, 50),
                    kind=TransactionKind.EARNING,
                    cause=Cause(CauseType.ORDER, 1),
                    actor=SYSTEM,
                    now=NOW - 30 * DAY,
                    idle_days=rng.choice([31, 60]),
                )
                continue
            expires_at = available_at + rng.randrange(1, 30) * DAY if rng.random() < 0.7 else None
            give(customer, rng.randrange(1, 50), now=NOW - 30 * DAY, available_at=available_at, expires_at=expires_at)
        give(customer, 20, now=NOW - DAY)

    @pytest.mark.parametrize("seed", range(20))
    def test_leave_exactly_the_rows_of_single_debits(self, seed):
        pairs = [(CustomerFactory(), CustomerFactory()) for _ in range(4)]
        single, many = [], []
        for number, (left, right) in enumerate(pairs):
            for customer, way, batch in ((left, "single", single), (right, "many", many)):
                rng = random.Random(f"{seed} {number}")
                self.some_past(rng, customer)
                total = bulk_rows.lock({customer.pk}, now=NOW)[customer.pk].balance
                place = 0
                while total and place < 5:
                    points = rng.randrange(1, total + 1)
                    batch.append(self.debit(customer, points, key=f"{way}-{number}-{place}"))
                    total, place = total - points, place + 1

        for one in single:
            ledger.debit(**{name: getattr(one, name) for name in bulk_debits.Debit.__slots__}, now=NOW)
        made = bulk_debits.debit_many(batch=[*many, many[0]], now=NOW)

        assert made.keys() == {one.idempotency_key for one in many}
        for left, right in pairs:
            assert self.everything_of(left) == self.everything_of(right)

    def test_refuse_more_than_there_is_and_write_nothing(self):
        customer = CustomerFactory()
        give(customer, 10)

        with pytest.raises(InsufficientPoints):
            bulk_debits.debit_many(batch=[self.debit(customer, 6, key="a"), self.debit(customer, 6, key="b")], now=NOW)

        assert balance(customer) == 10
        assert PointsTransaction.objects.count() == 1

    def test_refuse_a_key_that_stood_for_something_else(self):
        customer = CustomerFactory()
        give(customer, 10)
        made = bulk_debits.debit_many(batch=[self.debit(customer, 3, key="a")], now=NOW)

        assert bulk_debits.debit_many(batch=[self.debit(customer, 3, key="a")], now=NOW) == made
        with pytest.raises(IdempotencyConflict):
            bulk_debits.debit_many(batch=[self.debit(customer, 4, key="a")], now=NOW)

        assert balance(customer) == 7


# The command


@pytest.fixture
def table(tmp_path):
    """Writes a table: `table("email,points", "a@example.com,5")`."""

    def write(*lines, name="points.csv"):
        path = tmp_path / name
        path.write_bytes(csv_file(*lines).getvalue())
        return path

    return write


def command(capsys, *arguments):
    """The exit code, what it printed and what it said on stderr."""
    code = 0
    try:
        call_command("import_points", *map(str, arguments))
    except SystemExit as end:
        code = end.code
    out, err = capsys.readouterr()
    return code, out, err


class TestTheCommand:
    def test_imports_once_says_so_the_second_time_and_undoes(self, table, capsys):
        anna = CustomerFactory(email="a@example.com")
        path = table("email,points", "a@example.com,50")

        first = command(capsys, path, "--mode", "add", "--by", "email")
        second = command(capsys, path, "--mode", "add", "--by", "email")
        job = Job.objects.get()

        assert first[:2] == (0, f"Import {job.pk}: 1 applied.\n")
        assert "100%  Applying: 1 of 1 rows" in first[2]
        assert second[:2] == (0, f"Import {job.pk}: 1 applied.\n")
        assert "nothing is changed now" in second[2]
        assert balance(anna) == 50
        assert command(capsys, path, "--mode", "add", "--again")[0] == 0
        assert balance(anna) == 100
        assert command(capsys, "--undo", job.pk)[:2] == (0, f"Import {job.pk}: 1 undone.\n")
        assert balance(anna) == 50

    def test_a_dry_run_reports_and_changes_nothing(self, table, capsys, tmp_path):
        anna = CustomerFactory(email="a@example.com")
        path = table("email,points,internal note", "a@example.com,50,+1", "b@example.com,5,", "a@example.com,x,")

        code, out, err = command(capsys, path, "--mode", "add", "--dry-run", "--report", tmp_path / "report.csv")

        assert code == 1
        assert out.endswith("1 ready, 2 refused. Nothing was changed.\n")
        assert "row 3: Customer: nobody is known as “b@example.com”." in err
        assert balance(anna) == 0
        lines = (tmp_path / "report.csv").read_text("utf-8-sig").splitlines()
        assert (
            lines[0]
            == "Row,Customer,Points,Internal note,Check,Check says,Result,Result says,Change,Made,Undo,Undo says"
        )
        assert lines[1].startswith("2,a@example.com,50,'+1,Ready,")
        assert len(lines) == 4

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (("missing.csv", "--mode", "add"), "cannot be read: No such file"),
            (("--undo", "999"), "There is no import 999"),
            ((), "Name a file and a --mode"),
        ],
    )
    def test_ends_with_2_when_there_is_nothing_to_read(self, arguments, said):
        with pytest.raises(CommandError, match=said) as refused:
            call_command("import_points", *arguments)

        assert refused.value.returncode == 2

    def test_ends_with_2_for_an_empty_file_and_keeps_nothing(self, tmp_path):
        (tmp_path / "empty.csv").touch()

        with pytest.raises(CommandError, match="The file is empty") as refused:
            call_command("import_points", str(tmp_path / "empty.csv"), "--mode", "add")

        assert refused.value.returncode == 2
        assert not Job.objects.exists()

    def test_refuses_to_undo_what_was_not_applied(self, table, capsys):
        CustomerFactory(email="a@example.com")
        command(capsys, table("email,points", "a@example.com,50"), "--mode", "add", "--dry-run")

        with pytest.raises(CommandError, match="cannot undo its rows now"):
            call_command("import_points", "--undo", str(Job.objects.get().pk))

    def test_names_customers_by_the_id_of_a_shop(self, table, capsys):
        shop = ConnectionFactory(name="Main")
        anna = CustomerFactory()
        CustomerIdentity.objects.create(customer=anna, connection=shop, external_id="7")
        path = table("shop id,points", "7,5")

        assert command(capsys, path, "--mode", "add", "--by", "shop-id", "--shop", "Main")[0] == 0
        with pytest.raises(CommandError, match="There is no shop 'Other'"):
            call_command("import_points", str(path), "--mode", "add", "--by", "shop-id", "--shop", "Other")

        assert balance(anna) == 5


# Faults


def tell_the_planner():
    """The audit that follows joins whole tables, and they have just been filled."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def many(count):
    Customer.objects.bulk_create(Customer(email=f"person{number}@example.com") for number in range(count))
    return csv_file("email,points", *(f"person{number}@example.com,5" for number in range(count)))


@pytest.mark.faults
@pytest.mark.django_db(transaction=True)
def test_a_killed_worker_and_a_flushed_broker_apply_each_row_once(tmp_path, process_environment):
    with running_worker(tmp_path, process_environment | {"JOB_LEASE_SECONDS": "2"}) as worker:
        job = begin(many(9_000))
        wait_for(lambda: Job.objects.get(pk=job.pk).state == "done", seconds=90, what="the check")
        lifecycle.begin(job_id=job.pk, step=Step.APPLY, actor=STAFF, now=timezone.now())
        wait_for(lambda: Job.objects.get(pk=job.pk).rows_done >= 1_000, seconds=60, what="some rows")

        worker.kill()
        redis.Redis.from_url(settings.CELERY_BROKER_URL).flushdb()
        went_in = Job.objects.get(pk=job.pk).rows_done
        assert 1_000 <= went_in < 9_000
        worker.start()

        wait_for(lambda: Job.objects.get(pk=job.pk).state == "done", seconds=90, what="the sweep and the rest")
    assert Job.objects.get(pk=job.pk).tally["apply"] == {"ok": 9_000}
    tell_the_planner()
    assert PointsTransaction.objects.count() == 9_000
    assert set(PointsAccount.objects.values_list("balance", flat=True)) == {5}


@pytest.mark.faults
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("blow", ["SIGKILL", "SIGINT"])
def test_a_stopped_command_goes_on_exactly_where_it_was(tmp_path, process_environment, blow):
    path = tmp_path / "points.csv"
    path.write_bytes(many(6_000).getvalue())
    environment = process_environment | {"JOB_LEASE_SECONDS": "2"}

    def start():
        words = [sys.executable, "manage.py", "import_points", str(path), "--mode", "add"]
        return subprocess.Popen(words, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    process = start()
    until = time.monotonic() + 60
    while not Job.objects.filter(step="apply", rows_done__gte=1_000).exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.01)

    os.kill(process.pid, getattr(signal, blow))
    _, complaint = process.communicate(timeout=30)

    job = Job.objects.get()
    went_in = PointsTransaction.objects.count()
    assert went_in == job.rows_done < 6_000
    if blow == "SIGINT":
        assert process.returncode == 130
        assert f"{went_in:,} of 6,000 rows are done".encode() in complaint
        assert job.state == "paused"
    again = start()
    out, said = again.communicate(timeout=120)
    tell_the_planner()
    assert again.returncode == 0, said
    assert f"Import {job.pk}: 6,000 applied.".encode() in out
    assert PointsTransaction.objects.count() == 6_000
    assert Job.objects.count() == 1
    assert PointsLot.objects.filter(points=5).count() == 6_000
