"""Real supervisors in folders of their own. None of these tests needs Django's database."""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.embedded.supervisor import PROBE, ROOT, Supervisor, process_environment, stop_what_is_left


@pytest.fixture
def data_folder() -> Iterator[Path]:
    """A short-named folder that other accounts can pass through; pytest's own cannot be."""
    folder = Path(tempfile.mkdtemp(prefix="loyalty-test-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def supervise(data_folder: Path) -> Iterator[Callable[..., Supervisor]]:
    """Starts supervisors; whatever still runs at the end, servers included, is stopped."""
    started: list[Supervisor] = []

    def start(
        *,
        folder: Path = data_folder,
        python: str = sys.executable,
        variables: Mapping[str, str] | None = None,
        **popen_arguments: Any,
    ) -> Supervisor:
        popen = subprocess.Popen(
            [python, "-m", "loyalty.embedded", "run", "--", python, "-c", PROBE],
            cwd=ROOT,
            env=process_environment(folder, **(variables or {})),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            **popen_arguments,
        )
        supervisor = Supervisor(popen=popen)
        started.append(supervisor)
        assert popen.stdout is not None
        assert popen.stderr is not None
        lines: list[str] = []
        while not lines or not lines[-1].startswith("{"):
            line = popen.stdout.readline()
            if not line:
                pytest.fail(f"the supervisor ended: {''.join(lines)}{popen.stderr.read()}")
            lines.append(line)
        supervisor.seen = json.loads(lines[-1]) | {"said": "".join(lines[:-1])}
        return supervisor

    yield start
    for supervisor in started:
        if supervisor.popen.poll() is None:
            supervisor.leave()
        for stream in (supervisor.popen.stdin, supervisor.popen.stdout, supervisor.popen.stderr):
            if stream:
                stream.close()
    stop_what_is_left(data_folder)
