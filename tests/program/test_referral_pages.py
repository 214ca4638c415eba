"""Staff and referrals: the list, why one is blocked, releasing and canceling after a preview, the rules."""

import pytest
from django.urls import reverse

from loyalty.program.models import Referral, ReferralSettings
from tests.factories.people import CustomerFactory
from tests.factories.points import NOW

pytestmark = pytest.mark.django_db
LIST = reverse("admin:program_referral_changelist")


@pytest.fixture
def blocked():
    return Referral.objects.create(
        sender=CustomerFactory(first_name="Anna"), friend=CustomerFactory(first_name="Ben", email="ben@example.org"),
        state="blocked", block_reason="same_name", created_at=NOW, updated_at=NOW,
    )  # fmt: skip


def act(referral, slug):
    return reverse("admin:program_referral_act", args=[referral.pk, slug])


def test_the_list_is_narrowed_by_state_reason_and_either_side(admin_client, blocked):
    for query in ("", "?state=blocked", "?reason=same_name", "?search=ben@example.org", "?search=Anna"):
        assert "Both have the same name" in admin_client.get(LIST + query).content.decode(), query
    for query in ("?state=pending", "?reason=same_person", "?search=Zoe", "?attention=yes"):
        page = admin_client.get(LIST + query).content.decode()
        assert f"/referral/{blocked.pk}/" not in page, query


def test_a_blocked_one_says_why_and_is_released_after_a_preview(admin_client, blocked):
    page = admin_client.get(reverse("admin:program_referral_change", args=[blocked.pk])).content.decode()
    assert "Both have the same name." in page

    preview = admin_client.get(act(blocked, "release")).content.decode()
    assert "The friend gets their reward." in preview
    admin_client.post(act(blocked, "release"), {"shown": ""})
    blocked.refresh_from_db()
    assert blocked.state == "pending"


def test_canceling_says_that_nothing_was_given_yet(admin_client, blocked):
    assert "No reward was given yet" in admin_client.get(act(blocked, "cancel")).content.decode()

    admin_client.post(act(blocked, "cancel"), {"shown": ""})
    blocked.refresh_from_db()
    assert (blocked.state, blocked.cancel_reason) == ("cancelled", "by_staff")
    assert "it is over already" in admin_client.get(act(blocked, "cancel")).content.decode()


def test_the_rules_are_one_form(admin_client):
    page = admin_client.get(reverse("admin:program_referralsettings_changelist"), follow=True)
    assert page.status_code == 200

    admin_client.post(page.redirect_chain[-1][0], {"active": "on", "most_from_one_address": "3"})
    assert ReferralSettings.objects.get().most_from_one_address == 3
