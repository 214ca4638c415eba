"""Words made from a reward's own figures, in the customer's language."""

from collections.abc import Mapping
from decimal import Decimal

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
    },
    "de": {
        RewardType.DISCOUNT_CODE: "{money} Rabatt",
        RewardType.VALUE_CODE: "Guthaben über {money}",
        RewardType.GIFT_CARD: "Geschenkkarte über {money}",
    },
    "pl": {
        RewardType.DISCOUNT_CODE: "{money} zniżki",
        RewardType.VALUE_CODE: "{money} do wydania",
        RewardType.GIFT_CARD: "Karta podarunkowa {money}",
    },
    "ja": {
        RewardType.DISCOUNT_CODE: "{money}割引クーポン",
        RewardType.VALUE_CODE: "{money}分のバリューコード",
        RewardType.GIFT_CARD: "{money}分のギフトカード",
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
