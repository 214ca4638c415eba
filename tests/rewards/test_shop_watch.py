"""Incidents of shops: each is told once when it begins and once when it is over, and monitoring hears of it."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from loyalty.events.models import Event
from platforms.models import ShopHealth, ShopIncident, StoreConnection
from rewards import shop_watch
from rewards.models import IssueAttempt
from tests.concurrency.races import race
from tests.factories.people import ConnectionFactory
from tests.rewards.admin_rows import row

pytestmark = pytest.mark.django_db(transaction=True)

MINUTE = timedelta(minutes=1)


@pytest.fixture
def now():
    return timezone.now()


@pytest.fixture
def berlin(now):
    return ConnectionFactory(name="Berlin", polled_at=now)


def silent(shop, *, now):
    ShopHealth.objects.create(
        connection=shop, failures=5, failing_since=now, opened_at=now, ask_at=now + MINUTE, pauses=1
    )


def answers_again(*, now):
    ShopHealth.objects.update(failures=0, failing_since=None, opened_at=None, ask_at=None, closed_at=now)


def told():
    return list(Event.objects.filter(kind__startswith="shop.").order_by("id").values_list("kind", flat=True))


def test_a_silent_shop_is_told_of_once_until_it_has_answered_for_a_while(berlin, now):
    silent(berlin, now=now)
    shop_watch.watch(now=now)
    shop_watch.watch(now=now + MINUTE)
    answers_again(now=now + 2 * MINUTE)
    shop_watch.watch(now=now + 3 * MINUTE)
    assert told() == ["shop.unreachable"]

    shop_watch.watch(now=now + 5 * MINUTE)

    assert told() == ["shop.unreachable", "shop.answers_again"]
    incident = ShopIncident.objects.get()
    assert (incident.kind, incident.ended_at) == ("unreachable", now + 5 * MINUTE)
    assert incident.detail.startswith("The shop “Berlin” has not answered since")


def test_many_watchers_at_once_tell_it_once(berlin, now):
    silent(berlin, now=now)

    race(*[lambda: shop_watch.watch(now=now)] * 6)

    assert told() == ["shop.unreachable"]
    answers_again(now=now)
    race(*[lambda: shop_watch.watch(now=now + 5 * MINUTE)] * 6)
    assert told() == ["shop.unreachable", "shop.answers_again"]


def test_refused_credentials_are_told_of_once_though_some_calls_are_let_in_between(berlin, now):
    ShopHealth.objects.create(connection=berlin, refusals=3, refused_since=now, refused_at=now)
    shop_watch.watch(now=now)
    ShopHealth.objects.update(refusals=0, refused_since=None)
    shop_watch.watch(now=now + MINUTE)
    assert told() == ["shop.credentials_refused"]

    shop_watch.watch(now=now + 11 * MINUTE)

    assert told() == ["shop.credentials_refused", "shop.credentials_accepted"]


def test_a_reward_that_waits_too_long_is_told_of(berlin, now, settings):
    settings.ALERT_PENDING_MINUTES = 15
    row(at=now - 14 * MINUTE, connection=berlin, fulfillment_status="pending", origin="staff")
    shop_watch.watch(now=now)
    assert told() == []

    shop_watch.watch(now=now + 2 * MINUTE)

    event = Event.objects.get(kind="shop.rewards_waiting")
    assert (event.subject_id, event.data["minutes"]) == (berlin.pk, 16)


@pytest.mark.parametrize(("failed", "decided", "expected"), [(2, 10, True), (1, 10, False), (5, 9, False)])
def test_many_failures_are_told_of_once_there_are_enough_to_say_so(berlin, now, failed, decided, expected):
    for number in range(decided):
        state = {"fulfillment_status": "failed", "origin": "staff"} if number < failed else {}
        row(at=now - MINUTE, connection=berlin, **state)

    shop_watch.watch(now=now)

    assert Event.objects.filter(kind="shop.rewards_failing").exists() is expected


def test_a_shop_that_is_switched_off_is_nobodys_trouble(berlin, now):
    silent(berlin, now=now)
    shop_watch.watch(now=now)
    StoreConnection.objects.update(enabled=False)

    shop_watch.watch(now=now + MINUTE)

    assert not ShopIncident.objects.filter(ended_at=None).exists()


def test_an_attempt_knows_its_shop_whoever_writes_it(berlin, now):
    attempts = [
        IssueAttempt(redeemed_reward=row(connection=shop), call="create", outcome="ok", started_at=now, finished_at=now)
        for shop in (berlin, None)
    ]

    IssueAttempt.objects.bulk_create(attempts)

    assert list(IssueAttempt.objects.order_by("id").values_list("connection", flat=True)) == [berlin.pk, None]


def check_health(*arguments):
    out, err = StringIO(), StringIO()
    try:
        call_command("check_health", *arguments, stdout=out, stderr=err)
    except CommandError as error:
        return f"{out.getvalue()}{err.getvalue()}{error}"
    return out.getvalue()


def test_monitoring_hears_that_all_is_well(berlin):
    assert check_health() == f"shop {berlin.pk} Berlin: well\n"


def test_monitoring_hears_what_is_wrong_and_fails(berlin, now):
    silent(berlin, now=now)
    ConnectionFactory(name="Lyon", polled_at=now - 40 * MINUTE)
    ConnectionFactory(name="Rome", polled_at=now)

    said = check_health()

    assert "Berlin: The shop “Berlin” has not answered since" in said
    assert "Lyon: its orders have not been asked for since 40 minutes. Check that worker and beat run." in said
    assert "Rome: well" in said
    assert said.endswith("2 of 3 shops and payout accounts need somebody to look. See above.")


def test_monitoring_of_a_shop_that_is_not_there_is_refused():
    assert check_health("--shop", "7") == "There is no shop 7 in use. Check its number under Shops."
