"""A mail in words: from the reward's own copies, in the recipient's language, with links that work from anywhere."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.urls import reverse

from loyalty.events.models import Event
from loyalty.merchant import own_words
from loyalty.merchant import queries as merchant
from loyalty.merchant.models import CUSTOMER_MAILS, REMINDERS, MailKind, Programme
from loyalty.messages import choices, endings, gate, layout, outbox, texts, wording
from loyalty.messages.editable import TEXTS, Audience, Text
from loyalty.messages.gate import Recipient
from loyalty.messages.layout import Draft, Letter, line
from loyalty.messages.models import Mail
from loyalty.messages.sign_in_wording import SignIn
from loyalty.messages.wording import Words
from loyalty.points import queries as points
from loyalty.points.models import PointsAdjustment
from loyalty.webhooks.models import WebhookEndpoint
from platforms.models import PayoutAccount, StoreConnection
from rewards import wording as reward_wording
from rewards.models import Delivery, DeliveryStatus, RedeemedReward, Reward


def compose(*, mail: Mail, now: datetime) -> Letter:
    """Write one mail. Raises NotToBeSent where nobody is to get it now, with the reason."""
    programme = merchant.programme()
    recipient = gate.recipient(mail=mail, programme=programme, now=now)
    if mail.about_type == outbox.SAMPLE:
        _, name, language = mail.window.partition("#")[0].split(":")
        return sample(kind=name, language=language, address=recipient.address)
    language = wording.spoken(recipient.language, programme.language)
    kind = MailKind(mail.kind)
    draft = DRAFTS[kind](mail, programme, language, now)
    if kind in REMINDERS:
        draft.stop = choices.link(customer_id=mail.customer_id or 0, kind=kind)
    return layout.laid_out(
        draft=draft,
        audience=Audience.CUSTOMER if kind in CUSTOMER_MAILS else Audience.OFFICE,
        programme=programme,
        recipient=recipient,
        language=language,
        reminder=kind in REMINDERS,
    )


def sample(*, kind: str, language: str, words: Words | None = None, address: str = "") -> Letter:
    """A mail of one of the editable texts with made-up names: in these words, else in those that hold now."""
    text = TEXTS[kind]
    return layout.laid_out(
        draft=_sample_draft(text, language, words or texts.words(kind=kind, language=language)),
        audience=text.audience,
        programme=merchant.programme(),
        recipient=Recipient(address, language, "Anna" if text.audience is Audience.CUSTOMER else ""),
        language=language,
        reminder=kind in REMINDERS,
    )


def signing_in(*, mail: SignIn, language: str, address: str, names: dict[str, str]) -> Letter:
    """A mail about signing in, in a language that these speak. `names` holds its code, its link or the address."""
    text = TEXTS[mail]
    return layout.laid_out(
        draft=Draft(words=texts.words(kind=mail, language=language), names=names, key=text.key),
        audience=Audience.SIGN_IN,
        programme=merchant.programme(),
        recipient=Recipient(address, language),
        language=language,
    )


def absolute(name: str, *args: int) -> str:
    """The address of a page of ours, from anywhere."""
    return f"{settings.PUBLIC_URL}{reverse(name, args=args)}"


def _redeemed(mail: Mail, programme: Programme, language: str, now: datetime) -> Draft:
    """A reward the customer has: with its code, its days and the merchant's words about it."""
    row = RedeemedReward.objects.select_related("code").get(pk=mail.about_id)
    said = wording.PARTS[language]
    draft = _about_reward(mail, row, programme, language)
    if row.cost_in_points:
        draft.facts.append((said["cost"], amount(row.cost_in_points, programme, language)))
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
    left = amount(endings.left(mail=mail, now=now), programme, language)
    return Draft(
        words=texts.words(kind=MailKind.POINTS_EXPIRING, language=language),
        names={"points": left, "last_day": _last_day(endings.end_of(mail), programme, language)},
        links=[absolute("cockpit:rewards")],
    )


