"""The processes of the demo: started with a log each, watched, stopped, and cleared away after a crash."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from loyalty.embedded import processes
from loyalty.embedded.errors import StartRefused
from loyalty.embedded.home import CHECKOUT, Home
from loyalty.embedded.servers import Addresses

IMPROPERLY_CONFIGURED = "django.core.exceptions.ImproperlyConfigured: "  # a setting refuses: its sentence says it all


@dataclass(slots=True, kw_only=True)
class Child:
    """One process that runs as long as the demo does."""

    name: str
    popen: "subprocess.Popen[bytes]"
    mark: processes.Mark
    log: Path


@dataclass(slots=True, kw_only=True)
class Children:
    """Everything the demo started, and how to run one more thing."""

    home: Home
    environment: Mapping[str, str]
    addresses: Addresses  # of the servers they all need
    running: list[Child] = field(default_factory=list)

    def do(self, name: str, *words: str) -> None:
        """Run a Python command to its end.

        Raises:
            StartRefused: it failed, or one that must stay has died; the sentence is that of the setting that
                refused, or ends with its last lines.
        """
        self.check()
        log = self.home.logs / f"{name}.log"
        with log.open("wb") as file:
            done = subprocess.run(
                [sys.executable, *words],
                cwd=CHECKOUT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                check=False,
                start_new_session=True,
            )
        if done.returncode:
            end = processes.last_lines(log)
            _, refused, sentence = end.rpartition(IMPROPERLY_CONFIGURED)
            raise StartRefused(sentence if refused else f"{name} failed. Its log, {log}, ends:\n{end}")

    def start(self, name: str, *words: str, inherits: tuple[int, ...] = ()) -> Child:
        """Start a Python program that stays. It is remembered in the run file until it was stopped.

        Raises:
            StartRefused: it ended at once.
        """
        log = self.home.logs / f"{name}.log"
        with log.open("wb") as file:
            popen = subprocess.Popen(
                [sys.executable, *words],
                cwd=CHECKOUT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                pass_fds=inherits,
                start_new_session=True,  # Ctrl-C at the terminal reaches the demo alone, which stops them in order
            )
        mark = processes.mark(popen.pid)
        if mark is None:
            raise StartRefused(f"{name} ended at once. Its log, {log}, ends:\n{processes.last_lines(log)}")
        child = Child(name=name, popen=popen, mark=mark, log=log)
        self.running.append(child)
        self.remember()
        return child

    def wait_until(self, child: Child, is_well: Callable[[], bool], *, seconds: float) -> None:
        """Wait until a child answers.

        Raises:
            StartRefused: it, or another, died; or it did not answer in time.
        """
        deadline = time.monotonic() + seconds
        while not is_well():
            self.check()
            if time.monotonic() > deadline:
                raise StartRefused(
                    f"{child.name} did not answer within {seconds:.0f} s. Its log, {child.log}, ends:\n"
                    f"{processes.last_lines(child.log)}"
                )
            time.sleep(0.1)

    def check(self) -> None:
        """Raises StartRefused when a child, or a server they need, has died."""
        self.addresses.check()
        for child in self.running:
            code = child.popen.poll()
            if code is not None:
                raise StartRefused(
                    f"{child.name} ended by itself (exit code {code}). Its log, {child.log}, ends:\n"
                    f"{processes.last_lines(child.log)}"
                )

    def stop(self) -> None:
        """Stop them all, last started first: ask all at once, then wait for each."""
        for child in reversed(self.running):
            if child.popen.poll() is None:
                child.popen.terminate()
        for child in reversed(self.running):
            stop_group(child.mark)
            child.popen.wait(timeout=10)
            with contextlib.suppress(ProcessLookupError, PermissionError):  # what a killed one had started itself
                os.killpg(child.mark.pid, signal.SIGKILL)
        self.running.clear()
        self.remember()

    def remember(self) -> None:
        self.home.write(children=[[child.name, child.mark.pid, child.mark.began] for child in self.running])


def stop_group(mark: processes.Mark) -> None:
    """Stop a process and those it started: it leads a group of its own."""
    processes.stop(mark, seconds=15, group=True)


def clear_leftovers(home: Home) -> list[str]:
    """Stop what a killed demo left running here, and name it. Only processes that are still the very same."""
    stopped = []
    for name, pid, began in home.read().get("children", []):
        left = processes.Mark(pid=int(pid), began=str(began))
        if processes.is_running(left):
            stop_group(left)
            stopped.append(str(name))
    home.write(children=[])
    return stopped
