"""What staff do with e-mails."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from loyalty.common.actors import Actor
from loyalty.common.adminkit import acts
from loyalty.messages import outbox
from loyalty.messages.models import Mail, MailState

WHAT_HAPPENS = {
    MailState.SENT: "It was sent already: the recipient gets it a second time.",
    MailState.UNKNOWN: "It may have arrived already. It goes out under the name it had, so that a mail server that has it "
    "can leave the second one out.",
    MailState.FAILED: "It is tried again, for up to two days.",
    MailState.SKIPPED: "It is sent unless the reason for which it was left out still holds.",
}


class SendAgain(acts.Act):
    slug, label, permission = "send-again", "Send again", "messages_out.send_again_mail"
    explain = "What was sent cannot be called back. The e-mail is written anew, from what is true now."

    def preview(self, *, pk: int, now: datetime, data: Mapping[str, Any]) -> acts.Preview:
        mail = Mail.objects.select_related("again_of", "customer").get(pk=pk)
        refusal = outbox.refusal(mail=mail)
        return acts.Preview(
            title=title(mail),
            effects=() if refusal else (WHAT_HAPPENS[MailState(mail.state)],),
            refusal=refusal,
            token=outbox.fingerprint(mail=mail),
        )

    def apply(self, *, pk: int, actor: Actor, now: datetime, token: str, data: Mapping[str, Any]) -> str:
        again = outbox.send_again(mail_id=pk, shown=token, actor=actor, now=now)
        return f"{title(again)}: will be sent again in a moment."


def title(mail: Mail) -> str:
    return f"{mail.get_kind_display()}, to {name_of(mail)}"


def name_of(mail: Mail) -> str:
    """Whom it is for, in words."""
    if mail.recipient.startswith("customer:"):
        return str(mail.customer)
    return mail.recipient or "nobody"
