"""From "Redeem" to the code: asked once more, done once."""

import re
import threading
import uuid

import pytest
from django.db import connection as database
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from loyalty.common import actors
from loyalty.customers.models import Customer, ShippingAddress
from loyalty.points import adjustments
from loyalty.points import queries as points
from rewards import issuing
from rewards.models import FulfillmentStatus, RedeemedReward, Reward, RewardStock
from tests.factories.people import ShippingAddressFactory

pytestmark = pytest.mark.django_db(transaction=True)

ADDRESS = {"recipient": "Anna Nowak", "line_1": "ul. Prosta 1", "city": "Warszawa", "country": "PL"}


def url(product) -> str:
    return reverse("cockpit:confirm", args=[product.pk])


def balance(customer: Customer) -> tuple[int, int]:
    found = points.balance(customer_id=customer.pk, now=timezone.now())
    return found.balance, found.held


def key_on(browser, product) -> str:
    page = browser.get(url(product)).content.decode()
    return re.search(r'name="key" value="([0-9a-f-]{36})"', page)[1]


def spend_all_but(customer: Customer, rest: int) -> None:
    adjustments.adjust(customer_id=customer.pk, points=rest - 1000, actor=actors.SYSTEM, now=timezone.now())


def words(answer) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


def test_asks_before_it_spends(visitor, customer, discount):
    page = words(visitor.get(url(discount)))

    assert "You have 1,000 points Cost −300 points Left afterwards 700 points" in page
    assert "Redeem for 300 points" in page
    assert balance(customer) == (1000, 0)


def test_leads_to_the_code(visitor, customer, discount, shop):
    answer = visitor.post(url(discount), {"key": key_on(visitor, discount)}, follow=True)

    redeemed = RedeemedReward.objects.get()
    assert answer.redirect_chain == [(f"{reverse('cockpit:my_reward', args=[redeemed.pk])}?new", 302)]
    assert redeemed.fulfillment_status == FulfillmentStatus.ISSUED
    assert redeemed.code.code in words(answer)
    assert "It is yours! You have 700 points left." in words(answer)
    assert shop.codes(redeemed.code.code)
    assert balance(customer) == (700, 0)


def test_spends_no_other_price_than_the_page_showed(visitor, customer, discount):
    page = visitor.get(url(discount)).content.decode()
    price = re.search(r'name="price" value="([0-9]+)"', page)[1]
    discount.points_price = 400
    discount.save()

    answer = visitor.post(url(discount), {"key": key_on(visitor, discount), "price": price})

    assert answer.status_code == 409
    assert "This reward costs 400 points, not 300." in words(answer)
    assert (RedeemedReward.objects.count(), balance(customer)) == (0, (1000, 0))


def test_makes_one_reward_of_two_clicks_one_after_the_other(visitor, customer, discount):
    key = key_on(visitor, discount)

    first = visitor.post(url(discount), {"key": key})
    second = visitor.post(url(discount), {"key": key})

    assert first.url == second.url
    assert RedeemedReward.objects.count() == 1
    assert balance(customer) == (700, 0)


def test_makes_one_reward_of_two_clicks_at_once(visitor, customer, discount):
    key = key_on(visitor, discount)
    answers = []

    def click() -> None:
        browser = Client()
        browser.force_login(customer.user)
        answers.append(browser.post(url(discount), {"key": key}).url)
        database.close()

    clicks = [threading.Thread(target=click) for _ in range(2)]
    for thread in clicks:
        thread.start()
    for thread in clicks:
        thread.join(30)

    assert len(answers) == 2
    assert len(set(answers)) == 1
    assert RedeemedReward.objects.count() == 1
    assert balance(customer) == (700, 0)


def test_answers_the_second_click_even_when_the_offer_is_gone_and_the_points_are_spent(visitor, customer, discount):
    spend_all_but(customer, 300)
    key = key_on(visitor, discount)
    first = visitor.post(url(discount), {"key": key})
    Reward.objects.update(enabled=False)

    assert visitor.post(url(discount), {"key": key}).url == first.url


def test_says_what_is_left_now_when_the_page_is_loaded_again(visitor, customer, discount):
    page = visitor.post(url(discount), {"key": key_on(visitor, discount)}).url
    assert "You have 700 points left." in words(visitor.get(page))

    visitor.post(url(discount), {"key": key_on(visitor, discount)})

    assert "You have 400 points left." in words(visitor.get(page))


