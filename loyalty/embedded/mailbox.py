"""The demo sends no e-mail: it shows it. Sign-in codes appear where the demo was started."""

from dataclasses import dataclass, field
from email import message_from_bytes, policy
from pathlib import Path

DIVIDER = b"-" * 79 + b"\n"  # what the backend writes after each message


@dataclass(slots=True, kw_only=True)
class Mailbox:
    """A folder into which Django's file backend writes. What lies there at the start was shown before."""

    folder: Path
    seen: dict[Path, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.seen = {file: file.stat().st_size for file in self.folder.glob("*.log")}

    def show_new(self) -> None:
        """Print every message that arrived since the last look."""
        for file in sorted(self.folder.glob("*.log")):
            begin = self.seen.get(file, 0)
            whole, divider, _ = file.read_bytes()[begin:].rpartition(DIVIDER)
            if divider:
                self.seen[file] = begin + len(whole) + len(divider)
                for message in whole.split(DIVIDER):
                    print(shown(message), flush=True)


def shown(raw: bytes) -> str:
    """One message as a person wants to read it on a terminal."""
    message = message_from_bytes(raw, policy=policy.default)
    body = message.get_body(("plain",))
    content = str(body.get_content()) if body else ""
    lines = [f"E-mail to {message['To']}: {message['Subject']}", *content.strip().splitlines()]
    return "\n".join(f"  | {line}" for line in lines) + "\n"
