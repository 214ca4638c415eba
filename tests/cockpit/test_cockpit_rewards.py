"""All rewards, to look through."""

import re

import pytest
from django.urls import reverse

from loyalty.customers.models import Customer, CustomerState
from rewards import offering
from rewards.models import RewardCategory, RewardStock
from tests.factories.catalogue import GiftFactory

pytestmark = pytest.mark.django_db

REWARDS = "/rewards/"


def page_of(browser, **query) -> str:
    answer = browser.get(REWARDS, query)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def names_of(page: str) -> list[str]:
    return re.findall(r"<h3 [^>]*>(.*?)</h3>", page)


def test_stand_in_the_order_of_what_can_be_had_what_is_near_and_what_is_gone(visitor, on_offer):
    gone = on_offer(GiftFactory(limit_total=1), price=1, name="Gone")
    RewardStock.objects.filter(reward=gone.reward).delete()
    on_offer(GiftFactory(featured=True), price=9000, name="Far")
    on_offer(GiftFactory(), price=1100, name="Near")
    on_offer(GiftFactory(), price=900, name="Dear")
    on_offer(GiftFactory(), price=10, name="Cheap")

    page = page_of(visitor)

    assert names_of(page) == ["Cheap", "Dear", "Near", "Far", "Gone"]
    assert "5 rewards, those within reach first" in page
    assert "You must have 100 more points to get reward" in page
    assert re.findall(r'<progress [^>]*value="(\d+)" max="(\d+)"', page) == [("1000", "1100"), ("1000", "9000")]


def test_are_found_by_every_word_of_name_text_brand_and_category_whatever_case_and_accents(visitor, on_offer):
    on_offer(GiftFactory(), price=1, name="Becher für Tee", short_description="Aus Steingut", brand="Köhler")
    bowl = on_offer(GiftFactory(), price=2, name="Bowl")
    offering.set_categories(reward_id=bowl.reward_id, names=["Kitchen"])

    assert names_of(page_of(visitor, search=" steingut KOHLER ")) == ["Becher für Tee"]
    assert names_of(page_of(visitor, search="kitch")) == ["Bowl"]
    missed = page_of(visitor, search="tee <b>bowl</b>")
    assert "Nothing was found for “tee &lt;b&gt;bowl&lt;/b&gt;”." in missed
    assert names_of(missed) == []


def test_of_one_category_are_shown_by_a_link_that_keeps_the_search(visitor, on_offer):
    mug, soap = on_offer(GiftFactory(), price=1, name="Mug"), on_offer(GiftFactory(), price=2, name="Mild soap")
    offering.set_categories(reward_id=mug.reward_id, names=["Kitchen", "Presents"])
    offering.set_categories(reward_id=soap.reward_id, names=["Bath", "Presents"])
    kitchen = RewardCategory.objects.get(name="Kitchen")

    page = page_of(visitor, search="m", category=kitchen.pk)

    assert names_of(page) == ["Mug"]
    assert re.findall(r'<li><a href="([^"]*)" aria-current="true">(.*?)</a>', page) == [
        (f"?search=m&amp;category={kitchen.pk}#offers-title", "Kitchen")
    ]
    assert '<a href="?search=m#offers-title">All</a>' in page
    assert f'<input type="hidden" name="category" value="{kitchen.pk}">' in page
    assert re.findall(r"#offers-title\"[^>]*>(\w+)</a></li>", page) == ["All", "Bath", "Kitchen", "Presents"]
    assert names_of(page_of(visitor)) == ["Mug", "Mild soap"]


@pytest.mark.parametrize("category", ["999999", "soap", "-1"])
def test_lead_back_to_all_from_a_category_that_holds_nothing(visitor, on_offer, category):
    on_offer(GiftFactory(), price=1, name="Mug")

    page = page_of(visitor, category=category)

    assert "There is nothing in this category at the moment." in page
    assert '<a href="?#offers-title">See all rewards</a>' in page


def test_are_not_shown_to_an_excluded_customer(visitor, customer, gift):
    Customer.objects.filter(pk=customer.pk).update(state=CustomerState.DISABLED)

    page = page_of(visitor)

    assert "You do not take part at the moment" in page
    assert "A stoneware mug" not in page


def test_are_shown_to_nobody_who_did_not_sign_in(client):
    assert client.get(REWARDS).url == f"{reverse('account_request_login_code')}?next=/rewards/"
