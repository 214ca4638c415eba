"""What staff do with endpoints and with messages."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django import forms

from loyalty.common.actors import Actor
from loyalty.common.adminkit import acts, moments, show
from loyalty.webhooks import endpoints, outbox
from loyalty.webhooks.models import DeliveryState, EndpointState, WebhookDelivery, WebhookEndpoint

NEXT = {
    EndpointState.ACTIVE: "What happens is told at once, and again for three days where that fails.",
    EndpointState.OFF: "It is told nothing, and misses what happens meanwhile.",
    EndpointState.PAUSED: "What happens waits for it. Put right what the reason says, then switch it on.",
    EndpointState.REMOVED: "It is told nothing any more.",
}


class RangeForm(forms.Form):
    since = moments.MomentField(label="Happened from", end=False)
    until = moments.MomentField(label="Until", end=True)
    failed_only = forms.BooleanField(label="Only what was given up", required=False, initial=True)


class _OnEndpoint(acts.Act):
    permission = "webhooks.change_webhookendpoint"
    bulk = False

    def preview(self, *, pk: int, now: datetime, data: Mapping[str, Any]) -> acts.Preview:
        endpoint = WebhookEndpoint.objects.get(pk=pk)
        if self.slug not in possible(endpoint):
            refusal = f"It is {endpoint.get_state_display().lower()}: there is nothing to do."
            return acts.Preview(title=str(endpoint), refusal=refusal)
        return acts.Preview(title=str(endpoint), effects=[self.effect(endpoint)])

    def effect(self, endpoint: WebhookEndpoint) -> str:
        raise NotImplementedError


class SendTest(_OnEndpoint):
    slug, label = "test", "Send a test"
    explain = "A signed message of the topic “ping”, which says nothing of anybody."

    def effect(self, endpoint: WebhookEndpoint) -> str:
        return "It is sent a test in a moment. What became of it stands in the list of what was sent."

    def apply(self, *, pk: int, actor: Actor, now: datetime, token: str, data: Mapping[str, Any]) -> str:
        endpoints.send_test(endpoint_id=pk, actor=actor, now=now)
        return "A test is on its way."


class SwitchOn(_OnEndpoint):
    slug, label, tone = "switch-on", "Switch on", "primary"

    def effect(self, endpoint: WebhookEndpoint) -> str:
        return "It is told what happens from now on; what waits for it is sent at once."

    def apply(self, *, pk: int, actor: Actor, now: datetime, token: str, data: Mapping[str, Any]) -> str:
        endpoints.switch_on(endpoint_id=pk, actor=actor, now=now)
        return "It is switched on."


class SwitchOff(_OnEndpoint):
    slug, label = "switch-off", "Switch off"

    def effect(self, endpoint: WebhookEndpoint) -> str:
        return "What happens from now on is not told to it, then or later. What waits already stays."

    def apply(self, *, pk: int, actor: Actor, now: datetime, token: str, data: Mapping[str, Any]) -> str:
        endpoints.switch_off(endpoint_id=pk, actor=actor, now=now)
        return "It is switched off."


class ResendRange(_OnEndpoint):
    slug, label, form_class = "resend", "Send again", RangeForm
    explain = "Messages go out under the ids they had, so a system that has them already can tell."

    def effect(self, endpoint: WebhookEndpoint) -> str:
        return "What was sent to it about that time is sent again, as things stand now."

    def apply(self, *, pk: int, actor: Actor, now: datetime, token: str, data: Mapping[str, Any]) -> str:
        count = outbox.resend_range(endpoint_id=pk, actor=actor, now=now, **data)
        return f"{show.points_text(count)} messages will be sent again."


class Remove(_OnEndpoint):
    slug, label, tone = "remove", "Remove", "danger"
    explain = "This cannot be undone: add it anew if it is needed again."

    def effect(self, endpoint: WebhookEndpoint) -> str:
        return "It is told nothing any more, and its secret is forgotten. What was sent stays in the list for a while."

    def apply(self, *, pk: int, actor: Actor, now: datetime, token: str, data: Mapping[str, Any]) -> str:
        endpoints.remove(endpoint_id=pk, actor=actor, now=now)
        return "It was removed."


class Resend(acts.Act):
    slug, label, permission = "resend", "Send again", "webhooks.change_webhookendpoint"
    explain = "It goes out under the id it had, so a system that has it already can tell. It says what is so now."

    def preview(self, *, pk: int, now: datetime, data: Mapping[str, Any]) -> acts.Preview:
        delivery = WebhookDelivery.objects.select_related("endpoint").get(pk=pk)
        title = f"{delivery.topic}, to {delivery.endpoint}"
        if delivery.endpoint.state != EndpointState.ACTIVE:
            return acts.Preview(title=title, refusal="Its endpoint is not active. Switch it on first.")
        effects = {
            DeliveryState.WAITING: "It is sent at once, with all its attempts before it again.",
            DeliveryState.DELIVERED: "It was taken already: the endpoint gets it a second time.",
            DeliveryState.FAILED: "It is tried again, for three days.",
        }
        return acts.Preview(title=title, effects=[effects[DeliveryState(delivery.state)]])

    def apply(self, *, pk: int, actor: Actor, now: datetime, token: str, data: Mapping[str, Any]) -> str:
        delivery = outbox.resend(delivery_id=pk, actor=actor, now=now)
        return f"{delivery.topic}: will be sent again in a moment."


ENDPOINT_ACTS: tuple[acts.Act, ...] = (SwitchOn(), SendTest(), ResendRange(), SwitchOff(), Remove())


def possible(endpoint: WebhookEndpoint) -> list[str]:
    """The acts that make sense in its state."""
    match endpoint.state:
        case EndpointState.ACTIVE:
            return ["test", "resend", "switch-off", "remove"]
        case EndpointState.REMOVED:
            return []
        case _:
            return ["switch-on", "remove"] + (["switch-off"] if endpoint.state == EndpointState.PAUSED else [])
