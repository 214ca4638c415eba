"""Giving a rule for the past in the admin: an exact report first, then giving it, and taking it back."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from loyalty.jobs.models import Job
from loyalty.points.models import PointsAccount
from loyalty.program.backfill import steps
from loyalty.program.models import Order, OrderStatus
from tests.factories.earning import RuleFactory
from tests.factories.people import CustomerFactory
from tests.rewards.admin_rows import staff, words

pytestmark = pytest.mark.django_db

PAGE = "/admin/program/earningrule/backfill/"


@pytest.fixture
def manager():
    return staff("program.view_earningrule", "program.backfill_earningrule")


@pytest.fixture
def rule():
    return RuleFactory(name="Thank you", kind="per_order", points=5, minimum="10", enabled=False, enabled_at=None)


@pytest.fixture
def orders():
    customer, other = CustomerFactory(), CustomerFactory()
    then = timezone.now() - timedelta(days=2)
    for number, (who, total) in enumerate([(customer, "20"), (customer, "30"), (other, "20"), (other, "2")]):
        Order.objects.create(
            external_id=str(number), customer=who, status=OrderStatus.COMPLETED, total=Decimal(total), currency="USD",
            placed_at=then, changed_at=then, recorded_at=then,
        )  # fmt: skip
    return customer


def days(rule, **changes):
    today = timezone.now().date()
    return {"rule": rule.pk, "first": f"{today - timedelta(days=9)}", "last": f"{today}"} | changes


def work(job):
    steps.work_on(job_id=job.pk, now=timezone.now(), patience=30)


def test_it_is_checked_given_and_taken_back_from_its_page(manager, rule, orders):
    begun = manager.post(PAGE, days(rule))
    job = Job.objects.get()
    page = f"{PAGE}{job.pk}/"
    assert (begun.status_code, begun["Location"]) == (302, page)
    assert "Checking" in words(manager.get(page))
    work(job)

    checked = words(manager.get(page))
    assert "It would give Points 15 Customers 2 Orders 3" in checked
    assert "1 Nothing: what counts of the order is below the rule's least amount." in checked
    assert PointsAccount.objects.filter(balance__gt=0).count() == 0

    manager.post(page, {"act": "give"})
    work(job)
    assert "Given" in words(manager.get(page))
    assert PointsAccount.objects.get(pk=orders.pk).balance == 10

    manager.post(page, {"act": "undo"})
    work(job)
    assert "Taken back Points 15 Customers 2 Orders 3" in words(manager.get(page))
    assert PointsAccount.objects.get(pk=orders.pk).balance == 0
    assert "Thank you" in words(manager.get(PAGE))


def test_what_cannot_be_checked_is_said_above_the_form(manager, rule):
    answer = words(manager.post(PAGE, days(rule)))

    assert "is left for “Thank you”" in answer
    assert not Job.objects.exists()


def test_it_takes_a_permission_of_its_own(rule, orders):
    editor = staff("program.view_earningrule", "program.change_earningrule")

    assert editor.get(PAGE).status_code == 403
    assert editor.post(PAGE, days(rule)).status_code == 403
    assert "Give for the past" not in words(editor.get("/admin/program/earningrule/"))
    assert not Job.objects.exists()
