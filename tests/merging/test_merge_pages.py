"""Staff merge customers: find the other, read what will happen, confirm, and take it back."""

from urllib.parse import urlencode

import pytest
from django.urls import reverse
from django.utils import timezone

from loyalty.merging.models import CustomerMerge
from loyalty.points import queries as points
from tests.factories.people import CustomerFactory
from tests.factories.points import give

pytestmark = pytest.mark.django_db


@pytest.fixture
def manager(signed_in):
    return signed_in("manager")


@pytest.fixture
def old(db):
    return CustomerFactory(first_name="Zofia", last_name="Dawna", email="zofia.old@example.com")


@pytest.fixture
def new(db):
    return CustomerFactory(first_name="Zofia", last_name="Nowa", email="zofia.new@example.com")


def address(customer, **query):
    return f"{reverse('admin:customers_customer_merge', args=(customer.pk,))}?{urlencode(query)}"


def page(customer):
    return reverse("admin:customers_customer_change", args=(customer.pk,))


def test_a_manager_finds_the_other_reads_the_plan_merges_and_takes_it_back(manager, old, new):
    give(old, 340, now=timezone.now())

    assert "zofia.old@example.com" in manager.get(address(new, q="dawna")).content.decode()
    shown = manager.get(address(new, **{"with": old.pk}))
    assert f"340 points of customer {old.pk} go to customer {new.pk}" in shown.content.decode()
    told = {"token": shown.context["plan"].fingerprint, "internal_note": "Called us from both addresses"}
    done = manager.post(address(new, **{"with": old.pk}), told, follow=True)
    assert "Merged into this customer" in done.content.decode()
    assert points.balance(customer_id=new.pk, now=timezone.now()).balance == 340

    gone = manager.get(page(old)).content.decode()
    assert f'href="{page(new)}"' in gone
    assert "Called us from both addresses" in gone
    assert "Adjust balance" not in gone
    made = CustomerMerge.objects.get()
    listed = manager.get(reverse("admin:merging_customermerge_changelist")).content.decode()
    back = reverse("admin:merging_customermerge_act", args=(made.pk, "take-back"))
    assert "Zofia Dawna" in listed
    assert back in manager.get(reverse("admin:merging_customermerge_change", args=(made.pk,))).content.decode()
    preview = manager.get(back)
    assert "340 points go back" in preview.content.decode()
    token = preview.context["rows"][0][2].token
    manager.post(back, {"confirmed": "yes", "shown": "", f"token_{made.pk}": token})
    assert points.balance(customer_id=old.pk, now=timezone.now()).balance == 340


def test_a_plan_that_moved_is_shown_again_and_nothing_is_merged(manager, old, new):
    shown = manager.get(address(new, **{"with": old.pk}))
    give(old, 5, now=timezone.now())

    told = {"token": shown.context["plan"].fingerprint, "internal_note": "Same person"}
    answer = manager.post(address(new, **{"with": old.pk}), told)

    assert "has changed since you looked" in answer.content.decode()
    assert not CustomerMerge.objects.exists()


def test_a_reason_is_asked_for_and_a_refusal_has_no_button(manager, old, new):
    shown = manager.get(address(new, **{"with": old.pk}))
    token = shown.context["plan"].fingerprint
    assert manager.post(address(new, **{"with": old.pk}), {"token": token}).context["form"].errors
    assert not CustomerMerge.objects.exists()

    new.state = "disabled"
    new.save()
    refused = manager.get(address(new, **{"with": old.pk})).content.decode()
    assert "is excluded from the programme" in refused
    assert "<button" not in refused.split('id="content-main"')[1].split("</main>")[0]


def test_support_sees_merges_and_makes_none(signed_in, old, new):
    support = signed_in("support")

    assert "Merge with another" not in support.get(page(new)).content.decode()
    assert support.get(address(new)).status_code == 403
    assert support.get(reverse("admin:merging_customermerge_changelist")).status_code == 200
