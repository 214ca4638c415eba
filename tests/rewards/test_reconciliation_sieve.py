"""The sieve of a reconciliation: it holds nothing back that differs, and holds back what plainly agrees."""

import random
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from platforms.adapter import Capabilities, PlatformCode
from rewards.models import ReconciliationRun, RewardCode, RunScope
from rewards.reconciliation import comparing, records, sieve, staging
from tests.factories.catalogue import RewardFactory
from tests.factories.people import ConnectionFactory, CustomerFactory
from tests.rewards.admin_rows import AT, row

pytestmark = pytest.mark.django_db

NOW = AT + timedelta(days=10)
EVERYTHING = Capabilities(minimum_order=True, collections=5, expiry=True)
NOTHING = Capabilities()
CODES = 400


@dataclass
class Shelf:
    """Codes of ours and what a shop listed of them."""

    connection: Any = field(default_factory=ConnectionFactory)
    run: Any = None

    def __post_init__(self) -> None:
        self.customer, self.reward = CustomerFactory(), RewardFactory()
        facts = {"connection": self.connection, "began_at": NOW, "due_at": NOW, "actor_kind": "system"}
        self.run = ReconciliationRun.objects.create(scope=RunScope.ALL, **facts)

    def code(self, name: str, *, shared: bool = False, bulk_reference: str = "") -> RewardCode:
        facts = {"connection": self.connection, "code": name, "canonical": name, "is_shared": shared}
        facts |= {"bulk_reference": bulk_reference}
        return RewardCode.objects.create(**facts, created_at=AT)

    def reward_with(self, code: RewardCode, **fields: Any) -> Any:
        known = {"connection": self.connection, "customer": self.customer, "reward": self.reward, "code": code}
        return row(**known, **fields)

    def listed(self, name: str, **facts: Any) -> None:
        known: dict[str, Any] = {"remote_id": name, "alive": True, "uses": 0, "amount": Decimal("5.00")}
        staging.keep(run=self.run, found=[PlatformCode(code=name, **(known | facts))])

    def sift(self, *, capabilities: Capabilities = EVERYTHING, after: str = "", limit: int = CODES, most: int = CODES):
        return sieve.ours(run=self.run, after=after, capabilities=capabilities, limit=limit, most_doubtful=most)


def anything(shelf: Shelf, name: str, dice: random.Random) -> None:
    """A code in some state here, and in some state there."""
    shared = dice.random() < 0.05
    bulk = "" if shared else dice.choice(["", "", "cb-7-1"])
    code, mark = shelf.code(name, shared=shared, bulk_reference=bulk), "rr-1"
    for _ in range(dice.choice([0, 1, 1, 1, 1, 1, 1, 2])):
        state = dice.choice(["issued"] * 4 + ["cancelled", "failed", "pending"])
        usage = dice.choice(["unused", "unused", "used"]) if state == "issued" else "unused"
        fields: dict[str, Any] = {"fulfillment_status": state, "usage_status": usage}
        fields |= {"minimum_order": dice.choice([None, None, Decimal(20)])}
        fields |= {"collections": dice.choice([[], [], [["7", "Mugs"]]])}
        fields |= {"starts_at": dice.choice([None, None, NOW + timedelta(days=1)])}
        fields |= {"expires_at": dice.choice([None, None, NOW + timedelta(days=5), NOW - timedelta(days=1)])}
        if fields["starts_at"] is not None:
            fields["expires_at"] = None
        own = shelf.reward_with(code, **fields).reference
        mark = bulk or own
    if dice.random() < 0.85:
        shelf.listed(
            name,
            alive=dice.random() < 0.7,
            reference=dice.choice([mark, mark, mark, "", "rr-1", "cb-7-1", "theirs"]),
            uses=dice.choice([0, 0, 0, 1, None]),
            amount=dice.choice([Decimal("5.0"), Decimal(5), Decimal(7), None]),
            percent=dice.choice([None, None, None, Decimal(10)]),
            product_reference=dice.choice(["", "", "", "p-9"]),
            minimum_order=dice.choice([None, None, Decimal(0), Decimal(20)]),
            collections=dice.choice([(), (), ("7",)]),
            expires_at=dice.choice([None, None, NOW + timedelta(days=5, hours=20), NOW + timedelta(days=40)]),
        )


