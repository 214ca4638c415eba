"""The texts of mails that staff may make their own: what each can fill in, and what it must never be without."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from loyalty.merchant.models import CUSTOMER_MAILS, MailKind
from loyalty.messages import alert_wording, sign_in_wording, wording
from loyalty.messages.sign_in_wording import SignIn
from loyalty.messages.wording import Words


class Audience(StrEnum):
    """Who reads a mail; what a page calls them."""

    CUSTOMER = "To customers"
    SIGN_IN = "To whoever signs in"
    OFFICE = "To the back office"


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """One text that staff may change. Of our words those without a button have none."""

    name: str  # as stored, and in the address of its page
    label: str
    audience: Audience
    examples: Mapping[str, str]  # what it can fill in; `programme` is known to all of them
    ours: Mapping[str, Words]  # language → our words: those languages it speaks
    key: str = ""  # the name without which the mail is for nothing: it stands alone on a line of the body

    @property
    def names(self) -> list[str]:
        """What may stand in braces."""
        return [*self.examples, "programme"]

    @property
    def has_button(self) -> bool:
        return bool(self.ours["en"].button)


_REWARD, _SHOP = {"reward": "$5 off", "number": "4711"}, {"shop": "Vienna", "since": "2031-12-30 09:15"}
_ACCOUNT = {"account": "Store credit", "number": "2"}
_MAILS: Mapping[MailKind, Mapping[str, str]] = {
    MailKind.REDEEMED: {"reward": "$5 off"},
    MailKind.READY: {"reward": "$5 off"},
    MailKind.EXPIRING: {"reward": "$5 off", "last_day": "2031-12-31"},
    MailKind.SHIPPED: {"reward": "Blue mug"},
    MailKind.POINTS_EXPIRING: {"points": "250", "last_day": "2031-12-31"},
    MailKind.POINTS_ADJUSTED: {"change": "+250", "balance": "1,250"},
    MailKind.GIFT_REDEEMED: {"reward": "Blue mug", "number": "4711"},
    MailKind.CODES_LOW: {"reward": "$5 off", "left": "12"},
}
_SIGN_IN: Mapping[SignIn, tuple[str, Mapping[str, str], str]] = {
    SignIn.CODE: ("Code to sign in", {"code": "ZKKG-CTTX"}, "code"),
    SignIn.ADDRESS: ("Code that confirms an address", {"code": "ZKKG-CTTX"}, "code"),
    SignIn.PASSWORD: ("Link to set a new password", {"link": "https://rewards.example/a-link-of-its-own/"}, "link"),
    SignIn.NOBODY: ("Nobody signs in with this address", {"email": "anna@example.com"}, ""),
}
_ALERTS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "reward.code_alive_after_cancel": ("The code of a canceled reward still works", _REWARD),
    "reward.used_after_cancel": ("The code of a canceled reward was used", _REWARD),
    "reward.used_while_cancelling": ("A code was used while its reward was being canceled", _REWARD),
    "reward.used_twice": ("A code was used on two orders", _REWARD),
    "payout.in_review": ("A payout is to be looked at", _REWARD),
    "payout.contradicted": ("A settled payout is contradicted", _REWARD),
    "payout.foreign": ("A payout has another amount at the provider", _REWARD),
    "webhook_endpoint.paused": ("An integrator’s address takes no webhooks", {"endpoint": "Warehouse", "number": "3"}),
    "payout_account.unreachable": ("A payout account does not answer", _ACCOUNT),
    "payout_account.answers_again": ("A payout account answers again", _ACCOUNT),
    "payout_account.credentials_refused": ("A payout account refuses our credentials", _ACCOUNT),
    "shop.unreachable": ("A shop does not answer", _SHOP),
    "shop.answers_again": ("A shop answers again", _SHOP),
    "shop.credentials_refused": ("A shop refuses our credentials", _SHOP),
    "shop.rewards_waiting": ("Rewards wait for a shop", {**_SHOP, "minutes": "20"}),
    "shop.rewards_failing": ("Many rewards of a shop fail", {**_SHOP, "failed": "6", "decided": "20"}),
    "privacy.due_soon": ("A privacy request is due", {"day": "2031-12-31"}),
}


def _ours(table: Mapping[str, Mapping[str, Words]], name: str) -> dict[str, Words]:
    return {language: said[name] for language, said in table.items()}


TEXTS: Mapping[str, Text] = {
    text.name: text
    for text in [
        *(
            Text(
                name=kind.value,
                label=str(kind.label),
                audience=Audience.CUSTOMER if kind in CUSTOMER_MAILS else Audience.OFFICE,
                examples=examples,
                ours=_ours(wording.WORDS, kind),
            )
            for kind, examples in _MAILS.items()
        ),
        *(
            Text(
                name=event,
                label=label,
                audience=Audience.OFFICE,
                examples=examples,
                ours=_ours(alert_wording.WORDS, event),
            )
            for event, (label, examples) in _ALERTS.items()
        ),
        *(
            Text(
                name=mail.value,
                label=label,
                audience=Audience.SIGN_IN,
                examples=examples,
                ours=_ours(sign_in_wording.WORDS, mail),
                key=key,
            )
            for mail, (label, examples, key) in _SIGN_IN.items()
        ),
    ]
}
