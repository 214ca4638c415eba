"""Moving customers by hand and by a table."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command

from loyalty.common import plans
from loyalty.common.actors import SYSTEM, staff
from loyalty.events.models import Event
from loyalty.program.tiers import moving
from loyalty.program.tiers.models import TierEntry, TierStanding, VipTierChange
from loyalty.program.tiers.moving import Wish
from tests.factories.people import CustomerFactory
from tests.factories.points import give
from tests.factories.tiers import judge, switch_on, tier

pytestmark = pytest.mark.django_db(transaction=True)  # events are read once they are committed

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
DAY = timedelta(days=1)
END_OF_MAY = datetime(2026, 5, 31, 22, tzinfo=UTC)  # in Warsaw


@pytest.fixture
def tiers():
    made = tier("Silver", 100, now=NOW, entry_points=10), tier("Gold", 500, now=NOW, entry_points=50)
    switch_on(now=NOW)
    return made


@pytest.fixture
def silver_customer(tiers):
    customer = CustomerFactory()
    give(customer, 120, now=NOW)
    judge(customer, now=NOW)
    return customer


def move(customer, tier_id, **wish):
    return moving.move(
        customer_id=customer.pk,
        wish=Wish(tier_id=tier_id, reason="Friend of the house", **wish),
        actor=staff(7),
        now=NOW,
    )


def test_a_plan_says_everything_and_is_done_as_it_was_shown(silver_customer, tiers):
    wish = Wish(tier_id=tiers[1].pk, reason="Friend of the house", until=date(2026, 5, 31))
    plan = moving.plan(customer_id=silver_customer.pk, wish=wish, now=NOW)
    assert plan.effects == (
        "Moves up from Silver to Gold.",
        "That holds until the end of 31 May 2026; then what was earned or spent decides again.",
        "Is given 50 points, unless that was given for this tier in this period already.",
    )

    with pytest.raises(plans.PlanOutdated):
        moving.move(customer_id=silver_customer.pk, wish=wish, actor=staff(7), now=NOW, fingerprint="other")
    change = moving.move(
        customer_id=silver_customer.pk, wish=wish, actor=staff(7), now=NOW, fingerprint=plan.fingerprint
    )

    silver_customer.refresh_from_db()
    assert silver_customer.tier == tiers[1]
    assert (change.cause, change.actor_kind, change.actor_id, change.held_until) == ("staff", "staff", 7, END_OF_MAY)
    assert (change.note.internal_note, change.number) == ("Friend of the house", 2)
    assert TierEntry.objects.filter(tier=tiers[1]).count() == 1
    assert "Friend" not in str(Event.objects.get(kind="tier.changed", subject_id=change.pk).data)


def test_what_holds_until_a_day_is_judged_by_the_figures_from_then_on(silver_customer, tiers):
    move(silver_customer, tiers[1].pk, until=date(2026, 5, 31))

    judge(silver_customer, now=END_OF_MAY - timedelta(seconds=1))
    assert silver_customer.tier == tiers[1]
    judge(silver_customer, now=END_OF_MAY)

    assert silver_customer.tier == tiers[0]


def test_a_move_down_holds_as_a_ceiling_and_a_move_up_as_a_floor(silver_customer, tiers):
    top = tier("Top", 900, now=NOW)
    other = CustomerFactory()
    move(silver_customer, None, until=date(2026, 5, 31))
    move(other, tiers[1].pk, until=date(2026, 5, 31))

    give(silver_customer, 900, now=NOW)
    give(other, 900, now=NOW)
    judge(silver_customer, other, now=NOW)

    assert (silver_customer.tier, other.tier) == (None, top)


def test_without_a_day_it_holds_until_the_next_judgement(silver_customer, tiers):
    move(silver_customer, tiers[1].pk)

    judge(now=NOW)
    silver_customer.refresh_from_db()
    assert silver_customer.tier == tiers[1]
    judge(now=NOW + DAY)

    silver_customer.refresh_from_db()
    assert silver_customer.tier == tiers[0]


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        ({"tier_id": 0}, "switched off, or gone"),
        ({"reason": " "}, "Write why"),
        ({"until": date(2026, 3, 9)}, "no day from today on"),
        ({"until": date(2136, 3, 10)}, "within ten years"),
    ],
)
def test_refuses_with_a_reason_and_changes_nothing(silver_customer, tiers, wish, sentence):
    wanted = Wish(**({"tier_id": tiers[1].pk, "reason": "Why"} | wish))

    assert sentence in moving.plan(customer_id=silver_customer.pk, wish=wanted, now=NOW).refusal
    with pytest.raises(moving.MoveRefused, match=sentence):
        moving.move(customer_id=silver_customer.pk, wish=wanted, actor=SYSTEM, now=NOW)

    assert VipTierChange.objects.count() == 1


def test_refuses_the_tier_they_are_in_and_excluded_customers(silver_customer, tiers):
    with pytest.raises(moving.StandsThere):
        move(silver_customer, tiers[0].pk)
    with pytest.raises(moving.MoveRefused, match="excluded"):
        move(CustomerFactory(state="disabled"), tiers[0].pk)


def test_a_table_moves_people_once_gives_nothing_and_reports(silver_customer, tiers, tmp_path, capsys):
    silver_customer.__class__.objects.filter(pk=silver_customer.pk).update(email="anna@example.com")
    other = CustomerFactory(email="ben@example.com")
    entries = TierEntry.objects.count()
    file = tmp_path / "tiers.csv"
    file.write_text(
        "Email,Tier,Until\nANNA@example.com,gold,2999-01-01\nben@example.com,Silver,\nno@example.com,Gold,\n"
        "anna@example.com,Platin,\n",
        encoding="utf-8",
    )

    def run(*options):
        with pytest.raises(CommandError) as refused:
            call_command("import_tiers", str(file), "--until", "2030-12-31", *options)
        return capsys.readouterr(), str(refused.value)

    dry, _ = run("--dry-run")
    assert "Would be: 1 moved up, 0 moved down, 0 stand there already, 3 refused." in dry.out
    assert VipTierChange.objects.count() == 1
    file.write_text(file.read_text().replace("2999-01-01", "2031-01-01"))
    said, refused = run()
    again, _ = run()

    assert "2 moved up, 0 moved down, 0 stand there already, 2 refused." in said.out
    assert "Line 4: No customer has this address." in said.err
    assert "Line 5: There is no tier “Platin”." in said.err
    assert refused.startswith("2 lines were refused")
    assert "0 moved up, 0 moved down, 2 stand there already, 2 refused." in again.out
    other.refresh_from_db()
    assert other.tier == tiers[0]
    assert TierEntry.objects.count() == entries
    assert TierStanding.objects.get(pk=silver_customer.pk).held_until.year == 2031
