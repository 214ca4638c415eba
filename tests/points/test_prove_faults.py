"""`manage.py prove_faults`: acts are broken at the steps they take, and one that cannot be mended is said aloud."""

import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection

from loyalty.common import crashing
from loyalty.common.crashing import Point, Run, merge, tally_of
from loyalty.common.racing import Scores
from loyalty.common.wires import DatabaseLine, Fault, MailLine, Step, Talk
from loyalty.points.management import doorbell, fault_matrix
from loyalty.points.management.commands import prove_faults
from tests.matrix.stage import Cell

ROOT = Path(__file__).resolve().parents[2]

# The mistake that "claim, call, record" is there to prevent: the shop is asked while the claim may still be rolled back.
CALLS_BEFORE_THE_CLAIM_IS_COMMITTED = """
import django
django.setup()
from django.core.management import call_command
from platforms import registry
from rewards import claim, issuing
from rewards.types import registry as types
queue = claim.queue
def early(*, redeemed, now, **more):
    spec = types.type_of(redeemed.type).spec(redeemed, issuing.asking.code_of(redeemed))
    registry.adapter_for(claim.connection_of(redeemed)).create_code(spec)
    return queue(redeemed=redeemed, now=now, **more)
claim.queue = early
call_command("prove_faults", quick=True, only="a customer redeems")
"""

# A command that stands with its shop and its scratch database, whose tables are not needed, and has a child.
WAITS = """
import os, time
import django
django.setup()
from django.core.management import call_command
from loyalty.points.management import scratch
from platforms import trial
scratch.call_command, trial.PATIENCE = lambda *_, **__: None, 100.0
class Waits(scratch.ScratchCommand):
    def handle(self, *args, **options):
        with trial.running() as shop, self.scratch_database("prove_waiting", connections=1):
            child = os.fork()
            if child:
                print("STANDS", shop.data, shop.port, child, flush=True)
            time.sleep(60)
call_command(Waits())
"""