def test_makes_two_rewards_when_it_is_asked_for_twice(visitor, customer, discount):
    for _ in range(2):
        visitor.post(url(discount), {"key": key_on(visitor, discount)})

    assert RedeemedReward.objects.filter(fulfillment_status=FulfillmentStatus.ISSUED).count() == 2
    assert balance(customer) == (400, 0)


def test_refuses_too_few_points_and_says_how_many_are_missing(visitor, customer, discount):
    key = key_on(visitor, discount)
    spend_all_but(customer, 299)

    answer = visitor.post(url(discount), {"key": key})

    assert answer.status_code == 409
    assert "You must have 1 more points to get reward No points were spent." in words(answer)
    assert 'type="submit">' not in answer.content.decode()
    assert balance(customer) == (299, 0)
    assert RedeemedReward.objects.count() == 0


def test_refuses_a_reward_that_sold_out_meanwhile(visitor, customer, discount):
    Reward.objects.update(limit_total=1)
    RewardStock.objects.create(reward=discount.reward, left=1)
    key = key_on(visitor, discount)
    RewardStock.objects.update(left=0)

    answer = visitor.post(url(discount), {"key": key})

    assert answer.status_code == 409
    assert "This reward is sold out. No points were spent." in words(answer)
    assert balance(customer) == (1000, 0)


def test_does_not_show_customers_what_is_meant_for_staff(visitor, customer, gift, discount):
    key = str(uuid.uuid4())
    visitor.post(url(discount), {"key": key})

    answer = visitor.post(url(gift), {"key": key, **ADDRESS})  # a key that was spent on another reward

    assert answer.status_code == 409
    assert "This reward cannot be redeemed just now." in words(answer)
    assert "idempotency" not in words(answer)
    assert balance(customer) == (700, 0)


@pytest.mark.parametrize("key", ["", "x", "00000000-0000-0000-0000-00000000000g", "a" * 500])
def test_refuses_a_form_without_its_own_name(visitor, customer, discount, key):
    answer = visitor.post(url(discount), {"key": key})

    assert answer.status_code == 409
    assert "This page was out of date" in words(answer)
    assert RedeemedReward.objects.count() == 0


def test_takes_no_post_without_a_token(customer, discount):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(customer.user)

    answer = strict.post(url(discount), {"key": str(uuid.uuid4())})

    assert answer.status_code == 403
    assert "This page was too old" in words(answer)
    assert RedeemedReward.objects.count() == 0


def test_leads_somebody_signed_out_to_the_door_and_back_to_the_question(client, discount):
    answer = client.post(url(discount), {"key": str(uuid.uuid4())}, follow=True)

    assert answer.redirect_chain[0][0] == f"{reverse('account_request_login_code')}?next={url(discount)}"
    assert "You were signed out meanwhile, so nothing was done." in words(answer)
    assert RedeemedReward.objects.count() == 0


@pytest.mark.parametrize("number", [0, 999_999, 2**63, 10**30])
def test_does_not_know_a_price_that_is_not_there(visitor, number):
    assert visitor.get(f"/rewards/{number}/").status_code == 404
    assert visitor.post(f"/rewards/{number}/", {"key": str(uuid.uuid4())}).status_code == 404


def test_says_that_it_did_not_work_and_nothing_was_spent(visitor, customer, discount, shop):
    shop.fault("create", "refuse")

    answer = visitor.post(url(discount), {"key": key_on(visitor, discount)}, follow=True)

    assert answer.status_code == 200
    assert "It did not work, your points are untouched" in words(answer)
    assert "your 300 points are still yours" in words(answer)
    assert balance(customer) == (1000, 0)
    assert "$5 off" not in words(visitor.get(reverse("cockpit:my_rewards")))


def test_says_that_it_did_not_work_when_the_shop_cannot_be_reached(visitor, customer, discount, connection):
    connection.base_url = "http://127.0.0.1:9"
    connection.save(update_fields=["base_url"])

    answer = visitor.post(url(discount), {"key": key_on(visitor, discount)}, follow=True)

    assert "It did not work, your points are untouched" in words(answer)
    assert balance(customer) == (1000, 0)


