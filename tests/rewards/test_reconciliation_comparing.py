"""Both sides of one code: what counts as a difference where shops and codes are not alike."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from platforms.adapter import Capabilities, PlatformCode
from rewards.models import FindingDetail
from rewards.reconciliation import comparing
from rewards.reconciliation.comparing import Holder, Ours

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
DAY = timedelta(days=1)
HOLDER = Holder(redeemed_reward_id=7, reference="rr-7", fulfillment="issued", usage="unused", amount=Decimal("5.00"))
THERE = PlatformCode(code="A-1", remote_id="1", alive=True, reference="rr-7", uses=0, amount=Decimal("5.00"))


def ours(*holders: Holder, **fields: Any) -> Ours:
    return Ours(canonical="A-1", code_id=3, holders=holders, **fields)


def judged(here: Ours, there: PlatformCode | None, **flags: Any) -> str:
    found = comparing.judge(ours=here, theirs=there, capabilities=Capabilities(**flags), now=NOW)
    return "" if found is None else f"{found.kind} {found.detail} {found.repair}".strip()


@pytest.mark.parametrize(
    ("usage", "there", "expected"),
    [
        ("used", {"uses": None}, ""),  # a shop that keeps no count may take it still, for all it says
        ("unused", {"uses": None}, ""),
        ("used", {"uses": 0, "alive": False}, ""),  # nobody can use it again
        ("used", {"uses": 0}, "use_drift used_here"),
        ("unused", {"uses": 1, "alive": False}, "use_drift used_there"),
        ("unused", {"uses": None, "alive": False}, "ghost dead reissue"),
        ("unused", {"uses": None, "alive": False, "taken": True}, ""),  # by an order that is not paid yet
        ("untracked", {"uses": 3, "alive": False}, ""),  # a gift card that was spent
        ("untracked", {"uses": 0, "alive": False}, "ghost dead"),
        ("unused", {"reference": ""}, ""),  # a shop that keeps no reference
        ("unused", {"amount": None}, ""),  # a value that is not told
    ],
)
def test_of_an_issued_reward(usage: str, there: dict[str, Any], expected: str) -> None:
    assert judged(ours(replace(HOLDER, usage=usage)), replace(THERE, **there)) == expected


@pytest.mark.parametrize(
    ("holder", "there", "flags", "expected"),
    [
        ({"starts_at": NOW + DAY}, {"alive": False}, {}, ""),  # not begun is not dead
        ({"expires_at": NOW - DAY}, {"expires_at": NOW - DAY, "alive": False}, {}, ""),
        (
            {"expires_at": NOW - DAY},
            {"expires_at": None},
            {},
            "value_drift value disable",
        ),  # over here, and taken there
        ({"expires_at": NOW + 9 * DAY}, {"expires_at": NOW + 10 * DAY}, {}, ""),  # a shop that keeps days
        ({"expires_at": NOW + 9 * DAY}, {"expires_at": NOW + 11 * DAY}, {}, "value_drift value reissue"),
        ({"expires_at": NOW + 9 * DAY}, {"expires_at": None}, {"expiry": False}, ""),
        ({"minimum_order": Decimal(20)}, {"minimum_order": None}, {}, "value_drift value reissue"),
        ({"travels": True}, {"amount": Decimal(9)}, {}, "value_drift value"),  # printed in a parcel
        ({"usage": "untracked"}, {"amount": Decimal(9)}, {}, "value_drift value"),  # a gift card, maybe half spent
        ({}, {"amount": Decimal(9), "alive": False, "taken": True}, {}, "value_drift value"),  # by an unpaid order
        ({"expires_at": NOW - DAY}, {"expires_at": None, "reference": ""}, {}, "value_drift value"),  # whose is it?
        ({"minimum_order": Decimal(20)}, {"minimum_order": None}, {"minimum_order": False}, ""),
        ({"collections": frozenset({"k"})}, {"collections": ()}, {}, ""),  # it has no codes for collections
    ],
)
def test_of_a_life_and_a_worth(holder: dict[str, Any], there: dict[str, Any], flags: Any, expected: str) -> None:
    assert judged(ours(replace(HOLDER, **holder)), replace(THERE, **there), **flags) == expected


def test_of_a_code_printed_in_a_parcel_is_left_to_a_person() -> None:
    assert judged(ours(replace(HOLDER, travels=True)), None) == "ghost absent"


@pytest.mark.parametrize("there", [None, THERE, replace(THERE, alive=False), replace(THERE, reference="")])
def test_of_a_code_that_waits_in_a_pool_is_none(there: PlatformCode | None) -> None:
    assert judged(ours(from_pool=True), there) == ""


def test_of_a_code_out_of_a_pool_asks_neither_for_our_mark_nor_for_our_end() -> None:
    theirs = replace(THERE, reference="", expires_at=NOW + 300 * DAY, minimum_order=Decimal(1))
    given = replace(HOLDER, expires_at=NOW + 9 * DAY)

    assert judged(ours(given, from_pool=True), theirs) == ""
    assert judged(ours(given, from_pool=True), replace(theirs, amount=Decimal(9))) == "value_drift value reissue"
    canceled = replace(given, fulfillment="cancelled")
    assert judged(ours(canceled, from_pool=True), theirs) == "zombie canceled kill"


def test_of_a_shared_code_is_that_it_is_gone_while_somebody_counts_on_it() -> None:
    shared = ours(HOLDER, is_shared=True)

    assert judged(shared, THERE) == judged(shared, replace(THERE, uses=900)) == ""
    assert judged(shared, None) == "ghost absent"
    assert judged(shared, replace(THERE, alive=False)) == "ghost dead"
    assert judged(ours(is_shared=True), None) == ""


@pytest.mark.parametrize(
    ("holder", "there", "expected"),
    [
        ({}, {}, "zombie canceled kill"),
        ({}, {"reference": "spring"}, ""),  # somebody else's by now
        ({"keeps_working": True}, {}, ""),  # left alive for the others who have it
        ({"used_knowingly": True}, {"uses": 1, "alive": False}, ""),
        ({"usage": "used"}, {"uses": 1, "alive": False}, ""),
        ({}, {"uses": 1, "alive": False}, "use_drift used_after_cancel"),
        (
            {"used_after_end": True},
            {"uses": None, "alive": False},
            "use_drift used_after_cancel",
        ),  # an order told of it
        ({"used_after_end": True, "used_knowingly": True}, {"uses": None, "alive": False}, ""),
        ({"changing": True}, {}, ""),
    ],
)
def test_of_a_canceled_reward(holder: dict[str, Any], there: dict[str, Any], expected: str) -> None:
    canceled = replace(HOLDER, **({"fulfillment": "cancelled"} | holder))

    assert judged(ours(canceled), replace(THERE, **there)) == expected


def test_of_what_is_being_generated_is_none() -> None:
    assert judged(ours(replace(HOLDER, fulfillment="pending")), None) == ""


def test_of_a_mark_that_is_not_ours_is_none() -> None:
    unknown = Ours(canonical="A-1")

    assert judged(unknown, THERE) == "orphan unknown_here disable"
    assert judged(unknown, replace(THERE, reference="rr-7x")) == judged(unknown, replace(THERE, reference="")) == ""


def test_is_kept_and_read_back_whole() -> None:
    whole = replace(
        THERE,
        percent=Decimal("2.5"),
        minimum_order=Decimal(1),
        collections=("a", "b"),
        expires_at=NOW,
        uses=None,
        taken=True,
    )

    assert comparing.code_from(comparing.evidence_of(whole)) == whole
    assert comparing.code_from(comparing.evidence_of(None)) is None


def test_is_known_again_until_something_of_it_changes() -> None:
    here = ours(HOLDER)
    found = comparing.judge(ours=here, theirs=None, capabilities=Capabilities(), now=NOW)
    assert found is not None

    same = comparing.digest(found, ours=here, theirs=None)

    assert same == comparing.digest(found, ours=ours(replace(HOLDER, used_order_id="9")), theirs=None)
    assert same != comparing.digest(found, ours=ours(replace(HOLDER, amount=Decimal(6))), theirs=None)
    assert same != comparing.digest(replace(found, detail=FindingDetail.DEAD), ours=here, theirs=THERE)
