"""A changed expiry policy, applied to points that customers hold: planned, previewed, done by the batch, undone."""

import io
import re
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, transaction
from django.utils import timezone

from loyalty.accounts import roles
from loyalty.common.actors import SYSTEM, staff
from loyalty.common.causes import Cause, CauseType
from loyalty.common.plans import PlanOutdated
from loyalty.events.models import Event
from loyalty.merchant.models import ExpiryMode, Programme
from loyalty.points import adjustments, earning, expiry, holds, ledger, policy, queries
from loyalty.points.models import PointsAccount, PointsLot, PointsLotChange, PointsTransaction, TransactionKind
from loyalty.points.policy import Effect, Policy
from tests.factories.people import CustomerFactory, StaffFactory
from tests.factories.points import NOW, give

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
MIDNIGHT = NOW.replace(hour=0)
NEVER = Policy(mode=ExpiryMode.NEVER, days=30)
DAYS = Policy(mode=ExpiryMode.DAYS, days=30)
IDLE = Policy(mode=ExpiryMode.IDLE, days=30)
ALL = [
    NEVER,
    DAYS,
    Policy(mode=ExpiryMode.DAYS, days=400),
    Policy(mode=ExpiryMode.MONTH_END, days=30),
    Policy(mode=ExpiryMode.YEAR_END, days=30),
    IDLE,
    Policy(mode=ExpiryMode.IDLE, days=200),
]


def set_programme(wanted, **settings):
    Programme.objects.update_or_create(
        pk=1, defaults={"expiry_mode": wanted.mode, "expiry_days": wanted.days, **settings}
    )


def earn(customer, points, *, now=NOW):
    earning.earn(
        customer_id=customer.pk, points=points, cause=Cause(CauseType.ORDER, 1), actor=SYSTEM,
        programme=Programme.objects.get(), earned_at=now, now=now, idempotency_key=f"{customer.pk} {points} {now}",
    )  # fmt: skip
    return PointsLot.objects.latest("id")


def spend(customer, points, *, now=NOW):
    return ledger.debit(
        customer_id=customer.pk, points=points, kind=TransactionKind.REDEMPTION, cause=Cause(CauseType.API, 1),
        actor=SYSTEM, now=now,
    )  # fmt: skip


def plan(wanted, *, now=NOW):
    return policy.make_plan(policy=wanted, now=now)


def apply(wanted, *, now=NOW, **more):
    runs = list(policy.apply(plan=plan(wanted, now=now), actor=staff(7), now=now, **more))
    return runs[-1] if runs else policy.Progress()


def numbers(tally):
    return tally.lots, tally.customers, tally.points


def ends(customer):
    lots = PointsLot.objects.filter(customer=customer).order_by("id")
    return list(lots.values_list("expires_at", "idle_days"))


def balance(customer, now=NOW):
    return queries.balance(customer_id=customer.pk, now=now).balance


# The plan


def test_the_plan_counts_lots_customers_and_points_by_what_they_get(customer):
    other = CustomerFactory()
    set_programme(DAYS)
    earn(customer, 1, now=NOW - 20 * DAY)
    earn(customer, 2, now=NOW - 10 * DAY)
    earn(other, 4, now=NOW - DAY)
    set_programme(NEVER)
    earn(other, 8, now=NOW - DAY)

    later = plan(Policy(mode=ExpiryMode.DAYS, days=60))
    earlier = plan(Policy(mode=ExpiryMode.DAYS, days=25))
    none = plan(NEVER)

    assert numbers(later.effects[Effect.LATER]) == (3, 2, 7)
    assert numbers(later.effects[Effect.FIRST_END]) == (1, 1, 8)
    assert numbers(later.changed) == (4, 2, 15)
    assert numbers(earlier.effects[Effect.EARLIER]) == (3, 2, 7)
    assert numbers(none.effects[Effect.NO_END]) == (3, 2, 7)
    assert numbers(none.unchanged) == (1, 1, 8)
    assert numbers(plan(DAYS).unchanged) == (3, 2, 7)


