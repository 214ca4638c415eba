"""What a page may cost: questions to the database, bytes on the wire, and nobody else's server."""

import gzip
import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import resolve, reverse
from django.utils import timezone

from loyalty.cockpit import urls
from loyalty.common import actors
from loyalty.common.actors import SYSTEM
from loyalty.merchant import models as merchant
from loyalty.program.models import ReferralSettings
from rewards import granting, redemption
from tests.factories.catalogue import GiftFactory, InvitationFactory, RewardFactory
from tests.factories.earning import RuleFactory
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
    merchant.Programme.objects.update(self_cancel_minutes=30)
    cheap = on_offer(RewardFactory(), price=5, name="Tea")
    regretted = redemption.redeem(
        customer_id=customer.pk, points_product_id=cheap.pk, actor=actors.customer(customer.pk), now=now
    )
    for number in range(3):
        RuleFactory(name=f"Way {number}", reward=cheap.reward, points=None, kind="per_order")
    ReferralSettings.objects.create(pk=1, active=True, friend_reward=cheap.reward, sender_reward=cheap.reward)
    return {
        reverse("cockpit:home"): 6,
        reverse("cockpit:rewards"): 5,
        reverse("cockpit:confirm", args=[product.pk]): 6,
        reverse("cockpit:my_rewards"): 5,
        reverse("cockpit:my_reward", args=[mine[0].pk]): 5,
        reverse("cockpit:cancel", args=[regretted.pk]): 6,
        reverse("cockpit:points"): 6,
        reverse("cockpit:earning"): 6,
        reverse("cockpit:friends"): 6,
        reverse("cockpit:account"): 5,
        reverse("cockpit:mail_choices"): 5,
        reverse("cockpit:privacy"): 4,
    }


ELSEWHERE = {
    "checking": "shown while a shop is silent, and again every few seconds: one reward, no list",
    "state": "the same as three words of JSON",
    "recommended": "for strangers",
    "sign_in_link": "for strangers",
    "unsubscribe": "for strangers",
    "brand_sheet": "a file, kept by browsers for good",
    "brand_logo": "a file, kept by browsers for good",
    "download": "a file",
    "language": "takes a choice and leads back",
    "address": "takes an address and leads back",
}


def test_no_page_is_left_out(pages):
    judged = {resolve(path).url_name for path in pages}

    assert judged | set(ELSEWHERE) == {pattern.name for pattern in urls.urlpatterns}


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
