"""Addresses that may be called: on the public internet, over https, unless the installation allows more."""

import pytest

from loyalty.webhooks import addresses, posting

LOCAL = "http://127.0.0.1:1/hook"


@pytest.fixture
def public_only(settings):
    settings.ALLOW_PRIVATE_WEBHOOK_ADDRESSES = False


@pytest.mark.parametrize(
    "url", ["https://till.example.com/hook?shop=7", "https://till.example.com:8443/", "https://[2606:4700::1111]/"]
)
def test_that_are_public_are_taken(public_only, url):
    assert addresses.fault(url) == ""


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("http://till.example.com/", "must start with https://"),
        ("ftp://till.example.com/", "must start with https://"),
        ("https:///hook", "name a host"),
        ("https://till.example.com:22/", "port 22 is not allowed"),
        ("https://till.example.com:0/", "name a host"),
        ("https://till.example.com:x/", "not a web address"),
        ("https://anna:secret@till.example.com/", "user name"),
        ("https://till.example.com/#top", "a #"),
        ("https://localhost/", "not on the public internet"),
        ("https://127.0.0.1/", "not on the public internet"),
        ("https://10.0.0.7/", "not on the public internet"),
        ("https://169.254.169.254/latest", "not on the public internet"),
        ("https://[::1]/", "not on the public internet"),
        ("https://[::ffff:10.0.0.1]/", "not on the public internet"),
        ("https://till.example.com/a b", "plain characters"),
        ("https://till.example.com/\r\nx", "plain characters"),
        ("https://müller.example/", "plain characters"),
        ("https://till.example.com/" + "x" * 500, "at most 500"),
        ("till", "must start with https://"),
    ],
)
def test_that_are_not_are_refused_with_a_reason(public_only, url, sentence):
    assert sentence in addresses.fault(url)


def test_on_this_machine_are_taken_where_the_installation_allows_it():
    assert addresses.fault(LOCAL) == ""
    assert "user name" in addresses.fault("http://anna:x@127.0.0.1/")


def test_whose_name_leads_to_a_private_address_are_not_called(public_only, monkeypatch):
    entry = (2, 1, 6, "", ("10.1.2.3", 443))
    monkeypatch.setattr("platforms.wire.socket.getaddrinfo", lambda *args, **kwargs: [entry])

    posted = posting.post(url="https://inside.example.com/", body=b"{}", headers={}, secrets=[])

    assert posted.status is None
    assert posted.reason == "It was not sent: inside.example.com is at 10.1.2.3, which is not on the public internet."
