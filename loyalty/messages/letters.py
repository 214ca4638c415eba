"""A mail in words: from the reward's own copies, in the recipient's language, with links that work from anywhere."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.template.loader import render_to_string
from django.urls import reverse

from loyalty.events.models import Event
from loyalty.merchant import branding
from loyalty.merchant import queries as merchant
from loyalty.merchant.models import CUSTOMER_MAILS, REMINDERS, MailKind, Programme
from loyalty.messages import choices, endings, gate, outbox, texts, wording
from loyalty.messages.gate import Recipient
from loyalty.messages.models import Mail
from loyalty.messages.wording import Words
from loyalty.points import queries as points
from loyalty.points.models import PointsAdjustment
from loyalty.webhooks.models import WebhookEndpoint
from platforms.models import PayoutAccount, StoreConnection
from rewards import wording as reward_wording
from rewards.models import Delivery, DeliveryStatus, RedeemedReward, Reward

HIDDEN = "••••••"  # what the outbox keeps of a code


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A mail as it goes out, and as it is kept."""

    address: str
    language: str
    sender: str
    reply_to: str
    subject: str
    text: str
    html: str
    kept_text: str
    kept_html: str
    unsubscribe: str = ""  # the address that stops mails like this one


@dataclass(slots=True, kw_only=True)
class Draft:
    """What is said in one kind of mail, before it becomes text and page."""

    words: Words
    names: dict[str, str]  # what the words' braces stand for
    facts: list[tuple[str, str]] = field(default_factory=list)
    code: str = ""
    links: list[str] = field(default_factory=list)  # of the button, and of a second one
    second: str = ""  # what the second one says
    passages: list[tuple[str, str]] = field(default_factory=list)  # heading and text, in the merchant's own words
    stop: str = ""  # the address that stops mails like this one


def compose(*, mail: Mail, now: datetime) -> Letter:
    """Write one mail. Raises NotToBeSent where nobody is to get it now, with the reason."""
    programme = merchant.programme()
    recipient = gate.recipient(mail=mail, programme=programme, now=now)
    language = wording.spoken(recipient.language, programme.language)
    kind = MailKind(mail.kind)
    if mail.about_type == outbox.SAMPLE:
        _, kind_value, language = mail.window.partition("#")[0].split(":")
        kind = MailKind(kind_value)
        return _letter(sample_draft(kind, language), kind, programme, recipient, language)
    draft = DRAFTS[kind](mail, programme, language, now)
    if kind in REMINDERS:
        draft.stop = choices.link(customer_id=mail.customer_id or 0, kind=kind)
    return _letter(draft, kind, programme, recipient, language)


def sample(*, kind: MailKind, language: str, words: Words) -> Letter:
    """A mail of that kind with these words and made-up names, as nobody gets it."""
    programme = merchant.programme()
    recipient = Recipient(address="", language=language, first_name="Anna")
    return _letter(sample_draft(kind, language, words), kind, programme, recipient, language)


def _letter(draft: Draft, kind: MailKind, programme: Programme, recipient: Recipient, language: str) -> Letter:
    """The draft as text and page."""
    said = wording.PARTS[language]
    to_customer = kind in CUSTOMER_MAILS
    because = said["because" if to_customer else "office"].format(programme=line(programme.name))
    names = {"programme": line(programme.name), **draft.names}
    context = {
        "language": language,
        "heading": wording.filled(draft.words.heading, names),
        "hello": _hello(said, recipient.first_name) if to_customer else "",
        "lines": [wording.filled(each, names) for each in draft.words.lines],
        "facts": draft.facts,
        "code_label": said["code"],
        "code": draft.code,
        "buttons": list(zip((draft.words.button, draft.second), draft.links, strict=False)),
        "passages": [(heading, text.strip().splitlines()) for heading, text in draft.passages if text.strip()],
        "programme": line(programme.name),
        "questions": _questions(said, programme) if to_customer else "",
        "because": because,
        **looks(programme),
        "stop": said["unsubscribe"] if kind in REMINDERS else "",
        "stop_address": draft.stop,
    }
    kept = context | {"code": HIDDEN if draft.code else "", "stop_address": ""}
    return Letter(
        address=recipient.address,
        language=language,
        sender=line(programme.name),
        reply_to=programme.reply_to or programme.support_email,
        subject=line(wording.filled(draft.words.subject, names)),
        text=render_to_string("messages/mail.txt", context),
        html=render_to_string("messages/mail.html", context),
        kept_text=render_to_string("messages/mail.txt", kept),
        kept_html=render_to_string("messages/mail.html", kept),
        unsubscribe=draft.stop,
    )


