"""How e-mail addresses and phone numbers are stored."""

import pytest

from loyalty.customers import contacts


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("+48 501 234 567", "+48501234567"),
        ("0048 (501) 234-567", "+48501234567"),
        ("501 234 567", "501234567"),
        ("+1 (415) 555‑0100", "+14155550100"),
        ("   ", None),
        (None, None),
    ],
)
def test_stores_a_phone_number_as_digits(text, stored):
    assert contacts.phone(text) == stored


@pytest.mark.parametrize("text", ["call me", "12", "+48 501 234 567 890 12345", "+48+501234567", "٣٤٥٦٧٨"])
def test_refuses_what_is_no_phone_number(text):
    with pytest.raises(contacts.InvalidPhone) as refusal:
        contacts.phone(text)

    assert "is not a phone number" in refusal.value.sentence


def test_trims_an_address_and_keeps_its_spelling():
    assert contacts.email("  Anna.Nowak@Example.com ") == "Anna.Nowak@Example.com"


def test_takes_an_empty_address_for_none():
    assert contacts.email("  ") is None


@pytest.mark.parametrize("text", ["anna", "anna@", "a b@example.com", "anna@example.com\x00", f"a@{'b' * 300}.com"])
def test_refuses_what_is_no_address(text):
    with pytest.raises(contacts.InvalidEmail):
        contacts.email(text)
