"""The pages of reconciliations: what differed stands there in words, with both sides, a plan, and one button."""

import pytest
from django.urls import reverse

from rewards.models import ReconciliationFinding, ReconciliationRun, RedeemedReward
from tests.fakes.sandbox import running_sandbox_shop
from tests.rewards.admin_rows import staff, words
from tests.rewards.reconciling import in_shop, reconcile, redeemed_by_somebody, remove

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("ledger_stays_proved")]

RUNS = "/admin/rewards/reconciliationrun/"
LIST = "/admin/rewards/reconciliationfinding/"
LOOK = ("rewards.view_reconciliationrun", "rewards.view_reconciliationfinding")
REPAIR = (*LOOK, "rewards.repair_finding")


@pytest.fixture
def shop_process(tmp_path):
    with running_sandbox_shop(tmp_path) as running:
        yield running


@pytest.fixture
def redeemed(product):
    return redeemed_by_somebody(product)


@pytest.fixture
def ghost(connection, shop, redeemed):
    remove(shop, redeemed.code.code)
    return ReconciliationFinding.objects.get(run=reconcile(connection))


def page(finding, act: str = "change") -> str:
    name = f"admin:rewards_reconciliationfinding_{'act' if act != 'change' else act}"
    return reverse(name, args=(finding.pk,) if act == "change" else (finding.pk, act))


def confirm(client, finding, act: str, **data):
    shown = client.get(page(finding, act))
    (_, _, preview) = shown.context["rows"][0]
    return client.post(
        page(finding, act), {"confirmed": "yes", f"token_{finding.pk}": preview.token, **data}, follow=True
    )


def test_say_what_differs_what_it_means_and_what_repairing_would_do(ghost, redeemed):
    said = words(staff(*REPAIR).get(page(ghost)))

    assert f"Ghost: {redeemed.code.canonical}" in said
    assert "The customer has this code, and the shop has no such code: it does not work at the checkout." in said
    assert "State Issued, unused No such code" in said
    assert "Repairing gives the customer the reward anew and cancels this one." in said
    assert "The customer gets “$5 off your next order” anew" in said


def test_preview_a_repair_and_do_it_once_confirmed(ghost, redeemed):
    client = staff(*REPAIR)
    preview = words(client.get(page(ghost, "repair")))
    assert "is asked about" in preview
    assert not RedeemedReward.objects.filter(reissue_of=redeemed).exists()

    done = confirm(client, ghost, "repair")

    new = RedeemedReward.objects.get(reissue_of=redeemed)
    assert f"{redeemed.code.canonical}: Given anew as rr-{new.pk}." in words(done)
    ghost.refresh_from_db()
    assert (ghost.state, ghost.actor_kind) == ("repaired", "staff")


def test_repair_several_at_once_and_report_each(connection, shop, redeemed, ghost):
    shop.create_code("LOST-1", reference="rr-987654")
    in_shop(shop, "UPDATE codes SET amount = 700")
    run = reconcile(connection)
    rows = list(ReconciliationFinding.objects.filter(run=run).order_by("pk"))
    client = staff(*REPAIR)
    chosen = {"action": "repair", "_selected_action": [row.pk for row in rows], "select_across": "0"}
    shown = client.post(LIST, chosen)
    tokens = {f"token_{pk}": preview.token for pk, _, preview in shown.context["rows"]}

    done = client.post(LIST, chosen | tokens | {"confirmed": "yes", "shown": ""}, follow=True)

    assert "Repair: 2 done." in words(done)
    assert set(ReconciliationFinding.objects.filter(run=run).values_list("state", flat=True)) == {"repaired"}


def test_say_when_a_repair_is_refused(ghost, shop):
    shop.fault("find", "server_error")

    done = confirm(staff(*REPAIR), ghost, "repair")

    assert "The shop did not show" in words(done)
    ghost.refresh_from_db()
    assert ghost.state == "open"


