"""Roles: the groups say what the table says, and the pages obey it cell by cell."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from django.urls import reverse

from loyalty.accounts import roles
from loyalty.common import actors
from loyalty.events.models import Event
from loyalty.hooks.models import InboundWebhook, PrivacyRequest
from loyalty.merchant.models import Programme
from loyalty.messages import outbox
from loyalty.messages.models import Mail
from loyalty.points import adjustments, clawback, requests
from loyalty.points.models import AdjustmentCeiling, PointsShortfall
from rewards import granting
from tests.factories.catalogue import GiftFactory, RewardFactory
from tests.factories.people import ConnectionFactory, CustomerFactory, ShippingAddressFactory, StaffFactory, UserFactory
from tests.factories.points import give

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)

# The table of the product, written down a second time on purpose.
TABLE = """
                  viewer  support  fulfilment  manager
look              yes     yes      yes         yes
mark used         no      yes      yes         yes
mark unused       no      yes      no          yes
cancel            no      yes      no          yes
cancel used       no      no       no          yes
reissue           no      yes      no          yes
extend            no      no       no          yes
deliver           no      no       yes         yes
adjust            no      yes      no          yes
import points     no      no       no          yes
approve adjusting no      no       no          yes
set ceilings      no      no       no          yes
return points     no      yes      no          yes
cancel credits    no      no       no          yes
move points       no      no       no          yes
collect           no      no       no          yes
waive             no      no       no          yes
grant             no      yes      no          yes
redeem            no      yes      no          yes
see addresses     no      yes      yes         yes
send mails again  no      yes      no          yes
webhooks again    no       yes      no          yes
settle privacy    no       no       no          yes
test mails        no      no       no          yes
edit customers    no      yes      no          yes
connect shops     no      no       no          yes
reconcile shops   no      no       no          yes
campaigns         no      no       no          yes
edit segments     no      no       no          yes
edit catalogue    no      no       no          yes
edit programme    no      no       no          yes
api keys          no      no       no          yes
webhooks          no      no       no          yes
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
def points(anna):
    """A credit, a debit, something owed and something asked for; moving points is allowed."""
    Programme.objects.update_or_create(pk=1, defaults={"transfers_allowed": True})
    credit = give(anna, 100)
    debit = adjustments.adjust(customer_id=anna.pk, points=-100, actor=actors.SYSTEM, now=NOW).transaction
    clawback.claw_back(earning_id=credit.pk, refunded=Decimal(1), total=Decimal(1), actor=actors.SYSTEM, now=NOW)
    asked = requests.ask(customer_id=anna.pk, wish=requests.Wish(points=5), user_id=StaffFactory().pk, now=NOW)
    return {"credit": credit, "debit": debit, "owed": PointsShortfall.objects.get(), "asked": asked}


def points_pages(anna, points) -> dict[str, str]:
    acts = {
        "approve adjusting": ("adjustmentrequest", points["asked"], "approve"),
        "return points": ("pointstransaction", points["debit"], "return-points"),
        "cancel credits": ("pointstransaction", points["credit"], "cancel-credit"),
        "collect": ("pointsshortfall", points["owed"], "collect"),
        "waive": ("pointsshortfall", points["owed"], "waive"),
    }
    return {
        "set ceilings": reverse("admin:points_adjustmentceiling_add"),
        "move points": reverse("admin:customers_customer_transfer", args=(anna.pk,)),
        **{
            name: reverse(f"admin:points_{table}_act", args=(row.pk, slug)) for name, (table, row, slug) in acts.items()
        },
    }


@pytest.fixture
def gift(anna):
    return granting.grant(
        customer_id=anna.pk, reward_id=GiftFactory().pk, actor=actors.SYSTEM, now=NOW, idempotency_key="gift"
    )


def mail() -> Mail:
    return outbox.put_test(address="office@example.com", token=UUID(int=1), now=NOW)


def failed_webhook() -> InboundWebhook:
    return InboundWebhook.objects.create(
        connection=ConnectionFactory(), event_id="e", topic="t", subject_id="7", state="failed", received_at=NOW
    )


def privacy_request() -> PrivacyRequest:
    webhook, due = failed_webhook(), NOW + timedelta(days=30)
    return PrivacyRequest.objects.create(
        webhook=webhook, connection=webhook.connection, kind="data_request", asked_at=NOW, due_at=due
    )


def act(gift, slug: str) -> str:
    return reverse("admin:rewards_redeemedreward_act", args=(gift.pk, slug))