def test_the_plan_says_what_expires_at_once_and_soon_compared_with_now(customer):
    set_programme(NEVER)
    earn(customer, 100, now=NOW - 100 * DAY)
    earn(customer, 10, now=NOW - 10 * DAY)
    earn(customer, 1, now=NOW - DAY)
    give(customer, 5, expires_at=NOW + 3 * DAY)

    found = plan(Policy(mode=ExpiryMode.DAYS, days=35))

    assert numbers(found.at_once) == (1, 1, 100)
    assert [(each.days, each.before, each.after) for each in found.horizons] == [(30, 5, 110), (90, 5, 116)]


def test_the_plan_shows_the_rows_that_weigh_most(customer):
    set_programme(NEVER)
    for points in range(1, 9):
        earn(customer, points, now=NOW - 40 * DAY if points < 3 else NOW)

    sample = plan(DAYS).sample

    assert [move.points for move in sample] == [2, 1, 8, 7, 6]
    assert [move.at_once for move in sample] == [True, True, False, False, False]
    assert (sample[2].end_before, sample[2].end_after) == (None, MIDNIGHT + 31 * DAY)


def test_the_plan_changes_nothing(customer):
    set_programme(NEVER)
    earn(customer, 100, now=NOW - 100 * DAY)
    before = PointsAccount.objects.values().get(), PointsLot.objects.values().get()

    plan(DAYS)

    assert (PointsAccount.objects.values().get(), PointsLot.objects.values().get()) == before
    assert not PointsLotChange.objects.exists()


def test_the_plan_takes_the_same_few_queries_however_many_lots(customer, django_assert_num_queries):
    set_programme(NEVER)
    for points in range(1, 30):
        earn(customer, points)

    with django_assert_num_queries(3):
        plan(IDLE)


def test_counts_days_in_the_programmes_zone(customer):
    set_programme(NEVER, time_zone="Pacific/Kiritimati")
    earn(customer, 1)

    apply(Policy(mode=ExpiryMode.YEAR_END, days=1))

    assert ends(customer) == [(NOW.replace(month=12, day=31, hour=10), None)]


@pytest.mark.parametrize("days", [0, -1, 36_501, 10**12])
def test_refuses_days_that_are_none(days):
    with pytest.raises(policy.InvalidPolicy, match="no number of days"):
        Policy(mode=ExpiryMode.DAYS, days=days)


# Applying


@pytest.mark.parametrize("old", ALL, ids=lambda each: f"{each.mode}-{each.days}")
@pytest.mark.parametrize("new", ALL, ids=lambda each: f"{each.mode}-{each.days}")
def test_gives_old_points_what_new_ones_get_and_the_old_policy_undoes_it(customer, old, new):
    set_programme(old)
    earn(customer, 100, now=NOW)
    earn(customer, 10, now=NOW + DAY)
    spend(customer, 3, now=NOW + 2 * DAY)
    later = NOW + 3 * DAY
    before = ends(customer)
    set_programme(new)
    other = CustomerFactory()
    earn(other, 100, now=NOW)
    earn(other, 10, now=NOW + DAY)
    spend(other, 3, now=NOW + 2 * DAY)
    wanted = ends(other)

    done = apply(new, now=later)

    assert ends(customer) == wanted
    assert done.lots == (2 if old != new else 0)
    assert numbers(plan(new, now=later).changed) == (0, 0, 0)
    apply(old, now=later)
    assert ends(customer) == before
    assert balance(customer, later) == 107


def test_writes_down_each_change_and_who_made_it(customer):
    set_programme(DAYS)
    lot = earn(customer, 100)

    apply(NEVER, now=NOW + DAY)

    change = PointsLotChange.objects.get()
    assert (change.lot, change.expires_before, change.expires_after) == (lot, MIDNIGHT + 31 * DAY, None)
    assert (change.actor_kind, change.actor_id, change.created_at.date()) == ("staff", 7, (NOW + DAY).date())
    event = Event.objects.get(kind="points.policy_applied")
    assert (event.actor_id, event.data["lots"], event.data["points"]) == (7, 1, 100)


