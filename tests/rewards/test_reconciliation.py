"""Reconciliation finds each kind of difference once, nothing in a shop that agrees, and the same after a crash."""

import json
import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command

from loyalty.common import actors
from loyalty.hooks import processing
from platforms import registry
from platforms.sandbox import adapter as sandbox
from rewards import cancellation, extension, redemption, usage
from rewards.models import (
    FindingState,
    ListedCode,
    PointsProduct,
    ReconciliationFinding,
    ReconciliationRun,
    RedeemedReward,
    RewardCode,
    RunPhase,
    RunScope,
    RunState,
)
from rewards.reconciliation import findings, runs, steps
from rewards.reconciliation.steps import Verdict
from tests.factories.catalogue import GiftCardFactory, PointsProductFactory, RewardFactory
from tests.fakes.sandbox import running_sandbox_shop
from tests.rewards.reconciling import History, found, in_shop, reconcile, redeemed_by_somebody, remove

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("ledger_stays_proved")]

STAFF = actors.staff(1)
HOUR = timedelta(hours=1)


@pytest.fixture
def shop_process(tmp_path):
    """A shop of each test's own: reconciliation looks at all of it."""
    with running_sandbox_shop(tmp_path) as running:
        yield running


@pytest.fixture
def redeem(product: PointsProduct):
    """Redeems the product, or another, for a new customer."""
    return lambda chosen=product: redeemed_by_somebody(chosen)


def test_of_a_shop_that_agrees_finds_nothing(connection, redeem):
    redeem()

    run = reconcile(connection)

    assert found(run) == []
    assert (run.state, run.listed, run.compared, run.tally, run.accepted) == ("done", 1, 1, {}, 0)


def test_finds_a_ghost_that_the_shop_has_not(connection, shop, redeem):
    redeemed = redeem()
    remove(shop, redeemed.code.code)

    run = reconcile(connection)

    assert found(run) == [(redeemed.code.canonical, "ghost", "absent", "reissue")]
    row = ReconciliationFinding.objects.get()
    assert (row.redeemed_reward_id, row.ours["fulfillment"], row.theirs) == (redeemed.pk, "issued", None)


def test_finds_a_ghost_that_the_shop_switched_off(connection, shop, redeem):
    redeemed = redeem()
    shop.disable_code(redeemed.code.code)

    assert found(reconcile(connection)) == [(redeemed.code.canonical, "ghost", "dead", "reissue")]


def test_finds_a_ghost_whose_name_is_somebody_elses_and_leaves_it_to_a_person(connection, shop, redeem):
    redeemed = redeem()
    in_shop(shop, "UPDATE codes SET reference = 'spring-sale' WHERE code = ?", redeemed.code.code)

    assert found(reconcile(connection)) == [(redeemed.code.canonical, "ghost", "foreign", "")]


def test_leaves_a_gift_card_that_is_gone_to_a_person(connection, shop, redeem):
    card = redeem(PointsProductFactory(reward=GiftCardFactory(connection=connection)))
    remove(shop, card.code.code)

    assert found(reconcile(connection)) == [(card.code.canonical, "ghost", "absent", "")]


def test_finds_an_orphan_with_our_mark(connection, shop):
    shop.create_code("LOST-1", reference="rr-987654")
    shop.create_code("SPRING", reference="")

    assert found(reconcile(connection)) == [("LOST-1", "orphan", "unknown_here", "disable")]


def test_finds_an_orphan_that_came_about_after_its_redemption_had_failed(connection, shop, redeem, customer, product):
    shop.fault("create", "refuse")
    with pytest.raises(redemption.RedemptionFailed):
        redemption.redeem(
            customer_id=customer.pk, points_product_id=product.pk, actor=STAFF, now=datetime.now(UTC), deadline=5.0
        )
    attempt = RedeemedReward.objects.get(fulfillment_status="failed")
    shop.create_code(attempt.code.code, reference=attempt.reference)

    assert found(reconcile(connection)) == [(attempt.code.canonical, "orphan", "no_reward", "disable")]


