"""Who wants to hear of what: endpoints are made, changed, switched on and off, and get new secrets."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction

from loyalty.common import queue, sealing
from loyalty.common.actors import SYSTEM, Actor
from loyalty.common.errors import DomainError
from loyalty.events import log
from loyalty.webhooks import addresses, signing, topics
from loyalty.webhooks.models import (
    LANES,
    BodyStyle,
    DeliveryState,
    EndpointState,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookLane,
)

OVERLAP = timedelta(hours=24)  # how long the secret before stays good
SEND = "api.send_webhooks"
GOES_ON = {EndpointState.ACTIVE, EndpointState.OFF, EndpointState.PAUSED}


class InvalidEndpoint(DomainError):
    """The endpoint cannot be as asked."""

    code = "invalid_webhook_endpoint"

    def __init__(self, sentence: str, *, field: str = "") -> None:
        super().__init__(sentence)
        self.field = field


class EndpointRefused(DomainError):
    """In its present state that cannot be done with it."""

    code = "webhook_endpoint_refused"


@transaction.atomic
def create(
    *, name: str, url: str, chosen: Iterable[str], body: str, actor: Actor, now: datetime
) -> tuple[WebhookEndpoint, str]:
    """Make an endpoint. The second value is its secret: show it once. Raises InvalidEndpoint."""
    secret = signing.new_secret()
    endpoint = WebhookEndpoint.objects.create(
        **_checked(name=name, url=url, chosen=chosen, body=body),
        secret=sealing.seal(secret),
        created_at=now,
        updated_at=now,
    )
    WebhookLane.objects.bulk_create(WebhookLane(endpoint=endpoint, number=number) for number in range(LANES))
    _log("made", endpoint, actor=actor, now=now)
    return endpoint, secret


@transaction.atomic
def change(
    *, endpoint_id: int, name: str, url: str, chosen: Iterable[str], body: str, actor: Actor, now: datetime
) -> WebhookEndpoint:
    """Change what it hears and where. What waits for it goes to the new address. Raises InvalidEndpoint."""
    endpoint = locked(endpoint_id)
    for field, value in _checked(name=name, url=url, chosen=chosen, body=body).items():
        setattr(endpoint, field, value)
    endpoint.held_until = None
    _save(endpoint, "changed", actor=actor, now=now)
    return endpoint


@transaction.atomic
def switch_on(*, endpoint_id: int, actor: Actor, now: datetime) -> None:
    """Let it hear, and send at once what waits for it. On what is on, harmless. Raises EndpointRefused."""
    endpoint = locked(endpoint_id)
    was_on = endpoint.state == EndpointState.ACTIVE
    endpoint.state, endpoint.paused_at, endpoint.pause_reason = EndpointState.ACTIVE, None, ""
    endpoint.failures, endpoint.failing_since, endpoint.held_until = 0, None, None
    if was_on:
        endpoint.save()
    else:
        _save(endpoint, "switched_on", actor=actor, now=now)
    hurry(endpoint_id=endpoint_id, now=now, afresh=True)


@transaction.atomic
def switch_off(*, endpoint_id: int, actor: Actor, now: datetime) -> None:
    """Tell it nothing more. What waits for it stays until it is switched on. Raises EndpointRefused."""
    endpoint = locked(endpoint_id)
    if endpoint.state != EndpointState.OFF:
        endpoint.state, endpoint.paused_at, endpoint.pause_reason = EndpointState.OFF, None, ""
        _save(endpoint, "switched_off", actor=actor, now=now)


@transaction.atomic
def remove(*, endpoint_id: int, actor: Actor, now: datetime) -> None:
    """End it for good and forget its secrets; its log stays for a while. Raises EndpointRefused."""
    endpoint = locked(endpoint_id)
    endpoint.state, endpoint.paused_at, endpoint.pause_reason = EndpointState.REMOVED, None, ""
    endpoint.secret = endpoint.previous_secret = ""
    endpoint.previous_until = None
    _save(endpoint, "removed", actor=actor, now=now)


@transaction.atomic
def rotate_secret(*, endpoint_id: int, actor: Actor, now: datetime) -> str:
    """A new secret: show it once. For OVERLAP both sign each message. Raises EndpointRefused."""
    endpoint = locked(endpoint_id)
    secret = signing.new_secret()
    endpoint.previous_secret, endpoint.previous_until = endpoint.secret, now + OVERLAP
    endpoint.secret = sealing.seal(secret)
    _save(endpoint, "secret_rotated", actor=actor, now=now)
    return secret


@transaction.atomic
def send_test(*, endpoint_id: int, actor: Actor, now: datetime) -> WebhookDelivery:
    """Put a `ping` into its queue. Raises EndpointRefused."""
    endpoint = locked(endpoint_id)
    if endpoint.state != EndpointState.ACTIVE:
        raise EndpointRefused("A test goes only to an endpoint that is active. Switch it on first.")
    endpoint.held_until = None
    endpoint.save(update_fields=["held_until"])
    _log("tested", endpoint, actor=actor, now=now)
    queue.enqueue(SEND)
    return WebhookDelivery.objects.create(
        endpoint=endpoint, topic=topics.PING, due_at=now, occurred_at=now, created_at=now
    )


def pause(*, endpoint: WebhookEndpoint, reason: str, now: datetime) -> None:
    """Leave an endpoint alone, in the caller's transaction and under its lock, and let staff know."""
    endpoint.state, endpoint.paused_at, endpoint.pause_reason = EndpointState.PAUSED, now, reason[:500]
    _save(endpoint, "paused", actor=SYSTEM, now=now)


