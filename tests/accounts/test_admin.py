"""The staff pages: nobody gives away, or takes over, what they lack."""

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.contrib.auth.models import Group, Permission
from django.urls import reverse

from loyalty.accounts.models import User
from loyalty.events.models import Event
from tests.factories.people import StaffFactory

pytestmark = pytest.mark.django_db
ADD = "/admin/accounts/user/add/"


def page(user) -> str:
    return reverse("admin:accounts_user_change", args=(user.pk,))


def role(name: str) -> str:
    return str(Group.objects.get(name=name).pk)


def test_a_manager_adds_staff_without_a_password(signed_in):
    manager = signed_in("manager")

    answer = manager.post(
        ADD,
        {"email": "New@example.com", "name": "New", "is_staff": "on", "is_active": "on", "groups": [role("support")]},
    )

    assert answer.status_code == 302
    user = User.objects.get(email="New@example.com")
    assert (user.is_staff, user.is_superuser, user.has_usable_password()) == (True, False, False)
    assert [group.name for group in user.groups.all()] == ["support"]
    event = Event.objects.get(kind="user.added")
    assert event.data["roles"] == ["support"]
    assert "New@example.com" not in str(event.data)


def test_says_when_the_address_is_taken_ignoring_case(signed_in):
    StaffFactory(email="taken@example.com")

    answer = signed_in("manager").post(ADD, {"email": "TAKEN@example.com", "is_active": "on"})

    assert "signs in with this address already" in answer.content.decode()
    assert User.objects.filter(email__iexact="taken@example.com").count() == 1


def test_a_manager_cannot_make_a_superuser(signed_in):
    target = StaffFactory()
    manager = signed_in("manager")

    manager.post(page(target), {"email": target.email, "is_active": "on", "is_staff": "on", "is_superuser": "on"})

    target.refresh_from_db()
    assert target.is_superuser is False
    assert b"is_superuser" not in manager.get(page(target)).content


def test_a_manager_cannot_touch_a_superuser(signed_in):
    boss = StaffFactory(is_superuser=True, email="boss@example.com")
    TOTP.activate(boss, generate_totp_secret())
    manager = signed_in("manager")

    assert manager.post(page(boss), {"email": "mine@example.com", "is_active": "on"}).status_code == 403
    reset = reverse("admin:accounts_user_act", args=(boss.pk, "reset-second-factor"))
    manager.post(reset, {"confirmed": "yes"})

    boss.refresh_from_db()
    assert boss.email == "boss@example.com"
    assert boss.authenticator_set.count() == 1


def test_nobody_gives_a_role_that_allows_more_than_they_may(signed_in, client):
    signed_in("viewer")  # makes the roles
    lead = StaffFactory()
    lead.groups.add(Group.objects.get(name="viewer"))
    lead.user_permissions.add(*Permission.objects.filter(codename__in=["view_user", "change_user", "add_user"]))
    client.force_login(lead)
    target = StaffFactory()

    form = client.get(page(target)).content.decode()
    answer = client.post(
        page(target), {"email": target.email, "is_active": "on", "is_staff": "on", "groups": [role("manager")]}
    )

    assert "viewer" in form
    assert "manager" not in form.split('id="id_groups"')[1].split("</div></div>")[0]
    assert answer.status_code == 200  # the form again, with an error
    assert not target.groups.exists()


def test_keeps_roles_that_the_editor_could_not_give(signed_in, client):
    signed_in("viewer")
    lead = StaffFactory()
    lead.groups.add(Group.objects.get(name="viewer"))
    lead.user_permissions.add(*Permission.objects.filter(codename__in=["view_user", "change_user"]))
    client.force_login(lead)
    manager = StaffFactory(is_active=False)
    manager.groups.add(Group.objects.get(name="manager"))

    assert client.post(page(manager), {"email": "x@example.com", "is_active": "on"}).status_code == 403
    manager.refresh_from_db()
    assert [group.name for group in manager.groups.all()] == ["manager"]
    assert manager.is_active is False


def test_nobody_locks_themselves_out(client, db):
    me = StaffFactory(is_superuser=True)
    client.force_login(me)

    answer = client.post(page(me), {"email": me.email, "is_active": "on", "is_staff": "on"})

    assert "lock yourself out" in answer.content.decode()
    me.refresh_from_db()
    assert me.is_superuser is True


def test_an_old_address_no_longer_opens_the_account(signed_in):
    target = StaffFactory(email="old@example.com")
    target.emailaddress_set.create(email="old@example.com", verified=True, primary=True)

    signed_in("manager").post(page(target), {"email": "new@example.com", "is_active": "on", "is_staff": "on"})

    target.refresh_from_db()
    assert target.email == "new@example.com"
    assert not target.emailaddress_set.exists()


def test_a_manager_resets_a_second_factor(signed_in):
    target = StaffFactory()
    TOTP.activate(target, generate_totp_secret())
    url = reverse("admin:accounts_user_act", args=(target.pk, "reset-second-factor"))
    manager = signed_in("manager")

    assert b"set up a new one" in manager.get(url).content
    manager.post(url, {"confirmed": "yes"})

    assert target.authenticator_set.count() == 0
    assert Event.objects.filter(kind="user.second_factor_reset", subject_id=target.pk).exists()


def test_shows_no_password(signed_in):
    target = StaffFactory()
    target.set_password("correct-horse-battery")
    target.save()

    shown = signed_in("manager").get(page(target)).content.decode()

    assert "pbkdf2" not in shown
    assert target.password not in shown


def test_lists_people_with_a_constant_number_of_queries(signed_in, django_assert_max_num_queries):
    manager = signed_in("manager")
    for _ in range(30):
        StaffFactory().groups.add(Group.objects.get(name="support"))

    with django_assert_max_num_queries(12):
        assert manager.get(reverse("admin:accounts_user_changelist"), {"who": "staff"}).status_code == 200


def test_a_page_that_is_not_there_speaks_to_staff(signed_in):
    answer = signed_in("manager").get("/admin/nowhere/", headers={"accept-language": "de"})

    page = answer.content.decode()
    assert answer.status_code == 404
    assert "There is no such page" in page
    assert '<a class="button" href="/admin/">Back to the desk</a>' in page
    assert "Punkte" not in page  # the words of customers


def test_a_page_without_the_right_to_it_speaks_to_staff(signed_in):
    answer = signed_in("support").get(ADD)

    assert answer.status_code == 403
    assert "It needs a right that your role does not give you." in answer.content.decode()