def test_takes_no_dead_code_for_an_orphan(connection, shop):
    shop.create_code("LOST-1", reference="rr-987654")
    shop.disable_code("LOST-1")

    assert found(reconcile(connection)) == []


def test_finds_a_zombie(connection, shop, redeem):
    redeemed = redeem()
    cancellation.cancel(redeemed_reward_id=redeemed.pk, actor=STAFF, now=datetime.now(UTC))
    assert found(reconcile(connection)) == []
    in_shop(shop, "UPDATE codes SET enabled = 1 WHERE code = ?", redeemed.code.code)

    run = reconcile(connection)

    assert found(run) == [(redeemed.code.canonical, "zombie", "canceled", "kill")]


def test_finds_a_use_with_its_order_that_nobody_told_us_of(connection, shop, redeem):
    redeemed = redeem()
    order = shop.checkout(redeemed.customer_email, code=redeemed.code.code)

    run = reconcile(connection)

    assert found(run) == [(redeemed.code.canonical, "use_drift", "used_there", "record_use")]
    row = ReconciliationFinding.objects.get()
    assert (row.order_id, row.order_at) == (order["id"], datetime.fromisoformat(order["placed_at"]))


def test_finds_a_use_without_an_order_and_leaves_it_to_a_person(connection, shop, redeem, monkeypatch):
    redeemed = redeem()
    shop.checkout(redeemed.customer_email, code=redeemed.code.code)
    orders = sandbox.reading.orders
    monkeypatch.setattr(sandbox.reading, "orders", lambda entries: ([], orders(entries)[1]))

    assert found(reconcile(connection)) == [(redeemed.code.canonical, "use_drift", "used_there", "")]


def test_finds_a_use_that_the_shop_does_not_know(connection, redeem):
    redeemed = redeem()
    usage.mark_used(redeemed_reward_id=redeemed.pk, actor=STAFF, now=datetime.now(UTC))

    assert found(reconcile(connection)) == [(redeemed.code.canonical, "use_drift", "used_here", "")]


def test_finds_a_use_of_what_was_canceled_by_force(connection, shop, redeem):
    redeemed = redeem()
    shop.fault("disable", "server_error", times=9)
    cancellation.cancel(redeemed_reward_id=redeemed.pk, actor=STAFF, now=datetime.now(UTC))
    cancellation.force(redeemed_reward_id=redeemed.pk, actor=STAFF, now=datetime.now(UTC))
    shop.checkout(redeemed.customer_email, code=redeemed.code.code)

    assert found(reconcile(connection)) == [(redeemed.code.canonical, "use_drift", "used_after_cancel", "")]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("amount", 700),
        ("minimum_order", 100),
        ("expires_at", "2031-01-01T00:00:00.000000Z"),
        ("collections", "kitchen"),
    ],
)
def test_finds_another_value_with_both(connection, shop, redeem, column, value):
    redeemed = redeem()
    in_shop(shop, f"UPDATE codes SET {column} = ? WHERE code = ?", value, redeemed.code.code)

    assert found(reconcile(connection)) == [(redeemed.code.canonical, "value_drift", "value", "reissue")]
    row = ReconciliationFinding.objects.get()
    told = {
        "amount": "7.00",
        "minimum_order": "1.00",
        "expires_at": "2031-01-01T00:00:00+00:00",
        "collections": ["kitchen"],
    }
    assert row.theirs[column] == told[column] != row.ours[column]
    assert Decimal(row.ours["amount"]) == 5


def test_finds_nothing_while_a_cancellation_is_under_way(connection, shop, redeem):
    redeemed = redeem()
    shop.fault("find", "server_error")  # the code is dead, and the proof of it did not come
    cancellation.cancel(redeemed_reward_id=redeemed.pk, actor=STAFF, now=datetime.now(UTC))
    assert (shop.codes(redeemed.code.code)[0]["alive"], cancellations(redeemed)) == (False, ["cancelling"])

    assert found(reconcile(connection)) == []


