"""import_orders: a purchase history becomes orders and points, once, whatever is wrong with the file."""

import gzip
import io
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone

from loyalty.common import clock
from loyalty.customers.models import Customer, CustomerIdentity, CustomerState
from loyalty.events.models import Event
from loyalty.merchant.models import ExpiryMode, Programme
from loyalty.points.models import PointsAccount, PointsLot, PointsTransaction
from loyalty.program.models import Order, OrderStatus
from tests.factories.people import CustomerFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("ledger_stays_proved")]

ROOT = Path(__file__).parents[2]


def run(path, *arguments):
    """The exit code, what it printed and what it said on stderr."""
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command("import_orders", str(path), *arguments, stdout=out, stderr=err)
    except SystemExit as end:
        return end.code, out.getvalue(), err.getvalue()
    return 0, out.getvalue(), err.getvalue()


def refusal(path, *arguments):
    with pytest.raises(CommandError) as refused:
        run(path, *arguments)
    return refused.value.returncode, str(refused.value)


def report_of(path):
    return path.with_name(f"{path.name}.errors.txt")


def reported(path):
    """(line number, reason) of each bad line."""
    rows = report_of(path).read_text("ascii").splitlines()[1:]
    return [(int(row.split("\t")[0]), row.split("\t")[1]) for row in rows]


def everything():
    return {
        model.__name__: list(model.objects.order_by("pk").values())
        for model in (Customer, CustomerIdentity, Order, PointsAccount, PointsTransaction, PointsLot, Event)
    }


def orders():
    return list(Order.objects.order_by("external_id").values_list("external_id", "total"))


def test_each_purchase_becomes_an_order_and_earns_a_point_per_whole_dollar_on_its_date(purchase_file):
    Programme.objects.update_or_create(pk=1, defaults={"time_zone": "Europe/Warsaw"})
    path = purchase_file("00001  19970101  1  11.77", "00001 19970102 2 100.00")

    code, said, _ = run(path)

    assert code == 0
    assert said.startswith("2 new orders of 1 new customers, 111 points earned, 0 were in before; 0 bad lines")
    customer = CustomerIdentity.objects.get(connection=None, external_id="cdnow:00001").customer
    assert (customer.email, customer.phone, customer.state) == (None, None, CustomerState.CANDIDATE)
    order = Order.objects.get(external_id="cdnow:00001:19970101:1:11.77:1")
    assert (order.connection, order.customer, order.status) == (None, customer, OrderStatus.COMPLETED)
    assert (order.total, order.currency) == (Decimal("11.77"), "USD")
    midnight = datetime(1996, 12, 31, 23, 0, tzinfo=UTC)  # in Warsaw
    assert order.placed_at == midnight
    entry = PointsTransaction.objects.get(cause_type="order", cause_id=order.pk)
    assert (entry.kind, entry.points_change, entry.effective_at) == ("earning", 11, midnight)
    assert entry.idempotency_key == f"order:{order.pk}"
    assert entry.recorded_at >= order.recorded_at > timezone.now() - timezone.timedelta(minutes=5)
    assert PointsAccount.objects.get(pk=customer.pk).balance == 111
    kinds = Event.objects.order_by("id").values_list("kind", "data__imported")
    assert sorted(kinds) == [
        ("customer.enrolled", True), ("customer.identity_added", True), ("order.completed", True),
        ("order.completed", True),
    ]  # fmt: skip


def test_the_whole_sample_goes_in_and_a_second_run_changes_nothing(sample, tmp_path):
    report = tmp_path / "bad.txt"

    code, said, progress = run(sample, "--errors", str(report), "--batch-size", "700")
    before = everything()
    again = run(sample, "--errors", str(report))

    assert code == 0
    assert said.startswith("2,000 new orders of 688 new customers")
    assert "100%" in progress
    with gzip.open(sample, "rt") as file:
        amounts = [line.split()[3] for line in file][1:]
    assert sum(total for _, total in orders()) == sum(map(Decimal, amounts))
    assert sum(PointsAccount.objects.values_list("balance", flat=True)) == sum(int(float(a)) for a in amounts)
    assert again[0] == 0
    assert again[1].startswith("0 new orders of 0 new customers, 0 points earned, 2,000 were in before")
    assert everything() == before
    assert not report.exists()


def test_equal_lines_are_as_many_orders_wherever_they_stand_in_the_file(purchase_file):
    lines = ["00001 19970101 1 11.77", "00002 19970101 1 11.77", "00001 19970101 1 11.77", "00001 19970101 1 12.00"]
    run(purchase_file(*lines), "--batch-size", "1")
    before = everything()

    run(purchase_file(*reversed(lines)), "--batch-size", "3")

    assert [name for name, _ in orders()] == [
        "cdnow:00001:19970101:1:11.77:1",
        "cdnow:00001:19970101:1:11.77:2",
        "cdnow:00001:19970101:1:12.00:1",
        "cdnow:00002:19970101:1:11.77:1",
    ]
    assert everything() == before