def hurry(*, endpoint_id: int, now: datetime, afresh: bool = False) -> None:
    """Let everything that waits after a failure be due now. `afresh`: with all its attempts before it again."""
    waiting = WebhookDelivery.objects.filter(
        endpoint_id=endpoint_id, state=DeliveryState.WAITING, attempts__gt=0, claim__isnull=True
    )
    if afresh:
        waiting.update(due_at=now, attempts=0)
    else:
        waiting.filter(due_at__gt=now).update(due_at=now)
    queue.enqueue(SEND)


def locked(endpoint_id: int) -> WebhookEndpoint:
    """The endpoint's row, locked until the transaction ends. Raises EndpointRefused."""
    endpoint = WebhookEndpoint.objects.select_for_update(no_key=True).filter(pk=endpoint_id).first()
    if endpoint is None or endpoint.state == EndpointState.REMOVED:
        raise EndpointRefused("This endpoint was removed, or never was. Make a new one.")
    return endpoint


def secrets(*, endpoint: WebhookEndpoint, now: datetime) -> list[str]:
    """What signs its messages now, the newest first. Raises sealing.Unreadable."""
    found = [sealing.unseal(endpoint.secret)] if endpoint.secret else []
    if endpoint.previous_until is not None and now < endpoint.previous_until:
        found.append(sealing.unseal(endpoint.previous_secret))
    return found


def _checked(*, name: str, url: str, chosen: Iterable[str], body: str) -> dict[str, object]:
    name, url, wanted = name.strip(), url.strip(), set(chosen)
    if not 0 < len(name) <= 80:
        raise InvalidEndpoint("The name has 1 to 80 characters. Name the system that will listen.", field="name")
    if sentence := addresses.fault(url):
        raise InvalidEndpoint(sentence, field="url")
    if unknown := sorted(wanted - topics.BY_NAME.keys()):
        known = ", ".join(topics.BY_NAME)
        raise InvalidEndpoint(f"There is no topic {', '.join(unknown)[:200]}. Choose among {known}.", field="topics")
    if not wanted:
        raise InvalidEndpoint("An endpoint without a topic would hear nothing. Choose at least one.", field="topics")
    if body not in BodyStyle.values:
        raise InvalidEndpoint("The body is thin or full. Write one of these words.", field="body")
    ordered = [topic for topic in topics.BY_NAME if topic in wanted]
    return {"name": name, "url": url, "topics": ordered, "body": body}


def _save(endpoint: WebhookEndpoint, what: str, *, actor: Actor, now: datetime) -> None:
    endpoint.updated_at = now
    endpoint.save()
    _log(what, endpoint, actor=actor, now=now)


def _log(what: str, endpoint: WebhookEndpoint, *, actor: Actor, now: datetime) -> None:
    log.record(
        kind=f"webhook_endpoint.{what}",
        subject_type="webhook_endpoint",
        subject_id=endpoint.pk,
        actor=actor,
        now=now,
    )