def test_accept_a_difference_with_a_note(ghost):
    confirm(staff(*REPAIR), ghost, "accept", note="The shop is closing.")

    ghost.refresh_from_db()
    assert (ghost.state, ghost.result) == ("accepted", "The shop is closing.")


def test_leave_what_a_person_must_decide_without_a_repair(connection, shop, redeemed):
    in_shop(shop, "UPDATE codes SET reference = 'rr-1'")
    foreign = ReconciliationFinding.objects.get(run=reconcile(connection))

    response = staff(*REPAIR).get(page(foreign))

    assert [link["label"] for link in response.context["acts"]] == ["Accept as it is"]
    assert "Rename or remove the other code in the shop" in words(response)


def test_show_both_values_and_that_it_can_be_given_anew_as_promised(connection, shop, redeemed):
    in_shop(shop, "UPDATE codes SET amount = 700")
    drift = ReconciliationFinding.objects.get(run=reconcile(connection))

    said = words(staff(*REPAIR).get(page(drift)))

    assert "Amount 5.00 7.00" in said
    assert "Repairing gives the customer the reward anew and cancels this one." in said


def test_list_runs_with_their_counts_and_lead_to_what_they_found(ghost, redeemed):
    client = staff(*LOOK)

    said = words(client.get(RUNS))
    run = client.get(reverse("admin:rewards_reconciliationrun_change", args=(ghost.run_id,)))

    assert "Ghosts" in said
    assert "Ghost: 1" in words(run)
    ((_, _, url),) = run.context["counts"]
    assert redeemed.code.canonical in words(client.get(url))


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("kind=ghost", True),
        ("kind=orphan", False),
        ("state=open", True),
        ("state=repaired", False),
        ("search=zzz", False),
    ],
)
def test_filter_what_was_found(ghost, redeemed, query, shown):
    response = staff(*LOOK).get(f"{LIST}?{query}")

    assert (redeemed.code.canonical in [row.canonical for row in response.context["cl"].result_list]) is shown


def test_ask_the_database_little_however_many_there_are(ghost, django_assert_max_num_queries):
    fields = (
        "connection_id",
        "code_id",
        "redeemed_reward_id",
        "kind",
        "detail",
        "ours",
        "digest",
        "repair",
        "found_at",
    )
    copied = {name: getattr(ghost, name) for name in fields}
    for number in range(40):
        ReconciliationFinding.objects.create(**copied, run_id=ghost.run_id, canonical=f"COPY-{number}")
    client = staff(*LOOK)

    with django_assert_max_num_queries(10):
        assert client.get(LIST).status_code == 200
    with django_assert_max_num_queries(10):
        assert client.get(RUNS).status_code == 200


def test_begin_one_in_the_background(connection):
    client = staff(*LOOK, "rewards.add_reconciliationrun")

    response = client.post(f"{RUNS}begin/", {"shop": connection.pk, "scope": "all"}, follow=True)

    run = ReconciliationRun.objects.get()
    assert (run.state, run.actor_kind, run.scope) == ("open", "staff", "all")
    assert "Reading the shop's codes." in words(response)
    assert b'http-equiv="refresh"' in response.content


def test_are_closed_to_those_without_the_permission(ghost, redeemed, connection):
    looking = staff(*LOOK)

    assert looking.get(page(ghost)).context["acts"] == []
    assert looking.get(page(ghost, "repair")).status_code == 403
    assert looking.post(page(ghost, "repair"), {"confirmed": "yes"}).status_code == 403
    assert looking.post(f"{RUNS}begin/", {"shop": connection.pk, "scope": "all"}).status_code == 403
    assert staff("rewards.view_redeemedreward").get(LIST).status_code == 403
    assert staff("rewards.view_redeemedreward").get(page(ghost)).status_code == 403
    ghost.refresh_from_db()
    assert ghost.state == "open"


@pytest.mark.parametrize("place", ["999999", "0", "x"])
def test_of_what_is_not_there_are_not_found(db, place):
    client = staff(*LOOK)

    assert client.get(f"{LIST}{place}/change/").status_code == 404
    assert client.get(f"{RUNS}{place}/change/").status_code == 404
