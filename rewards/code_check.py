"""What one code is, whose, and in which state since when. Only for whoever knows the whole code: nothing is searched."""

from dataclasses import dataclass
from datetime import datetime

from django.db import models

from loyalty.common import codes
from rewards import queries, states
from rewards.models import RedeemedReward, Reward, RewardCode


class CodeState(models.TextChoices):
    """A code's state: in a pool, or what the redeemed reward it belongs to is."""

    IN_POOL = "in_pool", "In the pool"
    NOT_YET = "not_yet", "In the pool, not good yet"
    OVER_IN_POOL = "over_in_pool", "In the pool, its time is over"
    NOBODYS = "nobodys", "Nobody's"
    SHARED = "shared", "Shared"
    PENDING = "pending", "Pending"
    FAILED = "failed", "Failed"
    ISSUED = "issued", "Issued"
    USED = "used", "Used"
    CANCELLING = "cancelling", "Canceling"
    CANCELLED = "cancelled", "Canceled"
    EXPIRED = "expired", "Expired"
    WAITING = "waiting", "Issued, not good yet"


SENTENCES: dict[CodeState, str] = {
    CodeState.IN_POOL: "It lies ready and nobody has got it.",
    CodeState.NOT_YET: "It lies ready, but is not handed out before its start.",
    CodeState.OVER_IN_POOL: "Nobody has got it, and nobody will: its end is over.",
    CodeState.NOBODYS: "It was taken for a customer and then replaced, or a job set it aside. Nobody has it.",
    CodeState.SHARED: "It is one code for many: everybody who gets the reward has the same one.",
    **{CodeState(state.key): state.meaning for state in states.TABLE if state.key in CodeState},
}
USABLE = {CodeState.ISSUED, CodeState.SHARED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A code of one shop. `holder` is who got it, when it is one customer's."""

    code: RewardCode
    state: CodeState
    since: datetime
    reward_id: int | None
    reward_name: str
    holder: RedeemedReward | None

    @property
    def sentence(self) -> str:
        return SENTENCES[self.state]

    @property
    def is_usable(self) -> bool:
        """Whether a customer can use it now, as far as we know: a shop may have conditions of its own."""
        return self.state in USABLE


def check(*, code: str, now: datetime) -> list[Found]:
    """The codes that are spelled so, one a shop at most; none when there is none. Case and spaces around do not count."""
    wanted = codes.canonical(code)
    if not wanted or "\x00" in wanted:
        return []
    same = RewardCode.objects.filter(canonical=wanted).select_related("connection", "pool__reward")
    return [_told(each, now=now) for each in same.order_by("connection_id", "id")]


def _told(code: RewardCode, *, now: datetime) -> Found:
    """In a constant number of queries, however many share it."""
    owned = queries.with_status(RedeemedReward.objects.filter(code=code), now)
    newest = list(owned.select_related("reward").order_by("-redeemed_at", "-id")[:2])
    is_shared = code.is_shared or len(newest) > 1
    if not newest:
        return _shared_by_nobody(code) if is_shared else _unowned(code, now=now)
    holder = newest[0]
    state = CodeState.SHARED if is_shared else _state_of(holder, now=now)
    return Found(
        code=code,
        state=state,
        since=code.created_at if is_shared else _since(holder, state),
        reward_id=holder.reward_id,
        reward_name=holder.name,
        holder=None if is_shared else holder,
    )


def _shared_by_nobody(code: RewardCode) -> Found:
    """A shared code that nobody has got yet."""
    reward = Reward.objects.filter(shared_code=code).order_by("pk").first()
    return Found(
        code=code,
        state=CodeState.SHARED,
        since=code.created_at,
        reward_id=reward.pk if reward is not None else None,
        reward_name=reward.name if reward is not None else "",
        holder=None,
    )


def _state_of(holder: RedeemedReward, *, now: datetime) -> CodeState:
    status = queries.status_of(redeemed=holder, now=now)
    key = states.state_of(redeemed=holder, status=status, now=now).key
    return CodeState(key) if key in CodeState else CodeState(status)


def _unowned(code: RewardCode, *, now: datetime) -> Found:
    state, since = CodeState.IN_POOL, code.created_at
    if code.pool is None or code.taken_at is not None:
        state, since = CodeState.NOBODYS, code.taken_at or code.created_at
    elif code.ends_at is not None and code.ends_at <= now:
        state, since = CodeState.OVER_IN_POOL, code.ends_at
    elif code.starts_at is not None and code.starts_at > now:
        state = CodeState.NOT_YET
    elif code.starts_at is not None:
        since = max(code.starts_at, since)
    return Found(
        code=code,
        state=state,
        since=since,
        reward_id=code.pool_id,
        reward_name=code.pool.reward.name if code.pool is not None else "",
        holder=None,
    )


def _since(holder: RedeemedReward, state: CodeState) -> datetime:
    """When the state began, as near as the redeemed reward knows."""
    began = {
        CodeState.ISSUED: holder.starts_at or holder.issued_at,
        CodeState.WAITING: holder.issued_at,
        CodeState.USED: holder.used_at,
        CodeState.EXPIRED: holder.expires_at,
        CodeState.CANCELLED: holder.cancelled_at,
        CodeState.PENDING: holder.redeemed_at,
    }
    return began.get(state) or holder.updated_at
