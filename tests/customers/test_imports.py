"""Tables of customers: checked first, applied once, undone as far as nothing came of it; and a list as a file."""

import io

import pytest
from django.urls import reverse

from loyalty.common import actors
from loyalty.customers import enrollment, import_rows, imports, profile
from loyalty.customers.import_rows import BadHeader, BadRow
from loyalty.customers.imports import Known, NoShop
from loyalty.customers.models import Customer, CustomerIdentity
from loyalty.events import log
from loyalty.jobs import lifecycle
from loyalty.jobs.models import Job, JobOutcome, Step
from loyalty.merging import joining
from tests.factories.people import ConnectionFactory, CustomerFactory
from tests.factories.points import NOW, give
from tests.jobs.sheets import csv_file

pytestmark = pytest.mark.django_db

STAFF = actors.staff(1)
HEAD = "email,phone,first name,surname,state,id in the shop"


def begin(*lines, known=Known.KEEP, head=HEAD, **more):
    return imports.begin(file=csv_file(head, *lines), file_name="people.csv", known=known, actor=STAFF, now=NOW, **more)


def step(job, name=None):
    if name is not None:
        lifecycle.begin(job_id=job.pk, step=Step(name), actor=STAFF, now=NOW)
    while imports.work_on(job_id=job.pk, now=NOW, patience=60):
        pass
    return Job.objects.get(pk=job.pk)


def outcomes(job):
    rows = JobOutcome.objects.filter(job=job, step=job.step).order_by("number")
    return [(row.number, str(row.verdict), row.code) for row in rows]


def test_checking_says_what_would_happen_and_changes_nothing():
    CustomerFactory(email="known@example.com", phone=None)

    job = step(begin(
        "new@example.com,+48 501 000 000,Nowa,Osoba,,", "KNOWN@example.com,+48501,,,,", "nonsense,,,,,",
        "NEW@example.com,,,,,", "x@example.com,,,,pending,", known=Known.CHANGE,
    ))  # fmt: skip

    assert outcomes(job) == [
        (2, "ok", "added"), (3, "ok", "changed"), (4, "refused", "invalid_email"), (5, "refused", "named_twice"),
        (6, "refused", "bad_state"),
    ]  # fmt: skip
    assert Customer.objects.count() == 1
    assert "Row 2 names the same person" in JobOutcome.objects.get(job=job, number=5).text


def test_applying_adds_who_is_new_and_leaves_or_changes_who_is_known():
    shop = ConnectionFactory()
    known = CustomerFactory(email="known@example.com", phone=None, first_name="Old")

    kept = step(
        step(begin("known@example.com,+48501502,New,,,", "n1@example.com,,Nowa,,,7", connection_id=shop.pk)), "apply"
    )
    assert outcomes(kept) == [(2, "unchanged", "known"), (3, "ok", "added")]
    known.refresh_from_db()
    assert (known.first_name, known.phone) == ("Old", None)
    identity = CustomerIdentity.objects.get()
    assert (identity.connection, identity.external_id, identity.customer.email) == (shop, "7", "n1@example.com")

    told = (",+48501502,New,,,7", "known@example.com,+48600,,Nowak,,8")
    changed = step(step(begin(*told, known=Known.CHANGE, connection_id=shop.pk)), "apply")
    assert outcomes(changed) == [(2, "ok", "changed"), (3, "ok", "changed")]
    known.refresh_from_db()
    assert (known.first_name, known.last_name, known.phone) == ("Old", "Nowak", "+48600")
    assert Customer.objects.get(email="n1@example.com").first_name == "New"
    assert CustomerIdentity.objects.get(external_id="8").customer == known
    assert Customer.objects.count() == 2


def test_two_people_in_one_row_are_refused_and_a_merged_one_is_who_they_are_now():
    shop = ConnectionFactory()
    one, other = CustomerFactory(email="one@example.com"), CustomerFactory(email="other@example.com")
    enrollment.link_identity(customer_id=one.pk, connection_id=shop.pk, external_id="1", now=NOW, actor=STAFF)

    lines = ("other@example.com,,,,,1",)
    assert outcomes(step(begin(*lines, connection_id=shop.pk)))[0][2] == "two_people"
    joining.merge(source_id=one.pk, survivor_id=other.pk, actor=STAFF, now=NOW)
    merged = step(step(begin("one@example.com,,Anna Maria,,,", known=Known.CHANGE, head=HEAD)), "apply")

    assert outcomes(merged)[0][1] == "ok"
    other.refresh_from_db()
    assert (other.first_name, other.email) == ("Anna Maria", "other@example.com")