def test_an_amount_of_nothing_is_an_order_without_points(purchase_file):
    assert run(purchase_file("00001 19970101 1 0.00", "00001 19970102 1 0.99"))[0] == 0

    assert orders() == [
        ("cdnow:00001:19970101:1:0.00:1", Decimal("0.00")),
        ("cdnow:00001:19970102:1:0.99:1", Decimal("0.99")),
    ]
    assert not PointsTransaction.objects.exists()


def test_points_whose_time_is_over_come_and_expire_at_once(purchase_file):
    Programme.objects.update_or_create(pk=1, defaults={"expiry_mode": ExpiryMode.DAYS, "expiry_days": 365})

    run(purchase_file("00001 19970101 1 30.00"))

    entries = PointsTransaction.objects.order_by("id").values_list("kind", "points_change", "effective_at__year")
    assert list(entries) == [("earning", 30, 1997), ("expiry", -30, 1998)]
    assert PointsAccount.objects.get().balance == 0


def test_points_wait_as_long_as_the_programme_says(purchase_file):
    Programme.objects.update_or_create(pk=1, defaults={"pending_days": 14})
    today = timezone.now().date()

    run(purchase_file(f"00001 {today:%Y%m%d} 1 30.00"))

    assert PointsAccount.objects.values_list("balance", "pending").get() == (0, 30)
    assert PointsLot.objects.get().available_at == clock.start_of_day(timezone.now(), 14, Programme().zone)


def test_a_customer_who_is_excluded_gets_the_order_without_points(purchase_file):
    excluded = CustomerFactory(state=CustomerState.DISABLED)
    CustomerIdentity.objects.create(customer=excluded, connection=None, external_id="cdnow:00001")

    run(purchase_file("00001 19970101 1 30.00"))

    assert Order.objects.get().customer == excluded
    assert not PointsTransaction.objects.exists()


BAD = [
    (b"00002 19970101 1", "It has 3 columns, not 4"),
    (b"00002 19970101 1 5.00 extra", "It has 5 columns, not 4"),
    (b"Anna 19970101 1 5.00", "The customer 'Anna' is not a number"),
    (b"00002 19970230 1 5.00", "The date '19970230' is no day"),
    (b"00002 1997-02-03 1 5.00", "The date '1997-02-03' is no day"),
    (b"00002 99991231 1 5.00", "The date '99991231' is before 1970 or in the future"),
    (b"00002 00010101 1 5.00", "The date '00010101' is before 1970 or in the future"),
    (b"00002 19970101 -1 5.00", "The number of CDs '-1' is not a whole number"),
    (b"00002 19970101 1 -5.00", "The amount '-5.00' is negative"),
    (b"00002 19970101 1 NaN", "The amount 'NaN' is not money"),
    (b"00002 19970101 1 1e9", "The amount '1e9' is not money"),
    (b"00002 19970101 1 5.001", "The amount '5.001' is not money"),
    (b"00002 19970101 1 " + b"9" * 150, "is more than 1,000,000.00"),
    (b"00002 19970101 1 1000000.01", "is more than 1,000,000.00"),
    ("00002 19970101 1 ５.00".encode(), "is not money"),
    (b"\x00\xff\xfe\x1b[31m garbage \x07", "columns, not 4"),
    (b"x" * 1_000_000, "It is longer than 200 bytes"),
    (b"00002 19970101 1 5.00" + b" " * 300, "It is longer than 200 bytes"),
]


@pytest.mark.parametrize(("line", "reason"), BAD, ids=range(len(BAD)))
def test_a_bad_line_is_reported_with_number_and_reason_and_the_others_go_in(purchase_file, line, reason):
    path = purchase_file("00001 19970101 1 11.77", line, "", "00003 19970101 1 20.00")

    code, said, complaint = run(path)

    assert code == 1
    assert "1 bad lines" in said
    assert str(report_of(path)) in complaint
    ((number, told),) = reported(path)
    assert number == 3
    assert reason in told
    assert [name[:11] for name, _ in orders()] == ["cdnow:00001", "cdnow:00003"]


def test_the_report_holds_nothing_that_could_disturb_a_terminal_and_stays_small(purchase_file):
    path = purchase_file(b"\x1b[2J\xff\t" + b"y" * 5_000_000)

    run(path)

    text = report_of(path).read_bytes()
    assert len(text) < 800
    assert all(byte in (9, 10) or 32 <= byte < 127 for byte in text)


def test_a_first_line_that_is_no_header_counts(tmp_path):
    path = tmp_path / "plain.txt"
    path.write_bytes(b"00001 19970101 1 11.77\n00002 19970101 1 5.00")

    assert run(path)[0] == 0

    assert len(orders()) == 2


def test_a_later_run_replaces_its_report_and_removes_it_when_all_is_well(purchase_file):
    path = purchase_file("bad", "00001 19970101 1 11.77")
    run(path)
    assert len(reported(path)) == 1

    purchase_file("00001 19970101 1 11.77")
    assert run(path)[0] == 0

    assert not report_of(path).exists()


