"""A variable cost in the cockpit: the customer says how many points, sees what they buy, and gets just that."""

import re

import pytest
from django.urls import reverse
from django.utils import timezone

from loyalty.points import queries as points
from rewards.models import PointsProduct, RedeemedReward
from tests.factories.catalogue import RewardTextFactory, VariablePriceFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def product():
    made = VariablePriceFactory()
    RewardTextFactory(reward=made.reward, name="Money off")
    return made


def url(product):
    return reverse("cockpit:confirm", args=[product.pk])


def words(answer):
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


def sent(browser, product, chosen):
    """What the page's form sends when it was asked for that many points."""
    page = browser.get(url(product), {"points": chosen}).content.decode()
    assert '<input id="points" name="points" form="redeem"' in page
    form = page[page.index('<form id="redeem"') :]
    return {"points": chosen} | dict(
        re.findall(r'type="hidden" name="(key|price|step|step_value)" value="([^"]+)"', form)
    )


def balance(customer):
    return points.balance(customer_id=customer.pk, now=timezone.now()).balance


def test_the_card_says_from_how_many_points(visitor, product):
    assert "Money off" in words(visitor.get(reverse("cockpit:home")))
    assert "from 200 points" in words(visitor.get(reverse("cockpit:home")))


def test_asks_how_many_points_and_shows_what_they_buy(visitor, product):
    page = words(visitor.get(url(product)))
    assert "Each 100 points are worth $2." in page
    assert "Cost −200 points Left afterwards 800 points You get $4" in page

    page = words(visitor.get(url(product), {"points": "700"}))

    assert "Cost −700 points Left afterwards 300 points You get $14" in page
    assert "Redeem for 700 points" in page


@pytest.mark.parametrize("wanted", ["250", "100", "900", "0"])
def test_says_which_numbers_are_accepted_and_keeps_what_was_typed(visitor, product, wanted):
    answer = visitor.get(url(product), {"points": wanted})

    assert answer.status_code == 200
    assert "Choose a multiple of 100, from 200 to 800." in words(answer)
    assert 'type="submit" disabled' in answer.content.decode()
    assert f'value="{wanted}" aria-describedby' in answer.content.decode()


def test_spends_just_what_was_chosen(visitor, customer, product):
    answer = visitor.post(url(product), sent(visitor, product, 500), follow=True)

    redeemed = RedeemedReward.objects.get()
    assert (redeemed.cost_in_points, redeemed.amount, balance(customer)) == (500, 10, 500)
    assert "$10 off coupon" in words(answer)


def test_points_that_were_typed_and_not_looked_at_are_shown_and_nothing_is_spent(visitor, customer, product):
    answer = visitor.post(url(product), sent(visitor, product, 200) | {"points": "700"})

    assert answer.status_code == 409
    assert "You changed how many points to spend. Look at what they buy. No points were spent." in words(answer)
    assert "Cost −700 points Left afterwards 300 points You get $14" in words(answer)
    assert (balance(customer), RedeemedReward.objects.count()) == (1000, 0)

    form = re.findall(r'name="(key|price|step|step_value)" value="([^"]+)"', answer.content.decode())
    visitor.post(url(product), {"points": "700"} | dict(form))

    assert (RedeemedReward.objects.get().cost_in_points, balance(customer)) == (700, 300)


def test_looking_at_what_points_buy_spends_nothing(visitor, customer, product):
    answer = visitor.post(url(product), sent(visitor, product, 200) | {"points": "700", "show": "yes"}, follow=True)

    assert answer.redirect_chain == [(f"{url(product)}?points=700", 302)]
    assert "You get $14" in words(answer)
    assert (balance(customer), RedeemedReward.objects.count()) == (1000, 0)


def test_a_value_that_changed_since_the_page_was_shown_is_told_and_nothing_is_spent(visitor, customer, product):
    form = sent(visitor, product, 500)
    PointsProduct.objects.update(variable_points_step_reward_value=1)

    answer = visitor.post(url(product), form)

    assert answer.status_code == 409
    assert "500 points buy 5 by now, not 10. Nothing was spent: look again and confirm." in words(answer)
    assert "You get $5" in words(answer)
    assert balance(customer) == 1000


def test_points_between_two_steps_are_refused_however_they_come(visitor, customer, product):
    answer = visitor.post(url(product), sent(visitor, product, 500) | {"points": "550"})

    assert answer.status_code == 409
    assert "550 points cannot be spent on this reward" in words(answer)
    assert (balance(customer), RedeemedReward.objects.count()) == (1000, 0)


def test_nothing_typed_is_nothing_spent(visitor, customer, product):
    answer = visitor.post(url(product), sent(visitor, product, 500) | {"points": ""})

    assert "Say how many points to spend on this reward" in words(answer)
    assert (balance(customer), RedeemedReward.objects.count()) == (1000, 0)
