"""The pace of shops in tests: one that holds nobody back and remembers what it was told, and one that is forgotten."""

import redis
from django.conf import settings

from platforms import pace
from platforms.pace import Own, Pace


def forget(connection_id: int) -> None:
    """Let a shop be asked at once, whatever it was told of real seconds: for a test whose own clock leaps."""
    pace.of.cache_clear()
    with redis.Redis.from_url(settings.REDIS_URL) as server:
        server.delete(f"pace:{connection_id}")


class Told(Pace):
    def __init__(self) -> None:
        super().__init__(Own(), rate=None)
        self.paces: list[tuple[float, float]] = []  # calls a second, and for how many seconds
        self.rests: list[float] = []  # seconds

    def enter(self, *, patience: float) -> float:
        return 0.0

    def tell(self, *, rate: float, seconds: float) -> None:
        self.paces.append((rate, seconds))

    def rest(self, *, seconds: float) -> None:
        self.rests.append(seconds)
