"""The pace of the calls to one shop: a budget that all processes share, so that a shop never sees more than its rate.

Each call is given its turn by one small script in Valkey, by Valkey's own clock; while Valkey is down each process
keeps the same budget by itself. What is known of a shop's rate is what staff entered, or what its answers say of the
moment, whichever is the smaller. A shop of which nothing is known costs one question a second and a process.
"""

import threading
import time
from functools import lru_cache
from typing import Any, Protocol

import redis

PATIENCE_SECONDS = 1.0  # with Valkey, before each process keeps the budget by itself
AVOID_SECONDS = 5.0  # how long a Valkey that failed is not asked again
BELIEVED_SECONDS = 1.0  # how long a process believes that nothing holds a shop's calls back
LONGEST_REST = 2.0  # seconds for which all keep still; a longer pause is kept by those who were told of it
KEPT_SECONDS = 60  # after its last turn a budget is forgotten
SHARE = 0.98  # of a shop's rate: its clock is not ours, and calls do not travel equally fast
LATE = 0.05  # seconds: who wakes so long after their turn would come together with those whose turn it is
MOST_TURNS = 3  # of one call: on a machine that is always late it goes out all the same

# What is kept of a shop: when the next call has its turn, until when all rest, and a rate that was told, until when.
# Times are microseconds. A turn that is further away than the caller's patience is not given: another may have it.
TURN = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local kept = redis.call('HMGET', KEYS[1], 'next', 'rest', 'rate', 'told_until')
local rate, patience = tonumber(ARGV[1]), tonumber(ARGV[2])
if kept[3] and tonumber(kept[4]) > now and (rate == 0 or tonumber(kept[3]) < rate) then rate = tonumber(kept[3]) end
local rest = tonumber(kept[2] or 0)
if rate == 0 and rest <= now then return {1, 0, 1} end
local turn = math.max(now, rest, tonumber(kept[1] or 0))
if turn - now > patience then return {0, turn - now, 0} end
local space = 0
if rate > 0 then space = 1000000 / rate end
redis.call('HSET', KEYS[1], 'next', string.format('%d', turn + space))
redis.call('EXPIRE', KEYS[1], tonumber(ARGV[3]))
return {1, turn - now, 0}
"""
TELL = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
redis.call('HSET', KEYS[1], 'rate', ARGV[1], 'told_until', string.format('%d', now + ARGV[2]))
redis.call('EXPIRE', KEYS[1], tonumber(ARGV[3]))
"""
REST = """
local clock = redis.call('TIME')
local until_ = clock[1] * 1000000 + clock[2] + ARGV[1]
local rest = tonumber(redis.call('HGET', KEYS[1], 'rest') or 0)
redis.call('HSET', KEYS[1], 'rest', string.format('%d', math.max(rest, until_)))
redis.call('EXPIRE', KEYS[1], tonumber(ARGV[2]))
"""

Turn = tuple[bool, float, bool]  # whether it was given, in how many seconds it is, and whether nothing holds calls back


class Budget(Protocol):
    """Who gives the turns to call one shop. Rates are calls a second, 0 for none known; times are seconds."""

    def turn(self, *, rate: float, patience: float) -> Turn: ...

    def tell(self, *, rate: float, seconds: float) -> None: ...

    def rest(self, *, seconds: float) -> None: ...


