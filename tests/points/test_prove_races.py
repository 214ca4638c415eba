"""`manage.py prove_races`: a scratch database comes and goes, every invariant is counted, and a break is said aloud."""

import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import psycopg
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection

from loyalty.common.racing import crew
from loyalty.customers.models import Customer
from loyalty.points.management import scratch
from loyalty.points.management.commands import prove_races

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def server(transactional_db):
    parameters = connection.get_connection_params() | {"cursor_factory": psycopg.Cursor}
    with psycopg.connect(**parameters, autocommit=True) as opened:
        yield opened


@pytest.mark.timeout(300)
def test_holds_every_invariant_in_a_database_of_its_own_which_is_gone_afterwards(server, process_environment):
    Customer.objects.create(first_name="Bystander")

    run = subprocess.run(
        [sys.executable, "manage.py", "prove_races", "--workers", "4"],
        cwd=ROOT,
        env=process_environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (run.returncode, run.stderr) == (0, "")
    assert "one hold ... held" in run.stdout
    assert "one code ... held" in run.stdout
    assert "A refund takes back what the order earned, once" in run.stdout
    assert "0 breaks" in run.stdout
    assert Customer.objects.count() == 1
    left = server.execute("SELECT count(*) FROM pg_database WHERE datname LIKE 'prove\\_races\\_%'").fetchone()
    assert left == (0,)


def test_counts_a_break_names_it_and_exits_with_one(monkeypatch, capsys):
    def broken(crew, scores):
        scores.equal("Two and two", 5, 4)
        scores.equal("Two and two", 4, 4)

    monkeypatch.setattr(prove_races, "found_races", lambda: {"sums": broken})
    monkeypatch.setattr(prove_races.Command, "scratch_database", lambda *_, **__: nullcontext())

    with pytest.raises(CommandError, match="1 checks of invariants broke") as failure:
        call_command("prove_races", workers=2)

    assert failure.value.returncode == 1
    said = capsys.readouterr()
    assert "sums ... BROKEN" in said.out
    assert "2       1  Two and two" in said.out
    assert "found 5, expected 4" in said.err


@pytest.mark.parametrize("workers", [-1, 0, 1, 501])
def test_refuses_a_number_of_workers_that_makes_no_race(workers):
    with pytest.raises(CommandError, match="not between 2 and 500"):
        call_command("prove_races", workers=workers)


def test_says_what_to_do_when_the_role_may_not_create_databases(server):
    server.execute("CREATE ROLE modest")
    server.execute("SET ROLE modest")

    try:
        with pytest.raises(CommandError, match=r"may not create databases.*CREATEDB"):
            scratch.create(server, "prove_races_refused")
    finally:
        server.execute("RESET ROLE")
        server.execute("DROP ROLE modest")


def test_refuses_more_workers_than_the_server_has_connections_left(server):
    with pytest.raises(CommandError, match=r"connections left, and 100000 workers need 100002"):
        scratch.require_connections(server, workers=100_000)


def test_a_race_starts_together_and_gives_back_what_each_act_ended_with():
    def fail():
        raise ValueError("no")

    with crew(3) as racers:
        first, second, third = racers.race([lambda: 1, fail, lambda: 3])
        with pytest.raises(ValueError, match="4 acts do not start together with 3 workers"):
            racers.race([fail] * 4)

    assert (first, third) == (1, 3)
    assert str(second) == "no"
