"""Wires between one process and whatever it talks to: they carry its words, count them, and break where they are told.

A process that runs on wires needs no change of its own: it is given their addresses instead of those of the database,
the broker and the shop. A step is one question of the process; the world as others see it changes in steps only, so a
process that dies dies before one of them.
"""

import selectors
import socket
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Protocol

CHUNK = 1 << 16
PATIENCE = 30.0  # seconds until somebody who takes nothing counts as gone
READS = frozenset(
    {b"", b"BEGIN", b"SELECT", b"SHOW", b"SET", b"START", b"FETCH", b"PREPARE", b"DEALLOCATE", b"ROLLBACK"}
)


class Talk(StrEnum):
    """With whom."""

    DATABASE = "database"
    SHOP = "shop"
    BROKER = "broker"
    MAIL = "mail server"


class Fault(StrEnum):
    """What goes wrong at a step."""

    KILLED = "killed"  # the process dies before it asks
    DROPPED = "dropped"  # the database does what it was asked, and ends the session before it answers
    CUT = "cut off"  # the shop or mail server does what it was asked, and the connection breaks before it answers
    SILENT = "timed out"  # the shop or mail server does what it was asked, and never answers


OF: dict[Fault, frozenset[Talk]] = {
    Fault.KILLED: frozenset(Talk),
    Fault.DROPPED: frozenset({Talk.DATABASE}),
    Fault.CUT: frozenset({Talk.SHOP, Talk.MAIL}),
    Fault.SILENT: frozenset({Talk.SHOP, Talk.MAIL}),
}


@dataclass(slots=True)
class Step:
    """One question. `changed` says whether others may see what it did: it was no read, and no transaction is open."""

    talk: Talk
    changed: bool = False


class Director(Protocol):
    """Decides what goes wrong."""

    def begins(self, talk: Talk) -> tuple[Step, Fault | None]:
        """A question is about to be carried."""
        ...

    def kill(self) -> None:
        """End the process, at once."""
        ...

    def end_session(self, backend: int) -> None:
        """Let the database end one of its sessions."""
        ...


class Line:
    """One connection of the process, and ours to whom it is for."""

    talk: ClassVar[Talk]

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client, self.server = client, server
        self.step = Step(self.talk)
        self.busy = False  # a question was asked, and not answered yet
        self.fault: Fault | None = None
        self.kept = b""  # of an answer that is to be lost

    def asks(self, data: bytes) -> bool:
        """Whether this begins a question, rather than going on with one."""
        return not self.busy

    def hears(self, data: bytes) -> bool:
        """Whether the answer is complete, or at least begun where that proves that the question was acted on."""
        self.busy = False
        return True

    def must_pass(self) -> bool:
        """Whether the part of the answer that came is one the process must have before it can go on asking."""
        return False

    def note(self, data: bytes) -> None:
        """Remember what the question may change."""


class BrokerLine(Line):
    """A doorbell: what it did never counts."""

    talk = Talk.BROKER


class ShopLine(Line):
    """HTTP, one request a connection."""

    talk = Talk.SHOP

    def note(self, data: bytes) -> None:
        self.step.changed = not data.startswith((b"GET ", b"HEAD "))


class MailLine(Line):
    """SMTP, a command at a time. Only a message that was taken changes anything."""

    talk = Talk.MAIL

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        super().__init__(client, server)
        self._wants_message = False

    def note(self, data: bytes) -> None:
        self.step.changed = self._wants_message

    def hears(self, data: bytes) -> bool:
        self._wants_message = data.startswith(b"354")
        return super().hears(data)


class DatabaseLine(Line):
    """PostgreSQL's protocol, as far as it tells where an answer ends and whether a transaction is open."""

    talk = Talk.DATABASE

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        super().__init__(client, server)
        self.busy = True  # until the session is open
        self.backend = 0
        self._buffer = bytearray()
        self._tag = b""
        self._copies = False

    def asks(self, data: bytes) -> bool:
        return not self.busy and not data.startswith(b"X")  # X: a polite farewell

    def note(self, data: bytes) -> None:
        self._tag = b""

    def hears(self, data: bytes) -> bool:
        self._buffer += data
        complete = self._copies = False
        while len(self._buffer) >= 5:
            length = 1 + int.from_bytes(self._buffer[1:5])
            if len(self._buffer) < length:
                break
            complete = self._message(chr(self._buffer[0]), bytes(self._buffer[5:length])) or complete
            del self._buffer[:length]
        return complete

    def must_pass(self) -> bool:
        return self._copies

    def _message(self, kind: str, content: bytes) -> bool:
        match kind:
            case "K":
                self.backend = int.from_bytes(content[:4])
            case "C":
                self._tag = content.split(b" ")[0].rstrip(b"\0")
            case "G":  # it waits for the rows of a COPY
                self._copies = True
            case "Z":
                self.step.changed = content == b"I" and self._tag not in READS
                self.busy = False
                return True
        return False


