"""What a page may cost: questions to the database, bytes on the wire, and nobody else's server."""

import gzip
import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from loyalty.common.actors import SYSTEM
from rewards import granting
from tests.factories.catalogue import GiftFactory, InvitationFactory, RewardFactory
from tests.factories.points import give

pytestmark = pytest.mark.django_db

KILOBYTE = 1024
SPOKEN = {"accept-language": "en"}  # as every browser sends it


@pytest.fixture
def pages(visitor, customer, on_offer):
    """The pages of a customer who has much, with how many questions each may ask."""
    now = timezone.now()
    for number in range(12):
        product = on_offer(GiftFactory(limit_total=9), price=100 * number + 1, name=f"Mug {number}")
        give(customer, 10 + number, now=now, expires_at=now + timedelta(days=number + 1))
    mine = [
        granting.grant(customer_id=customer.pk, reward_id=factory().pk, actor=SYSTEM, now=now, internal_note="A test")
        for factory in (InvitationFactory, RewardFactory, GiftFactory)
    ]
    return {
        reverse("cockpit:home"): 6,
        reverse("cockpit:rewards"): 5,
        reverse("cockpit:confirm", args=[product.pk]): 6,
        reverse("cockpit:my_rewards"): 5,
        reverse("cockpit:my_reward", args=[mine[0].pk]): 5,
        reverse("cockpit:points"): 6,
        reverse("cockpit:account"): 5,
        reverse("cockpit:mail_choices"): 5,
        reverse("cockpit:privacy"): 4,
    }


def test_no_page_asks_the_database_more_than_a_few_questions(visitor, pages):
    asked = {}
    for path in pages:
        visitor.get(path, headers=SPOKEN)
        with CaptureQueriesContext(connection) as queries:
            assert visitor.get(path, headers=SPOKEN).status_code == 200
        asked[path] = len(queries)

    assert {path: number for path, number in asked.items() if number > pages[path]} == {}


def test_the_home_page_and_all_it_needs_is_below_thirty_kilobytes(visitor, pages):
    page = visitor.get(reverse("cockpit:home"), headers=SPOKEN).content.decode()
    files = {address.partition("#")[0] for address in re.findall(r'(?:src|href)="/static/([^"]+)"', page)}

    size = len(gzip.compress(page.encode()))
    for name in files:
        found = finders.find(name)
        assert isinstance(found, str), name
        size += len(gzip.compress(Path(found).read_bytes()))

    assert {"cockpit/cockpit.css", "cockpit/cockpit.js", "cockpit/icons.svg"} <= files
    assert size < 30 * KILOBYTE


def test_no_page_asks_another_server(visitor, pages):
    for path in pages:
        answer = visitor.get(path, headers=SPOKEN)
        asked = re.findall(
            r'<(?:img|script|link|iframe|use|source)\b[^>]*(?:src|href)="([^"]+)"', answer.content.decode()
        )
        assert asked, path
        assert all(address.startswith("/static/") for address in asked), path
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
