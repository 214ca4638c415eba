"""A real Celery worker, with its beat, in a process that can be killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class Worker:
    """One worker and beat. `kill` ends it like a power cut."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.log = folder / "worker.log"
        self._environment = environment
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "celery", "-A", "loyalty", "worker", "--beat", "--loglevel", "INFO"]
        command += [
            "--concurrency",
            "2",
            "--schedule",
            str(self._folder / "beat"),
            "--without-gossip",
            "--without-mingle",
        ]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**self._environment, "C_FORCE_ROOT": "1"},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        wait_for(
            lambda: b" ready." in self.log.read_bytes(), seconds=40, what=f"the worker to be ready, see {self.log}"
        )

    def kill(self) -> None:
        """SIGKILL to the worker and all its children."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        os.killpg(self._process.pid, how)
        try:
            self._process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(timeout=15)
        self._process = None
        self.log.write_bytes(b"")


@contextmanager
def running_worker(folder: Path, environment: dict[str, str]) -> Iterator[Worker]:
    """A worker that runs until the block ends."""
    worker = Worker(folder, environment)
    worker.start()
    try:
        yield worker
    finally:
        worker.stop()


def wait_for(condition: Callable[[], object], *, seconds: float = 20, what: str = "it") -> None:
    """Wait until the condition holds; fail with what was waited for."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError(f"waited {seconds} s for {what}")
