"""A pace that holds nobody back and remembers what it was told."""

from platforms.pace import Own, Pace


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
