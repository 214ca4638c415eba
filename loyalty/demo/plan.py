"""Who redeems what, when, and what becomes of it: pure data, the same for the same day and the same people."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import cycle

DAYS = 90  # how far back redeemed rewards go
SEED = 2026


class Fate(StrEnum):
    """What becomes of a redeemed reward. What is unused expires by itself when its time is over."""

    UNUSED = "unused"
    USED = "used"
    MARKED_UNUSED = "marked_unused"
    CANCELLING = "cancelling"  # the old shop is gone: its death cannot be proved
    FORCED = "forced"
    CANCELLED = "cancelled"
    ORDERED = "ordered"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    DELIVERY_CANCELLED = "delivery_cancelled"
    PAID = "paid"  # by hand, as is the next
    PAYOUT_REFUSED = "payout_refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Redemption:
    """One redeemed reward of the past; without points when it was granted."""

    number: int
    person: str
    reward: str
    at: datetime
    fate: Fate
    granted: bool = False

    @property
    def idempotency_key(self) -> str:
        return f"demo:{self.fate}:{self.number}"


# Rewards by type, as often as they are redeemed, and the fates that follow one another from old to new.
CODE_FATES = (Fate.USED, Fate.UNUSED, Fate.USED, Fate.USED, Fate.UNUSED, Fate.USED)
LAST_CODE_FATES = (Fate.CANCELLING, Fate.USED, Fate.FORCED, Fate.USED, Fate.MARKED_UNUSED, Fate.USED)
GIFT_FATES = (Fate.DELIVERED, Fate.DELIVERED, Fate.UNUSED, Fate.DELIVERED, Fate.CANCELLED, Fate.DELIVERED)
LAST_GIFT_FATES = (Fate.SHIPPED, Fate.DELIVERY_CANCELLED, Fate.SHIPPED, Fate.CANCELLED, Fate.SHIPPED, Fate.ORDERED)
SHARES: dict[str, tuple[tuple[str, ...], tuple[Fate, ...], tuple[Fate, ...]]] = {
    "percentage_discount": (("ten", "fifteen", "ten", "quarter"), CODE_FATES, LAST_CODE_FATES),
    "discount_code": (("five", "fifteen_off", "five", "five", "fifty_off", "five"), CODE_FATES, LAST_CODE_FATES),
    "free_delivery": (("delivery", "delivery", "express"), CODE_FATES, LAST_CODE_FATES),
    "gift": (("seeds", "mug", "seeds", "tote", "seeds", "can"), GIFT_FATES, LAST_GIFT_FATES),
}
EACH_TYPE = 26
# Rewards of the other types, redeemed now and then: key, days ago, fate.
NOW_AND_THEN = (
    ("fern", 71, Fate.USED), ("fern", 33, Fate.USED), ("fern", 12, Fate.UNUSED),
    ("till", 64, Fate.USED), ("till", 28, Fate.UNUSED), ("till", 5, Fate.UNUSED),
    ("card", 80, Fate.UNUSED), ("card", 47, Fate.UNUSED), ("card", 8, Fate.UNUSED),
    ("evening", 52, Fate.USED), ("evening", 19, Fate.UNUSED), ("evening", 4, Fate.UNUSED),
    ("nursery", 39, Fate.USED), ("nursery", 22, Fate.UNUSED), ("nursery", 6, Fate.CANCELLED),
)  # fmt: skip
# Money back, while it was paid by hand: days ago, fate. What is unused still waits for somebody to pay it.
MONEY_BACK = ((69, Fate.PAID), (55, Fate.PAID), (36, Fate.PAYOUT_REFUSED), (21, Fate.PAID), (4, Fate.UNUSED))
EVERY_GRANTED = 8  # one of so many is granted instead of redeemed


def redemptions(*, people: Sequence[str], now: datetime) -> list[Redemption]:
    """Everything that is redeemed, oldest first; each of the people in turn."""
    rng = random.Random(SEED)  # noqa: S311 (a story, not a secret)
    slots = [
        (age, reward, fate)
        for rewards, fates, last in SHARES.values()
        for age, reward, fate in zip(_ages(rng), cycle(rewards), _fates(fates, last), strict=False)
    ]
    turn = cycle(rng.sample(people, len(people)))
    return [
        Redemption(
            number=number,
            person=next(turn),
            reward=reward,
            at=at_hour(now - timedelta(days=age), rng),
            fate=fate,
            granted=number % EVERY_GRANTED == EVERY_GRANTED - 1,
        )
        for number, (age, reward, fate) in enumerate(sorted(slots, key=lambda slot: -slot[0]))
    ]


def now_and_then(*, people: Sequence[str], now: datetime) -> list[Redemption]:
    """What is redeemed of the other types."""
    rng = random.Random(SEED + 1)  # noqa: S311 (a story, not a secret)
    chosen = rng.sample(people, len(NOW_AND_THEN))
    return [
        Redemption(
            number=2000 + place, person=person, reward=reward, at=at_hour(now - timedelta(days=age), rng), fate=fate
        )
        for place, (person, (reward, age, fate)) in enumerate(zip(chosen, NOW_AND_THEN, strict=True))
    ]


def money_back(*, people: Sequence[str], now: datetime) -> list[Redemption]:
    """Who had money for points."""
    rng = random.Random(SEED + 2)  # noqa: S311 (a story, not a secret)
    chosen = rng.sample(people, len(MONEY_BACK))
    return [
        Redemption(
            number=3000 + place, person=person, reward="cash", at=at_hour(now - timedelta(days=age), rng), fate=fate
        )
        for place, (person, (age, fate)) in enumerate(zip(chosen, MONEY_BACK, strict=True))
    ]


def _ages(rng: random.Random) -> Iterator[int]:
    """Days ago, from old to new, spread over the time; the last ones within two weeks."""
    last = len(LAST_GIFT_FATES)
    first = sorted((rng.randint(15, DAYS) for _ in range(EACH_TYPE - last)), reverse=True)
    return iter([*first, *sorted((rng.randint(3, 14) for _ in range(last)), reverse=True)])


def _fates(fates: tuple[Fate, ...], last: tuple[Fate, ...]) -> Iterator[Fate]:
    usual = cycle(fates)
    return iter([*(next(usual) for _ in range(EACH_TYPE - len(last))), *last])


def at_hour(day: datetime, rng: random.Random) -> datetime:
    """Some time of that day when people are awake."""
    return day.replace(hour=rng.randint(6, 20), minute=rng.randint(0, 59), second=rng.randint(0, 59), microsecond=0)
