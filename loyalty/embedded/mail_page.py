"""The demo's e-mails as a page on this machine: with their codes and links, as their recipients would have had them.

It answers 127.0.0.1 alone, and only under that name: a page elsewhere that has its own name lead here reads nothing.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import socket

from loyalty.embedded.mailbox import DIVIDER

MOST = 200  # the newest are listed
FRAMED = "default-src 'none'; style-src 'unsafe-inline'; img-src http: https:; sandbox allow-popups "
OWN = "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; base-uri 'none'; form-action 'none'"
STYLE = """
:root{color-scheme:light dark;--line:#8884}body{margin:0 auto;max-width:900px;padding:24px 16px;
font:16px/1.5 system-ui,sans-serif}table{width:100%;border-collapse:collapse}td,th{padding:8px 12px 8px 0;text-align:start;
border-bottom:1px solid var(--line);overflow-wrap:anywhere}iframe{width:100%;height:640px;border:1px solid var(--line);
border-radius:8px;background:#fff}pre{white-space:pre-wrap;overflow-wrap:anywhere}h1{font-size:1.4rem}
"""


@dataclass(frozen=True, slots=True)
class Kept:
    """One message, by a name that stays."""

    name: str
    message: EmailMessage

    def header(self, name: str) -> str:
        return str(self.message.get(name, ""))

    def part(self, kind: str) -> str:
        """Its plain text, or its page; empty where it has none."""
        body = self.message.get_body((kind,))
        return str(body.get_content()) if body is not None else ""


def kept(folder: Path) -> list[Kept]:
    """The messages of the demo, newest first."""
    found = []
    files = sorted(folder.glob("*.log"), key=lambda file: (file.stat().st_mtime_ns, file.name), reverse=True)
    for file in files[:MOST]:
        whole, divider, _ = file.read_bytes().rpartition(DIVIDER)
        raws = whole.split(DIVIDER) if divider else []
        for number, raw in reversed(list(enumerate(raws))):
            message = message_from_bytes(raw, policy=policy.default)
            if isinstance(message, EmailMessage):
                found.append(Kept(f"{file.stem}-{number}", message))
    return found[:MOST]


@contextmanager
def serving(folder: Path, *, door: socket) -> Iterator[None]:
    """Show what is in the folder behind a door that listens already, until the block ends."""
    address = door.getsockname()[:2]
    server = ThreadingHTTPServer(address, _handler(folder, port=address[1]), bind_and_activate=False)
    server.socket.close()
    server.socket = door
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


def _handler(folder: Path, *, port: int) -> type[BaseHTTPRequestHandler]:
    hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.headers.get("Host") not in hosts:
                self._answer(403, "<p>This page answers at 127.0.0.1 alone.</p>", OWN)
                return
            name, _, part = self.path.strip("/").partition("/")
            mails = {each.name: each for each in kept(folder)}
            if not name:
                self._answer(200, _list(list(mails.values())), OWN)
            elif name not in mails or part not in ("", "page"):
                self._answer(404, '<p>There is no such e-mail. <a href="/">All e-mails</a></p>', OWN)
            elif part:
                page = mails[name].part("html").replace("<head>", '<head><base target="_blank">', 1)
                self._answer(200, page, f"{FRAMED}allow-popups-to-escape-sandbox", whole=True)
            else:
                self._answer(200, _one(mails[name]), OWN)

        def _answer(self, status: int, body: str, rules: str, *, whole: bool = False) -> None:
            head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>E-mails</title><style>{STYLE}</style>'
            data = (body if whole else f"{head}<body>{body}</body></html>").encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Security-Policy", rules)
            self.send_header("Content-Length", str(len(data)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name is the library's)
            """Say nothing: the terminal shows the e-mails themselves."""

    return Handler


def _list(mails: list[Kept]) -> str:
    rows = "".join(
        f"<tr><td>{escape(each.header('Date')[:25])}</td><td>{escape(each.header('To'))}</td>"
        f'<td><a href="/{escape(each.name)}/">{escape(each.header("Subject"))}</a></td></tr>'
        for each in mails
    )
    head = '<tr><th scope="col">Sent</th><th scope="col">To</th><th scope="col">Subject</th></tr>'
    table = f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>" if mails else "<p>None yet.</p>"
    return f"<h1>E-mails of the demo</h1><p>Nothing leaves this machine: what would be sent stands here.</p>{table}"


def _one(mail: Kept) -> str:
    facts = "".join(f"<p><b>{name}</b> {escape(mail.header(name))}</p>" for name in ("From", "To", "Date"))
    page = (
        f'<iframe title="The e-mail as a page" src="/{escape(mail.name)}/page"></iframe>' if mail.part("html") else ""
    )
    return (
        f'<p><a href="/">All e-mails</a></p><h1>{escape(mail.header("Subject"))}</h1>{facts}{page}'
        f"<h2>As plain text</h2><pre>{escape(mail.part('plain'))}</pre>"
    )
