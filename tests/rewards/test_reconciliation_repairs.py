"""Repairs of findings: each is said before it is done, is one of the acts there are, and is done once."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection as database

from loyalty.common import actors
from loyalty.common.errors import DomainError
from loyalty.common.plans import PlanOutdated
from loyalty.events.models import Event
from loyalty.points import queries as points
from platforms import registry
from rewards import cancellation, reissue
from rewards.models import FindingState, ReconciliationFinding, RedeemedReward
from rewards.reconciliation import findings, repairs
from rewards.reconciliation.repairs import RepairRefused
from tests.fakes.sandbox import running_sandbox_shop
from tests.rewards.reconciling import in_shop, reconcile, redeemed_by_somebody, remove

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("ledger_stays_proved")]

STAFF = actors.staff(1)


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
    return only(connection)


@pytest.fixture
def orphan(connection, shop):
    shop.create_code("LOST-1", reference="rr-987654")
    return only(connection)


@pytest.fixture
def zombie(connection, shop, redeemed):
    cancellation.cancel(redeemed_reward_id=redeemed.pk, actor=STAFF, now=now())
    in_shop(shop, "UPDATE codes SET enabled = 1 WHERE code = ?", redeemed.code.code)
    return only(connection)


@pytest.fixture
def use(connection, shop, redeemed):
    shop.checkout(redeemed.customer_email, code=redeemed.code.code)
    return only(connection)


@pytest.fixture
def drift(connection, shop, redeemed):
    in_shop(shop, "UPDATE codes SET amount = 700 WHERE code = ?", redeemed.code.code)
    return only(connection)


def now() -> datetime:
    return datetime.now(UTC)


def only(connection) -> ReconciliationFinding:
    return ReconciliationFinding.objects.get(run=reconcile(connection))


def repair(finding, **options) -> ReconciliationFinding:
    return repairs.repair(finding_id=finding.pk, actor=STAFF, now=now(), **options)


def test_of_a_ghost_gives_it_anew_and_cancels_the_old_one(ghost, redeemed, connection):
    done = repair(ghost)

    old = RedeemedReward.objects.get(pk=redeemed.pk)
    new = RedeemedReward.objects.get(reissue_of=old)
    assert (done.state, done.result) == ("repaired", f"Given anew as {new.reference}.")
    assert (old.fulfillment_status, new.fulfillment_status, new.cost_in_points) == ("cancelled", "pending", 0)
    assert new.amount == old.amount
    assert points.balance(customer_id=old.customer_id, now=now()).balance == 150  # what it cost stays spent
    assert old.cancellations.get().reason == "not_working"


def test_of_a_ghost_is_never_done_by_itself(ghost, redeemed):
    repairs.sweep(now=now() + timedelta(days=1))

    assert not RedeemedReward.objects.filter(reissue_of=redeemed).exists()
    with pytest.raises(reissue.ReissueRefused):
        reissue.reissue(redeemed_reward_id=redeemed.pk, actor=STAFF, now=now())


def test_of_an_orphan_disables_it_in_the_shop(orphan, shop):
    done = repair(orphan)

    assert (done.state, done.result) == ("repaired", "Disabled in the shop, and read back dead.")
    assert shop.codes("LOST-1")[0]["alive"] is False


def test_of_an_orphan_spares_a_code_that_lost_our_mark(orphan, shop):
    in_shop(shop, "UPDATE codes SET reference = 'rr-5' WHERE code = 'LOST-1'")

    with pytest.raises(RepairRefused, match="no longer carries the mark"):
        repair(orphan)

    assert shop.codes("LOST-1")[0]["alive"] is True
    orphan.refresh_from_db()
    assert (orphan.state, orphan.claim) == ("open", None)


def test_of_a_zombie_kills_it_and_keeps_the_proof(zombie, shop, redeemed):
    done = repair(zombie)

    assert done.state == "repaired"
    assert shop.codes(redeemed.code.code)[0]["alive"] is False
    kinds = list(redeemed.code.evidence.order_by("id").values_list("kind", "alive"))
    assert kinds[-3:] == [("probed", True), ("disabled", False), ("read_back", False)]


def test_of_a_use_records_it_with_its_order(use, redeemed, shop):
    done = repair(use)

    redeemed.refresh_from_db()
    assert (done.state, redeemed.usage_status, redeemed.used_order_id) == ("repaired", "used", shop.orders()[0]["id"])


def test_of_another_value_disables_the_code_and_gives_it_anew_as_it_was_promised(drift, shop, redeemed):
    said = repairs.plan(finding_id=drift.pk, now=now()).effects
    first = drift.connection.name.split(" ")[0]
    assert shop.codes(redeemed.code.code)[0]["alive"] is True

    done = repair(drift)

    new = RedeemedReward.objects.get(reissue_of=redeemed)
    assert (done.state, done.result) == ("repaired", f"Given anew as {new.reference}.")
    assert shop.codes(redeemed.code.code)[0]["alive"] is False
    assert (new.amount, new.cost_in_points) == (redeemed.amount, 0)
    assert RedeemedReward.objects.get(pk=redeemed.pk).fulfillment_status == "cancelled"
    assert [sentence.split(" ")[0] for sentence in said] == [first, redeemed.code.code, "The", "This"]
    assert f"is disabled in {drift.connection.name} and read back; had an order used it" in said[1]


def test_of_another_value_gives_nothing_anew_where_an_order_was_quicker(drift, shop, redeemed, monkeypatch):
    adapter = type(registry.adapter_for(drift.connection))
    disable = adapter.disable_code

    def buys_first(self, code, remote_id):
        shop.checkout(redeemed.customer_email, code=code)
        return disable(self, code, remote_id)

    monkeypatch.setattr(adapter, "disable_code", buys_first)

    with pytest.raises(RepairRefused, match=r"An order used .* before it was disabled\."):
        repair(drift)

    assert not RedeemedReward.objects.filter(reissue_of=redeemed).exists()
    drift.refresh_from_db()
    assert drift.state == "open"


def test_of_another_value_goes_on_when_it_was_cut_off_after_the_code_was_disabled(drift, shop, redeemed, monkeypatch):
    with monkeypatch.context() as dying:
        dying.setattr(repairs.reissue, "reissue", lambda **_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            repair(drift)
    assert shop.codes(redeemed.code.code)[0]["alive"] is False

    repairs.proceed(finding_id=drift.pk, now=now() + repairs.LEASE)

    drift.refresh_from_db()
    assert drift.state == "repaired"
    assert RedeemedReward.objects.filter(reissue_of=redeemed).count() == 1
    assert RedeemedReward.objects.get(pk=redeemed.pk).fulfillment_status == "cancelled"


def test_of_what_is_over_here_and_taken_there_ends_it_there(connection, shop, redeemed):
    RedeemedReward.objects.filter(pk=redeemed.pk).update(
        redeemed_at=now() - timedelta(days=40),
        issued_at=now() - timedelta(days=40),
        expires_at=now() - timedelta(days=3),
    )
    drift = only(connection)
    assert repairs.plan(finding_id=drift.pk, now=now()).effects[1].endswith("Nothing changes here: it is over.")

    done = repair(drift)

    assert (drift.kind, done.state) == ("value_drift", "repaired")
    assert shop.codes(redeemed.code.code)[0]["alive"] is False
    assert not RedeemedReward.objects.filter(reissue_of=redeemed).exists()


@pytest.mark.parametrize("kind", ["ghost", "orphan", "zombie", "use", "drift"])
def test_twice_does_one_thing_and_leaves_both_sides_agreeing(kind, request, connection):
    finding = request.getfixturevalue(kind)

    first, second = repair(finding), repair(finding)

    assert (first.state, second.state, second.closed_at) == ("repaired", "repaired", first.closed_at)
    assert Event.objects.filter(kind="shop.difference_repaired").count() == 1
    assert RedeemedReward.objects.filter(reissue_of__isnull=False).count() == (kind in {"ghost", "drift"})
    assert reconcile(connection).tally == {}


@pytest.mark.parametrize("kind", ["ghost", "orphan", "zombie", "use", "drift"])
def test_cut_off_before_it_is_written_down_is_finished_by_the_sweep(kind, request, connection, monkeypatch):
    finding = request.getfixturevalue(kind)
    with monkeypatch.context() as dying:
        dying.setattr(repairs, "_record", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            repair(finding)
    rung = []
    monkeypatch.setattr(repairs.queue, "enqueue", lambda task, **ids: rung.append((task, ids)))
    later = now() + repairs.LEASE

    assert (repairs.sweep(now=now()), repairs.sweep(now=later)) == (0, 1)
    repairs.proceed(finding_id=finding.pk, now=later)

    finding.refresh_from_db()
    assert rung == [("rewards.repair_finding", {"finding_id": finding.pk})]
    assert finding.state in {"repaired", "settled"}
    assert RedeemedReward.objects.filter(reissue_of__isnull=False).count() == (kind in {"ghost", "drift"})
    assert reconcile(connection).tally == {}


def test_of_a_ghost_cut_off_between_its_two_acts_goes_on_with_the_second(ghost, redeemed, monkeypatch):
    with monkeypatch.context() as dying:
        dying.setattr(repairs.cancellation, "cancel", lambda **_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            repair(ghost)
    assert RedeemedReward.objects.get(pk=redeemed.pk).fulfillment_status == "issued"

    repairs.proceed(finding_id=ghost.pk, now=now() + repairs.LEASE)

    ghost.refresh_from_db()
    assert ghost.state == "repaired"
    assert RedeemedReward.objects.get(pk=redeemed.pk).fulfillment_status == "cancelled"
    assert RedeemedReward.objects.filter(reissue_of=redeemed).count() == 1


def test_of_what_agrees_by_now_changes_nothing(ghost, shop, redeemed):
    shop.create_code(redeemed.code.code, reference=redeemed.reference, kind="fixed_amount", amount="5.00")

    done = repair(ghost)

    assert (done.state, done.result) == ("settled", "Both sides agree by now: nothing was changed.")
    assert RedeemedReward.objects.get(pk=redeemed.pk).fulfillment_status == "issued"


def test_of_what_differs_otherwise_by_now_is_refused(ghost, shop, redeemed):
    shop.create_code(redeemed.code.code, reference=redeemed.reference, kind="fixed_amount", amount="7.00")

    with pytest.raises(RepairRefused, match="differs in another way by now: Another value or end"):
        repair(ghost)

    assert not RedeemedReward.objects.filter(reissue_of=redeemed).exists()


@pytest.mark.parametrize("fault", ["server_error", "garbage", "drop", "throttle", "refuse"])
def test_without_an_answer_changes_nothing_and_can_be_tried_again(ghost, shop, redeemed, fault):
    shop.fault("find", fault)

    with pytest.raises(RepairRefused, match="did not show"):
        repair(ghost)

    ghost.refresh_from_db()
    assert (ghost.state, ghost.claim, ghost.result[:17]) == ("open", None, "The shop did not ")
    assert not RedeemedReward.objects.filter(reissue_of=redeemed).exists()
    assert repair(ghost).state == "repaired"


def test_of_an_orphan_the_shop_did_not_disable_stays_open(orphan, shop):
    shop.fault("disable", "server_error")

    with pytest.raises(RepairRefused):
        repair(orphan)

    orphan.refresh_from_db()
    assert orphan.state == "open"
    assert repair(orphan).state == "repaired"


def test_says_before_what_it_would_do_and_asks_nobody(ghost, shop):
    shop.stop()
    try:
        plan = repairs.plan(finding_id=ghost.pk, now=now())
    finally:
        shop.start()

    assert plan.refusal == ""
    assert plan.effects[1].startswith("The customer gets “$5 off your next order” anew")
    assert ReconciliationFinding.objects.get(pk=ghost.pk).state == "open"


def test_of_another_state_than_was_shown_is_refused(ghost):
    shown = repairs.plan(finding_id=ghost.pk, now=now()).fingerprint
    findings.accept(finding_id=ghost.pk, actor=STAFF, now=now())

    with pytest.raises(PlanOutdated):
        repair(ghost, fingerprint=shown)


def test_of_what_a_person_must_decide_is_refused(connection, shop, redeemed):
    in_shop(shop, "UPDATE codes SET reference = 'rr-1' WHERE code = ?", redeemed.code.code)
    foreign = only(connection)

    assert repairs.plan(finding_id=foreign.pk, now=now()).refusal.startswith("No repair of")
    with pytest.raises(RepairRefused):
        repair(foreign)


def test_of_what_was_looked_at_again_is_refused(ghost, connection):
    reconcile(connection)

    with pytest.raises(DomainError, match="looked at again since"):
        repair(ghost)


def test_by_two_at_once_is_done_once(ghost, redeemed):
    """Both click at the same moment; the one who comes second is told, or given what the first has done."""
    outcomes = []
    gate = threading.Barrier(2)

    def click() -> None:
        try:
            gate.wait(10)
            outcomes.append(repair(ghost).state)
        except RepairRefused as refusal:
            outcomes.append(refusal.code)
        finally:
            database.close()

    people = [threading.Thread(target=click) for _ in range(2)]
    for each in people:
        each.start()
    for each in people:
        each.join(60)

    assert FindingState.REPAIRED in outcomes
    assert set(outcomes) <= {"repaired", "repair_refused"}
    assert RedeemedReward.objects.filter(reissue_of=redeemed).count() == 1
