"""Words made from a reward's own figures, in the customer's language."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from rewards.models import RewardType

SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "PLN": "zł"}
SYMBOL_FIRST = ("en", "ja")
COMMA = ("de", "pl")

# What so much value is called: language → type → name.
VALUE: Mapping[str, Mapping[str, str]] = {
    "en": {
        RewardType.DISCOUNT_CODE: "{money} off coupon",
        RewardType.VALUE_CODE: "{money} to spend",
        RewardType.GIFT_CARD: "{money} gift card",
        RewardType.CASHBACK: "{money} cashback",
    },
    "de": {
        RewardType.DISCOUNT_CODE: "{money} Rabatt",
        RewardType.VALUE_CODE: "Guthaben über {money}",
        RewardType.GIFT_CARD: "Geschenkkarte über {money}",
        RewardType.CASHBACK: "{money} zurück",
    },
    "pl": {
        RewardType.DISCOUNT_CODE: "{money} zniżki",
        RewardType.VALUE_CODE: "{money} do wydania",
        RewardType.GIFT_CARD: "Karta podarunkowa {money}",
        RewardType.CASHBACK: "Zwrot {money}",
    },
    "ja": {
        RewardType.DISCOUNT_CODE: "{money}割引クーポン",
        RewardType.VALUE_CODE: "{money}分のバリューコード",
        RewardType.GIFT_CARD: "{money}分のギフトカード",
        RewardType.CASHBACK: "{money}のキャッシュバック",
    },
}


def money(amount: Decimal, currency: str, language: str) -> str:
    """An amount as that language writes it; cents only when there are some: $5, 5,50 €."""
    number = f"{amount:,.2f}" if amount % 1 else f"{amount:,.0f}"
    if language in COMMA:
        number = number.replace(",", "\u00a0").replace(".", ",")
    symbol = SYMBOLS.get(currency)
    if symbol is not None and language in SYMBOL_FIRST and currency != "PLN":
        return f"{symbol}{number}"
    return f"{number}\u00a0{symbol or currency}"


def of_value(*, reward_type: str, amount: Decimal, currency: str, language: str) -> str:
    """The name of a reward that was bought for so much: "$5 off coupon"."""
    names = VALUE.get(language, VALUE["en"])
    return names[RewardType(reward_type)].format(money=money(amount, currency, language))


# Sentences of the terms: language → what → sentence. Days are counted, or named once they are known.
TERMS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "minimum": "For orders of {money} or more.",
        "collections": "Only for products in {names}.",
        "combines": "It can be combined with {names}.",
        "and": " and ",
        "product": "product discounts",
        "order": "order discounts",
        "shipping": "shipping discounts",
        "inactive": "It can be used from {days} days after you get it on.",
        "inactive_one": "It can be used from the day after you get it on.",
        "valid": "It is valid for {days} days, to the end of the last one.",
        "valid_one": "It is valid to the end of the next day.",
        "valid_0": "It is valid until the end of that day.",
        "from": "Valid from {day}.",
        "until": "Valid until {day}.",
    },
    "de": {
        "minimum": "Ab einem Bestellwert von {money}.",
        "collections": "Nur für Produkte aus {names}.",
        "combines": "Kombinierbar mit {names}.",
        "and": " und ",
        "product": "Produktrabatten",
        "order": "Bestellrabatten",
        "shipping": "Versandrabatten",
        "inactive": "Gültig ab dem {days}. Tag nach dem Einlösen deiner Punkte.",
        "valid": "{days} Tage gültig, bis zum Ende des letzten.",
        "valid_one": "Gültig bis zum Ende des nächsten Tages.",
        "valid_0": "Gültig bis zum Ende dieses Tages.",
        "from": "Gültig ab {day}.",
        "until": "Gültig bis {day}.",
    },
    "pl": {
        "minimum": "Dla zamówień od {money}.",
        "collections": "Tylko na produkty z działów: {names}.",
        "combines": "Można łączyć z innymi zniżkami: {names}.",
        "and": " i ",
        "product": "na produkty",
        "order": "na zamówienie",
        "shipping": "na dostawę",
        "inactive": "Można użyć od {days}. dnia po otrzymaniu.",
        "valid": "Liczba dni ważności: {days}, do końca ostatniego z nich.",
        "valid_one": "Ważne do końca następnego dnia.",
        "valid_0": "Ważne do końca tego dnia.",
        "from": "Ważne od {day}.",
        "until": "Ważne do {day}.",
    },
    "ja": {
        "minimum": "{money}以上のご注文でご利用いただけます。",
        "collections": "対象は{names}の商品です。",
        "combines": "{names}と併用できます。",
        "and": "、",
        "product": "商品割引",
        "order": "注文割引",
        "shipping": "送料割引",
        "inactive": "お受け取りの{days}日後からご利用いただけます。",
        "valid": "有効期間は{days}日間です。",
        "valid_0": "当日中有効です。",
        "from": "{day}から有効です。",
        "until": "{day}まで有効です。",
    },
}
OTHER_DISCOUNTS = ("product", "order", "shipping")
DAYS = {"en": "{0:%-d} {0:%B} {0:%Y}", "ja": "{0.year}年{0.month}月{0.day}日"}
DAY_IN_NUMBERS = "{0:%-d}.{0:%m}.{0:%Y}"


def of_offer(
    *,
    language: str,
    minimum: Decimal | None,
    currency: str,
    days_inactive: int,
    days_valid: int | None,
    collections: Sequence[str] = (),
    combines_with: Collection[str] = (),
) -> list[str]:
    """What the settings of a reward mean for whoever redeems it."""
    said = TERMS.get(language, TERMS["en"])
    sentences = [said["minimum"].format(money=money(minimum, currency, language))] if minimum else []
    sentences += _of_conditions(said, collections=collections, combines_with=combines_with)
    if days_inactive:
        sentences.append(_of_days(said, "inactive", days_inactive))
    if days_valid is not None:
        sentences.append(_of_days(said, "valid", days_valid) if days_valid else said["valid_0"])
    return sentences


def _of_conditions(said: Mapping[str, str], *, collections: Sequence[str], combines_with: Collection[str]) -> list[str]:
    """What the code is good for, and beside which other discounts."""
    sentences = []
    if collections:
        sentences.append(said["collections"].format(names=_listed(said, collections)))
    others = [said[each] for each in OTHER_DISCOUNTS if each in combines_with]
    if others:
        sentences.append(said["combines"].format(names=_listed(said, others)))
    return sentences


def _listed(said: Mapping[str, str], names: Sequence[str]) -> str:
    """Mugs, Tea and Soap."""
    *most, last = names
    comma = "、" if said is TERMS["ja"] else ", "
    return f"{comma.join(most)}{said['and']}{last}" if most else last


def _of_days(said: Mapping[str, str], what: str, days: int) -> str:
    one = said.get(f"{what}_one", said[what])
    return (one if days == 1 else said[what]).format(days=days)


def of_redeemed(
    *,
    language: str,
    minimum: Decimal | None,
    currency: str,
    valid_from: datetime | None,
    expires_at: datetime | None,
    zone: ZoneInfo,
    collections: Sequence[str] = (),
    combines_with: Collection[str] = (),
) -> list[str]:
    """The same once the days are known."""
    said = TERMS.get(language, TERMS["en"])
    sentences = [said["minimum"].format(money=money(minimum, currency, language))] if minimum else []
    sentences += _of_conditions(said, collections=collections, combines_with=combines_with)
    if valid_from is not None:
        sentences.append(said["from"].format(day=day(valid_from, language, zone)))
    if expires_at is not None:
        sentences.append(said["until"].format(day=day(expires_at - timedelta(microseconds=1), language, zone)))
    return sentences


def day(moment: datetime, language: str, zone: ZoneInfo) -> str:
    """A day as that language writes it."""
    return DAYS.get(language, DAY_IN_NUMBERS).format(moment.astimezone(zone))


def terms(*, own: str, language: str, sentences: Iterable[str]) -> str:
    """The merchant's own words, and after them those made from the figures."""
    made = ("" if language == "ja" else " ").join(sentences)
    return "\n\n".join(part for part in (own.strip(), made) if part)
