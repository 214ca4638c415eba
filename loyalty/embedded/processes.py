"""Processes named so that a recycled number is never mistaken for them."""

import contextlib
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One process: its number and when it began. A later process with the same number began at another time."""

    pid: int
    began: str


def began(pid: int) -> str | None:
    """When the process with this number began, or None when no such process is alive."""
    stat = Path(f"/proc/{pid}/stat")
    if Path("/proc/self/stat").exists():
        try:
            fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] in {"Z", "X"} else fields[19]
    asked = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return asked.stdout.strip() or None


def mark(pid: int) -> Mark | None:
    """The running process with this number, named for good; None when there is none."""
    since = began(pid)
    return None if since is None else Mark(pid=pid, began=since)


def is_running(who: Mark) -> bool:
    return began(who.pid) == who.began


def wait_until_gone(who: Mark, *, seconds: float) -> bool:
    """Wait for a process to end, whether or not it is our child. Says whether it did."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(ChildProcessError):  # a child of ours stays a zombie until somebody asks
            os.waitpid(who.pid, os.WNOHANG)
        if not is_running(who):
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)


def stop(who: Mark, *, first: signal.Signals = signal.SIGTERM, seconds: float = 10, group: bool = False) -> None:
    """End exactly this process (with its process group if asked): politely, then, after `seconds`, by force."""
    for name, patience in ((first, seconds), (signal.SIGKILL, 5.0)):
        if not is_running(who):
            return
        try:
            if group:
                os.killpg(who.pid, name)
            else:
                os.kill(who.pid, name)
        except ProcessLookupError:
            return
        if wait_until_gone(who, seconds=patience):
            return


def last_lines(log: Path, *, count: int = 15) -> str:
    """The end of a log, indented, for a message that has to explain a failure."""
    try:
        with log.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 16_384))
            text = file.read().decode(errors="replace")
    except OSError:
        return "    (no log was written)"
    return "\n".join(f"    {line}" for line in text.splitlines()[-count:]) or "    (the log is empty)"
