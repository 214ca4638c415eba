"""The first page: what a customer has, what ends when, and what it buys."""

import re
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from loyalty.common import actors
from loyalty.customers.models import Customer, CustomerState
from loyalty.merchant import queries as merchant
from loyalty.points import adjustments
from rewards import granting
from rewards.models import RedeemedReward, RewardStock
from tests.factories.catalogue import GiftFactory
from tests.factories.people import CustomerFactory
from tests.factories.points import give

pytestmark = pytest.mark.django_db

HOME = "/"


def page_of(browser) -> str:
    answer = browser.get(HOME)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def button_of(page: str, name: str) -> str:
    """The markup of the redeem button that names this reward."""
    found = re.search(rf'<(?:a|button) [^>]*>Redeem<span class="unseen"> {re.escape(name)}</span></(?:a|button)>', page)
    assert found, page
    return found[0]


def test_leads_strangers_to_the_sign_in_page(client):
    assert client.get(HOME).url == f"{reverse('account_request_login_code')}?next=/"


def test_is_kept_in_no_cache(visitor):
    assert "no-store" in visitor.get(HOME).headers["Cache-Control"]


def test_shows_the_balance_in_the_words_of_the_programme(visitor):
    programme = merchant.programme()
    programme.points_label_other = "stars"
    programme.save()

    page = page_of(visitor)

    assert '<span class="balance-number">1,000</span>' in page
    assert "active stars" in page


def test_names_the_next_dates_on_which_points_end_by_the_last_day_they_can_be_used(visitor, customer):
    programme = merchant.programme()
    programme.time_zone = "Europe/Warsaw"
    programme.save()
    end = datetime(2031, 12, 31, 23, tzinfo=UTC)  # midnight in Warsaw: the 31st was the last day
    give(customer, 120, now=timezone.now(), expires_at=end)
    give(customer, 30, now=timezone.now(), expires_at=end + timedelta(days=30))
    give(customer, 5, now=timezone.now(), expires_at=end + timedelta(days=60))
    give(customer, 7, now=timezone.now(), expires_at=end + timedelta(days=90))

    page = page_of(visitor)

    points = re.findall(r'"expiry-points">([\d,]+) points<', page)
    assert points == ["120", "30", "5"]
    assert "until Dec. 31, 2031" in page
    assert '<a href="/points/#ends">All dates</a>' in page


def test_says_how_many_days_are_left_when_they_are_few(visitor, customer):
    with time_machine.travel(datetime(2031, 3, 1, 12, tzinfo=UTC), tick=False):
        give(customer, 9, now=timezone.now(), expires_at=datetime(2031, 3, 4, tzinfo=UTC))
        give(customer, 8, now=timezone.now(), expires_at=datetime(2031, 3, 2, tzinfo=UTC))
        visitor.force_login(customer.user)

        page = page_of(visitor)

    assert "<strong>last day</strong>" in page
    assert "<strong>2 days left</strong>" in page


def test_offers_a_reward_the_customer_can_pay(visitor, gift):
    button = button_of(page_of(visitor), "A stoneware mug")

    assert f'href="{reverse("cockpit:confirm", args=[gift.pk])}"' in button
    assert "aria-disabled" not in button


def test_says_exactly_how_many_points_are_missing_and_takes_no_click(visitor, on_offer):
    dear = on_offer(GiftFactory(), price=22_500, name="A dear mug")

    page = page_of(visitor)

    sentence = "You must have 21500 more points to get reward"
    button = button_of(page, "A dear mug")
    assert button.startswith("<button")
    assert 'type="button"' in button
    assert 'aria-disabled="true"' in button
    assert f'aria-describedby="why-{dear.pk}"' in button
    assert f'<p class="why" id="why-{dear.pk}">{sentence}</p>' in page
    assert f'<span class="tip" aria-hidden="true">{sentence}</span>' in page
    assert reverse("cockpit:confirm", args=[dear.pk]) not in page


def test_says_why_a_reward_is_sold_out(visitor, on_offer):
    product = on_offer(GiftFactory(limit_total=1), price=10, name="A rare mug")
    RewardStock.objects.filter(reward=product.reward).delete()

    page = page_of(visitor)

    assert 'aria-disabled="true"' in button_of(page, "A rare mug")
    assert f'id="why-{product.pk}">This reward is sold out.</p>' in page