def run(environment, *words):
    return subprocess.run(
        [sys.executable, *words], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.nightly
@pytest.mark.faults
@pytest.mark.timeout(400)
def test_loses_nothing_and_does_nothing_twice_whatever_breaks_at_whatever_step(process_environment):
    proof = run(process_environment, "manage.py", "prove_faults", "--quick")

    assert (proof.returncode, proof.stderr) == (0, ""), proof.stdout
    acts = found_acts(proof.stdout)
    assert set(acts) == {
        "a customer redeems",
        "staff grant a reward",
        "a worker issues a grant",
        "a worker issues what waits for a shop",
        "a worker issues a campaign whose codes share a discount",
        "staff cancel a reward",
        "a worker cancels in bulk",
        "a worker writes what expired",
        "a worker checks an import",
        "a worker applies an import",
        "a worker undoes an import",
        "a customer redeems a cashback",
        "a worker pays a cashback",
        "a worker writes e-mails down",
        "a worker sends an e-mail",
        "a webhook comes in",
        "a worker processes a webhook",
        "a worker reads events for webhooks",
        "a worker sends a webhook",
    }
    for reads_events in ("a worker writes e-mails down", "a worker reads events for webhooks"):
        acts.pop(reads_events)  # one change; none where the transactions of tests beside this one hold the events up
    assert all(killed >= 1 and dropped >= 1 for killed, dropped, *_ in acts.values()), acts
    for act in (
        "a customer redeems",
        "a worker issues a grant",
        "a worker issues what waits for a shop",
        "a worker issues a campaign whose codes share a discount",
        "staff cancel a reward",
        "a worker pays a cashback",
        "a worker sends an e-mail",
    ):
        assert min(acts[act][2:]) >= 1, "the shop never fell silent"
    assert " 0 breaks" in proof.stdout


def found_acts(text):
    lines = re.findall(r"^ +\d+ +(\d+) +(\d+) +(\d+) +(\d+)  (a .+|staff .+)$", text, re.MULTILINE)
    return {name: tuple(map(int, numbers)) for *numbers, name in lines}


@pytest.mark.faults
@pytest.mark.timeout(300)
def test_finds_the_ghost_of_a_shop_that_is_called_before_the_claim_is_committed(process_environment):
    proof = run(process_environment, "-c", CALLS_BEFORE_THE_CLAIM_IS_COMMITTED)

    assert proof.returncode == 1
    assert re.search(r"broken: 1 codes live for \S+, and customers have 0", proof.stderr), proof.stdout + proof.stderr
    assert "checks of invariants broke" in proof.stderr


def test_refuses_an_act_that_does_not_exist():
    with pytest.raises(CommandError, match="No act has 'tea' in its name"):
        call_command("prove_faults", only="tea")


def test_says_that_the_matrix_needs_the_fakes_of_the_tests(monkeypatch):
    def nothing(name):
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(fault_matrix, "import_module", nothing)

    with pytest.raises(CommandError, match="fakes that live in the folder tests"):
        call_command("prove_faults", matrix=True)


def test_prints_what_came_of_each_cell_and_what_cannot_be_there(capsys):
    good = Cell(rewards=2, codes=1, points=100, refunds=1, ran=2, missing={"a token": "its key does not end"})
    nothing = Cell(missing={"a token": "its key does not end"})
    bad = Cell(ran=1, lost=["a use"], double=["a code"])
    command = prove_faults.Command()

    fault_matrix.write_row(command, 1, "It rains", {"one": good, "two": nothing})
    fault_matrix.write_row(command, 2, "It pours", {"one": bad, "two": good})
    cells = {(1, "one"): good, (1, "two"): nothing, (2, "one"): bad, (2, "two"): good}
    broken = fault_matrix.write_rest(command, cells)

    assert broken == 2
    said = capsys.readouterr()
    assert re.search(r"^ 1  It rains +2/1/100/1 +-$", said.out, re.MULTILINE)
    assert re.search(r"^ 2  It pours +BROKEN +2/1/100/1$", said.out, re.MULTILINE)
    assert "   1  a token, one and two: its key does not end." in said.out
    assert "4 cells, 1 lost, 1 double." in said.out
    assert said.err.splitlines() == ["lost: one, scenario 2: a use", "double: one, scenario 2: a code"]


def test_refuses_a_broker_whose_messages_cannot_be_told_apart(settings):
    settings.CELERY_BROKER_URL = "amqp://guest@127.0.0.1//"

    with pytest.raises(CommandError, match="only Redis and Valkey"):
        doorbell.own("prefix:")


READ, WRITE, CALL = (Step(Talk.DATABASE), Step(Talk.DATABASE, changed=True), Step(Talk.SHOP, changed=True))


def test_breaks_at_every_step_and_quickly_only_where_others_see_another_world():
    steps = [READ, WRITE, READ, CALL, READ]

    everywhere = list(crashing.points(steps, quick=False))
    quickly = list(crashing.points(steps, quick=True))

    assert [point.at for point in everywhere if point.fault is Fault.KILLED] == [2, 3, 4, 5]
    assert [point.at for point in everywhere if point.fault is Fault.DROPPED] == [1, 2, 3, 4]
    assert quickly == [
        Point(Fault.DROPPED, 2, Talk.DATABASE),
        Point(Fault.KILLED, 3),
        Point(Fault.CUT, 1, Talk.SHOP),
        Point(Fault.SILENT, 1, Talk.SHOP),
        Point(Fault.KILLED, 5),
    ]


@pytest.mark.parametrize("steps", [[READ, CALL, READ, WRITE], [READ, READ, WRITE, CALL]])
def test_finds_the_question_to_the_shop_whatever_other_threads_ask_before_it(steps):
    point = Point(Fault.CUT, 1, Talk.SHOP)

    reached = [number for number in range(1, 5) if point.is_at(steps[:number])]

    assert reached == [steps.index(CALL) + 1]


def test_says_where_an_act_was_broken_when_an_invariant_did_not_hold():
    scores, found = Scores(), Scores()
    broken = Run(scenario="an act", point=Point(Fault.KILLED, 2), steps=[READ, WRITE], struck=2)
    found.equal("Two and two", 5, 4)
    found.equal("Two and two", 4, 4)

    merge(scores, found, where=str(broken))
    merge(scores, found, where=str(broken))

    assert scores.tallies["Two and two"].checks == 4
    assert scores.tallies["Two and two"].breaks == [
        "an act, killed at step 2 (database): found 5, expected 4",
    ] * 2  # fmt: skip
    assert tally_of([broken])[Fault.KILLED] == 1


def message(kind, content=b""):
    return kind + (len(content) + 4).to_bytes(4, "big") + content


@pytest.mark.parametrize(
    ("tag", "state", "changed"),
    [(b"COMMIT", b"I", True), (b"UPDATE 1", b"I", True), (b"UPDATE 1", b"T", False), (b"SELECT 1", b"I", False)],
)
def test_tells_from_the_answer_of_the_database_whether_others_see_what_was_done(tag, state, changed):
    first, second = socket.socketpair()
    with closing(first), closing(second):
        line = DatabaseLine(first, second)
        assert line.hears(message(b"K", (4711).to_bytes(4, "big") + b"key!") + message(b"Z", b"I"))

        assert line.asks(message(b"Q", b"..."))
        answer = message(b"C", tag + b"\0") + message(b"Z", state)
        line.busy = True
        assert not line.hears(answer[:7])
        assert line.hears(answer[7:])

        assert (line.backend, line.step.changed, line.busy) == (4711, changed, False)
        assert not line.asks(message(b"X"))


def test_counts_a_mail_as_gone_only_where_the_server_was_given_its_text():
    first, second = socket.socketpair()
    with closing(first), closing(second):
        line, changed = MailLine(first, second), []
        line.hears(b"220 hello\r\n")

        for said, answer in (
            (b"DATA\r\n", b"354 go on\r\n"),
            (b"Subject: A\r\n.\r\n", b"250 taken\r\n"),
            (b"QUIT\r\n", b"221"),
        ):
            assert line.asks(said)
            line.note(said)
            changed.append(line.step.changed)
            line.hears(answer)

        assert changed == [False, True, False]


def test_takes_its_shop_and_its_database_down_when_it_is_asked_to_end(process_environment):
    with subprocess.Popen(
        [sys.executable, "-c", WAITS], cwd=ROOT, env=process_environment, stdout=subprocess.PIPE, text=True
    ) as command:
        stands = next(line for line in command.stdout if line.startswith("STANDS"))
        _, folder, port, child = stands.split()
        os.kill(int(child), signal.SIGTERM)  # its child alone: nothing is taken down
        assert (scratch_databases(), answers(int(port))) == ([f"prove_waiting_{command.pid}"], True)

        command.send_signal(signal.SIGTERM)
        command.wait(30)

    assert command.returncode == 128 + signal.SIGTERM
    assert (scratch_databases(), answers(int(port)), Path(folder).exists()) == ([], False, False)


def scratch_databases():
    with connection.cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database WHERE datname LIKE 'prove_waiting%'")
        return [name for (name,) in cursor.fetchall()]


def answers(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