def test_undoing_excludes_who_was_added_unless_something_came_of_it():
    CustomerFactory(email="known@example.com", first_name="Old")
    lines = ("a@example.com,,,,,", "b@example.com,,,,,", "known@example.com,,New,,,")
    job = step(step(begin(*lines, known=Known.CHANGE)), "apply")
    bought = Customer.objects.get(email="b@example.com")
    log.record(kind="order.completed", subject_type="order", subject_id=1, customer_id=bought.pk, actor=STAFF, now=NOW)

    undone = step(job, "undo")

    assert outcomes(undone) == [(2, "ok", "excluded"), (3, "refused", "came_of_it"), (4, "refused", "stays_changed")]
    states = Customer.objects.order_by("email").values_list("email", "state")
    assert list(states) == [("a@example.com", "disabled"), ("b@example.com", "member"), ("known@example.com", "member")]


@pytest.mark.parametrize(
    ("head", "why"),
    [("name,points", "is not known"), ("phone,state", "names neither"), ("email,mail", "two columns for e-mail")],
)
def test_a_header_that_says_too_little_is_refused(head, why):
    with pytest.raises(BadHeader, match=why):
        begin("a,b", head=head)
    assert not Job.objects.exists()


def test_an_unknown_shop_is_refused():
    with pytest.raises(NoShop):
        begin("a@example.com,,,,,", connection_id=999)


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ({"email": "=A1"}, "formula"),
        ({"email": "", "shop_id": ""}, "nobody"),
        ({"email": "a@b.pl", "more": 1}, "too_many_cells"),
        ({"email": "a@b.pl", "date_of_birth": "29.02.1980"}, "bad_date"),
        ({"email": "a@b.pl", "date_of_birth": "1980-02-30"}, "bad_date"),
        ({"email": "a@b.pl", "language": "polish"}, "bad_language"),
        ({"email": "a@b.pl", "first_name": "x" * 81}, "too_long"),
        ({"email": "a@b.pl", "phone": "12"}, "invalid_phone"),
    ],
)
def test_a_cell_that_cannot_be_is_refused(row, code):
    with pytest.raises(BadRow) as refusal:
        import_rows.read(row)
    assert refusal.value.code == code


class TestFile:
    def file_of(self, browser, query=""):
        answer = browser.get(reverse("admin:customers_customer_export") + query)
        assert answer.status_code == 200
        return b"".join(answer.streaming_content).decode("utf-8-sig").splitlines()

    def test_holds_the_list_as_it_is_filtered_defused(self, signed_in):
        tricky = CustomerFactory(first_name="=1+1", phone="+48501", email="tricky@example.com")
        CustomerFactory(first_name="Zofia", state="disabled")
        give(tricky, 70, now=NOW)

        lines = self.file_of(signed_in("viewer"), "?state=member")

        assert lines[0].startswith("Customer number,E-mail,Phone,First name,Surname,State,")
        assert lines[1].startswith(f"{tricky.pk},tricky@example.com,'+48501,'=1+1,Nowak,Member,,,,70,")
        assert len(lines) == 2

    def test_can_be_sent_back_and_changes_nothing(self, signed_in):
        CustomerFactory(phone="+48501502", email="same@example.com", language="pl", date_of_birth="1980-02-29")
        lines = self.file_of(signed_in("viewer"))

        job = step(begin(*lines[1:], head=lines[0], known=Known.CHANGE))

        assert outcomes(job) == [(2, "unchanged", "known")]

    def test_a_filter_that_cannot_be_read_gives_no_file(self, signed_in):
        answer = signed_in("viewer").get(reverse("admin:customers_customer_export") + "?created_after=never")
        assert answer.status_code == 302


def test_a_manager_sends_a_table_and_support_may_not(signed_in):
    address = reverse("admin:customers_customer_import")
    table = io.BytesIO(f"{HEAD}\nnew@example.com,,Nowa,,,\n".encode())
    table.name = "people.csv"

    answer = signed_in("manager").post(address, {"mode": "keep", "file": table}, follow=True)

    assert "Imports customers: people.csv" in answer.content.decode()
    assert Job.objects.get().kind == "customers_import"
    assert signed_in("support").get(address).status_code == 403


def test_a_row_of_a_merged_customer_is_refused_by_its_own_rule():
    old, new = CustomerFactory(), CustomerFactory()
    joining.merge(source_id=old.pk, survivor_id=new.pk, actor=STAFF, now=NOW)
    with pytest.raises(profile.Merged):
        profile.update(customer_id=old.pk, first_name="X", now=NOW, actor=STAFF)
