"""The work behind a sign-in: as much for an address that is known as for one that is not, so that no clock tells them apart."""

import re
from collections import Counter

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from loyalty.merchant import queries as merchant
from tests.factories.people import CustomerFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def work(monkeypatch):
    """What a request cost: statements by what they do to which table, passwords hashed, mails sent. Savepoints are cheap."""
    hashed = []
    encode = PBKDF2PasswordHasher.encode
    monkeypatch.setattr(PBKDF2PasswordHasher, "encode", lambda *given: (hashed.append(1), encode(*given))[1])

    def measure(name, **fields):
        browser, sent = Client(), len(mail.outbox)
        browser.get(reverse(name))
        hashed.clear()
        with CaptureQueriesContext(connection) as asked:
            answer = browser.post(reverse(name), fields)
        assert answer.status_code in {200, 302}
        statements = Counter(kind for each in asked.captured_queries if (kind := kind_of(each["sql"])))
        return {"statements": statements, "hashed": len(hashed), "mails": len(mail.outbox) - sent}

    return measure


def kind_of(sql):
    table = re.search(r'(?:FROM|INTO|UPDATE) "(\w+)"', sql)
    return f"{sql.split(None, 1)[0]} {table[1]}" if table else None


@pytest.fixture
def people(signed_up):
    """Addresses of every kind, by what they are."""
    signed_up("member@example.com")
    signed_up("off@example.com", is_active=False)
    CustomerFactory(email="customer@example.com")
    return ["member@example.com", "off@example.com", "customer@example.com", "nobody@example.com"]


@pytest.mark.parametrize("open_to_all", [True, False])
def test_a_code_costs_the_same_for_every_address(work, people, open_to_all):
    programme = merchant.programme()
    type(programme).objects.update(open_to_all=open_to_all)

    costs = {email: work("account_request_login_code", email=email) for email in people}
    first = costs["member@example.com"]
    assert first["mails"] == 1
    assert {email: cost for email, cost in costs.items() if cost != first} == {}


def test_a_wrong_password_costs_the_same_for_every_address(work, people):
    costs = {email: work("account_login", login=email, password="a wrong one") for email in people}

    first = costs["member@example.com"]
    assert first["hashed"] == 1
    assert {email: cost for email, cost in costs.items() if cost != first} == {}


def test_a_forgotten_password_costs_the_same_for_every_address(work, people):
    costs = {email: work("account_reset_password", email=email) for email in people}

    first = costs["member@example.com"]
    assert first["mails"] == 1
    assert {email: cost for email, cost in costs.items() if cost != first} == {}
