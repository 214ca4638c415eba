"""Roles: the groups say what the table says, and the pages obey it cell by cell."""

from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from django.urls import reverse

from loyalty.accounts import roles
from loyalty.common import actors
from rewards import granting
from tests.factories.catalogue import GiftFactory, RewardFactory
from tests.factories.people import ConnectionFactory, CustomerFactory, ShippingAddressFactory, StaffFactory, UserFactory

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)

# The table of the product, written down a second time on purpose.
TABLE = """
                  viewer  support  fulfilment  manager
look              yes     yes      yes         yes
mark used         no      yes      yes         yes
mark unused       no      yes      no          yes
cancel            no      yes      no          yes
deliver           no      no       yes         yes
adjust            no      yes      no          yes
grant             no      yes      no          yes
see addresses     no      yes      yes         yes
edit customers    no      yes      no          yes
connect shops     no      no       no          yes
edit catalogue    no      no       no          yes
edit programme    no      no       no          yes
api keys          no      no       no          yes
staff             no      no       no          yes
"""


def cells() -> list[tuple[str, str, bool]]:
    head, *lines = TABLE.strip().splitlines()
    found = []
    for line in lines:
        action, allowed = line[:18].strip(), line[18:].split()
        found += [(role, action, cell == "yes") for role, cell in zip(head.split(), allowed, strict=True)]
    return found


@pytest.fixture
def anna():
    return ShippingAddressFactory(line_1="Secret Street 7").customer


@pytest.fixture
def gift(anna):
    return granting.grant(
        customer_id=anna.pk, reward_id=GiftFactory().pk, actor=actors.SYSTEM, now=NOW, idempotency_key="gift"
    )


def act(gift, slug: str) -> str:
    return reverse("admin:rewards_redeemedreward_act", args=(gift.pk, slug))


def may(client, action: str, *, anna, gift) -> bool:
    """Whether the page of an action opens, or in the case of addresses and customers, shows what it is about."""
    customer_page = reverse("admin:customers_customer_change", args=(anna.pk,))
    if action == "see addresses":
        reward_page = reverse("admin:rewards_redeemedreward_change", args=(gift.pk,))
        shown = [b"Secret Street 7" in client.get(page).content for page in (reward_page,)]
        return any(shown)
    if action == "edit customers":
        opened = client.get(reverse("admin:customers_customer_add")).status_code == 200
        saved = client.post(customer_page, {"first_name": "Ann", "state": "member"}).status_code == 302
        assert opened == saved
        return saved
    pages = {
        "look": customer_page,
        "mark used": act(gift, "mark-used"),
        "mark unused": act(gift, "mark-unused"),
        "cancel": act(gift, "cancel"),
        "deliver": act(gift, "ship"),
        "adjust": reverse("admin:customers_customer_adjust", args=(anna.pk,)),
        "grant": reverse("admin:customers_customer_grant", args=(anna.pk,)),
        "connect shops": reverse("admin:platforms_storeconnection_add"),
        "edit catalogue": reverse("admin:rewards_reward_add"),
        "api keys": reverse("admin:api_apikey_add"),
        "staff": reverse("admin:accounts_user_add"),
    }
    if action == "edit programme":
        page = client.get(reverse("admin:merchant_programme_change", args=(1,)))
        assert page.status_code == 200
        return b'name="time_zone"' in page.content
    status = client.get(pages[action]).status_code
    assert status in {200, 403}
    return status == 200


@pytest.mark.parametrize("cell", cells(), ids=lambda cell: f"{cell[0]}-{cell[1].replace(' ', '-')}")
def test_role_and_action(cell, signed_in, anna, gift):
    role, action, allowed = cell

    assert may(signed_in(role), action, anna=anna, gift=gift) is allowed


@pytest.mark.parametrize(
    "name",
    [
        "customers_customer",
        "points_pointstransaction",
        "rewards_redeemedreward",
        "rewards_reward",
        "program_order",
        "hooks_inboundwebhook",
        "platforms_storeconnection",
        "events_event",
    ],
)
def test_a_viewer_opens_every_list(name, signed_in):
    assert signed_in("viewer").get(reverse(f"admin:{name}_changelist")).status_code == 200


@pytest.mark.parametrize("name", ["api_apikey", "accounts_user"])
@pytest.mark.parametrize("role", ["viewer", "support", "fulfilment"])
def test_keys_and_staff_are_closed_to_all_but_managers(role, name, signed_in):
    assert signed_in(role).get(reverse(f"admin:{name}_changelist")).status_code == 403


def test_staff_without_a_role_see_nothing_and_do_nothing(client, anna, gift):
    client.force_login(StaffFactory())

    assert client.get(reverse("admin:customers_customer_change", args=(anna.pk,))).status_code == 403
    assert client.get(reverse("admin:rewards_redeemedreward_changelist")).status_code == 403
    assert client.post(act(gift, "cancel"), {"confirmed": "yes"}).status_code == 403


def test_a_customer_who_signs_in_never_opens_the_admin(client, anna, gift):
    client.force_login(UserFactory())

    for page in (reverse("admin:index"), act(gift, "cancel"), reverse("admin:customers_customer_changelist")):
        assert client.get(page).status_code == 302
    assert client.get(reverse("admin:login")).status_code == 403


def test_sync_is_exact_and_changes_nothing_the_second_time():
    call_command("sync_roles", verbosity=0)
    viewer = Group.objects.get(name="viewer")
    viewer.permissions.add(Permission.objects.get(codename="mark_used"))
    Group.objects.get(name="support").permissions.clear()
    own = Group.objects.create(name="Interns")

    call_command("sync_roles", verbosity=0)
    call_command("sync_roles", verbosity=0)

    for role in roles.Role:
        group = Group.objects.get(name=role)
        held = {f"{p.content_type.app_label}.{p.codename}" for p in group.permissions.select_related("content_type")}
        assert held == roles.permissions_of(role)
    assert Group.objects.count() == 5
    assert own.permissions.count() == 0


def test_sync_says_what_is_missing(monkeypatch):
    Permission.objects.get(codename="mark_used").delete()

    with pytest.raises(roles.UnknownPermission, match=r"rewards\.mark_used.*manage\.py migrate"):
        roles.sync()


def test_the_shop_page_shows_no_credentials_to_a_viewer(signed_in):
    connection = ConnectionFactory()
    page = signed_in("viewer").get(reverse("admin:platforms_storeconnection_change", args=(connection.pk,)))

    assert page.status_code == 200
    assert b"credential_" not in page.content
    assert b"Test connection" not in page.content


def test_grants_only_with_the_permission_also_by_post(signed_in, anna):
    reward = RewardFactory()
    url = reverse("admin:customers_customer_grant", args=(anna.pk,))

    assert signed_in("viewer").post(url, {"reward": reward.pk}).status_code == 403
    assert not anna.redeemed_rewards.exists()


def test_adjusts_only_with_the_permission_also_by_post(signed_in):
    customer = CustomerFactory()
    url = reverse("admin:customers_customer_adjust", args=(customer.pk,))

    assert signed_in("fulfilment").post(url, {"points": "50"}).status_code == 403
    assert not customer.points_transactions.exists()
