"""One PostgreSQL on 127.0.0.1 behind a random password: created, started, adopted after a crash, stopped."""

import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import psycopg

from loyalty.embedded import account as accounts
from loyalty.embedded import binaries, processes
from loyalty.embedded.errors import StartRefused
from loyalty.embedded.home import Home, free_port, write_private

ROLE = "loyalty"
DATABASE = "loyalty"
PATIENCE = 30.0
STILL_LEAVING = ("lock file", "could not bind", "Address already in use", "shared memory block")


@dataclass(slots=True, kw_only=True)
class Postgres:
    """The PostgreSQL of one home. `durable=False` trades safety against a power cut for speed: for tests."""

    home: Home
    durable: bool = True
    running: processes.Mark | None = None
    port: int = 0

    name: ClassVar[str] = "PostgreSQL"

    @property
    def log(self) -> Path:
        return self.home.logs / "postgres.log"

    @property
    def url(self) -> str:
        password = self.home.secret("postgres_password")
        return f"postgres://{ROLE}:{password}@127.0.0.1:{self.port}/{DATABASE}"

    def start(self) -> bool:
        """Make it run and answer. Says whether it was started just now; False means it ran already.

        Raises:
            StartRefused: it could not be started; the sentence ends with its log.
        """
        account = accounts.serving_account()
        servers = self.home.servers_folder(account)
        program = binaries.find_postgres()
        folder = accounts.within_reach(program, account=account, beside=servers / "programs")
        data = self.data
        self.set_aside_other_version(data, version=binaries.postgres_version(folder))
        if not (data / "PG_VERSION").exists():
            self.create(folder, data=data, account=account)
        started = not self.adopt()
        if started:
            self.launch(folder, data=data, account=account)
        self.ensure_database()
        return started

    def stop(self) -> None:
        """End it the fast and clean way: sessions are closed, data is safe."""
        if self.running:
            processes.stop(self.running, first=signal.SIGINT, seconds=20)
            self.running = None

    def set_aside_other_version(self, data: Path, *, version: int) -> None:
        """Data of another major version cannot be read: keep it under another name and begin afresh."""
        try:
            found = (data / "PG_VERSION").read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return
        if found != str(version):
            aside = data.with_name(f"postgres-{found}-{time.strftime('%Y%m%d%H%M%S')}")
            data.rename(aside)
            print(
                f"The data here is PostgreSQL {found}'s and this is {version}: moved to {aside}, starting afresh.",
                flush=True,
            )

    def create(self, folder: Path, *, data: Path, account: accounts.Account) -> None:
        """Make the data folder, whole or not at all."""
        partial = data.with_name("postgres.partial")
        shutil.rmtree(partial, ignore_errors=True)
        password_file = data.with_name("postgres.password")
        write_private(password_file, self.home.secret("postgres_password"))
        account.give(password_file)
        options = ["-U", ROLE, "-A", "scram-sha-256", "-E", "UTF8", f"--pwfile={password_file}"]
        if not self.durable:
            options.append("--no-sync")
        try:
            version = binaries.postgres_version(folder)
            builtin = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
            attempts = [builtin] if version >= 17 else [["--locale=C.UTF-8"], ["--locale=C"]]
            complaint = ""
            for locale in attempts:
                partial.mkdir(mode=0o700)
                account.give(partial)
                made = subprocess.run(
                    [folder / "initdb", "-D", partial, *options, *locale],
                    cwd="/",
                    env=environment(),
                    capture_output=True,
                    text=True,
                    check=False,
                    **account.popen_arguments(),
                )
                if made.returncode == 0:
                    partial.rename(data)
                    return
                complaint = made.stderr.strip()
                shutil.rmtree(partial)
            raise StartRefused(f"PostgreSQL could not create its data folder {data}:\n{complaint}")
        finally:
            password_file.unlink(missing_ok=True)

    @property
    def data(self) -> Path:
        return self.home.servers_folder(accounts.serving_account()) / "postgres"

    def adopt(self) -> bool:
        """Take over the server that a killed supervisor left running on this very data folder."""
        data = self.data
        try:
            lines = (data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
            pid, self.port = int(lines[0]), int(lines[3])
        except (OSError, ValueError, IndexError):
            return False
        running = processes.mark(pid)
        if running is None:
            return False
        deadline = time.monotonic() + 5
        while processes.is_running(running) and time.monotonic() < deadline:
            served = self.asks("SHOW data_directory")
            if served is not None:
                if Path(served) != data:
                    return False
                self.running = running
                return True
            time.sleep(0.1)  # it is still starting, or leaving
        return False

    def launch(self, folder: Path, *, data: Path, account: accounts.Account) -> None:
        """Start it, with patience for a predecessor that is still leaving and for a port that was just taken."""
        deadline = time.monotonic() + PATIENCE
        preferred = self.home.read().get("postgres_port")
        while True:
            log = self.log
            self.port = free_port(preferred=preferred)
            said_before = log.stat().st_size if log.exists() else 0
            child = self.spawn(folder, data=data, account=account, log=log)
            try:
                if self.comes_up(child, deadline=deadline):
                    self.running = processes.mark(child.pid)
                    self.home.write(postgres_port=self.port)
                    return
            finally:
                if self.running is None and child.poll() is None:
                    child.send_signal(signal.SIGINT)
                    child.wait(timeout=20)
            said = log.read_bytes()[said_before:].decode(errors="replace")
            if time.monotonic() > deadline or not any(words in said for words in STILL_LEAVING):
                raise StartRefused(f"PostgreSQL did not start. Its log, {log}, ends:\n{processes.last_lines(log)}")
            preferred = None if "bind" in said else preferred
            time.sleep(0.25)

    def spawn(self, folder: Path, *, data: Path, account: accounts.Account, log: Path) -> "subprocess.Popen[bytes]":
        options = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "max_connections": 200,
            "log_timezone": "UTC",
            "timezone": "UTC",
            "fsync": "on" if self.durable else "off",
            "full_page_writes": "on" if self.durable else "off",
        }
        arguments = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        with log.open("ab") as file:
            return subprocess.Popen(
                [folder / "postgres", "-D", data, *arguments],
                cwd="/",
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,  # Ctrl-C at the terminal is ours to translate
                **account.popen_arguments(),
            )

    def comes_up(self, child: "subprocess.Popen[bytes]", *, deadline: float) -> bool:
        while child.poll() is None and time.monotonic() < deadline:
            if self.asks("SELECT 1") is not None:
                return True
            time.sleep(0.05)
        return False

    def asks(self, question: str) -> str | None:
        """The one answer to a question, or None while nobody answers with our password."""
        try:
            with psycopg.connect(self.url.rpartition("/")[0] + "/postgres", connect_timeout=3) as connection:
                row = connection.execute(question).fetchone()
        except psycopg.OperationalError:
            return None
        return str(row[0]) if row else None

    def ensure_database(self) -> None:
        if self.asks(f"SELECT count(*) FROM pg_database WHERE datname = '{DATABASE}'") == "0":  # noqa: S608
            address = self.url.rpartition("/")[0] + "/postgres"
            with psycopg.connect(address, autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {DATABASE}")


def environment() -> dict[str, str]:
    """What the server programs see of our environment: nothing that would steer them elsewhere."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
