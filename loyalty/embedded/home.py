"""Where everything of the demo or of the tests lies: data, run file, logs, secrets. All of it is ours to remove."""

import hashlib
import json
import os
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loyalty.embedded.account import Account
from loyalty.embedded.errors import StartRefused

CHECKOUT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """One folder with everything in it. Two homes share nothing; one home is shared by all who name it."""

    folder: Path

    @property
    def run_file(self) -> Path:
        return self.folder / "run.json"

    @property
    def logs(self) -> Path:
        return self.folder / "log"

    def make(self) -> None:
        """Create the folder: closed to others, save that a borrowed account must be able to pass through it.

        A folder that was there before is somebody's: its mode stays as it is.

        Raises:
            StartRefused: it cannot be made.
        """
        try:
            if not self.folder.exists():
                self.folder.mkdir(parents=True)
                self.folder.chmod(0o711 if os.geteuid() == 0 else 0o700)
            self.logs.mkdir(exist_ok=True)
            self.logs.chmod(0o700)
        except OSError as error:
            raise StartRefused(
                f"{error.filename} cannot be made: {error.strerror}. Set LOYALTY_DATA_DIR to a folder of your own."
            ) from error

    def servers_folder(self, account: Account) -> Path:
        """Where the servers' data lies: in the home, or, when their account cannot get there, in one of its own.

        Root's checkout often stands in a home closed to others. The other place belongs to this home alone.

        Raises:
            StartRefused: the other place belongs to somebody else.
        """
        self.make()
        inside = self.folder / "servers"
        inside.mkdir(exist_ok=True)
        inside.chmod(0o711)  # whatever the umask says
        if account.reaches(inside):
            return inside
        inside.rmdir()
        digest = hashlib.sha256(str(self.folder.resolve()).encode()).hexdigest()[:16]
        outside = Path("/var/tmp") / f"loyalty-desk-{digest}"  # noqa: S108 (checked below; must outlive a reboot)
        outside.mkdir(exist_ok=True)
        if outside.is_symlink() or outside.stat().st_uid != os.geteuid():
            raise StartRefused(f"{outside} belongs to somebody else. Set LOYALTY_DATA_DIR to a folder of your own.")
        outside.chmod(0o711)
        return outside

    def read(self) -> dict[str, Any]:
        """What the run file says; nothing when there is none, or none that can be read."""
        try:
            said = json.loads(self.run_file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return said if isinstance(said, dict) else {}

    def write(self, **entries: Any) -> None:
        """Add to the run file, or take out what is None; readable by its owner alone."""
        said = {key: value for key, value in (self.read() | entries).items() if value is not None}
        write_private(self.run_file, json.dumps(said, indent=1))

    def secret(self, name: str, *, length: int = 32) -> str:
        """A random word that stays the same for this home."""
        file = self.folder / "secrets.json"
        try:
            known = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            known = {}
        if name not in known:
            known[name] = secrets.token_urlsafe(length)
            write_private(file, json.dumps(known, indent=1))
        return str(known[name])


def data_folder() -> Path:
    """`.local` in the checkout, or what LOYALTY_DATA_DIR names."""
    named = os.environ.get("LOYALTY_DATA_DIR", "").strip()
    return Path(named).expanduser().resolve() if named else CHECKOUT / ".local"


def demo_home() -> Home:
    return Home(folder=data_folder())


def test_home() -> Home:
    """Tests have servers of their own, which trade safety for speed and never meet the demo's data."""
    return Home(folder=data_folder() / "test")


def write_private(path: Path, text: str) -> None:
    """Write a file whole or not at all, readable by its owner alone."""
    partial = path.with_name(f"{path.name}.partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    partial.replace(path)


def free_port(*, preferred: int | None = None) -> int:
    """A port nobody listens on at 127.0.0.1: the preferred one if it is free."""
    with listen(preferred=preferred) as probe:
        return int(probe.getsockname()[1])


def listen(*, preferred: int | None = None) -> socket.socket:
    """A socket that listens already, at the preferred port if it is free: nobody takes it before its server starts."""
    for wanted in (preferred, 0):
        if wanted is None:
            continue
        door = socket.socket()
        try:
            door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            door.bind(("127.0.0.1", wanted))
            door.listen()
        except OSError:
            door.close()
            continue
        return door
    raise StartRefused("No free port was found at 127.0.0.1.")