def may(client, action: str, *, anna, gift, points) -> bool:
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
    if action in ("grant", "redeem"):
        page = client.get(reverse("admin:customers_customer_grant", args=(anna.pk,)))
        assert page.status_code in {200, 403}
        return {"grant": b'value="free"', "redeem": b'value="points"'}[action] in page.content
    pages = {
        "look": customer_page,
        "mark used": act(gift, "mark-used"),
        "mark unused": act(gift, "mark-unused"),
        "cancel": act(gift, "cancel"),
        "cancel used": act(gift, "cancel-used"),
        "reissue": act(gift, "reissue"),
        "extend": act(gift, "extend"),
        "deliver": act(gift, "ship"),
        "adjust": reverse("admin:customers_customer_adjust", args=(anna.pk,)),
        "import points": reverse("admin:points_pointstransaction_import"),
        "connect shops": reverse("admin:platforms_storeconnection_add"),
        "reconcile shops": reverse("admin:rewards_reconciliationrun_begin"),
        "campaigns": reverse("admin:rewards_campaign_plan"),
        "edit segments": reverse("admin:segments_segment_add"),
        "edit catalogue": reverse("admin:rewards_reward_add"),
        "api keys": reverse("admin:api_apikey_add"),
        "webhooks": reverse("admin:webhooks_webhookendpoint_add"),
        "staff": reverse("admin:accounts_user_add"),
        "send mails again": reverse("admin:messages_out_mail_act", args=(mail().pk, "send-again")),
        "webhooks again": reverse("admin:hooks_inboundwebhook_act", args=(failed_webhook().pk, "try-again")),
        "settle privacy": reverse("admin:hooks_privacyrequest_act", args=(privacy_request().pk, "settle")),
        "test mails": reverse("admin:messages_out_mail_test"),
        **points_pages(anna, points),
    }
    if action == "edit programme":
        page = client.get(reverse("admin:merchant_programme_change", args=(1,)))
        assert page.status_code == 200
        return b'name="time_zone"' in page.content
    status = client.get(pages[action]).status_code
    assert status in {200, 403}
    return status == 200


@pytest.mark.parametrize("cell", cells(), ids=lambda cell: f"{cell[0]}-{cell[1].replace(' ', '-')}")
def test_role_and_action(cell, signed_in, anna, gift, points):
    role, action, allowed = cell

    assert may(signed_in(role), action, anna=anna, gift=gift, points=points) is allowed


@pytest.mark.parametrize("action", ["approve adjusting", "return points", "cancel credits", "collect", "waive"])
def test_points_are_put_right_only_with_the_permission_also_by_post(action, signed_in, anna, points):
    before = anna.points_transactions.count()

    answer = signed_in("viewer").post(points_pages(anna, points)[action], {"confirmed": "yes"})

    assert (answer.status_code, anna.points_transactions.count()) == (403, before)
    points["owed"].refresh_from_db()
    assert points["owed"].state == "open"


@pytest.mark.parametrize(
    "name",
    [
        "customers_customer",
        "points_pointstransaction",
        "points_adjustmentrequest",
        "points_adjustmentceiling",
        "points_pointsshortfall",
        "rewards_redeemedreward",
        "rewards_reward",
        "rewards_campaign",
        "program_order",
        "hooks_inboundwebhook",
        "hooks_privacywish",
        "platforms_storeconnection",
        "rewards_reconciliationrun",
        "rewards_reconciliationfinding",
        "events_event",
        "messages_out_mail",
        "webhooks_webhookendpoint",
        "webhooks_webhookdelivery",
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


def test_sync_gives_support_a_first_ceiling_and_never_touches_it_again():
    roles.sync()
    assert list(AdjustmentCeiling.objects.values_list("role__name", "points")) == [("support", 1000)]

    AdjustmentCeiling.objects.update(points=50)
    roles.sync()
    assert AdjustmentCeiling.objects.get().points == 50

    AdjustmentCeiling.objects.all().delete()
    roles.sync()
    assert not AdjustmentCeiling.objects.exists()


def test_a_manager_edits_ceilings_and_it_is_written_down(signed_in):
    manager = signed_in("manager")
    support = Group.objects.get(name="support")
    manager.post(reverse("admin:points_adjustmentceiling_change", args=(support.pk,)), {"points": "2500"})
    manager.post(
        reverse("admin:points_adjustmentceiling_add"), {"role": Group.objects.get(name="manager").pk, "points": "9"}
    )

    assert AdjustmentCeiling.objects.get(role=support).points == 2500
    assert AdjustmentCeiling.objects.count() == 2
    manager.post(reverse("admin:points_adjustmentceiling_delete", args=(support.pk,)), {"post": "yes"})
    assert not AdjustmentCeiling.objects.filter(role=support).exists()
    told = Event.objects.filter(kind="points.ceiling_changed").order_by("id").values_list("subject_id", "data__points")
    assert [pair for pair in told if pair[0] == support.pk] == [(support.pk, 2500), (support.pk, None)]


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
