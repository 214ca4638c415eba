"""A mail server of its own for commands that prove something: `python -m platforms.trial_mail FILE`.

It takes every message and writes the Message-ID of each that it took on into the file, a line each. It says READY and its
port, and ends with its input, so that it never outlives whoever started it.
"""

import asyncio
import re
import select
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PATIENCE = 20.0  # seconds
CHECKOUT = Path(__file__).resolve().parents[1]
MESSAGE_ID = re.compile(rb"^Message-ID: *(\S+)", re.MULTILINE | re.IGNORECASE)


class MailDidNotStart(Exception):
    """The mail server ended at once, or says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialMail:
    """A running mail server."""

    port: int
    file: Path

    def taken(self) -> "Counter[str]":
        """How often it took each message on, by Message-ID."""
        return Counter(self.file.read_text().split())


@contextmanager
def running() -> Iterator[TrialMail]:
    """A mail server until the end. Raises MailDidNotStart."""
    with tempfile.TemporaryDirectory(prefix="trial-mail-") as folder:
        file = Path(folder) / "taken"
        file.touch()
        process = subprocess.Popen(  # noqa: S603 (our own program)
            [sys.executable, "-m", "platforms.trial_mail", str(file)],
            cwd=CHECKOUT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        try:
            yield TrialMail(port=_port(process), file=file)
        finally:
            process.kill()
            process.communicate()


def _port(process: "subprocess.Popen[bytes]") -> int:
    if process.stdout is not None and select.select([process.stdout], [], [], PATIENCE)[0]:
        said = process.stdout.readline().split()
        if said[:1] == [b"READY"]:
            return int(said[1])
    raise MailDidNotStart("The mail server for this proof did not start.")


async def _talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, file: Path) -> None:
    """One session. A message counts as taken before it is said, as with any server that can lose a connection."""
    writer.write(b"220 trial\r\n")
    try:
        while line := await reader.readline():
            match line[:4].upper():
                case b"QUIT":
                    writer.write(b"221 bye\r\n")
                    break
                case b"DATA":
                    writer.write(b"354 go on\r\n")
                    message = await reader.readuntil(b"\r\n.\r\n")
                    found = MESSAGE_ID.search(message)
                    with file.open("a") as taken:
                        taken.write(f"{found[1].decode() if found else 'without'}\n")
                    writer.write(b"250 taken\r\n")
                case _:
                    writer.write(b"250 fine\r\n")
    except (ConnectionError, asyncio.IncompleteReadError):
        pass  # whoever spoke is gone
    finally:
        writer.close()


async def _serve(file: Path) -> None:
    server = await asyncio.start_server(lambda reader, writer: _talk(reader, writer, file), "127.0.0.1", 0)
    sys.stdout.write(f"READY {server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))