class Own:
    """The budget as one process keeps it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next = self._rest = self._rate = self._told_until = 0.0  # on the monotonic clock

    def turn(self, *, rate: float, patience: float) -> Turn:
        with self._lock:
            now = time.monotonic()
            if self._told_until > now and (not rate or self._rate < rate):
                rate = self._rate
            if not rate and self._rest <= now:
                return True, 0.0, True
            turn = max(now, self._rest, self._next)
            if turn - now > patience:
                return False, turn - now, False
            self._next = turn + (1 / rate if rate else 0.0)
            return True, turn - now, False

    def tell(self, *, rate: float, seconds: float) -> None:
        with self._lock:
            self._rate, self._told_until = rate, time.monotonic() + seconds

    def rest(self, *, seconds: float) -> None:
        with self._lock:
            self._rest = max(self._rest, time.monotonic() + seconds)


class Valkey:
    """One server that keeps budgets, and the moment from which it may be asked (again)."""

    def __init__(self, url: str) -> None:
        client = redis.Redis.from_url(
            url, socket_timeout=PATIENCE_SECONDS, socket_connect_timeout=PATIENCE_SECONDS, retry=None
        )
        self._scripts = {words: client.register_script(words) for words in (TURN, TELL, REST)}
        self._ask_from = 0.0

    def run(self, script: str, name: str, *words: float) -> Any:
        """What the script gives back; None when the server is down."""
        if time.monotonic() < self._ask_from:
            return None
        try:
            return self._scripts[script](keys=[f"pace:{name}"], args=words) or True
        except redis.RedisError:
            self._ask_from = time.monotonic() + AVOID_SECONDS
            return None


class Shared:
    """The budget of a shop that all processes keep together; `own` serves while the server is down."""

    def __init__(self, name: str, *, valkey: Valkey, own: Own) -> None:
        self._name, self._valkey, self._own = name, valkey, own

    def turn(self, *, rate: float, patience: float) -> Turn:
        given = self._valkey.run(TURN, self._name, rate, round(patience * 1e6), KEPT_SECONDS)
        if given is None:
            return self._own.turn(rate=rate, patience=patience)
        return bool(given[0]), int(given[1]) / 1e6, bool(given[2])

    def tell(self, *, rate: float, seconds: float) -> None:
        self._own.tell(rate=rate, seconds=seconds)
        self._valkey.run(TELL, self._name, rate, round(seconds * 1e6), KEPT_SECONDS + round(seconds))

    def rest(self, *, seconds: float) -> None:
        self._own.rest(seconds=seconds)
        self._valkey.run(REST, self._name, round(seconds * 1e6), KEPT_SECONDS)


class Pace:
    """One shop's budget as its calls use it. `rate`: calls a second, as staff entered it; None when they did not."""

    def __init__(self, budget: Budget, *, rate: float | None) -> None:
        self._budget = budget
        self._rate = (rate or 0.0) * SHARE
        self._free_until = 0.0

    def enter(self, *, patience: float) -> float:
        """Wait for this call's turn, 0; or, when that is further away than `patience`, how many seconds it is away."""
        ends_at = time.monotonic() + patience
        for _ in range(MOST_TURNS):
            began = time.monotonic()
            if began < self._free_until:
                return 0.0
            given, seconds, is_free = self._budget.turn(rate=self._rate, patience=max(ends_at - began, 0.0))
            if is_free:
                self._free_until = time.monotonic() + BELIEVED_SECONDS
            if not given:
                return seconds
            if seconds > 0:
                time.sleep(seconds)
            if time.monotonic() - (began + seconds) < LATE:
                break
        return 0.0

    def tell(self, *, rate: float, seconds: float) -> None:
        """The shop's answers show that for so many seconds it can bear so many calls a second."""
        self._free_until = 0.0
        self._budget.tell(rate=max(rate * SHARE, 1 / 60), seconds=seconds)

    def rest(self, *, seconds: float) -> None:
        """The shop asks for time: all keep still for the next moments."""
        self._free_until = 0.0
        self._budget.rest(seconds=min(seconds, LONGEST_REST))


@lru_cache(maxsize=4)
def _valkey(url: str) -> Valkey:
    return Valkey(url)


@lru_cache(maxsize=10_000)
def of(name: str, *, rate: float | None, url: str) -> Pace:
    """The pace of the shop of this name, the same for all who ask in this process; `url` of Valkey, or empty."""
    own = Own()
    return Pace(Shared(name, valkey=_valkey(url), own=own) if url else own, rate=rate)