def test_says_that_we_are_checking_while_nobody_knows_and_ends_at_the_code(visitor, customer, discount, shop, settings):
    settings.REDEEM_DEADLINE_SECONDS = 1
    shop.fault("create", "timeout_after_accepting")
    shop.fault("find", "server_error", times=50)

    answer = visitor.post(url(discount), {"key": key_on(visitor, discount)}, follow=True)

    attempt = RedeemedReward.objects.get()
    page = answer.request["PATH_INFO"]
    assert page == reverse("cockpit:checking", args=[attempt.pk])
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "3")
    assert "We are checking with the shop…" in words(answer)
    assert balance(customer) == (700, 300)
    assert "set aside while we ask the shop" in words(visitor.get("/"))
    assert "$5 off" not in words(visitor.get(reverse("cockpit:my_rewards")))
    state = reverse("cockpit:state", args=[attempt.pk])
    assert visitor.get(state).json() == {"known": False}

    shop.clear_faults()
    decide(attempt)

    assert visitor.get(state).json() == {"known": True}
    yours = visitor.get(page, follow=True)
    assert yours.redirect_chain == [(f"{reverse('cockpit:my_reward', args=[attempt.pk])}?new", 302)]
    assert "It is yours! You have 700 points left." in words(yours)
    assert RedeemedReward.objects.get().fulfillment_status == FulfillmentStatus.ISSUED
    assert balance(customer) == (700, 0)


def test_says_that_it_did_not_work_once_the_shop_proves_it(visitor, customer, discount, shop, settings):
    settings.REDEEM_DEADLINE_SECONDS = 1
    shop.fault("create", "timeout_before_accepting")
    shop.fault("find", "server_error", times=50)
    answer = visitor.post(url(discount), {"key": key_on(visitor, discount)})
    assert visitor.get(answer.url).status_code == 503

    shop.clear_faults()
    decide(RedeemedReward.objects.get())

    assert "It did not work, your points are untouched" in words(visitor.get(answer.url))
    assert balance(customer) == (1000, 0)


def decide(attempt: RedeemedReward) -> None:
    """What a worker does: look the code up, and again, until it is known what became of it."""
    now = timezone.now() + timezone.timedelta(minutes=5)
    for _ in range(5):
        claim = issuing.take(redeemed_reward_id=attempt.pk, now=now)
        if claim is None:
            return
        issuing.work(claim=claim, now=now, patience=5)
        now += timezone.timedelta(hours=1)


@pytest.mark.parametrize("name", ["checking", "state"])
def test_shows_nobody_the_attempt_of_another(visitor, discount, shop, signed_up, name):
    shop.fault("create", "refuse")
    visitor.post(url(discount), {"key": key_on(visitor, discount)})
    page = reverse(f"cockpit:{name}", args=[RedeemedReward.objects.get().pk])
    other = Client()
    other.force_login(signed_up("other@example.com"))

    assert visitor.get(page).status_code == 200
    assert other.get(page).status_code == 404


def test_asks_where_a_gift_should_go_and_remembers_it(visitor, customer, gift):
    key = key_on(visitor, gift)

    refused = visitor.post(url(gift), {"key": key} | ADDRESS | {"city": "", "country": "XX"})
    assert refused.status_code == 422
    assert RedeemedReward.objects.count() == 0

    visitor.post(url(gift), {"key": key} | ADDRESS)

    redeemed = RedeemedReward.objects.get()
    assert redeemed.shipping_address["line_1"] == "ul. Prosta 1"
    assert ShippingAddress.objects.get(customer=customer).city == "Warszawa"
    assert balance(customer) == (600, 0)


def test_redeems_no_gift_without_an_address(visitor, customer, gift):
    answer = visitor.post(url(gift), {"key": str(uuid.uuid4())})

    assert answer.status_code == 409
    assert "Tell us first where to send it." in words(answer)
    assert balance(customer) == (1000, 0)


def test_shows_where_a_gift_will_go_when_the_address_is_known(visitor, customer, gift):
    ShippingAddressFactory(customer=customer)

    page = visitor.get(url(gift)).content.decode()

    assert "ul. Prosta 1" in page
    assert "<br>Poland</address>" in page
    assert 'name="line_1"' not in page


def test_asks_for_no_address_while_the_points_are_missing(visitor, customer, gift):
    spend_all_but(customer, 100)

    answer = visitor.get(url(gift))

    assert "You must have 300 more points to get reward" in words(answer)
    assert 'name="line_1"' not in answer.content.decode()
