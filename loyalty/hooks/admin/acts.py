"""What staff do with webhooks, and with what people ask about their data."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django import forms

from loyalty.common.actors import Actor
from loyalty.common.adminkit import acts
from loyalty.hooks import privacy, replay
from loyalty.hooks.models import InboundWebhook, PrivacyRequest


class TryAgain(acts.Act):
    slug, label, permission, tone = "try-again", "Try again", "hooks.try_again_inboundwebhook", "primary"
    explain = (
        "The shop is asked for the order as it is now, or the provider for the payout, so nothing can take effect twice. "
        "It gets as many tries as it had at first."
    )

    def preview(self, *, pk: int, now: datetime, data: Mapping[str, Any]) -> acts.Preview:
        webhook = InboundWebhook.objects.select_related("connection", "payout_account").defer("body").get(pk=pk)
        reason = replay.refusal(webhook)
        effects = () if reason else (f"Failed before: {webhook.result}", "A worker tries it in a moment.")
        return acts.Preview(title=title(webhook), effects=effects, refusal=reason)

    def apply(self, *, pk: int, actor: Actor, now: datetime, token: str, data: Mapping[str, Any]) -> str:
        return f"{title(replay.try_again(webhook_id=pk, actor=actor, now=now))}: will be tried in a moment."


def title(webhook: InboundWebhook) -> str:
    about = f" about {webhook.subject_id}" if webhook.subject_id else ""
    return f"{webhook.topic or 'Webhook'}{about}, from {webhook.connection or webhook.payout_account}"


class DoneForm(forms.Form):
    note = forms.CharField(
        label="What was done",
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="For whoever asks later. Write no name and no address: this stays.",
    )


class Settle(acts.Act):
    slug, label, permission, tone = "settle", "Settle", "hooks.settle_privacyrequest", "primary"
    explain = "You say that what was asked is done. Your name and the time are kept; this cannot be undone."
    form_class, bulk = DoneForm, False

    def preview(self, *, pk: int, now: datetime, data: Mapping[str, Any]) -> acts.Preview:
        request = PrivacyRequest.objects.select_related("connection").get(pk=pk)
        return acts.Preview(
            title=str(request), effects=("It leaves the open requests.",), refusal=privacy.refusal(request)
        )

    def apply(self, *, pk: int, actor: Actor, now: datetime, token: str, data: Mapping[str, Any]) -> str:
        settled = privacy.settle(request_id=pk, note=str(data["note"]), actor=actor, now=now)
        return f"{settled}: settled."
