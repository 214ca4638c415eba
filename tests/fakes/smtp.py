"""A mail server that keeps what it is given, and misbehaves on demand."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage


@dataclass
class MailServer:
    """What it took, and how it behaves: `answers` maps a command (RCPT, DATA) to the line it answers with."""

    port: int = 0
    taken: list[EmailMessage] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    after_taking: str = ""  # "drop": take the message and hang up; "hang": take it and say nothing
    connections: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    def ids(self) -> list[str]:
        return [str(message["Message-ID"]) for message in self.taken]

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await self._talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def say(text: str) -> None:
            writer.write(f"{text}\r\n".encode())

        say("220 sink")
        while line := await reader.readline():
            command = line.decode().split(" ")[0].split(":")[0].strip().upper()
            if command == "QUIT":
                say("221 bye")
                return
            if command in self.answers:
                say(self.answers[command])
            elif command == "DATA":
                say("354 go on")
                raw = (await reader.readuntil(b"\r\n.\r\n")).removesuffix(b".\r\n")
                with self._lock:
                    self.taken.append(message_from_bytes(raw.replace(b"\r\n..", b"\r\n."), policy=policy.default))
                if self.after_taking == "drop":
                    return
                if self.after_taking == "hang":
                    await asyncio.sleep(60)
                say(self.answers.get("TAKEN", "250 taken"))
            else:
                say("250 fine")


@contextmanager
def running_mail_server() -> Iterator[MailServer]:
    """A mail server on a port of its own, in a thread, until the block ends."""
    server = MailServer()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)  # a browser test may have left a loop in this one
    thread.start()
    begun = asyncio.run_coroutine_threadsafe(asyncio.start_server(server.talk, "127.0.0.1", 0), loop)
    listening = begun.result(timeout=10)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:

        async def stop() -> None:
            listening.close()
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()

        asyncio.run_coroutine_threadsafe(stop(), loop).result(timeout=10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=10)
        loop.close()