@pytest.mark.parametrize("seed", [1, 2])
def test_holds_nothing_back_that_differs_whatever_both_sides_say(seed):
    dice, shelf = random.Random(seed), Shelf()
    names = [f"ANY-{number:03}" for number in range(CODES)]
    for name in names:
        anything(shelf, name, dice)
    listed = staging.shown(run=shelf.run, canonicals=names)

    for capabilities in (EVERYTHING, NOTHING):
        differing = {
            ours.canonical
            for ours in records.of(connection_id=shelf.connection.pk, canonicals=names)
            if comparing.judge(ours=ours, theirs=listed.get(ours.canonical), capabilities=capabilities, now=NOW)
        }
        doubtful = set(shelf.sift(capabilities=capabilities).doubtful)

        assert len(differing) > CODES / 10
        assert differing - doubtful == set()
        assert len(doubtful) < CODES * 0.9


def test_holds_back_what_plainly_agrees():
    shelf, end = Shelf(), NOW + timedelta(days=5)
    alive = shelf.reward_with(shelf.code("A-ALIVE"), expires_at=end, minimum_order=Decimal("20.00"))
    shelf.listed("A-ALIVE", reference=alive.reference, expires_at=end + timedelta(hours=9), minimum_order=Decimal(20))
    used = shelf.reward_with(shelf.code("B-USED"), usage_status="used")
    shelf.listed("B-USED", reference=used.reference, alive=False, uses=1)
    over = shelf.reward_with(shelf.code("C-OVER"), expires_at=NOW - timedelta(days=1))
    shelf.listed("C-OVER", reference=over.reference, alive=False)
    shelf.reward_with(shelf.code("D-CANCELED"), fulfillment_status="cancelled")
    shelf.reward_with(shelf.code("E-PENDING"), fulfillment_status="pending")
    shelf.code("F-NOBODYS")
    shelf.reward_with(shelf.code("G-BULK", bulk_reference="cb-7-1"))
    shelf.listed("G-BULK", reference="cb-7-1")

    sifted = shelf.sift()

    assert (sifted.doubtful, sifted.end, sifted.places["G-BULK"]) == ((), "G-BULK", 7)


def test_goes_on_behind_the_last_code_and_says_how_many_it_passed():
    shelf = Shelf()
    for name in ("A-1", "B-2", "C-3", "D-4"):
        shelf.reward_with(shelf.code(name))  # and none of them is in the shop

    first = shelf.sift(limit=3)
    bounded = shelf.sift(limit=3, most=2)
    second = shelf.sift(limit=3, after="C-3")
    third = shelf.sift(limit=3, after="D-4")

    assert (first.doubtful, first.end, first.places["C-3"]) == (("A-1", "B-2", "C-3"), "C-3", 3)
    assert (bounded.doubtful, bounded.end, bounded.places["B-2"]) == (("A-1", "B-2"), "B-2", 2)
    assert (second.doubtful, second.end, second.places["D-4"]) == (("D-4",), "D-4", 1)
    assert (third.doubtful, third.end) == ((), "")


def test_of_the_shops_side_lets_through_living_codes_with_our_mark_that_nobody_here_knows():
    shelf = Shelf()
    shelf.code("A-KNOWN")
    shelf.listed("A-KNOWN", reference="rr-1")
    for name, mark in (("B-1", "rr-2"), ("C-2", "cb-7-1"), ("E-4", "rr-2")):
        shelf.listed(name, reference=mark)
    shelf.listed("D-DEAD", reference="rr-3", alive=False)

    first = sieve.theirs(run=shelf.run, after="", limit=4, most_doubtful=1)
    second = sieve.theirs(run=shelf.run, after="B-1", limit=2, most_doubtful=9)
    third = sieve.theirs(run=shelf.run, after="D-DEAD", limit=2, most_doubtful=9)
    beyond = sieve.theirs(run=shelf.run, after="E-4", limit=2, most_doubtful=9)

    assert (first.doubtful, first.end) == (("B-1",), "B-1")
    assert (second.doubtful, second.end) == (("C-2",), "D-DEAD")
    assert (third.doubtful, third.end) == (("E-4",), "E-4")
    assert (beyond.doubtful, beyond.end) == ((), "")
