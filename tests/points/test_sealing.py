"""Sealing: whatever is altered, removed or slipped in behind the triggers is named, and no row is passed over."""

import hashlib
import json
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import ProgrammingError, connection, transaction

from loyalty.common.actors import SYSTEM
from loyalty.common.causes import Cause, CauseType
from loyalty.merchant.models import ExpiryMode
from loyalty.points import adjustments, ledger, policy, sealing, tasks
from loyalty.points.models import (
    LedgerSeal,
    PointsAllocation,
    PointsHoldCharge,
    PointsHoldRelease,
    PointsLot,
    PointsReturn,
    PointsTransaction,
    PointsTransactionNote,
    SealStream,
    TransactionKind,
)
from tests.factories.people import CustomerFactory
from tests.factories.points import NO_ORDER, NOW, give

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
HASTE = timedelta(0)
CAUSE = Cause(CauseType.REDEEMED_REWARD, 1)


def spend(customer, points, *, now=NOW):
    return ledger.debit(
        customer_id=customer.pk, points=points, kind=TransactionKind.REDEMPTION, cause=CAUSE, actor=SYSTEM, now=now
    )


def hold(customer, points, *, cause_id, now=NOW):
    cause = Cause(CauseType.API, cause_id)
    return ledger.hold(customer_id=customer.pk, points=points, cause=cause, actor=SYSTEM, now=now)


@pytest.fixture
def history(customer):
    """A row of every sealed kind; the released hold and the reversal both open a lot that stands in."""
    give(customer, 100, expires_at=NOW + DAY)
    spent = spend(customer, 30)
    released = hold(customer, 20, cause_id=1)
    captured = hold(customer, 10, cause_id=2)
    adjustments.adjust(customer_id=customer.pk, points=5, actor=SYSTEM, now=NOW, internal_note="Anna was kind.")
    ledger.capture(hold_id=captured.pk, kind=TransactionKind.REDEMPTION, actor=SYSTEM, now=NOW)
    ledger.reverse(transaction_id=spent.pk, points=12, cause=CAUSE, actor=SYSTEM, now=NOW + 2 * DAY)
    ledger.release(hold_id=released.pk, now=NOW + 2 * DAY)
    return customer


def seal(**how):
    return sealing.seal(**{"now": NOW + 3 * DAY, "patience": HASTE} | how)


def breaks() -> list[str]:
    return [f"{found.what} {found.how}" for found in sealing.verify(sealing.Verdict())]