LINES: dict[Talk, type[Line]] = {line.talk: line for line in (BrokerLine, ShopLine, MailLine, DatabaseLine)}


class Switchboard:
    """Where all wires meet. Nothing moves but while `pump` runs: it belongs to one thread, without a lock."""

    def __init__(self) -> None:
        self.director: Director | None = None
        self._selector = selectors.DefaultSelector()
        self._doors: list[socket.socket] = []
        self._lines: dict[socket.socket, Line] = {}

    def open(self, talk: Talk, server: Callable[[], socket.socket]) -> int:
        """Lay a wire to a server, which `server` connects to; gives back the port on 127.0.0.1 that leads there."""
        door = socket.create_server(("127.0.0.1", 0))
        self._doors.append(door)
        self._selector.register(door, selectors.EVENT_READ, lambda: self._accept(door, talk, server))
        return int(door.getsockname()[1])

    def pump(self, seconds: float, *, until: int | None = None) -> bool:
        """Carry what there is, waiting for so long at most; says whether `until`, a file that is read elsewhere, is ready."""
        if until is not None:
            self._selector.register(until, selectors.EVENT_READ, None)
        try:
            ready = False
            for key, _ in self._selector.select(seconds):
                if key.data is None:
                    ready = True
                elif key.fileobj in self._lines or key.fileobj in self._doors:  # not closed by what came before
                    key.data()
            return ready
        finally:
            if until is not None:
                self._selector.unregister(until)

    def backends(self) -> list[int]:
        """The database's sessions that are open now."""
        return sorted({line.backend for line in self._lines.values() if isinstance(line, DatabaseLine)})

    def hang_up(self) -> None:
        """Close every connection, as the kernel does for a process that died."""
        for line in set(self._lines.values()):
            self._close(line)

    def close(self) -> None:
        self.hang_up()
        for door in self._doors:
            self._selector.unregister(door)
            door.close()
        self._selector.close()

    def _accept(self, door: socket.socket, talk: Talk, server: Callable[[], socket.socket]) -> None:
        client, _ = door.accept()
        try:
            upstream = server()
        except OSError:
            client.close()
            return
        for end in (client, upstream):
            end.settimeout(PATIENCE)
        line = LINES[talk](client, upstream)
        self._lines[client] = self._lines[upstream] = line
        self._selector.register(client, selectors.EVENT_READ, lambda: self._from_client(line))
        self._selector.register(upstream, selectors.EVENT_READ, lambda: self._from_server(line))

    def _from_client(self, line: Line) -> None:
        data = _received(line.client)
        if not data:
            self._close(line)
            return
        if line.asks(data) and self.director is not None:
            line.step, line.fault = self.director.begins(line.talk)
            if line.fault is Fault.KILLED:
                self.director.kill()
                return
            line.note(data)
        line.busy = True
        self._send(line, line.server, data)

    def _from_server(self, line: Line) -> None:
        data = _received(line.server)
        if not data:
            self._close(line)
            return
        complete = line.hears(data)
        if line.fault is None:
            self._send(line, line.client, data)
            return
        line.kept += data
        if line.must_pass():
            self._send(line, line.client, line.kept)
            line.kept = b""
        elif complete and line.fault is Fault.CUT:
            self._close(line)
        elif complete and isinstance(line, DatabaseLine) and self.director is not None:
            line.fault, line.kept = None, b""  # what it says from now on, that the session ends, is heard
            self.director.end_session(line.backend)

    def _send(self, line: Line, end: socket.socket, data: bytes) -> None:
        try:
            end.sendall(data)
        except OSError:
            self._close(line)

    def _close(self, line: Line) -> None:
        for end in (line.client, line.server):
            if self._lines.pop(end, None) is not None:
                self._selector.unregister(end)
                end.close()


def _received(end: socket.socket) -> bytes:
    try:
        return end.recv(CHUNK)
    except OSError:
        return b""
