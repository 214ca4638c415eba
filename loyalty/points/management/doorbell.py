"""The broker for proofs: rings under keys of their own, which are flushed apart from others'."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import redis
from django.conf import settings
from django.core.management.base import CommandError

from loyalty.celery import app as celery


@contextmanager
def unheard() -> Iterator[None]:
    """Rings of this process, which no worker is to hear, under keys of their own that go at the end."""
    prefix = f"prove_faults_{os.getpid()}:"
    broker = own(prefix)
    usual = celery.conf.broker_transport_options
    own_keys = settings.CELERY_BROKER_TRANSPORT_OPTIONS | {"global_keyprefix": prefix}
    celery.conf.update(broker_transport_options=own_keys)
    try:
        yield
    finally:
        celery.conf.update(broker_transport_options=usual)
        if names := list(broker.scan_iter(match=f"{prefix}*", count=1000)):
            broker.delete(*names)


def own(prefix: str) -> "redis.Redis":
    """A session on the broker, for the keys that begin with the prefix. Raises CommandError."""
    url = settings.CELERY_BROKER_URL.replace("redis+socket://", "unix://").replace("?virtual_host=", "?db=")
    if not url.startswith(("redis://", "rediss://", "unix://")):
        raise CommandError(
            "The broker is flushed for this proof, which only Redis and Valkey let us do apart from others."
        )
    session = redis.Redis.from_url(url, socket_timeout=10, socket_connect_timeout=5)
    try:
        session.ping()
    except redis.RedisError as error:
        raise CommandError(f"The broker does not answer: {error}") from error
    return session
