"""Codes made ahead: exactly as many as were asked for, whatever collides and whoever is killed in between."""

import re
from datetime import timedelta

import pytest

from loyalty.common import actors, codes
from loyalty.events.models import Event
from loyalty.jobs import lifecycle, work
from loyalty.jobs.models import JobOutcome, Step
from rewards import pool_making, pools
from rewards.models import RewardCode
from tests.factories.catalogue import RewardFactory
from tests.factories.points import NOW
from tests.factories.pools import fill

pytestmark = pytest.mark.django_db

STAFF = actors.staff(7)
SHAPE = re.compile(rf"SUMMER-[{codes.ALPHABET}]{{10}}")


@pytest.fixture
def reward():
    return RewardFactory(prefix="SUMMER")


@pytest.fixture(autouse=True)
def _small_portions(monkeypatch):
    monkeypatch.setattr(pool_making, "PORTION", 40)


def begin(reward, count):
    return pool_making.begin(reward_id=reward.pk, count=count, actor=STAFF, now=NOW)


def run(job, *, now=NOW):
    pool_making.work_on(job_id=job.pk, now=now, patience=600)
    job.refresh_from_db()
    assert job.state == "done"
    return job


def step(job, name, *, now=NOW):
    lifecycle.begin(job_id=job.pk, step=Step(name), actor=STAFF, now=now)
    return run(job, now=now)


def made(reward):
    return list(RewardCode.objects.filter(pool=reward.pk).values_list("canonical", flat=True))


@pytest.mark.parametrize("count", [1, 40, 101])
def test_makes_exactly_as_many_as_were_asked_for(reward, count):
    job = step(run(begin(reward, count)), "apply")

    found = made(reward)
    assert len(found) == len(set(found)) == count
    assert all(SHAPE.fullmatch(code) for code in found)
    assert pools.draw(reward=reward, now=NOW).code in found
    assert Event.objects.get(kind="pool.codes_added").data == {"job_id": job.pk, "codes": count}


def test_replaces_codes_that_exist_already_and_codes_drawn_twice(reward, monkeypatch):
    fill(RewardFactory(), "SUMMER-TAKEN")
    drawn = codes.generate_many

    def unlucky(*, count, **more):
        found = drawn(count=count, **more)
        return [*found[3:], "SUMMER-TAKEN", "SUMMER-TWICE", "SUMMER-TWICE"] if count > 20 else found

    monkeypatch.setattr(codes, "generate_many", unlucky)

    step(run(begin(reward, 101)), "apply")

    assert len(set(made(reward))) == len(made(reward)) == 101


def test_refuses_rather_than_going_round_for_ever_when_no_code_is_free(reward, monkeypatch):
    monkeypatch.setattr(codes, "generate_many", lambda *, count, **more: ["SUMMER-SAME"] * count)

    job = step(run(begin(reward, 2)), "apply")

    assert job.tally["apply"] == {"refused": 1}
    assert JobOutcome.objects.get(job=job, step="apply").text == (
        "No 2 free codes were found for “5 off”: change its prefix."
    )
    assert made(reward) == []


def test_comes_to_exactly_as_many_after_a_worker_was_killed(reward):
    job = run(begin(reward, 200))
    lifecycle.begin(job_id=job.pk, step=Step.APPLY, actor=STAFF, now=NOW)
    claim = work.take(job_id=job.pk, now=NOW)
    work.batch(claim=claim, handlers=pool_making.HANDLERS, now=NOW)
    assert len(made(reward)) == 40

    run(job, now=NOW + timedelta(hours=1))

    assert len(made(reward)) == 200


def test_undoing_removes_those_that_nobody_has_got(reward):
    fill(reward, "BEFORE")
    job = step(run(begin(reward, 100)), "apply")
    taken = [pools.draw(reward=reward, now=NOW).code for _ in range(3)]

    step(job, "undo")

    assert sorted(made(reward)) == sorted(taken)
    assert JobOutcome.objects.filter(job=job, step="undo").latest("number").text == (
        "2 of the codes stay: customers have got them, or were about to."
    )


@pytest.mark.parametrize("count", [0, -1, 1_000_001])
def test_refuses_no_codes_and_too_many(reward, count):
    with pytest.raises(pool_making.CannotMake, match="1 to 1,000,000"):
        begin(reward, count)


def test_refuses_a_prefix_that_makes_codes_too_long(reward, monkeypatch):
    monkeypatch.setattr(codes, "LONGEST", 16)

    with pytest.raises(pool_making.CannotMake, match="shorten the prefix"):
        begin(reward, 1)