def line(text: str) -> str:
    """A text on one line, without anything that is not written: what stands in a header cannot begin another one."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())[:250]


def absolute(name: str, *args: int) -> str:
    """The address of a page of ours, from anywhere."""
    return f"{settings.PUBLIC_URL}{reverse(name, args=args)}"


def _redeemed(mail: Mail, programme: Programme, language: str, now: datetime) -> Draft:
    """A reward the customer has: with its code, its days and the merchant's words about it."""
    row = RedeemedReward.objects.select_related("code").get(pk=mail.about_id)
    said = wording.PARTS[language]
    draft = _about_reward(mail, row, programme, language)
    if row.cost_in_points:
        draft.facts.append((said["cost"], _amount(row.cost_in_points, programme)))
    if row.starts_at is not None:
        draft.facts.append((said["from"], reward_wording.day(row.starts_at, language, programme.zone)))
    if row.expires_at is not None:
        draft.facts.append((said["until"], _last_day(row.expires_at, programme, language)))
    if row.code is not None and not row.is_gift:  # that of a gift is printed, and in the parcel
        draft.code = row.code.code
    draft.passages = [(said["how"], row.usage_instructions), (said["terms"], row.terms)]
    return draft


def _shipped(mail: Mail, programme: Programme, language: str, now: datetime) -> Draft:
    row = RedeemedReward.objects.get(pk=mail.about_id)
    delivery = Delivery.objects.get(pk=row.pk)
    said = wording.PARTS[language]
    draft = _about_reward(mail, row, programme, language)
    facts = ((said["carrier"], delivery.carrier), (said["number"], delivery.tracking_number))
    draft.facts = [(label, line(value)) for label, value in facts if value]
    if delivery.tracking_url.startswith(("https://", "http://")):
        draft.links = [delivery.tracking_url]
    else:
        draft.words = replace(draft.words, button=texts.words(kind=MailKind.READY, language=language).button)
    return draft


def _about_reward(mail: Mail, row: RedeemedReward, programme: Programme, language: str) -> Draft:
    names = {"reward": line(row.name)}
    if row.expires_at is not None:
        names["last_day"] = _last_day(row.expires_at, programme, language)
    words = texts.words(kind=MailKind(mail.kind), language=language)
    return Draft(words=words, names=names, links=[absolute("cockpit:my_reward", row.pk)])


def _ending_points(mail: Mail, programme: Programme, language: str, now: datetime) -> Draft:
    """What is left of the points that end then."""
    amount = _amount(endings.left(mail=mail, now=now), programme)
    return Draft(
        words=texts.words(kind=MailKind.POINTS_EXPIRING, language=language),
        names={"points": amount, "last_day": _last_day(endings.end_of(mail), programme, language)},
        links=[absolute("cockpit:rewards")],
    )


def _adjusted(mail: Mail, programme: Programme, language: str, now: datetime) -> Draft:
    """How the balance changed, what it is now, and what customers may read of the reason."""
    row = PointsAdjustment.objects.select_related("transaction__note").get(pk=mail.about_id)
    note = getattr(row.transaction, "note", None)
    balance = points.shown(balance=points.balance(customer_id=row.customer_id, now=now), programme=programme)
    change = _amount(abs(row.points), programme)
    return Draft(
        words=texts.words(kind=MailKind.POINTS_ADJUSTED, language=language),
        names={"change": f"{'+' if row.points > 0 else '−'}{change}", "balance": _amount(balance, programme)},
        facts=[(wording.PARTS[language]["why"], line(note.description))] if note and note.description else [],
        links=[absolute("cockpit:points")],
    )


def _gift(mail: Mail, programme: Programme, language: str, now: datetime) -> Draft:
    """What is to be packed, and where it is seen. No address: who may see it finds it behind the link."""
    row = RedeemedReward.objects.get(pk=mail.about_id)
    said = wording.PARTS[language]
    who = line(f"{row.customer_first_name} {row.customer_last_name}")
    facts = [(said["reward"], line(row.name)), (said["number_of"], str(row.pk)), (said["customer"], who)]
    packing_list = f"{absolute('admin:rewards_redeemedreward_packing_list')}?ids={row.pk}"
    words = texts.words(kind=MailKind.GIFT_REDEEMED, language=language)
    if row.delivery_status == DeliveryStatus.ORDERED:  # a printed coupon is ordered by itself
        words = replace(words, lines=(said["ordered"],))
    return Draft(
        words=words,
        names={"reward": line(row.name), "number": str(row.pk)},
        facts=[(label, value) for label, value in facts if value],
        links=[absolute("admin:rewards_redeemedreward_change", row.pk), packing_list],
        second=said["list"],
    )


def _codes_low(mail: Mail, programme: Programme, language: str, now: datetime) -> Draft:
    reward = Reward.objects.get(pk=mail.about_id)
    left = str(_event(mail).data["free"])
    return Draft(
        words=texts.words(kind=MailKind.CODES_LOW, language=language),
        names={"reward": line(reward.name), "left": left},
        facts=[(wording.PARTS[language]["left"], left)],
        links=[absolute("admin:rewards_codepool_change", reward.pk)],
    )


def _alert(mail: Mail, programme: Programme, language: str, now: datetime) -> Draft:
    if mail.about_type == "store_connection":
        return _shop_alert(mail, programme, language)
    if mail.about_type in ("privacy_request", "erasure_request"):
        return _privacy_alert(mail, programme, language)
    said = wording.ALERTS[language]
    meaning = said[_event(mail).kind]
    words = Words(subject=said["subject"], heading="{reward}", lines=(meaning,), button=said["button"])
    model, page = ALERTED[mail.about_type]
    row = model.objects.get(pk=mail.about_id)
    return Draft(words=words, names={"reward": line(row.name), "number": str(row.pk)}, links=[absolute(page, row.pk)])


