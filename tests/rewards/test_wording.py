"""Words made from figures: amounts as each language writes them, and names that state the value."""

from decimal import Decimal

import pytest

from rewards import wording
from rewards.models import RewardType


@pytest.mark.parametrize(
    ("amount", "currency", "language", "written"),
    [
        ("5.00", "USD", "en", "$5"),
        ("1250.50", "EUR", "en", "€1,250.50"),
        ("5.50", "EUR", "de", "5,50\u00a0€"),
        ("1250", "PLN", "pl", "1\u00a0250\u00a0zł"),
        ("500", "JPY", "ja", "¥500"),
        ("5", "CHF", "en", "5\u00a0CHF"),
        ("5", "PLN", "en", "5\u00a0zł"),
    ],
)
def test_amounts_are_written_as_the_language_does(amount, currency, language, written):
    assert wording.money(Decimal(amount), currency, language) == written


@pytest.mark.parametrize("language", ["en", "de", "pl", "ja"])
def test_every_type_that_is_bought_by_value_has_a_name_in_each_language(language):
    for reward_type in (RewardType.DISCOUNT_CODE, RewardType.VALUE_CODE, RewardType.GIFT_CARD):
        name = wording.of_value(reward_type=reward_type, amount=Decimal(7), currency="CHF", language=language)

        assert "7\u00a0CHF" in name


def test_the_name_states_the_value_and_an_unknown_language_is_english():
    said = [
        wording.of_value(reward_type="discount_code", amount=Decimal(5), currency="USD", language=language)
        for language in ("en", "de", "fr")
    ]

    assert said == ["$5 off coupon", "5\u00a0$ Rabatt", "5\u00a0$ off coupon"]
