"""The breaker of a payout account: one that does not answer is left alone, and where its money waits staff read why."""

from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone

from platforms import breaker, credentials
from platforms.adapter import Outcome
from platforms.models import PayoutHealth, ShopHealth
from platforms.payouts import registry
from platforms.payouts.provider import PayoutOrder, Receiver
from tests.factories.people import ConnectionFactory, PayoutAccountFactory
from tests.fakes.misbehaving import misbehaving_server, reply
from tests.rewards.admin_rows import staff

pytestmark = pytest.mark.django_db

DEAD = reply("500 Internal Server Error", b"{}")


@pytest.fixture
def order():
    return PayoutOrder(
        reference="LOYPAY-1", amount=Decimal(5), currency="USD", title="Five back", receiver=Receiver(),
        decided_at=timezone.now(), number=1,
    )  # fmt: skip


def account(url):
    sealed = credentials.seal({"token": "t"})
    return PayoutAccountFactory(name="Vouchers", provider="sandbox", base_url=url, credentials=sealed)


def left_alone(paying, order, times=breaker.MOST_FAILURES):
    for _ in range(times):
        registry.provider_for(paying, timeout=5).query(order)


def test_is_left_alone_after_too_many_calls_without_an_answer(order):
    with misbehaving_server(DEAD) as server:
        paying = account(server.url)

        left_alone(paying, order, times=breaker.MOST_FAILURES + 3)
        answer = registry.provider_for(paying).submit(order)

        assert len(server.requests) == breaker.MOST_FAILURES
    assert (answer.outcome, answer.held_back) == (Outcome.NOT_SENT, True)
    assert answer.reason.startswith("The payout account “Vouchers” has not answered since ")
    assert not ShopHealth.objects.exists()


def test_is_its_own_beside_the_shop_of_the_same_number(order):
    with misbehaving_server(DEAD) as server:
        paying = account(server.url)
        shop = ConnectionFactory(pk=paying.pk)
        left_alone(paying, order)

    assert isinstance(breaker.admit(connection=shop, now=timezone.now()), breaker.Pass)
    assert not isinstance(breaker.admit(connection=paying, now=timezone.now()), breaker.Pass)


def test_is_asked_all_the_same_by_a_person(order):
    with misbehaving_server(DEAD) as server:
        paying = account(server.url)
        left_alone(paying, order)

        assert registry.provider_for(paying).test_connection().held_back is False
        assert len(server.requests) == breaker.MOST_FAILURES + 1


def test_is_asked_at_once_when_its_access_was_changed(order):
    with misbehaving_server(DEAD) as server:
        paying = account(server.url)
        left_alone(paying, order)

        breaker.ask_soon(connection=paying, now=timezone.now())
        registry.provider_for(paying).query(order)

        assert len(server.requests) == breaker.MOST_FAILURES + 1


def test_monitoring_hears_of_one_that_does_not_answer_or_refuses_us(order, capsys):
    with misbehaving_server(DEAD) as server:
        left_alone(account(server.url), order)

    with pytest.raises(CommandError, match="1 of 1 shops and payout accounts"):
        call_command("check_health")

    assert "Vouchers: The payout account “Vouchers” has not answered since" in capsys.readouterr().err
    PayoutHealth.objects.all().delete()
    call_command("check_health")


def test_staff_who_see_payout_accounts_alone_read_it_on_the_first_page_and_on_its_own(order):
    with misbehaving_server(DEAD) as server:
        paying = account(server.url)
        left_alone(paying, order)
    browser = staff("platforms.view_payoutaccount")

    first, own = (browser.get(where) for where in (reverse("admin:index"), page_of(paying)))

    said = "The payout account “Vouchers” has not answered since"
    assert said in first.content.decode()
    assert said in own.content.decode()
    assert "Does not answer" in own.content.decode()
    assert said not in staff("rewards.view_redeemedreward").get(reverse("admin:index")).content.decode()


def page_of(paying):
    return reverse("admin:platforms_payoutaccount_change", args=(paying.pk,))