def _shop_alert(mail: Mail, programme: Programme, language: str) -> Draft:
    """Of a shop as a whole, with since when and the numbers of then."""
    said, event = wording.SHOP_ALERTS[language], _event(mail)
    shop = StoreConnection.objects.get(pk=mail.about_id)
    since = datetime.fromisoformat(event.data["since"]).astimezone(programme.zone)
    numbers = {name: str(event.data.get(name, "")) for name in ("minutes", "failed", "decided")}
    words = Words(subject=said["subject"], heading="{shop}", lines=(said[event.kind],), button=said["button"])
    return Draft(
        words=words,
        names={"shop": line(shop.name), "since": f"{since:%Y-%m-%d %H:%M}", **numbers},
        links=[absolute("insights:shop", shop.pk)],
    )


def _privacy_alert(mail: Mail, programme: Programme, language: str) -> Draft:
    """That somebody waits for an answer about their data, and until when. Not who: it is read behind the link."""
    said, event = wording.PRIVACY_ALERTS[language], _event(mail)
    day = reward_wording.day(datetime.fromisoformat(event.data["due"]), language, programme.zone)
    words = Words(subject=said["subject"], heading=said["heading"], lines=(said[event.kind],), button=said["button"])
    return Draft(
        words=words, names={"day": day}, links=[f"{absolute('admin:hooks_privacywish_changelist')}?state=open"]
    )


def _test(mail: Mail, programme: Programme, language: str, now: datetime) -> Draft:
    words = wording.WORDS[language][mail.kind]
    outbox = absolute("admin:messages_out_mail_changelist")
    return Draft(words=words, names={"programme": line(programme.name)}, links=[outbox])


def sample_draft(kind: MailKind, language: str, words: Words | None = None) -> Draft:
    """A draft with the examples of a kind, in these words, else in those that hold now."""
    said = wording.PARTS[language]
    with_code = kind in (MailKind.REDEEMED, MailKind.READY, MailKind.EXPIRING)
    return Draft(
        words=words or texts.words(kind=kind, language=language),
        names=dict(texts.EXAMPLES[kind]),
        facts=[(said["until"], "2031-12-31")] if with_code else [],
        code="EXAMPLE-1234" if with_code else "",
        links=[settings.PUBLIC_URL],
    )


def looks(programme: Programme) -> dict[str, Any]:
    """The merchant's colours and logo, as mail.css and the page of a mail take them: `colours` and `logo`."""
    return {"colours": branding.colours_of(programme=programme) or branding.OURS, "logo": _logo(programme)}


def _logo(programme: Programme) -> dict[str, object]:
    """Where the merchant's logo is, and how large it is shown; nothing where there is none."""
    brand = getattr(programme, "brand", None)
    if brand is None or not brand.logo_digest:
        return {}
    address = reverse("cockpit:brand_logo", args=[brand.logo_digest, brand.logo_kind])
    width, height = branding.fitted(brand, width=240, height=48)
    return {"address": f"{settings.PUBLIC_URL}{address}", "width": width, "height": height}


def _amount(number: int, programme: Programme) -> str:
    """A number of points with the programme's own word."""
    label = programme.points_label_one if number == 1 else programme.points_label_other
    return f"{number:,} {label}"


def _questions(said: Mapping[str, str], programme: Programme) -> str:
    return said["questions"].format(address=programme.support_email) if programme.support_email else ""


def _event(mail: Mail) -> Event:
    return Event.objects.get(pk=mail.event_id or 0)


def _hello(said: Mapping[str, str], first_name: str) -> str:
    name = line(first_name)
    return said["hello"].format(first_name=name) if name else said["hello_nobody"]


def _last_day(end: datetime, programme: Programme, language: str) -> str:
    return reward_wording.day(end - timedelta(microseconds=1), language, programme.zone)


# What alerts are about: its row, which has a name, and its page.
ALERTED: Mapping[str, tuple[Any, str]] = {
    "redeemed_reward": (RedeemedReward, "admin:rewards_redeemedreward_change"),
    "webhook_endpoint": (WebhookEndpoint, "admin:webhooks_webhookendpoint_change"),
    "payout_account": (PayoutAccount, "admin:platforms_payoutaccount_change"),
}

DRAFTS: Mapping[MailKind, Callable[[Mail, Programme, str, datetime], Draft]] = {
    MailKind.REDEEMED: _redeemed,
    MailKind.READY: _redeemed,
    MailKind.EXPIRING: _redeemed,
    MailKind.SHIPPED: _shipped,
    MailKind.POINTS_EXPIRING: _ending_points,
    MailKind.POINTS_ADJUSTED: _adjusted,
    MailKind.GIFT_REDEEMED: _gift,
    MailKind.CODES_LOW: _codes_low,
    MailKind.ALERT: _alert,
    MailKind.TEST: _test,
}