def test_offers_nothing_to_an_excluded_customer_and_says_so(visitor, customer, gift):
    Customer.objects.filter(pk=customer.pk).update(state=CustomerState.DISABLED)

    page = page_of(visitor)

    assert "You do not take part at the moment" in page
    assert "A stoneware mug" not in page
    assert visitor.get(reverse("cockpit:confirm", args=[gift.pk])).url == HOME
    assert visitor.post(reverse("cockpit:confirm", args=[gift.pk])).url == HOME
    assert RedeemedReward.objects.count() == 0


def test_promises_nothing_to_an_excluded_customer_who_has_nothing(client, signed_up):
    client.force_login(signed_up())
    client.get("/")
    Customer.objects.update(state=CustomerState.DISABLED)

    pages = "".join(client.get(path).content.decode() for path in ("/", "/my-rewards/", "/points/"))

    for promise in ("next purchase", "Choose the first one", "first purchase"):
        assert promise not in pages


def test_shows_texts_in_the_language_of_the_customer(visitor, customer, gift):
    gift.reward.texts.create(language="ja", name="手作りの陶器のマグカップ")
    Customer.objects.filter(pk=customer.pk).update(language="ja")

    page = page_of(visitor)

    assert 'lang="ja">手作りの陶器のマグカップ</h3>' in page


def test_draws_a_picture_for_a_reward_without_one_and_shows_no_strange_address(visitor, on_offer):
    on_offer(GiftFactory(image_url="https://shop.example/mug.jpg"), price=1, name="With a picture")
    on_offer(GiftFactory(image_url="javascript:alert(1)"), price=2, name="With a trick")

    page = page_of(visitor)

    assert page.count("cockpit/art/gift.svg") == 2
    assert 'src="https://shop.example/mug.jpg"' in page
    assert "javascript:" not in page


def test_escapes_what_merchants_and_customers_wrote(visitor, customer, on_offer):
    Customer.objects.filter(pk=customer.pk).update(first_name="<script>a</script>")
    on_offer(GiftFactory(), price=1, name="<script>b</script>", terms="<script>c</script>")

    page = page_of(visitor)

    assert "<script>" not in page
    assert page.count("&lt;script&gt;") >= 4


def test_asks_the_database_no_more_for_many_rewards_than_for_few(visitor, on_offer, django_assert_num_queries):
    on_offer(GiftFactory(), price=1, name="The first mug")
    page_of(visitor)
    with CaptureQueriesContext(database) as few:
        page_of(visitor)
    for number in range(30):
        on_offer(GiftFactory(), price=number + 1, name=f"Mug {number}")

    with django_assert_num_queries(len(few)):
        page_of(visitor)

    assert len(few) <= 9


def test_offers_the_six_nearest_and_leads_to_the_others(visitor, on_offer):
    for price in (4000, 3000, 2000, 1500, 10, 20, 30):
        on_offer(GiftFactory(), price=price, name=f"Mug {price}")

    page = page_of(visitor)

    assert re.findall(r"<h3 [^>]*>Mug (\d+)</h3>", page) == ["10", "20", "30", "1500", "2000", "3000"]
    assert '<a href="/rewards/">All rewards</a>' in page


def test_tells_what_is_new_with_the_reason_and_nothing_old(visitor, customer, gift):
    now = timezone.now()
    give(customer, 25, now=now)
    adjustments.adjust(
        customer_id=customer.pk, points=-7, actor=actors.SYSTEM, now=now, internal_note="secret", description="A slip"
    )
    granted = granting.grant(
        customer_id=customer.pk, reward_id=gift.reward_id, actor=actors.SYSTEM, now=now, internal_note="secret"
    )

    news = page_of(visitor).partition('class="news"')[2].partition("</ul>")[0]

    assert re.findall(r"<bdi[^>]*>(.\d+)</bdi></strong> ([\w ]+)", news) == [("−7", "A slip"), ("+25", "Points earned")]
    assert f'<a href="/my-rewards/{granted.pk}/" lang="en">A stoneware mug</a> is a present for you' in news
    assert "secret" not in news
    with time_machine.travel(now + timedelta(days=31)):
        visitor.force_login(customer.user)
        assert 'class="news"' not in page_of(visitor)


def test_says_the_brand_of_a_reward(visitor, on_offer):
    on_offer(GiftFactory(), price=1, name="Mug", brand="Oat & Slate")

    assert '<span class="of-brand" lang="en">Oat &amp; Slate</span>' in page_of(visitor)


def test_greets_a_newcomer_who_has_nothing(client, signed_up):
    CustomerFactory(email="anna@example.com", first_name="")
    client.force_login(signed_up())

    page = page_of(client)

    assert "You have no active points yet" in page
    assert "There are no rewards at the moment" in page


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_is_only_read(visitor, method):
    assert getattr(visitor, method)(HOME).status_code == 405
