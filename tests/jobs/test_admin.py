"""The pages of jobs: send a table, look at the report, apply, undo; for managers alone."""

import io
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from loyalty.jobs import forgetting, lifecycle, sheets
from loyalty.jobs.models import Job, Step
from loyalty.points import imports
from loyalty.points.models import PointsAccount, PointsTransaction
from tests.factories.people import ConnectionFactory, CustomerFactory
from tests.jobs.sheets import csv_file, workbook

pytestmark = pytest.mark.django_db

UPLOAD = "/admin/points/pointstransaction/import/"
JOBS = "/admin/jobs/job/"


@pytest.fixture
def manager(signed_in):
    return signed_in("manager")


def send(client, *lines, file=None, **fields):
    content = (file or csv_file(*lines)).getvalue()
    upload = SimpleUploadedFile("march.csv", content)
    return client.post(UPLOAD, {"mode": "add", "by": "email", "file": upload, **fields})


def work(job):
    imports.work_on(job_id=job.pk, now=timezone.now(), patience=60)
    job.refresh_from_db()


def act(client, job, slug):
    return client.post(f"{JOBS}{job.pk}/act/{slug}/", {"confirmed": "yes", "shown": ""}, follow=True)


def page(client, job, **query):
    answer = client.get(f"{JOBS}{job.pk}/change/", query)
    assert answer.status_code == 200
    return answer.content.decode()


def test_sends_checks_applies_and_undoes(manager):
    anna = CustomerFactory(email="anna@example.com")

    sent = send(manager, "email,points,internal note", "anna@example.com,50,Ticket", "nobody@example.com,5,")
    job = Job.objects.get()
    assert sent.url == f"{JOBS}{job.pk}/change/"
    assert '<meta http-equiv="refresh" content="5">' in page(manager, job)
    work(job)
    shown = page(manager, job)
    assert "Ready to apply" in shown
    assert "http-equiv" not in shown
    assert "nobody is known as “nobody@example.com”" in shown
    assert "anna@example.com" not in shown
    assert "50" in page(manager, job, rows="all")
    assert not PointsTransaction.objects.exists()

    preview = manager.get(f"{JOBS}{job.pk}/act/apply/").content.decode()
    assert "1 row will be applied" in preview
    assert "1 row will be left out" in preview
    act(manager, job, "apply")
    work(job)
    assert "Applied" in page(manager, job)
    assert PointsAccount.objects.get(pk=anna.pk).balance == 50
    assert PointsTransaction.objects.get().actor_kind == "staff"

    act(manager, job, "undo")
    work(job)
    assert "Undone" in page(manager, job)
    assert PointsAccount.objects.get(pk=anna.pk).balance == 0


def test_says_when_its_rows_were_forgotten_and_does_not_offer_to_apply_them(manager):
    CustomerFactory(email="anna@example.com")
    send(manager, "email,points", "anna@example.com,50")
    job = Job.objects.get()
    work(job)
    forgetting.forget(now=timezone.now() + timedelta(days=91))

    shown = page(manager, job, rows="all")

    assert "What its rows said about people was forgotten on" in shown
    assert "anna@example.com" not in shown
    assert "/act/apply/" not in shown
    assert "Send the table again" in manager.get(f"{JOBS}{job.pk}/act/apply/").content.decode()


def test_offers_only_what_can_be_done_now(manager):
    CustomerFactory(email="anna@example.com")
    send(manager, "email,points", "anna@example.com,50")
    job = Job.objects.get()

    def offered():
        return {
            slug for slug in ("apply", "undo", "pause", "resume", "cancel") if f"/act/{slug}/" in page(manager, job)
        }

    assert offered() == {"pause", "cancel"}
    assert "Refused." in manager.get(f"{JOBS}{job.pk}/act/undo/").content.decode()
    act(manager, job, "pause")
    assert offered() == {"resume", "cancel"}
    act(manager, job, "resume")
    work(job)
    assert offered() == {"apply", "cancel"}
    act(manager, job, "apply")
    work(job)
    assert offered() == {"undo"}


@pytest.mark.parametrize("role", ["viewer", "support", "fulfilment"])
def test_is_closed_to_everybody_but_managers(signed_in, manager, role):
    CustomerFactory(email="anna@example.com")
    send(manager, "email,points", "anna@example.com,50")
    job = Job.objects.get()
    work(job)
    other = signed_in(role)

    assert other.get(UPLOAD).status_code == 403
    assert send(other, "email,points", "anna@example.com,50").status_code == 403
    for path in ("", f"{job.pk}/change/", f"{job.pk}/outcomes.csv", f"{job.pk}/act/apply/"):
        assert other.get(JOBS + path).status_code == 403, path
    assert other.post(f"{JOBS}{job.pk}/act/apply/", {"confirmed": "yes", "shown": ""}).status_code == 403
    assert b"Import points" not in other.get("/admin/points/pointstransaction/").content
    job.refresh_from_db()
    assert (job.step, job.state) == ("check", "done")
    assert Job.objects.count() == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "The file is empty"),
        (b"email,points\r\n", "holds no rows below its header"),
        (b"email\r\na@example.com\r\n", "names no column for points"),
        (b"MZ\x00 a program", "holds a zero byte"),
        (b"<html><script>alert(1)</script>,x</html>", "is not known. The first row names the columns"),
    ],
)
def test_a_file_that_is_no_table_is_refused_at_its_field_and_nothing_is_kept(manager, content, said):
    answer = send(manager, file=io.BytesIO(content))

    assert answer.status_code == 200
    assert said in answer.content.decode()
    assert b"<script>alert" not in answer.content
    assert not Job.objects.exists()