def test_moves_the_next_edge_of_the_account_with_the_ends(customer):
    set_programme(NEVER)
    earn(customer, 100)
    edges = []

    for wanted in (DAYS, Policy(mode=ExpiryMode.YEAR_END, days=1), NEVER):
        apply(wanted)
        edges.append(PointsAccount.objects.get().next_edge_at)

    assert edges == [MIDNIGHT + 31 * DAY, NOW.replace(year=2027, month=1, day=1, hour=0), None]


def test_what_should_have_ended_expires_at_the_moment_of_applying_and_not_in_the_past(customer):
    set_programme(NEVER)
    earn(customer, 100, now=NOW - 100 * DAY)
    earn(customer, 10)

    done = apply(DAYS)

    entry = PointsTransaction.objects.get(kind=TransactionKind.EXPIRY)
    assert (entry.points_change, done.expired) == (-100, 100)
    assert NOW <= entry.effective_at < NOW + timedelta(minutes=1)
    assert balance(customer, NOW + timedelta(minutes=1)) == 10
    assert PointsAccount.objects.get().next_edge_at == MIDNIGHT + 31 * DAY


def test_a_lot_that_ended_already_is_not_brought_back_by_a_late_sweep(customer):
    set_programme(DAYS)
    earn(customer, 100, now=NOW - 40 * DAY)
    earn(customer, 10)

    found = plan(NEVER)
    apply(NEVER)
    expiry.settle_due(now=NOW)

    assert numbers(found.changed) == (1, 1, 10)
    assert balance(customer) == 10


def test_leaves_points_with_an_end_of_their_own_alone(customer):
    adjustments.adjust(customer_id=customer.pk, points=7, actor=SYSTEM, now=NOW)
    set_programme(DAYS)
    earn(customer, 100, now=NOW)
    debit = spend(customer, 100)
    back = NOW + 35 * DAY
    ledger.reverse(transaction_id=debit.pk, cause=Cause(CauseType.API, 1), actor=SYSTEM, now=back)
    before = ends(customer)

    found = plan(NEVER, now=back)
    apply(NEVER, now=back)

    assert numbers(found.own_end) == (2, 1, 107)
    assert numbers(found.changed) == (0, 0, 0)
    assert ends(customer) == before


def test_points_that_are_spent_or_held_whole_keep_their_end_and_a_lot_held_in_part_moves(customer):
    set_programme(DAYS)
    earn(customer, 10, now=NOW - 2 * DAY)
    earn(customer, 100, now=NOW - DAY)
    held = holds.create(customer_id=customer.pk, points=30, actor=SYSTEM, now=NOW)

    apply(NEVER)

    assert ends(customer) == [(MIDNIGHT + 29 * DAY, None), (None, None)]
    holds.release(hold_id=held.pk, actor=SYSTEM, now=NOW)
    assert balance(customer) == 110
    assert balance(customer, MIDNIGHT + 29 * DAY) == 100


def test_pending_points_count_from_when_they_can_be_spent(customer):
    set_programme(NEVER, pending_days=10)
    earn(customer, 100)

    apply(DAYS)

    assert ends(customer) == [(MIDNIGHT + 41 * DAY, None)]
    assert PointsAccount.objects.get().next_edge_at == MIDNIGHT + 10 * DAY
    assert balance(customer, MIDNIGHT + 10 * DAY) == 100


# Days without activity


def test_points_that_come_under_days_without_activity_follow_it_from_then_on(customer):
    set_programme(NEVER)
    earn(customer, 100, now=NOW - 100 * DAY)
    spend(customer, 1, now=NOW - 10 * DAY)

    apply(IDLE)
    assert ends(customer) == [(MIDNIGHT + 21 * DAY, 30)]
    spend(customer, 1, now=NOW + 5 * DAY)

    assert ends(customer) == [(MIDNIGHT + 36 * DAY, 30)]


