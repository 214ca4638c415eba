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


def terms_of(language, **settings):
    return wording.of_offer(
        language=language, minimum=None, currency="USD", days_inactive=0, days_valid=None, **settings
    )


@pytest.mark.parametrize(
    ("language", "sentences"),
    [
        (
            "en",
            [
                "Only for products in Mugs, Tea and Soap.",
                "It can be combined with product discounts and shipping discounts.",
            ],
        ),
        ("de", ["Nur für Produkte aus Mugs, Tea und Soap.", "Kombinierbar mit Produktrabatten und Versandrabatten."]),
        (
            "pl",
            [
                "Tylko na produkty z działów: Mugs, Tea i Soap.",
                "Można łączyć z innymi zniżkami: na produkty i na dostawę.",
            ],
        ),
        ("ja", ["対象はMugs、Tea、Soapの商品です。", "商品割引、送料割引と併用できます。"]),
    ],
)
def test_terms_name_the_collections_and_the_combinations(language, sentences):
    said = terms_of(language, collections=["Mugs", "Tea", "Soap"], combines_with=["shipping", "product"])

    assert said == sentences


def test_terms_of_one_collection_name_it_alone_and_nothing_is_said_of_none():
    assert terms_of("en", collections=["Mugs"]) == ["Only for products in Mugs."]
    assert terms_of("en") == []