def test_finds_nothing_while_a_longer_life_is_under_way(connection, shop, redeem):
    lasting = RewardFactory(connection=connection, days_valid=30)
    redeemed = redeem(PointsProductFactory(reward=lasting))
    shop.fault("find", "server_error")  # the shop did it, and was not seen to
    extension.extend(redeemed_reward_id=redeemed.pk, days=80, actor=STAFF, now=datetime.now(UTC))
    assert extension.standing(redeemed_reward_id=redeemed.pk).state == "unknown"

    assert found(reconcile(connection)) == []


def cancellations(redeemed: RedeemedReward) -> list[str]:
    return list(redeemed.cancellations.values_list("state", flat=True))


def test_misses_neither_what_was_used_nor_what_is_over(connection, shop, redeem):
    used, over = redeem(), redeem()
    shop.checkout(used.customer_email, code=used.code.code)
    processing.poll(connection_id=connection.pk, now=datetime.now(UTC))
    RedeemedReward.objects.filter(pk=over.pk).update(expires_at=datetime.now(UTC) - HOUR)
    in_shop(shop, "UPDATE orders SET code_id = NULL")
    remove(shop, used.code.code)
    remove(shop, over.code.code)

    assert found(reconcile(connection)) == []


def test_of_a_code_made_while_it_is_under_way_finds_nothing(connection, shop, redeem):
    redeem()
    begun = runs.begin(connection_id=connection.pk, actor=STAFF, now=datetime.now(UTC))
    claim = runs.take(run_id=begun.pk, now=datetime.now(UTC))
    fetched = registry.adapter_for(connection).list_codes("").value
    late = redeem()  # the page was read before, and is written down after
    steps.staging.keep(run=begun, found=fetched.codes)
    ReconciliationRun.objects.filter(pk=begun.pk).update(phase=RunPhase.OURS)

    assert steps.work(claim=claim, now=datetime.now(UTC), patience=60.0) is Verdict.DONE
    assert found(begun) == []
    assert ReconciliationRun.objects.get().compared == 1  # the next one compares it
    assert shop.codes(late.code.code)[0]["alive"]


def test_looks_once_more_before_it_believes_the_list(connection, shop, redeem):
    redeemed = redeem()
    begun = runs.begin(connection_id=connection.pk, actor=STAFF, now=datetime.now(UTC))
    claim = runs.take(run_id=begun.pk, now=datetime.now(UTC))
    steps._portion(begun, claim, steps.Stopwatch(datetime.now(UTC)))  # the list was read …
    shop.checkout(redeemed.customer_email, code=redeemed.code.code)
    processing.poll(connection_id=connection.pk, now=datetime.now(UTC))  # … and then it was used

    assert steps.work(claim=claim, now=datetime.now(UTC), patience=60.0) is Verdict.DONE
    assert found(begun) == []


@pytest.mark.parametrize("seed", [20_261_126, 7, 99])
def test_after_a_random_history_finds_nothing(connection, shop, product, seed):
    """Bought, canceled there and here, canceled after use, extended, granted: the shop was polled, and nothing differs."""
    history = History(connection, shop, product, dice=random.Random(seed))
    history.happen(times=60)

    run = reconcile(connection)

    assert found(run) == []
    assert run.compared == RewardCode.objects.count() > 10


def differences(shop, redeem, *, many: int) -> list[tuple[str, str, str, str]]:
    """So many of four kinds, as they will be found."""
    expected = []
    for number in range(many):
        ghost, zombie = redeem(), redeem()
        remove(shop, ghost.code.code)
        cancellation.cancel(redeemed_reward_id=zombie.pk, actor=STAFF, now=datetime.now(UTC))
        in_shop(shop, "UPDATE codes SET enabled = 1 WHERE code = ?", zombie.code.code)
        shop.create_code(f"LOST-{number}", reference=f"rr-99{number}")
        expected += [
            (ghost.code.canonical, "ghost", "absent", "reissue"),
            (zombie.code.canonical, "zombie", "canceled", "kill"),
            (f"LOST-{number}", "orphan", "unknown_here", "disable"),
        ]
        redeem()
    return sorted(expected)