def test_points_that_leave_it_are_moved_by_activity_no_more(customer):
    set_programme(IDLE)
    earn(customer, 100)

    apply(DAYS)
    spend(customer, 1, now=NOW + 5 * DAY)

    assert ends(customer) == [(MIDNIGHT + 31 * DAY, None)]


def test_the_same_end_by_another_rule_is_a_change_that_is_shown(customer):
    set_programme(DAYS)
    earn(customer, 100)

    found = plan(IDLE)
    apply(IDLE)

    assert numbers(found.effects[Effect.SAME_END]) == (1, 1, 100)
    assert ends(customer) == [(MIDNIGHT + 31 * DAY, 30)]


def test_knows_the_last_activity_of_accounts_that_never_noted_one(customer):
    set_programme(NEVER)
    earn(customer, 100, now=NOW - 10 * DAY)
    PointsAccount.objects.update(last_activity_at=None)

    apply(IDLE)

    assert ends(customer) == [(MIDNIGHT + 21 * DAY, 30)]


@pytest.mark.parametrize("change", [{"idle_days": 3}, {"expires_at": None}, {"expires_at": NOW + DAY, "idle_days": 1}])
def test_the_database_refuses_a_moved_end_that_no_row_explains(customer, change):
    set_programme(DAYS)
    earn(customer, 100)

    with pytest.raises(DatabaseError, match="only with a row that says why"), transaction.atomic():
        PointsLot.objects.update(**change)


# In batches, once, and only what was shown


def test_can_be_stopped_after_any_batch_and_the_next_run_does_the_rest():
    set_programme(NEVER)
    people = CustomerFactory.create_batch(3)
    for number, person in enumerate(people, start=1):
        earn(person, number)

    run = policy.apply(plan=plan(DAYS), actor=SYSTEM, now=NOW, size=1)
    assert next(run) == policy.Progress(customers=1, lots=1, points=1, expired=0)
    run.close()

    assert numbers(plan(DAYS).changed) == (2, 2, 5)
    assert apply(DAYS, size=1) == policy.Progress(customers=2, lots=2, points=5, expired=0)
    assert numbers(plan(DAYS).changed) == (0, 0, 0)
    assert PointsLotChange.objects.count() == 3


def test_a_batch_takes_the_same_few_statements_however_many_customers(django_assert_num_queries):
    set_programme(NEVER)
    people = CustomerFactory.create_batch(12)
    for person in people:
        for points in (1, 2, 3):
            earn(person, points)

    with django_assert_num_queries(14):
        apply(IDLE)
    with django_assert_num_queries(14):
        apply(DAYS)


def test_what_moved_since_the_preview_is_refused(customer):
    set_programme(NEVER)
    earn(customer, 100, now=NOW - 100 * DAY)
    shown = plan(DAYS).fingerprint
    spend(customer, 1)

    with pytest.raises(PlanOutdated, match="has changed since you looked"):
        policy.confirm(policy=DAYS, now=NOW, shown=shown)
    with pytest.raises(PlanOutdated):
        policy.confirm(policy=IDLE, now=NOW, shown=plan(DAYS).fingerprint)
    with pytest.raises(PlanOutdated):
        policy.confirm(policy=DAYS, now=NOW, shown="")


def test_new_points_under_that_policy_and_the_passing_of_hours_move_nothing_that_was_shown(customer):
    set_programme(NEVER)
    earn(customer, 100)
    set_programme(DAYS)
    shown = plan(DAYS)

    earn(customer, 10, now=NOW + timedelta(hours=1))

    assert policy.confirm(policy=DAYS, now=NOW + timedelta(hours=2), shown=shown.fingerprint).changed == shown.changed


def test_a_desk_that_never_stands_still_agrees_to_what_expires_at_once(customer):
    set_programme(NEVER)
    earn(customer, 100, now=NOW - 100 * DAY)

    assert policy.confirm(policy=DAYS, now=NOW, most_at_once=100).at_once.points == 100
    with pytest.raises(PlanOutdated, match="100 points would expire at once, more than 99"):
        policy.confirm(policy=DAYS, now=NOW, most_at_once=99)


