"""The door of the admin: what staff need to pass it, however they signed in."""

import pytest
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import (
    TOTP,
    format_hotp_value,
    generate_totp_secret,
    hotp_value,
    yield_hotp_counters_from_time,
)
from django.core.cache import cache
from django.urls import reverse

from tests.factories.people import StaffFactory, UserFactory

pytestmark = pytest.mark.django_db
PASSWORD = "correct-horse-battery"


@pytest.fixture(autouse=True)
def _forget_limits():
    cache.clear()


@pytest.fixture
def staff(settings):
    settings.STAFF_SECOND_FACTOR = True
    user = StaffFactory(is_superuser=True)
    user.set_password(PASSWORD)
    user.save()
    user.emailaddress_set.create(email=user.email, verified=True, primary=True)
    return user


def sign_in(client, user):
    return client.post(reverse("account_login"), {"login": user.email, "password": PASSWORD})


def code_of(secret: str) -> str:
    return format_hotp_value(hotp_value(secret, next(iter(yield_hotp_counters_from_time()))))


def test_sends_strangers_to_the_one_sign_in_page(client):
    answer = client.get(reverse("admin:index"), follow=True)

    assert answer.redirect_chain[-1][0] == f"{reverse('account_login')}?next=%2Fadmin%2F"


def test_has_no_form_of_its_own_to_guess_passwords_at(client, staff):
    answer = client.post(reverse("admin:login"), {"username": staff.email, "password": PASSWORD})

    assert answer.status_code == 302
    assert "_auth_user_id" not in client.session


def test_ignores_addresses_that_are_not_ours(client):
    answer = client.get(reverse("admin:login"), {"next": "https://evil.example/admin/"})

    assert answer["Location"] == f"{reverse('account_login')}?next=%2Fadmin%2F"


def test_opens_with_a_password_where_no_second_factor_is_asked_for(client, staff, settings):
    settings.STAFF_SECOND_FACTOR = False
    sign_in(client, staff)

    assert client.get(reverse("admin:index")).status_code == 200


def test_leads_staff_without_a_second_factor_to_set_one_up(client, staff):
    sign_in(client, staff)

    answer = client.get(reverse("admin:index"), follow=True)

    assert reverse("mfa_activate_totp") in [step.split("?")[0] for step, _ in answer.redirect_chain]
    assert client.get(reverse("admin:customers_customer_changelist")).status_code == 302


def test_asks_for_the_code_and_opens_with_it(client, staff):
    secret = generate_totp_secret()
    TOTP.activate(staff, secret)

    answer = sign_in(client, staff)
    assert answer["Location"] == reverse("mfa_authenticate")
    assert client.get(reverse("admin:index")).status_code == 302

    client.post(reverse("mfa_authenticate"), {"code": code_of(secret)})
    assert client.get(reverse("admin:index")).status_code == 200


def test_takes_a_recovery_code(client, staff):
    TOTP.activate(staff, generate_totp_secret())
    recovery = RecoveryCodes.activate(staff)

    sign_in(client, staff)
    client.post(reverse("mfa_authenticate"), {"code": recovery.get_unused_codes()[0]})

    assert client.get(reverse("admin:index")).status_code == 200


def test_asks_for_the_code_in_a_session_that_was_opened_without_it(client, staff):
    sign_in(client, staff)
    secret = generate_totp_secret()
    TOTP.activate(staff, secret)

    asked = client.get(reverse("admin:login"))
    assert asked["Location"] == f"{reverse('mfa_reauthenticate')}?next=%2Fadmin%2F"

    client.post(asked["Location"], {"code": code_of(secret), "next": "/admin/"})
    assert client.get(reverse("admin:index")).status_code == 200


def test_closes_again_when_the_second_factor_is_taken_away(client, staff):
    secret = generate_totp_secret()
    TOTP.activate(staff, secret)
    sign_in(client, staff)
    client.post(reverse("mfa_authenticate"), {"code": code_of(secret)})
    assert client.get(reverse("admin:index")).status_code == 200

    staff.authenticator_set.all().delete()

    assert client.get(reverse("admin:index")).status_code == 302


def test_does_not_open_for_a_customer_with_a_second_factor(client, staff):
    customer = UserFactory()
    client.force_login(customer)

    answer = client.get(reverse("admin:login"))

    assert answer.status_code == 403
    assert b"This is for staff" in answer.content


def test_does_not_open_for_staff_who_were_switched_off(client, staff, settings):
    settings.STAFF_SECOND_FACTOR = False
    sign_in(client, staff)
    staff.is_active = False
    staff.save()

    assert client.get(reverse("admin:index")).status_code == 302


def test_shows_nobody_the_secrets_of_second_factors(client, staff, settings):
    from django.contrib import admin

    assert not [model for model in admin.site._registry if model._meta.app_label == "mfa"]
