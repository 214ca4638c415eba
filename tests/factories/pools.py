"""Pools with codes for tests."""

from loyalty.common import codes
from rewards.models import CodePool, RewardCode
from tests.factories.points import NOW


def fill(reward, *texts, starts_at=None, ends_at=None, created_at=NOW, **fields):
    """Codes that lie ready for a reward."""
    pool, _ = CodePool.objects.get_or_create(
        reward=reward, defaults={"connection_id": reward.connection_id, "created_at": created_at}
    )
    return [
        RewardCode.objects.create(
            pool=pool,
            connection_id=reward.connection_id,
            code=text,
            canonical=codes.canonical(text),
            created_at=created_at,
            starts_at=starts_at,
            ends_at=ends_at,
            **fields,
        )
        for text in texts
    ]