@pytest.mark.parametrize("victim", ["another file", "the input itself"])
def test_refuses_to_write_its_report_over_something_else(purchase_file, tmp_path, victim):
    path = purchase_file("bad")
    other = tmp_path / "diary.txt" if victim == "another file" else path
    if other != path:
        other.write_text("Dear diary")
    content = other.read_bytes()

    code, sentence = refusal(path, "--errors", str(other))

    assert code == 2
    assert "is not a report of this command" in sentence
    assert other.read_bytes() == content
    assert not orders()


def test_a_report_that_cannot_be_written_stops_the_import_before_it_begins(purchase_file, tmp_path):
    code, sentence = refusal(purchase_file("00001 19970101 1 5.00"), "--errors", str(tmp_path / "none" / "bad.txt"))

    assert code == 2
    assert "cannot be written" in sentence
    assert not orders()


def test_a_file_that_cannot_be_read_is_a_sentence_and_exit_code_2(tmp_path):
    empty = tmp_path / "empty.txt"
    empty.touch()

    assert refusal(tmp_path / "missing.txt")[0] == 2
    assert "cannot be read" in refusal(tmp_path / "missing.txt")[1]
    assert "cannot be read" in refusal(tmp_path)[1]
    assert "is empty" in refusal(empty)[1]
    assert not list(tmp_path.glob("*.errors.txt"))


def test_a_file_that_breaks_off_keeps_what_went_in_and_goes_on_when_it_is_whole(sample, tmp_path):
    broken = tmp_path / "half.txt.gz"
    broken.write_bytes(sample.read_bytes()[:6000])

    code, sentence = refusal(broken, "--batch-size", "100")

    assert code == 2
    assert "breaks off or is damaged after line" in sentence
    went_in = len(orders())
    assert 300 < went_in < 2000
    broken.write_bytes(sample.read_bytes())
    assert f"{2000 - went_in:,} new orders" in run(broken)[1]
    assert len(orders()) == 2000


def test_points_that_do_not_fit_stop_the_import_with_a_sentence(purchase_file):
    Programme.objects.update_or_create(pk=1, defaults={"points_per_unit": 2000})
    path = purchase_file("00001 19970101 1 1000000.00", "00001 19970102 1 1000000.00")

    code, sentence = refusal(path, "--batch-size", "1")

    assert code == 2
    assert "would hold more than 2,147,483,647 points" in sentence
    assert len(orders()) == 1


def test_stops_after_as_many_lines_as_it_was_told(sample, tmp_path):
    run(sample, "--limit", "10", "--errors", str(tmp_path / "e"))

    assert len(orders()) == 10


@pytest.mark.parametrize("value", ["0", "-1", "20001", "many"])
def test_refuses_a_batch_size_that_makes_no_sense(sample, value):
    with pytest.raises(CommandError, match="whole number from 1 to 20000"):
        run(sample, "--batch-size", value)


def start(path, environment, *arguments):
    command = [sys.executable, "manage.py", "import_orders", str(path), *arguments]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def wait_for_orders(process, count):
    until = time.monotonic() + 60
    while Order.objects.count() < count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.mark.faults
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGINT])
def test_goes_on_exactly_where_it_was_stopped(sample, tmp_path, process_environment, blow):
    arguments = ("--batch-size", "50", "--errors", str(tmp_path / "e"))
    process = start(sample, process_environment, *arguments)
    wait_for_orders(process, 200)

    os.kill(process.pid, blow)
    _, complaint = process.communicate(timeout=30)

    went_in = Order.objects.count()
    assert went_in < 2000
    assert went_in % 50 == 0
    if blow == signal.SIGINT:
        assert process.returncode == 130
        assert f"Every line up to {went_in + 1} is in".encode() in complaint
    assert run(sample, *arguments)[1].startswith(f"{2000 - went_in:,} new orders")
    assert len(orders()) == 2000
    assert PointsTransaction.objects.count() == Order.objects.filter(total__gte=1).count()


@pytest.mark.faults
@pytest.mark.django_db(transaction=True)
def test_two_imports_at_once_import_once(sample, tmp_path, process_environment):
    pair = [
        start(sample, process_environment, "--batch-size", "100", "--errors", str(tmp_path / name)) for name in "ab"
    ]

    said = [process.communicate(timeout=120) for process in pair]

    assert [process.returncode for process in pair] == [0, 0], said
    assert len(orders()) == 2000
    assert CustomerIdentity.objects.count() == 688


@pytest.mark.faults
@pytest.mark.django_db(transaction=True)
def test_memory_does_not_grow_with_the_file(tmp_path, process_environment):
    def peak(lines):
        path = tmp_path / f"{lines}.txt"
        with path.open("w") as file:
            file.writelines(f"{number} 19970101 1 1.00\n" if number % 2 else "bad line\n" for number in range(lines))
        command = [sys.executable, "manage.py", "import_orders", str(path), "--batch-size", "500"]
        process = subprocess.Popen(
            command, cwd=ROOT, env=process_environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 1
        return used.ru_maxrss

    small, large = peak(2_000), peak(24_000)

    assert large < small * 1.06 + 1024, (small, large)