def test_never_lets_more_expire_at_once_than_was_shown(customer):
    first = CustomerFactory()
    set_programme(NEVER)
    earn(first, 50, now=NOW - 100 * DAY)
    earn(customer, 100, now=NOW - 100 * DAY)
    debit = spend(customer, 100)
    shown = plan(DAYS)
    ledger.reverse(transaction_id=debit.pk, cause=Cause(CauseType.API, 1), actor=SYSTEM, now=NOW)
    for person in (first, customer):
        assert balance(person) in {50, 100}

    with pytest.raises(PlanOutdated, match="More than the 50 points"):
        list(policy.apply(plan=shown, actor=SYSTEM, now=NOW))

    assert balance(customer) == 100
    assert not PointsTransaction.objects.filter(kind=TransactionKind.EXPIRY, customer=customer).exists()


def test_points_earned_after_the_plan_are_not_touched(customer):
    set_programme(NEVER)
    earn(customer, 100)
    shown = plan(DAYS)
    earn(customer, 10)

    list(policy.apply(plan=shown, actor=SYSTEM, now=NOW))

    assert ends(customer) == [(MIDNIGHT + 31 * DAY, None), (None, None)]


# The command


def run(*arguments):
    out = io.StringIO()
    call_command("points_policy", *arguments, stdout=out)
    return out.getvalue()


def fingerprint(text):
    return re.search(r"--plan ([0-9a-f]+)", text)[1]


@pytest.fixture
def old_points(customer):
    set_programme(NEVER)
    earn(customer, 100, now=timezone.now() - 100 * DAY)
    earn(customer, 10, now=timezone.now())
    set_programme(DAYS)


def test_the_command_previews_the_programmes_policy_and_changes_nothing(old_points, customer):
    text = run("--preview")

    assert "Earned points expire 30 days after they can be spent. Days end at midnight in UTC." in text
    assert re.search(r"an end for the first time +2 lots +1 customers +110 points", text)
    assert re.search(r"at once +0 now +100 after", text)
    assert "never → at once" in text
    assert run() == text
    assert [end for end, _ in ends(customer)] == [None, None]


def test_the_command_applies_what_was_previewed_and_then_has_nothing_to_do(old_points, customer):
    text = run("--apply", "--plan", fingerprint(run()))

    assert "Done: 2 lots of 1 customers have their new end, 100 points expired at once." in text
    assert balance(customer, timezone.now()) == 10
    assert "Nothing to do" in run()
    assert "Done: 0 lots" in run("--apply", "--at-most", "0")


def test_the_command_takes_another_policy_to_undo_one(old_points, customer):
    run("--apply", "--at-most", "100")

    run("--apply", "--mode", "never", "--at-most", "0")

    assert ends(customer)[1] == (None, None)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--apply"], "Say what you agree to"),
        (["--apply", "--plan", "0" * 32], "has changed since you looked"),
        (["--apply", "--at-most", "99"], "100 points would expire at once, more than 99"),
        (["--preview", "--days", "0"], "0 is no number of days"),
        (["--preview", "--days", str(10**9)], "no number of days"),
    ],
)
def test_the_command_refuses_in_a_sentence_and_changes_nothing(old_points, customer, arguments, sentence):
    with pytest.raises(CommandError, match=sentence):
        run(*arguments)

    assert [end for end, _ in ends(customer)] == [None, None]


def test_the_command_can_be_interrupted_and_goes_on_where_it_stopped(old_points, monkeypatch):
    earn(CustomerFactory(), 5, now=timezone.now() - 100 * DAY)
    set_programme(NEVER)
    earn(CustomerFactory(), 7, now=timezone.now())
    set_programme(DAYS)
    whole = policy.apply

    def interrupted(**arguments):
        yield next(whole(**arguments, size=1))
        raise KeyboardInterrupt

    monkeypatch.setattr(policy, "apply", interrupted)
    with pytest.raises(CommandError, match="Stopped after 2 lots") as stop:
        run("--apply", "--at-most", "1000")
    monkeypatch.undo()

    assert stop.value.returncode == 130
    assert "1 lots" in run("--apply", "--at-most", "0")


