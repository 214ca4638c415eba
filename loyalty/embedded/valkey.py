"""One Valkey on 127.0.0.1 behind a random password. It keeps nothing: here a broker is a doorbell."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import redis

from loyalty.embedded import account as accounts
from loyalty.embedded import binaries, processes
from loyalty.embedded.errors import StartRefused
from loyalty.embedded.home import Home, free_port
from loyalty.embedded.postgres import environment

PATIENCE = 15.0


@dataclass(slots=True, kw_only=True)
class Valkey:
    """The Valkey of one home."""

    home: Home
    running: processes.Mark | None = None
    port: int = 0

    name: ClassVar[str] = "Valkey"

    @property
    def log(self) -> Path:
        return self.home.logs / "valkey.log"

    @property
    def url(self) -> str:
        return f"redis://:{self.home.secret('valkey_password')}@127.0.0.1:{self.port}/0"

    def start(self) -> bool:
        """Make it run and answer. Says whether it was started just now; False means it ran already.

        Raises:
            StartRefused: it could not be started; the sentence ends with its log.
        """
        if self.adopt():
            return False
        account = accounts.serving_account()
        servers = self.home.servers_folder(account)
        program = accounts.within_reach(binaries.find_valkey(), account=account, beside=servers / "programs")
        log = self.log
        for attempt in range(3):  # another program may take the free port before we do
            self.port = free_port(preferred=self.port if attempt == 0 and self.port else None)
            configuration = (
                f"bind 127.0.0.1\nport {self.port}\nrequirepass {self.home.secret('valkey_password')}\n"
                'save ""\nappendonly no\ndaemonize no\n'
            )
            self.home.write(valkey_port=self.port)
            with log.open("ab") as file, filled_pipe(configuration) as reading:
                child = subprocess.Popen(
                    [program, "-"],  # the configuration comes on the standard input, so no list of processes shows it
                    cwd="/",
                    env=environment(),
                    stdin=reading,
                    stdout=file,
                    stderr=file,
                    start_new_session=True,
                    **account.popen_arguments(),
                )
            if self.comes_up(child):
                return True
        raise StartRefused(f"Valkey did not start. Its log, {log}, ends:\n{processes.last_lines(log)}")

    def stop(self) -> None:
        if self.running:
            processes.stop(self.running, seconds=10)
            self.running = None

    def comes_up(self, child: "subprocess.Popen[bytes]") -> bool:
        try:
            deadline = time.monotonic() + PATIENCE
            while child.poll() is None and time.monotonic() < deadline:
                self.running = self.answering()
                if self.running and self.running.pid == child.pid:
                    return True
                time.sleep(0.03)
        finally:
            if (self.running is None or self.running.pid != child.pid) and child.poll() is None:
                child.terminate()
                child.wait(timeout=10)
        return False

    def adopt(self) -> bool:
        """Take over the server that a killed supervisor left running: it knows our password on our last port."""
        self.port = int(self.home.read().get("valkey_port") or 0)
        self.running = self.answering() if self.port else None
        return self.running is not None

    def answering(self) -> processes.Mark | None:
        """The process that answers on our port with our password; it names itself."""
        try:
            with redis.Redis.from_url(self.url, socket_timeout=3, socket_connect_timeout=3) as client:
                told: Any = client.info("server")
        except redis.RedisError:
            return None
        return processes.mark(int(told["process_id"]))


@contextmanager
def filled_pipe(text: str) -> Iterator[int]:
    """The reading end of a pipe that holds a short text already: whoever reads it gets all of it, or never ran."""
    reading, writing = os.pipe()
    os.write(writing, text.encode())
    os.close(writing)
    try:
        yield reading
    finally:
        os.close(reading)