def test_killed_at_any_portion_and_taken_over_finds_the_same(connection, shop, redeem, monkeypatch):
    """The worker dies after each portion, having asked the shop and before it writes; another goes on when its claim ends."""
    monkeypatch.setattr(sandbox, "CODES_PER_PAGE", 3)
    monkeypatch.setattr(steps, "ASKED", 2)
    monkeypatch.setattr(steps, "SIFTED", 5)
    monkeypatch.setattr(steps, "COMPARED", 3)
    expected = differences(shop, redeem, many=3)
    now = datetime.now(UTC)
    begun = runs.begin(connection_id=connection.pk, actor=STAFF, now=now)
    deaths = 0
    while ReconciliationRun.objects.get(pk=begun.pk).state == RunState.OPEN:
        claim = runs.take(run_id=begun.pk, now=now)
        run = ReconciliationRun.objects.get(pk=begun.pk)
        with monkeypatch.context() as dying:
            dying.setattr(steps.runs, "held", lambda claim: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                steps.work(claim=claim, now=now, patience=60.0)
        deaths += 1
        assert runs.take(run_id=begun.pk, now=now) is None
        now += runs.LEASE
        again = runs.take(run_id=begun.pk, now=now)
        steps._portion(run, again, steps.Stopwatch(now))
        runs.let_go(claim=again, now=now)

    begun.refresh_from_db()
    assert found(begun) == expected
    assert begun.tally == Counter(kind for _, kind, _, _ in expected)
    assert begun.compared == RewardCode.objects.count()
    assert deaths > 10
    assert ListedCode.objects.count() == 0


def test_a_worker_whose_claim_was_taken_over_writes_nothing(connection, shop, redeem):
    redeem()
    now = datetime.now(UTC)
    begun = runs.begin(connection_id=connection.pk, actor=STAFF, now=now)
    slow = runs.take(run_id=begun.pk, now=now)
    runs.take(run_id=begun.pk, now=now + runs.LEASE)

    steps._portion(begun, slow, steps.Stopwatch(now))

    assert (ListedCode.objects.count(), ReconciliationRun.objects.get().phase) == (0, "read")


@pytest.mark.parametrize(("operation", "fault"), [("list", "server_error"), ("find", "throttle"), ("list", "garbage")])
def test_waits_when_the_shop_does_not_answer_and_goes_on_afterwards(connection, shop, redeem, operation, fault):
    remove(shop, redeem().code.code)
    shop.fault(operation, fault)
    now = datetime.now(UTC)
    begun = runs.begin(connection_id=connection.pk, actor=STAFF, now=now)

    assert steps.work(claim=runs.take(run_id=begun.pk, now=now), now=now, patience=1.0) is Verdict.WAITING
    run = ReconciliationRun.objects.get()
    assert (run.state, run.troubles, run.claim, bool(run.last_reason)) == ("open", 1, None, True)
    assert runs.take(run_id=begun.pk, now=now) is None
    assert steps.work(claim=runs.take(run_id=begun.pk, now=now + HOUR), now=now + HOUR, patience=60) is Verdict.DONE
    assert len(found(begun)) == 1


def test_stops_when_the_shop_refuses(connection, shop, redeem):
    redeem()
    shop.fault("list", "refuse")
    now = datetime.now(UTC)
    begun = runs.begin(connection_id=connection.pk, actor=STAFF, now=now)

    assert steps.work(claim=runs.take(run_id=begun.pk, now=now), now=now, patience=60.0) is Verdict.STOPPED
    run = ReconciliationRun.objects.get()
    assert (run.state, run.last_reason) == ("stopped", "The shop refused: The shop refuses this, as it was told to.")
    assert found(begun) == []


def test_is_under_way_once_in_a_shop(connection):
    now = datetime.now(UTC)

    first = runs.begin(connection_id=connection.pk, actor=STAFF, now=now)
    second = runs.begin(connection_id=connection.pk, actor=STAFF, now=now)

    assert first.pk == second.pk


def test_of_what_moved_asks_about_what_changed_and_what_differed(connection, shop, redeem):
    quiet, lost = redeem(), redeem()
    remove(shop, lost.code.code)
    reconcile(connection)
    RedeemedReward.objects.update(updated_at=datetime.now(UTC) - 2 * HOUR)
    moved = redeem()
    shop.disable_code(moved.code.code)
    remove(shop, quiet.code.code)  # nothing of it moved here: the week finds it

    run = reconcile(connection, scope=RunScope.MOVED)

    assert (run.scope, run.compared) == ("moved", 2)
    assert [(row[0], row[1]) for row in found(run)] == sorted(
        [(lost.code.canonical, "ghost"), (moved.code.canonical, "ghost")]
    )
    assert set(found(reconcile(connection))) > set(found(run))


def test_replaces_what_an_earlier_one_found(connection, shop, redeem):
    remove(shop, redeem().code.code)

    earlier, later = reconcile(connection), reconcile(connection)

    states = dict(ReconciliationFinding.objects.values_list("run_id", "state"))
    assert states == {earlier.pk: "superseded", later.pk: "open"}


def test_lists_an_accepted_difference_no_more_until_something_of_it_changes(connection, shop, redeem):
    redeemed = redeem()
    in_shop(shop, "UPDATE codes SET amount = 700 WHERE code = ?", redeemed.code.code)
    reconcile(connection)
    finding = findings.accept(
        finding_id=ReconciliationFinding.objects.get().pk, actor=STAFF, now=datetime.now(UTC), note="A goodwill raise."
    )

    again = reconcile(connection)
    in_shop(shop, "UPDATE codes SET amount = 900 WHERE code = ?", redeemed.code.code)
    changed = reconcile(connection)

    assert (found(again), again.accepted, again.tally) == ([], 1, {})
    assert [row[1] for row in found(changed)] == ["value_drift"]
    finding.refresh_from_db()
    assert (finding.state, finding.result) == (FindingState.ACCEPTED, "A goodwill raise.")


def test_by_command_says_what_differs_and_fails(connection, shop, redeem, capsys):
    redeemed = redeem()
    call_command("reconcile", connection.name)
    assert "agree: 1 of our codes compared, 1 listed there" in capsys.readouterr().out
    remove(shop, redeemed.code.code)

    with pytest.raises(CommandError) as failure:
        call_command("reconcile", str(connection.pk), "--json")

    assert failure.value.returncode == 1
    first, last = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (first["kind"], first["code"], first["theirs"]) == ("ghost", redeemed.code.canonical, None)
    assert last["differences"] == {"ghost": 1}


def test_by_command_does_not_call_it_agreement_when_the_shop_refuses(connection, shop):
    shop.fault("list", "refuse")

    with pytest.raises(CommandError, match="was not finished") as failure:
        call_command("reconcile", connection.name)

    assert failure.value.returncode == 2


def test_is_due_at_night_on_what_moved_and_weekly_on_all(connection, monkeypatch):
    monday = datetime(2026, 11, 23, 2, 59, tzinfo=UTC)  # the programme's zone is UTC
    scopes = []
    for hour in range(24 * 15):
        now = monday + hour * HOUR
        begun = runs.begin_due(now=now)
        for run in ReconciliationRun.objects.filter(state="open"):
            scopes.append((hour, run.scope))
            run.claim = None
            runs.end(run, state=RunState.DONE, now=now)
        assert begun <= 1

    nights = [hour for hour, _ in scopes]
    assert nights == [1 + 24 * day for day in range(15)]
    assert [scope for _, scope in scopes] == (["all"] + ["moved"] * 6) * 2 + ["all"]


def test_of_a_shop_without_a_list_is_refused(connection, monkeypatch):
    monkeypatch.setattr(
        sandbox.SandboxAdapter, "capabilities", replace(sandbox.SandboxAdapter.capabilities, lists_codes=False)
    )

    with pytest.raises(runs.CannotReconcile, match="cannot be asked for its codes"):
        runs.begin(connection_id=connection.pk, actor=STAFF, now=datetime.now(UTC))
    assert ReconciliationRun.objects.count() == 0
