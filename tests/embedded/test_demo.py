"""Demo: one command brings everything up, and takes everything down again."""

import json
import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from loyalty.embedded import processes, servers
from loyalty.embedded.children import Children
from loyalty.embedded.errors import StartRefused
from loyalty.embedded.home import Home, free_port, listen
from tests.embedded.supervisor import ROOT, process_environment, stop_what_is_left, wait_for

pytestmark = pytest.mark.faults
READY = "are shown below"


class Demo:
    """A running `python -m loyalty.embedded demo`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.output = folder / f"output-{len(list(folder.glob('output-*')))}"
        with self.output.open("wb") as file:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "loyalty.embedded", "demo"],
                cwd=ROOT,
                env=process_environment(folder),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        return self.output.read_text(encoding="utf-8", errors="replace")

    def run_file(self) -> dict[str, Any]:
        said: dict[str, Any] = json.loads((self.folder / "run.json").read_text())
        return said

    def children(self) -> dict[str, processes.Mark]:
        return {name: processes.Mark(pid=pid, began=since) for name, pid, since in self.run_file()["children"]}

    def wait_until_ready(self) -> "Demo":
        wait_for(lambda: READY in self.said or self.popen.poll() is not None, seconds=120)
        assert READY in self.said, self.said
        return self

    def address(self, name: str) -> str:
        found = re.search(rf"^  {name} +(http\S+)$", self.said, re.MULTILINE)
        assert found, self.said
        return found.group(1)


@pytest.fixture
def start_demo(data_folder: Path) -> Iterator[Callable[[], Demo]]:
    """Starts the demo in a folder of its own; none is left running."""
    started: list[Demo] = []

    def start() -> Demo:
        started.append(Demo(data_folder))
        return started[-1]

    yield start
    for demo in started:
        if demo.popen.poll() is None:
            demo.popen.terminate()
            demo.popen.wait(timeout=60)
    subprocess.run(
        [sys.executable, "-m", "loyalty.embedded", "reset"],
        cwd=ROOT,
        env=process_environment(data_folder),
        capture_output=True,
        check=False,
    )
    stop_what_is_left(data_folder)


def servers_of(folder: Path) -> list[processes.Mark]:
    lines = next(folder.glob("servers/postgres/postmaster.pid")).read_text().splitlines()
    found = processes.mark(int(lines[0]))
    assert found
    return [found]


@pytest.mark.timeout(300)
def test_shows_where_everything_is_and_leaves_nothing_running(start_demo, data_folder):
    dashed = {name: f"-{name}-begins-with-a-dash" for name in ("shop_token", "webhook_secret")}
    (data_folder / "secrets.json").write_text(json.dumps(dashed))
    demo = start_demo().wait_until_ready()
    running = [*demo.children().values(), *servers_of(data_folder)]

    assert set(demo.children()) == {"shop", "web", "worker", "beat"}
    with urlopen(demo.address("Admin"), timeout=10) as response:
        assert response.status == 200
    with urlopen(demo.address("Sandbox shop"), timeout=10) as response:
        assert response.status == 200
    with urlopen(demo.address("API"), timeout=10) as response:
        assert response.status == 200
    key, address = re.search(r"curl -H 'Authorization: Bearer (\S+)' (http\S+)", demo.said).groups()
    with urlopen(Request(address, headers={"Authorization": f"Bearer {key}"}), timeout=10) as response:
        assert json.load(response)["customers"]
    assert stat.S_IMODE((data_folder / "demo.json").stat().st_mode) == 0o600
    seconds = float(re.search(r"\[ *([0-9.]+) s\] ready", demo.said).group(1))
    assert seconds < 120  # under 60 on a machine of its own; tests run on busy ones

    demo.popen.send_signal(signal.SIGINT)
    assert demo.popen.wait(timeout=60) == 0
    assert [mark for mark in running if processes.is_running(mark)] == []


@pytest.mark.nightly
@pytest.mark.timeout(300)
def test_resumes_after_it_was_killed_and_stops_when_a_part_dies(start_demo, data_folder):
    killed = start_demo().wait_until_ready()
    left = killed.children()
    ports = {name: port for name, port in killed.run_file().items() if name.endswith("_port")}
    bystander = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    try:
        os.kill(killed.popen.pid, signal.SIGKILL)
        killed.popen.wait()
        # A number the system gave to somebody else meanwhile must not be taken for ours.
        said = killed.run_file()
        said["children"].append(["recycled", bystander.pid, "another time"])
        (data_folder / "run.json").write_text(json.dumps(said))

        second = start_demo().wait_until_ready()

        assert "stopped what a killed demo had left: shop, web, worker, beat\n" in second.said
        assert [name for name, mark in left.items() if processes.is_running(mark)] == []
        assert bystander.poll() is None
        assert ports == {name: port for name, port in second.run_file().items() if name.endswith("_port")}
    finally:
        bystander.communicate()

    os.kill(second.children()["worker"].pid, signal.SIGKILL)
    assert second.popen.wait(timeout=60) == 1
    assert "worker ended by itself" in second.said
    assert second.run_file()["children"] == []
    assert not list(data_folder.glob("servers/postgres/postmaster.pid"))


@pytest.mark.timeout(300)
def test_is_stopped_and_removed_by_reset(start_demo, data_folder):
    (data_folder / "not-ours").write_text("stays")
    demo = start_demo()
    wait_for(lambda: "PostgreSQL and Valkey up" in demo.said)
    refused = subprocess.run(
        [sys.executable, "-m", "loyalty.embedded", "demo"],
        cwd=ROOT,
        env=process_environment(data_folder),
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 1
    assert f"The demo runs here already (process {demo.popen.pid})" in refused.stderr

    reset = subprocess.run(
        [sys.executable, "-m", "loyalty.embedded", "reset"],
        cwd=ROOT,
        env=process_environment(data_folder),
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )

    assert reset.returncode == 0, reset.stderr
    assert demo.popen.wait(timeout=5) == 0
    assert {path.name for path in data_folder.iterdir()} == {
        "not-ours",
        "output-0",
        "demo.lock",
        "start.lock",
        "users.lock",
    }


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("DATABASE_URL", "sqlite:///file.db", "only PostgreSQL (15 or newer) is supported"),
        ("DATABASE_URL", "postgres://user:hush-hush@127.0.0.1:1/name", "the database does not let us in: "),
        ("REDIS_URL", "http://broker", "it is not an address such as "),
        ("REDIS_URL", "redis://:hush-hush@127.0.0.1:1/0", "the broker does not let us in: "),
        ("CELERY_BROKER_URL", "redis://127.0.0.1:1/0", "the broker does not let us in: "),
        ("DEBUG", "maybe", "'maybe' is neither true nor false."),
    ],
)
def test_refuses_a_bad_value_with_one_sentence_that_names_it(data_folder, variable, value, sentence):
    refused = subprocess.run(
        [sys.executable, "-m", "loyalty.embedded", "demo"],
        cwd=ROOT,
        env=process_environment(data_folder, **{variable: value}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert refused.returncode == 1
    assert refused.stderr.startswith(f"Stopped: {variable}: {sentence}")
    assert len(refused.stderr.splitlines()) == 1
    assert "hush-hush" not in refused.stderr
    assert not list(data_folder.glob("**/postmaster.pid"))


def test_refuses_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("in the way")

    refused = subprocess.run(
        [sys.executable, "-m", "loyalty.embedded", "demo"],
        cwd=ROOT,
        env=process_environment(tmp_path / "file" / "folder"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert refused.returncode == 1
    assert "Set LOYALTY_DATA_DIR to a folder of your own." in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(("place", "name"), [(0, "PostgreSQL"), (1, "Valkey")])
def test_stops_when_a_server_of_its_own_dies(data_folder, monkeypatch, place, name):
    for variable in ("DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL"):
        monkeypatch.delenv(variable, raising=False)
    home = Home(folder=data_folder / "own")

    with servers.serving(home, durable=False) as addresses:
        children = Children(home=home, environment={}, addresses=addresses)
        children.check()
        died = addresses.started[place].running
        os.kill(died.pid, signal.SIGKILL)
        wait_for(lambda: not processes.is_running(died))

        with pytest.raises(StartRefused, match=f"^{name} ended by itself"):
            children.check()


def test_holds_the_port_of_its_web_server_from_the_start():
    with listen() as door:
        port = door.getsockname()[1]

        assert free_port(preferred=port) != port
    assert free_port(preferred=port) == port
