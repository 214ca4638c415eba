"""How often a key may call. Counted in Valkey, in PostgreSQL while that is down; it never decides anything else."""

import time
from functools import lru_cache

import redis
from django.conf import settings
from django.db import connection
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from loyalty.api import authentication, conf

PATIENCE_SECONDS = 0.25  # with Valkey, before the database counts instead
AVOID_SECONDS = 5.0  # how long a Valkey that failed is not asked again

COUNT_IN_DATABASE = """
    INSERT INTO api_ratewindow AS kept (api_key_id, second, requests) VALUES (%s, %s, 1)
    ON CONFLICT (api_key_id) DO UPDATE
    SET requests = CASE WHEN kept.second = excluded.second THEN kept.requests + 1 ELSE 1 END, second = excluded.second
    RETURNING requests
"""


class Valkey:
    """One server that counts, and the moment from which it may be asked (again)."""

    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(
            url, socket_timeout=PATIENCE_SECONDS, socket_connect_timeout=PATIENCE_SECONDS, retry=None
        )
        self._ask_from = 0.0

    def count(self, key_id: int | str, second: int) -> int | None:
        """How many requests the key, or whoever is named so, has made in this second, this one included.

        None when the server is down.
        """
        if time.monotonic() < self._ask_from:
            return None
        name = f"api:rate:{key_id}:{second}"
        try:
            with self._client.pipeline(transaction=False) as pipeline:
                pipeline.incr(name)
                pipeline.expire(name, 5)
                return int(pipeline.execute()[0])
        except redis.RedisError:
            self._ask_from = time.monotonic() + AVOID_SECONDS
            return None


@lru_cache(maxsize=4)
def valkey(url: str) -> Valkey:
    return Valkey(url)


def requests_in(*, key_id: int, second: int) -> int:
    """Count one more request of the key in this second; answers how many that makes."""
    counted = valkey(settings.REDIS_URL).count(key_id, second) if settings.REDIS_URL else None
    if counted is not None:
        return counted
    with connection.cursor() as cursor:
        cursor.execute(COUNT_IN_DATABASE, [key_id, second])
        row = cursor.fetchone()
    return int(row[0])


def headers(*, left: int) -> dict[str, str]:
    """What a caller is told: the policy, and how many requests are left of it. As draft-ietf-httpapi-ratelimit-headers-10."""
    return {"RateLimit-Policy": f'"second";q={conf.rate_limit()};w=1', "RateLimit": f'"second";r={left};t=1'}


class PerKey(BaseThrottle):
    """So many requests in each second of the clock."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        limit = conf.rate_limit()
        counted = requests_in(key_id=authentication.identity_of(request), second=int(time.time()))
        view.rate_left = max(limit - counted, 0)  # type: ignore[attr-defined]  # our own views have it
        return counted <= limit

    def wait(self) -> float:
        return 1.0