# The page


@pytest.fixture
def people(db, client):
    roles.sync()

    def sign_in(role):
        user = StaffFactory()
        user.groups.set(roles.Group.objects.filter(name=role))
        client.force_login(user)
        return client

    return sign_in


URL = "/admin/points/pointstransaction/policy/"


def form_of(page):
    names = ("mode", "days", "plan")
    text = page.content.decode()
    return {name: re.search(rf'<input type="hidden" name="{name}" value="([^"]*)">', text)[1] for name in names}


@pytest.mark.parametrize("role", ["viewer", "support", "fulfilment"])
def test_the_page_is_for_managers(people, role, old_points):
    client = people(role)

    assert client.get(URL).status_code == 403
    assert client.post(URL, {"mode": "never", "days": 1, "plan": "x"}).status_code == 403
    assert URL not in client.get("/admin/").content.decode()


def test_the_page_shows_the_programmes_policy_and_stands_in_the_menu(people, old_points):
    client = people("manager")

    page = client.get(URL).content.decode()

    assert URL in client.get("/admin/").content.decode()
    assert "Earned points expire 30 days after they can be spent." in page
    assert "Get an end for the first time" in page
    assert "Expire at once" in page
    assert "New points follow another rule" not in page


def test_the_page_shows_another_policy_without_changing_anything(people, old_points, customer):
    page = people("manager").get(URL, {"mode": "never", "days": "30"}).content.decode()

    assert "New points follow another rule" in page
    assert "Nothing would change." in page
    assert [end for end, _ in ends(customer)] == [None, None]


def test_the_page_applies_what_it_showed_once_that_number_was_seen(people, old_points, customer):
    client = people("manager")
    shown = form_of(client.get(URL))

    unseen = client.post(URL, shown, follow=True).content.decode()
    assert "100 points would expire at once. Tick that you know it." in unseen
    assert balance(customer, timezone.now()) == 110

    page = client.post(URL, {**shown, "expire": "yes"}, follow=True).content.decode()

    assert "2 lots of 1 customers have their new end; 100 points expired at once." in page
    assert "Nothing would change." in page
    assert balance(customer, timezone.now()) == 10
    assert PointsLotChange.objects.filter(actor_kind="staff").count() == 2


def test_the_page_refuses_when_the_state_has_moved(people, old_points, customer):
    client = people("manager")
    shown = form_of(client.get(URL))
    spend(customer, 1, now=timezone.now())

    page = client.post(URL, {**shown, "expire": "yes"}).content.decode()

    assert "has changed since you looked" in page
    assert form_of(client.get(URL)) != shown
    assert not PointsLotChange.objects.exists()


def test_the_page_does_a_part_and_says_so_when_it_takes_too_long(people, old_points, customer, monkeypatch):
    set_programme(NEVER)
    earn(CustomerFactory(), 7, now=timezone.now())
    set_programme(DAYS)
    whole = policy.apply
    monkeypatch.setattr(policy, "apply", lambda **arguments: whole(**arguments, size=1))
    monkeypatch.setattr("loyalty.points.admin.policy.MOST_SECONDS", -1.0)
    client = people("manager")

    page = client.post(URL, {**form_of(client.get(URL)), "expire": "yes"}, follow=True)

    assert "The rest is below" in page.content.decode()
    assert numbers(plan(DAYS, now=timezone.now()).changed) == (1, 1, 7)
    client.post(URL, form_of(page))
    assert numbers(plan(DAYS, now=timezone.now()).changed) == (0, 0, 0)


@pytest.mark.parametrize("query", [{"mode": "sometimes", "days": 1}, {"mode": "days", "days": 0}, {"mode": "days"}])
def test_the_page_says_at_the_field_what_is_wrong(people, old_points, query):
    client = people("manager")

    for answer in (client.get(URL, query), client.post(URL, query)):
        assert answer.status_code == 200
        assert "desk-error" in answer.content.decode()
    assert not PointsLotChange.objects.exists()
