"""Which account runs the servers. PostgreSQL refuses root, so root borrows an existing account without rights."""

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loyalty.embedded.binaries import Program
from loyalty.embedded.errors import StartRefused

BORROWED = ("postgres", "nobody")


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Who runs the servers: ourselves, or, when we are root, an account that exists already. None is ever added."""

    uid: int
    gid: int
    borrowed: bool

    def popen_arguments(self) -> dict[str, Any]:
        """What `subprocess` needs to start a program as this account, with no group of ours left to it."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.borrowed else {}

    def give(self, path: Path) -> None:
        """Make one file or folder of ours theirs."""
        if self.borrowed:
            os.chown(path, self.uid, self.gid)

    def reaches(self, path: Path) -> bool:
        """Whether this account can enter a folder or run a program: folders above it may be closed to others."""
        if not self.borrowed:
            return os.access(path, os.X_OK)
        asked = subprocess.run(["test", "-x", path], cwd="/", check=False, **self.popen_arguments())
        return asked.returncode == 0


def serving_account() -> Account:
    if os.geteuid() != 0:
        return Account(uid=os.geteuid(), gid=os.getegid(), borrowed=False)
    for name in BORROWED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(uid=entry.pw_uid, gid=entry.pw_gid, borrowed=True)
    raise StartRefused(
        "PostgreSQL does not run as root, and this machine has neither an account `postgres` nor `nobody` to borrow. "
        "Run this as an ordinary user, or set DATABASE_URL and REDIS_URL."
    )


def within_reach(program: Program, *, account: Account, beside: Path) -> Path:
    """The program's path, or that of a copy under `beside` when the account cannot reach the original.

    That is so when root keeps the checkout in a home closed to others; we do not open folders that are not ours.

    Raises:
        StartRefused: the account cannot reach a program of the system.
    """
    if account.reaches(program.path):
        return program.path
    if not program.needs:
        raise StartRefused(f"The account that runs the servers cannot reach {program.path}. Run this as another user.")
    common = Path(os.path.commonpath([need.parent for need in program.needs]))
    copies = beside / f"{program.path.name}-{int(program.path.stat().st_mtime)}"  # a newer wheel, a new copy
    for need in program.needs:
        target = copies / need.relative_to(common)
        if not target.exists():
            make_for_all(target.parent, below=beside.parent)
            copy_for_all(need, target)
    return copies / program.path.relative_to(common)


def make_for_all(folder: Path, *, below: Path) -> None:
    """Make a folder and those above it, up to one that exists, open to every account whatever the umask says."""
    for part in reversed([folder, *folder.parents]):
        if part.is_relative_to(below) and part != below and not part.exists():
            part.mkdir()
            part.chmod(0o755)


def copy_for_all(source: Path, target: Path) -> None:
    """Copy a file or folder whole or not at all, readable by every account."""
    partial = target.with_name(f"{target.name}.partial")
    if source.is_dir():
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(source, partial, symlinks=True)
    else:
        shutil.copy2(source, partial)
    for path in (partial, *partial.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | (0o555 if path.is_dir() or mode & 0o100 else 0o444))
    partial.rename(target)