def test_tells_a_workbook_by_its_bytes_whatever_its_name_says(manager):
    CustomerFactory(email="anna@example.com")

    send(manager, file=workbook(["email", "points"], ["anna@example.com", 50]))

    work(job := Job.objects.get())
    assert job.tally == {"check": {"ok": 1}}


def test_refuses_a_gigabyte_before_anything_of_it_is_read(manager):
    class Unread(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise AssertionError("It is read.")

    answer = manager.generic(
        "POST", UPLOAD, b"", content_type="multipart/form-data; boundary=x", CONTENT_LENGTH=str(2**30),
        **{"wsgi.input": Unread()},
    )  # fmt: skip

    assert answer.status_code == 413
    assert "The file has 1,024 MB, and at most 64 MB are read." in answer.content.decode()


def test_refuses_a_file_over_the_limit(manager, monkeypatch):
    monkeypatch.setattr(sheets, "MOST_BYTES", 20)

    assert "and at most 0 MB are read" in send(manager, "email,points", "anna@example.com,50").content.decode()
    assert not Job.objects.exists()


def test_refuses_a_form_without_its_token(signed_in):
    manager = signed_in("manager")
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = manager.cookies

    assert strict.get(UPLOAD).status_code == 200
    assert send(strict, "email,points", "anna@example.com,50").status_code == 403
    assert not Job.objects.exists()


def test_names_customers_by_the_id_of_a_shop_and_refuses_a_shop_without_need(manager):
    shop = ConnectionFactory()

    refused = send(manager, "email,points", "anna@example.com,50", shop=shop.pk)
    send(manager, "shop id,points", "7,50", by="shop-id", shop=shop.pk)

    assert "Leave the shop out" in refused.content.decode()
    assert Job.objects.get().plan["connection_id"] == shop.pk


def test_warns_when_the_very_same_file_was_applied_before(manager):
    CustomerFactory(email="anna@example.com")
    send(manager, "email,points", "anna@example.com,50")
    first = Job.objects.get()
    work(first)
    act(manager, first, "apply")
    work(first)

    send(manager, "email,points", "anna@example.com,50")

    assert f"was imported before, by job {first.pk}" in page(manager, Job.objects.latest("pk"))


def test_downloads_what_became_of_every_row_with_formulas_defused(manager):
    CustomerFactory(email="anna@example.com")
    send(manager, "email,points,internal note", "anna@example.com,50,=1+1", "@evil,5,+x")
    work(job := Job.objects.get())

    answer = manager.get(reverse("admin:jobs_job_outcomes", args=(job.pk,)))

    lines = b"".join(answer.streaming_content).decode().splitlines()
    assert answer["Content-Disposition"] == f'attachment; filename="job-{job.pk}-outcomes.csv"'
    assert lines[1].startswith("2,anna@example.com,50,'=1+1,Refused,Internal note: “=1+1” is a formula.")
    assert lines[2].startswith("3,'@evil,5,'+x,Refused,")


def test_the_list_asks_no_more_for_many_jobs_than_for_one(manager):
    def asked():
        with CaptureQueriesContext(connection) as queries:
            assert manager.get(JOBS).status_code == 200
        return len(queries)

    send(manager, "email,points", "a@example.com,1")
    once = asked()
    for number in range(5):
        send(manager, "email,points", f"a@example.com,{number + 2}")

    assert asked() == once


def test_the_page_of_a_long_job_turns_its_pages(manager):
    send(manager, "email,points", *(f"nobody{number}@example.com,1" for number in range(120)))
    work(job := Job.objects.get())

    first = page(manager, job)
    second = page(manager, job, after="51")

    assert "“nobody0@example.com”" in first
    assert "?after=51" in first
    assert "“nobody0@example.com”" not in second
    assert "“nobody50@example.com”" in second
    assert "First page" in second
    assert page(manager, job, after="x" * 20) == first or "“nobody0@example.com”" in page(manager, job, after="x")


def test_says_when_no_worker_has_taken_it(manager):
    send(manager, "email,points", "a@example.com,1")
    job = Job.objects.get()
    Job.objects.update(step_began_at=timezone.now() - timezone.timedelta(minutes=2))

    assert "No worker has taken it yet" in page(manager, job)


def test_a_second_click_on_apply_is_refused_and_changes_nothing_more(manager):
    CustomerFactory(email="anna@example.com")
    send(manager, "email,points", "anna@example.com,50")
    work(job := Job.objects.get())
    lifecycle.begin(job_id=job.pk, step=Step.APPLY, actor=imports.Actor("staff", 1), now=timezone.now())

    answer = act(manager, job, "apply")

    assert "cannot apply its rows now" in answer.content.decode()
