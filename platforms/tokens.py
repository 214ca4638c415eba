"""Access tokens that an app is given for its id and secret (the client-credentials grant), kept until they nearly end.

They live in the memory of a process: asking again ends no token that another process holds, so no row has to be locked.
Threads of one process take turns, so that one of them asks and the others wait for its answer.
"""

import hashlib
import threading
import time
from dataclasses import dataclass, field

EARLY_SECONDS = 60.0


@dataclass(slots=True)
class Held:
    """The token of one app at one address. Read and changed under `lock` only."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    token: str = field(default="", repr=False)
    ends_at: float = 0.0  # on the monotonic clock

    def usable(self) -> str:
        """The token while it lasts; else empty."""
        return self.token if time.monotonic() < self.ends_at - EARLY_SECONDS else ""

    def keep(self, token: str, *, seconds: float) -> None:
        self.token, self.ends_at = token, time.monotonic() + seconds

    def drop(self, refused: str) -> None:
        """Forget a token that was refused, unless another thread has brought a new one meanwhile."""
        if self.token == refused:
            self.token = ""
            self.ends_at = 0.0


_held: dict[str, Held] = {}
_adding = threading.Lock()


def held(*, base_url: str, client_id: str, client_secret: str) -> Held:
    """Where the token of this app at this address is kept, one place for all threads."""
    name = hashlib.sha256("\n".join((base_url, client_id, client_secret)).encode()).hexdigest()
    with _adding:
        return _held.setdefault(name, Held())
