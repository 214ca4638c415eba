"""What the formats of our own look like, for schemathesis; it runs in a process that has no Django."""

import base64

import schemathesis
from hypothesis import strategies


def cursor(position: int, direction: str) -> str:
    return base64.urlsafe_b64encode(f"id:{position},direction:{direction}".encode()).decode()


schemathesis.openapi.format(
    "cursor", strategies.builds(cursor, strategies.integers(0, 10**17), strategies.sampled_from(["next", "previous"]))
)
schemathesis.openapi.format("feed-cursor", strategies.just("now"))