@contextmanager
def behind_the_triggers(*statements):
    """As somebody would who owns the database; undone at the end."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
            for statement, *parameters in statements:
                assert cursor.execute(statement, parameters).rowcount == 1
        yield
        transaction.set_rollback(True)


def test_finds_nothing_touched_in_what_it_sealed(history):
    done = seal()

    verdict = sealing.Verdict()
    assert list(sealing.verify(verdict)) == []
    assert (done.complete, done.waiting) == (True, [])
    assert done.rows == verdict.rows == sum(seal.rows for seal in LedgerSeal.objects.all())
    assert verdict.head == LedgerSeal.objects.latest("id").digest
    assert verdict.through == {
        "transaction": PointsTransaction.objects.latest("id").pk,
        "charge": PointsHoldCharge.objects.latest("id").pk,
        "release": PointsHoldRelease.objects.latest("id").pk,
    }


def test_seals_every_row_of_every_guarded_table_once(history):
    seal(size=2)

    leaves = [leaf for row in LedgerSeal.objects.order_by("id") for leaf in sealing.LEAF.iter_unpack(bytes(row.leaves))]
    sealed = [(letter, row_id) for letter, row_id, _ in leaves]
    lots = [row_id for letter, row_id in sealed if letter in {b"l", b"s"}]
    assert len(set(sealed)) == len(sealed)
    assert sorted(lots) == sorted(PointsLot.objects.values_list("pk", flat=True))
    for letter, model in {
        b"t": PointsTransaction,
        b"a": PointsAllocation,
        b"r": PointsReturn,
        b"j": PointsTransaction._meta.get_field("adjustment").related_model,
        b"c": PointsHoldCharge,
        b"e": PointsHoldRelease,
    }.items():
        rows = sorted(row_id for kind, row_id in sealed if kind == letter)
        assert rows == sorted(model.objects.values_list("pk", flat=True))
        assert rows
    assert breaks() == []


def test_goes_on_where_it_stopped(history):
    first = seal(size=2, most=1)
    second = seal(size=2)
    again = seal()

    assert (first.seals, first.complete) == (1, False)
    assert (second.complete, again.seals, again.rows) == (True, 0, 0)
    for stream in SealStream:
        ranges = LedgerSeal.objects.filter(stream=stream).order_by("id").values_list("first_id", "last_id")
        assert [following[0] for following in ranges[1:]] == [before[1] + 1 for before in list(ranges)[:-1]]
    assert breaks() == []


def test_is_done_by_the_workers_too(history):
    tasks.seal_ledger()

    assert LedgerSeal.objects.count() == 3
    assert breaks() == []


def test_hashes_a_row_as_anybody_could(history):
    seal()
    entry = PointsTransaction.objects.order_by("id").first()

    facts = [
        "transaction",
        entry.pk,
        entry.customer_id,
        "earning",
        100,
        100,
        None,
        "order",
        NO_ORDER,
        "system",
        None,
        *[int((NOW - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()) * 1_000_000] * 2,
    ]
    expected = hashlib.sha256(json.dumps(facts, separators=(",", ":")).encode()).digest()[:16]
    assert (b"t", entry.pk, expected) == next(sealing.LEAF.iter_unpack(bytes(LedgerSeal.objects.first().leaves)))


def test_holds_no_word_about_a_person(history):
    seal()
    PointsTransactionNote.objects.update(internal_note="", description="")
    history.first_name, history.email = "Somebody", None
    history.save()

    assert breaks() == []


ALTERED = {
    "transaction": ("UPDATE points_pointstransaction SET actor_id = 7 WHERE id = %s", PointsTransaction),
    "allocation": ("UPDATE points_pointsallocation SET points = points + 1 WHERE id = %s", PointsAllocation),
    "lot": ("UPDATE points_pointslot SET created_at = created_at + interval '1 second' WHERE id = %s", PointsLot),
    "return": ("UPDATE points_pointsreturn SET points = points + 1 WHERE id = %s", PointsReturn),
    "charge of a hold": ("UPDATE points_pointsholdcharge SET points = points + 1 WHERE id = %s", PointsHoldCharge),
    "release of a hold": ("UPDATE points_pointsholdrelease SET points = points + 1 WHERE id = %s", PointsHoldRelease),
}


@pytest.mark.parametrize("noun", ALTERED)
def test_names_a_row_that_was_altered(history, noun):
    seal()
    statement, model = ALTERED[noun]
    row = model.objects.latest("id")

    with behind_the_triggers((statement, row.pk)):
        found = breaks()

    assert found == [f"{noun} {row.pk} was altered"]
    assert breaks() == []


def test_names_an_adjustment_that_was_altered(history):
    seal()

    with behind_the_triggers(("UPDATE points_pointsadjustment SET points = 6",)):
        (found,) = breaks()

    assert found.startswith("adjustment ")
    assert found.endswith(" was altered")


@pytest.mark.parametrize("noun", ALTERED)
def test_names_a_row_that_was_removed(history, noun):
    seal()
    model = ALTERED[noun][1]
    row = model.objects.latest("id")

    with behind_the_triggers((f"DELETE FROM {model._meta.db_table} WHERE id = %s", row.pk)):
        found = breaks()

    assert found[0] == f"{noun} {row.pk} is missing"


def test_names_a_row_that_was_slipped_into_an_id_nobody_had_used(history):
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval(pg_get_serial_sequence('points_pointstransaction', 'id'))")
        (unused,) = cursor.fetchone()
    give(history, 1, now=NOW + 3 * DAY)
    seal()

    with behind_the_triggers(
        (
            (
                "INSERT INTO points_pointstransaction OVERRIDING SYSTEM VALUE SELECT %s, kind, points_change, "
                "balance_after, cause_type, cause_id, actor_kind, actor_id, NULL, effective_at, recorded_at, "
                "customer_id, reverses_id "
                "FROM points_pointstransaction WHERE id = %s"
            ),
            unused,
            PointsTransaction.objects.latest("id").pk,
        )
    ):
        found = breaks()

    assert found == [f"transaction {unused} was slipped in"]


def test_names_an_allocation_that_was_slipped_into_a_sealed_transaction(history):
    seal()
    entry = PointsTransaction.objects.filter(points_change__gt=0).first()

    with behind_the_triggers(
        (
            "INSERT INTO points_pointsallocation (transaction_id, lot_id, points) VALUES (%s, %s, 1)",
            entry.pk,
            PointsLot.objects.first().pk,
        )
    ):
        slipped = PointsAllocation.objects.latest("id")
        found = breaks()

    assert found == [f"allocation {slipped.pk} was slipped in"]


def test_names_the_first_of_several(history):
    seal(size=1)
    first, second = PointsTransaction.objects.order_by("id")[1:3]

    with behind_the_triggers(
        ("UPDATE points_pointstransaction SET actor_id = 7 WHERE id = %s", second.pk),
        ("UPDATE points_pointstransaction SET actor_id = 7 WHERE id = %s", first.pk),
    ):
        found = breaks()

    assert found == [f"transaction {first.pk} was altered", f"transaction {second.pk} was altered"]


@pytest.mark.parametrize("change", ["rows = rows + 1", "digest = repeat('0', 64)", "sealed_at = now()", "leaves = ''"])
def test_names_a_seal_that_was_altered(history, change):
    seal(size=2)
    target = LedgerSeal.objects.order_by("id")[1]

    with behind_the_triggers((f"UPDATE points_ledgerseal SET {change} WHERE id = %s", target.pk)):
        found = breaks()

    assert found[0] == f"seal {target.pk} was altered"


def test_does_not_believe_a_seal_that_was_made_to_fit_an_altered_row(history):
    """Who alters a row and its seal has to alter every later one: the next does not follow on it any more."""
    seal(size=2)
    target, following = LedgerSeal.objects.order_by("id")[:2]
    entry = PointsTransaction.objects.order_by("id").first()

    with behind_the_triggers(("UPDATE points_pointstransaction SET actor_id = 7 WHERE id = %s", entry.pk)):
        target.leaves = b"".join(sealing._leaves(target.stream, first_id=target.first_id, last_id=target.last_id))
        target.digest = sealing._digest(target, previous="")
        with behind_the_triggers(
            (
                "UPDATE points_ledgerseal SET leaves = %s, digest = %s WHERE id = %s",
                target.leaves,
                target.digest,
                target.pk,
            )
        ):
            found = breaks()

    assert found == [f"seal {following.pk} was altered"]


def test_names_a_seal_that_was_removed(history):
    seal(size=2)
    target, following = LedgerSeal.objects.order_by("id")[1:3]

    with behind_the_triggers(("DELETE FROM points_ledgerseal WHERE id = %s", target.pk)):
        found = list(sealing.verify(sealing.Verdict()))

    assert (found[0].what, found[0].how, found[0].seal_id) == (
        f"seal {target.pk}",
        "is missing before this one",
        following.pk,
    )


def test_tells_by_a_digest_kept_elsewhere_that_the_last_seals_were_cut_off(history):
    seal(size=2)
    last = LedgerSeal.objects.latest("id")
    call_command("verify_ledger", expect=last.digest, stdout=StringIO())

    with behind_the_triggers(("DELETE FROM points_ledgerseal WHERE id = %s", last.pk)):
        call_command("verify_ledger", stdout=StringIO())
        with pytest.raises(CommandError, match="No seal has the digest you expect"):
            call_command("verify_ledger", expect=last.digest, stdout=StringIO())


def test_a_seal_is_never_changed_or_deleted_in_the_ordinary_way(history):
    seal()

    last = LedgerSeal.objects.latest("id")
    for act in (lambda: LedgerSeal.objects.update(rows=0), last.delete):
        with pytest.raises(ProgrammingError, match="Cannot update or delete"), transaction.atomic():
            act()


def test_commands_say_what_was_sealed_and_what_is_broken(history):
    output, errors = StringIO(), StringIO()

    call_command("seal_ledger", size=3, patience=0, stdout=output)
    call_command("verify_ledger", stdout=output)

    rows = sum(LedgerSeal.objects.values_list("rows", flat=True))
    entry = PointsTransaction.objects.latest("id")
    assert output.getvalue() == (
        f"{LedgerSeal.objects.count()} seals made over {rows} rows.\n"
        f"Nothing was touched: {LedgerSeal.objects.count()} seals over {rows} rows, transactions up to {entry.pk}.\n"
        f"Write down the last digest and keep it elsewhere: {LedgerSeal.objects.latest('id').digest}\n"
    )
    with (
        behind_the_triggers(("UPDATE points_pointstransaction SET actor_id = 7 WHERE id = %s", entry.pk)),
        pytest.raises(CommandError) as refusal,
    ):
        call_command("verify_ledger", stderr=errors)
    assert refusal.value.returncode == 1
    assert errors.getvalue().startswith(f"Transaction {entry.pk} was altered (seal ")


class Elsewhere(threading.Thread):
    """Another process: runs acts in one transaction of its own and keeps it open until it is told to commit."""

    def __init__(self, act):
        super().__init__(daemon=True)
        self.act, self.wrote, self.may_commit = act, threading.Event(), threading.Event()

    def run(self):
        try:
            with transaction.atomic():
                self.act()
                self.wrote.set()
                assert self.may_commit.wait(30)
        finally:
            connection.close()

    def __enter__(self):
        self.start()
        assert self.wrote.wait(30)
        return self

    def __exit__(self, *_):
        self.may_commit.set()
        self.join(30)


@pytest.mark.django_db(transaction=True)
def test_passes_over_no_row_of_a_transaction_that_is_still_open():
    give(CustomerFactory(), 5)
    seal()
    early, slow, quick = give(CustomerFactory(), 10), CustomerFactory(), CustomerFactory()

    with Elsewhere(lambda: give(slow, 20)):
        late = give(quick, 30)  # a higher id, committed before the lower one
        meanwhile = seal()
        sealed = LedgerSeal.objects.latest("id")
    afterwards = seal()

    assert (meanwhile.seals, meanwhile.waiting) == (1, [SealStream.TRANSACTION])
    assert (sealed.rows, sealed.last_id) == (2, early.pk)
    assert (afterwards.seals, afterwards.waiting) == (1, [])
    following = LedgerSeal.objects.latest("id")
    assert (following.first_id, following.last_id) == (early.pk + 1, late.pk)
    assert following.rows == 4
    assert PointsTransaction.objects.get(customer=slow).pk == late.pk - 1
    assert breaks() == []


@pytest.mark.django_db(transaction=True)
def test_waits_for_transactions_that_end_soon():
    slow, quick = CustomerFactory(), CustomerFactory()

    with Elsewhere(lambda: give(slow, 20)) as other:
        late = give(quick, 30)
        threading.Timer(0.3, other.may_commit.set).start()
        done = seal(patience=timedelta(seconds=20))

    assert (done.seals, done.rows, done.waiting) == (1, 4, [])
    assert LedgerSeal.objects.get().last_id == late.pk
    assert breaks() == []


@pytest.mark.django_db(transaction=True)
def test_an_open_transaction_that_took_no_id_yet_is_not_waited_for():
    """What it will write gets a higher id than anything sealed now."""
    customer = CustomerFactory()
    entry = give(customer, 10)

    with Elsewhere(CustomerFactory):
        done = seal()

    assert (done.waiting, LedgerSeal.objects.get().last_id) == ([], entry.pk)


@pytest.mark.django_db(transaction=True)
def test_an_id_that_was_given_up_holds_nothing_back():
    customer = CustomerFactory()
    with transaction.atomic():
        give(customer, 1)
        transaction.set_rollback(True)
    entry = give(customer, 10)

    done = seal()

    assert (done.seals, done.waiting, LedgerSeal.objects.get().last_id) == (1, [], entry.pk)


@pytest.mark.django_db(transaction=True)
def test_two_at_once_make_one_chain():
    customer = CustomerFactory()
    for _ in range(12):
        give(customer, 1)

    def run():
        try:
            seal(size=1)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert LedgerSeal.objects.count() == 12
    assert breaks() == []


def test_an_expiry_policy_applied_to_sealed_lots_breaks_no_seal(history):
    give(history, 40, now=NOW + 3 * DAY)
    seal()
    for days in (30, 60):
        wanted = policy.Policy(mode=ExpiryMode.IDLE, days=days)
        list(policy.apply(plan=policy.make_plan(policy=wanted, now=NOW + 3 * DAY), actor=SYSTEM, now=NOW + 3 * DAY))
    assert PointsLot.objects.filter(idle_days=60, customer=history).exists()

    assert breaks() == []