def _adjusted(mail: Mail, programme: Programme, language: str, now: datetime) -> Draft:
    """How the balance changed, what it is now, and what customers may read of the reason."""
    row = PointsAdjustment.objects.select_related("transaction__note").get(pk=mail.about_id)
    note = getattr(row.transaction, "note", None)
    balance = points.shown(balance=points.balance(customer_id=row.customer_id, now=now), programme=programme)
    change = amount(abs(row.points), programme, language)
    return Draft(
        words=texts.words(kind=MailKind.POINTS_ADJUSTED, language=language),
        names={"change": f"{'+' if row.points > 0 else '−'}{change}", "balance": amount(balance, programme, language)},
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
    """What went wrong: of a reward or an integrator's address by its name, and where it is seen."""
    event = _event(mail)
    words = texts.words(kind=event.kind, language=language)
    if mail.about_type == "store_connection":
        return _shop_alert(mail, programme, event, words)
    if mail.about_type in ("privacy_request", "erasure_request"):
        return _privacy_alert(programme, language, event, words)
    model, page, name = ALERTED[mail.about_type]
    row = model.objects.get(pk=mail.about_id)
    return Draft(words=words, names={name: line(row.name), "number": str(row.pk)}, links=[absolute(page, row.pk)])


def _shop_alert(mail: Mail, programme: Programme, event: Event, words: Words) -> Draft:
    """Of a shop as a whole, with since when and the numbers of then."""
    shop = StoreConnection.objects.get(pk=mail.about_id)
    since = datetime.fromisoformat(event.data["since"]).astimezone(programme.zone)
    numbers = {name: str(event.data.get(name, "")) for name in ("minutes", "failed", "decided")}
    return Draft(
        words=words,
        names={"shop": line(shop.name), "since": f"{since:%Y-%m-%d %H:%M}", **numbers},
        links=[absolute("insights:shop", shop.pk)],
    )


def _privacy_alert(programme: Programme, language: str, event: Event, words: Words) -> Draft:
    """That somebody waits for an answer about their data, and until when. Not who: it is read behind the link."""
    day = reward_wording.day(datetime.fromisoformat(event.data["due"]), language, programme.zone)
    return Draft(
        words=words, names={"day": day}, links=[f"{absolute('admin:hooks_privacywish_changelist')}?state=open"]
    )


def _test(mail: Mail, programme: Programme, language: str, now: datetime) -> Draft:
    words = wording.WORDS[language][mail.kind]
    outbox = absolute("admin:messages_out_mail_changelist")
    return Draft(words=words, names={"programme": line(programme.name)}, links=[outbox])


def _sample_draft(text: Text, language: str, words: Words) -> Draft:
    """A draft with the examples of a text."""
    with_code = text.name in (MailKind.REDEEMED, MailKind.READY, MailKind.EXPIRING)
    return Draft(
        words=words,
        names=dict(text.examples),
        key=text.key,
        facts=[(wording.PARTS[language]["until"], "2031-12-31")] if with_code else [],
        code="EXAMPLE-1234" if with_code else "",
        links=[settings.PUBLIC_URL] if text.has_button else [],
    )


def amount(number: int, programme: Programme, language: str) -> str:
    """A number of points with the programme's own word for them; the words of a new programme are said in the language."""
    label = own_words.points_label(programme=programme, number=number, language=language)
    said = wording.PARTS[language].get(label, label) if label in ("point", "points") else label
    return f"{wording.number(number, language)} {said}"


def _event(mail: Mail) -> Event:
    return Event.objects.get(pk=mail.event_id or 0)


def _last_day(end: datetime, programme: Programme, language: str) -> str:
    return reward_wording.day(end - timedelta(microseconds=1), language, programme.zone)


# What alerts are about: its row, which has a name; its page; and what the words call it.
ALERTED: Mapping[str, tuple[Any, str, str]] = {
    "redeemed_reward": (RedeemedReward, "admin:rewards_redeemedreward_change", "reward"),
    "webhook_endpoint": (WebhookEndpoint, "admin:webhooks_webhookendpoint_change", "endpoint"),
    "payout_account": (PayoutAccount, "admin:platforms_payoutaccount_change", "account"),
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
