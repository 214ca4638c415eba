"""Servers: found, started, shared, adopted, stopped."""

import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
import redis

from loyalty.embedded import account as accounts
from loyalty.embedded import processes
from loyalty.embedded.home import Home
from tests.embedded.supervisor import ROOT, process_environment

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give servers to another account")


def run(folder: Path, *words: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "loyalty.embedded", "run", "--", *words],
        cwd=ROOT,
        env=process_environment(folder, **variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_are_real_and_private_and_end_with_the_command(supervise):
    supervisor = supervise()
    postgres, valkey = supervisor.postgres, supervisor.valkey

    assert supervisor.seen["LOYALTY_ENV"] == "test"
    assert supervisor.seen["listen_addresses"] == "127.0.0.1"
    assert supervisor.seen["unix_socket_directories"] == ""
    assert supervisor.seen["bind"] == "127.0.0.1"
    assert supervisor.seen["fsync"] == "off"
    assert supervisor.seen["server_encoding"] == "UTF8"
    assert supervisor.seen["upper"] == "ZAŻÓŁĆ"

    assert supervisor.leave() == 0
    assert not processes.is_running(postgres)
    assert not processes.is_running(valkey)


def test_refuse_whoever_does_not_know_the_password(supervise):
    seen = supervise().seen
    password = seen["DATABASE_URL"].split(":")[2].split("@")[0]

    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(seen["DATABASE_URL"].replace(password, "guess"))
    with pytest.raises(redis.AuthenticationError):
        redis.Redis.from_url(seen["REDIS_URL"].replace(seen["REDIS_URL"].split(":")[2].split("@")[0], "guess")).ping()
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(host="127.0.0.1", port=int(seen["REDIS_URL"].rsplit(":", 1)[1].split("/")[0])).ping()


def test_keep_their_secrets_to_their_owner(supervise, data_folder):
    supervise()

    for name in ("run.json", "secrets.json"):
        assert stat.S_IMODE((data_folder / "test" / name).stat().st_mode) == 0o600
    listed = subprocess.run(["ps", "axww", "-o", "args"], capture_output=True, text=True, check=False).stdout
    secret = Home(folder=data_folder / "test").secret("valkey_password")
    assert secret not in listed


def test_resume_with_the_same_data_and_ports(supervise):
    first = supervise()
    first.leave()

    second = supervise()

    assert second.seen["visits"] == 2
    assert second.seen["DATABASE_URL"] == first.seen["DATABASE_URL"]
    assert second.seen["REDIS_URL"] == first.seen["REDIS_URL"]


def test_give_back_the_exit_code_of_the_command(data_folder):
    assert run(data_folder, sys.executable, "-c", "raise SystemExit(7)").returncode == 7


def test_are_adopted_when_their_supervisor_was_killed(supervise):
    first = supervise()
    postgres, valkey = first.postgres, first.valkey
    first.kill()
    assert processes.is_running(postgres)
    assert processes.is_running(valkey)

    second = supervise()

    assert second.postgres == postgres
    assert second.valkey == valkey
    second.leave()
    assert not processes.is_running(postgres)
    assert not processes.is_running(valkey)


def test_recover_when_everything_was_killed(supervise):
    first = supervise()
    postgres, valkey = first.postgres, first.valkey
    first.kill()
    os.kill(postgres.pid, signal.SIGKILL)
    os.kill(valkey.pid, signal.SIGKILL)

    second = supervise()  # at once: for a moment the pid file still names a dying process

    assert second.seen["visits"] == 2
    assert second.postgres != postgres


def test_are_shared_and_stopped_by_the_last(supervise):
    first = supervise()
    second = supervise()
    postgres, valkey = first.postgres, first.valkey
    assert second.postgres == postgres
    assert second.valkey == valkey

    first.leave()
    assert processes.is_running(postgres)
    assert processes.is_running(valkey)

    second.leave()
    assert not processes.is_running(postgres)
    assert not processes.is_running(valkey)


def test_stop_nothing_of_another_home(supervise, data_folder):
    bystander = supervise()
    other = supervise(folder=data_folder / "other")

    other.leave()

    assert processes.is_running(bystander.postgres)
    assert processes.is_running(bystander.valkey)


def test_find_another_port_when_theirs_was_taken(supervise):
    first = supervise()
    first.leave()
    port = int(first.seen["DATABASE_URL"].rsplit(":", 1)[1].split("/")[0])

    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # our own last connections still linger there
        stranger.bind(("127.0.0.1", port))
        stranger.listen()
        second = supervise()

    assert f":{port}/" not in second.seen["DATABASE_URL"]
    assert second.seen["visits"] == 2


def test_are_not_started_when_the_environment_names_them(supervise, data_folder):
    named = {"DATABASE_URL": "postgres://user@example.invalid/name", "REDIS_URL": "redis://example.invalid/0"}

    seen = supervise(variables=named).seen

    assert {name: seen[name] for name in named} == named
    assert list(data_folder.iterdir()) == []


def test_are_started_when_only_the_other_is_named(supervise, data_folder):
    seen = supervise(variables={"DATABASE_URL": "postgres://user@example.invalid/name"}).seen

    assert seen["valkey_pid"]
    assert not list(data_folder.glob("**/PG_VERSION"))


def test_refuse_a_command_that_does_not_exist(data_folder):
    done = run(data_folder, "no-such-program", DATABASE_URL="postgres://u@h/n", REDIS_URL="redis://h/0")

    assert done.returncode == 1
    assert "no-such-program cannot be run" in done.stderr


def test_leave_nothing_behind_when_one_of_them_cannot_start(supervise, data_folder):
    first = supervise()
    data = Path(first.seen["data_directory"])
    first.leave()
    (data / "global" / "pg_control").unlink()

    done = run(data_folder, "true")

    assert done.returncode == 1
    assert "PostgreSQL did not start. Its log" in done.stderr
    assert "pg_control" in done.stderr
    assert not (data / "postmaster.pid").exists()


def test_set_aside_the_data_of_another_version(supervise, data_folder):
    first = supervise()
    data = Path(first.seen["data_directory"])
    first.leave()
    (data / "PG_VERSION").write_text("14\n")

    second = supervise()

    assert second.seen["visits"] == 1
    assert "The data here is PostgreSQL 14's" in second.seen["said"]
    assert len(list(data.parent.glob("postgres-14-*/PG_VERSION"))) == 1


def test_begin_again_when_the_data_folder_was_half_made(supervise, data_folder):
    half = data_folder / "test" / "servers" / "postgres.partial"
    half.mkdir(parents=True)
    (data_folder / "test").chmod(0o711)
    (half / "rubbish").write_text("left by a killed start")

    assert supervise().seen["visits"] == 1


@as_root
def test_run_as_an_account_without_rights_when_we_are_root(supervise):
    supervisor = supervise()

    account = accounts.serving_account()
    assert account.uid != 0
    for running in (supervisor.postgres, supervisor.valkey):
        assert Path(f"/proc/{running.pid}").stat().st_uid == account.uid
        groups = [line for line in Path(f"/proc/{running.pid}/status").read_text().splitlines() if "Groups:" in line]
        assert groups[0].split()[1:] == []


@as_root
def test_live_elsewhere_when_their_account_cannot_reach_the_checkout(supervise, data_folder):
    closed = data_folder / "closed"
    closed.mkdir(mode=0o700)

    supervisor = supervise(folder=closed)
    data = Path(supervisor.seen["data_directory"])

    try:
        assert data.parent.parent == Path("/var/tmp")
        assert data.parent.name.startswith("loyalty-desk-")
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700
        supervisor.leave()
    finally:
        shutil.rmtree(data.parent)


@as_root
def test_are_copied_when_their_account_cannot_reach_the_wheels(data_folder):
    private = data_folder / "private"
    private.mkdir(mode=0o700)
    program = private / "package" / "bin" / "server"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\necho reached\n")
    program.chmod(0o700)
    (private / "package.libs").mkdir(mode=0o700)
    account = accounts.serving_account()
    beside = data_folder / "programs"

    path = accounts.within_reach(
        accounts.Program(path=program, needs=(private / "package", private / "package.libs")),
        account=account,
        beside=beside,
    )

    done = subprocess.run([path], capture_output=True, text=True, cwd="/", check=False, **account.popen_arguments())
    assert done.stdout == "reached\n"
    assert path.parent.parent.parent.joinpath("package.libs").is_dir()
    assert stat.S_IMODE(private.stat().st_mode) == 0o700


@as_root
def test_work_under_a_closed_umask(supervise):
    assert supervise(umask=0o077).seen["visits"] == 1


@as_root
def test_work_for_a_plain_user(supervise, data_folder):
    nobody = pwd.getpwnam("nobody")
    plain = accounts.Account(uid=nobody.pw_uid, gid=nobody.pw_gid, borrowed=True)
    python, variables = python_for(plain)
    home = data_folder / "plain"
    home.mkdir()
    os.chown(home, nobody.pw_uid, nobody.pw_gid)

    supervisor = supervise(folder=home, python=python, variables=variables, **plain.popen_arguments())

    for running in (supervisor.postgres, supervisor.valkey):
        assert Path(f"/proc/{running.pid}").stat().st_uid == nobody.pw_uid
    assert stat.S_IMODE(Path(supervisor.seen["data_directory"]).stat().st_mode) == 0o700


def python_for(account: accounts.Account) -> tuple[str, dict[str, str]]:
    """A Python the account can run: ours, or the system's with our packages where they fit it."""
    quiet = {"PYTHONDONTWRITEBYTECODE": "1"}
    packages = str(Path(psycopg.__file__).parent.parent)
    for python, variables in ((sys.executable, quiet), ("/usr/bin/python3", quiet | {"PYTHONPATH": packages})):
        tried = subprocess.run(
            ["env", python, "-c", "import psycopg, redis, celery"],
            cwd="/",
            env=os.environ | variables,
            capture_output=True,
            check=False,
            **account.popen_arguments(),
        )
        if tried.returncode == 0:
            return python, variables
    pytest.skip("no Python with our packages that a plain user can reach: this one stands in a home closed to others")
