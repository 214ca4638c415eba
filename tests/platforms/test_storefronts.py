"""Storefronts: origins that may frame the customers' pages, as browsers write them."""

import pytest

from platforms import storefronts
from tests.factories.people import ConnectionFactory


@pytest.mark.parametrize(
    ("typed", "origin"),
    [
        ("https://Shop.Example.com/", "https://shop.example.com"),
        (" https://shop.example.com:443", "https://shop.example.com"),
        ("https://shop.example.com:8443", "https://shop.example.com:8443"),
        ("http://localhost:3000", "http://localhost:3000"),
    ],
)
def test_are_written_as_browsers_compare_them(typed, origin):
    assert storefronts.origin(typed) == origin


@pytest.mark.parametrize(
    "typed",
    [
        "shop.example.com",
        "http://shop.example.com",
        "https://*",
        "https://*.example.com",
        "https://shop.example.com; script-src *",
        "https://a@shop.example.com",
        "https://shop.example.com/account",
        "https://shop.example.com:99999",
        "javascript:alert(1)",
        "'none'",
    ],
)
def test_anything_else_is_refused_by_name(typed):
    with pytest.raises(storefronts.NoOrigin) as refusal:
        storefronts.origin(typed)

    assert typed[:20] in refusal.value.sentence


@pytest.mark.django_db
def test_those_of_shops_in_use_count():
    ConnectionFactory(name="A", storefronts=["https://a.example.com"])
    ConnectionFactory(name="B", storefronts=["https://a.example.com", "https://b.example.com"])
    ConnectionFactory(name="C", storefronts=["https://c.example.com"], enabled=False)

    assert storefronts.allowed() == ["https://a.example.com", "https://b.example.com"]
