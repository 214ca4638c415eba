"""Deliveries are verified by what is known of their shop, and kept only if it is still so when they are."""

from uuid import uuid4

import pytest
from django.db import OperationalError, connection

from loyalty.hooks import callers, door
from loyalty.hooks.models import InboundWebhook
from platforms import credentials
from platforms.models import StoreConnection
from tests.factories.people import ConnectionFactory
from tests.hooks.test_own_server import delivery, group_of, kept
from tests.hooks.test_webhook_door import SECRET, order_body, signed

pytestmark = pytest.mark.django_db


def sealed(secret):
    return credentials.seal({"token": "t", "webhook_secret": secret})


@pytest.fixture
def shop():
    """One that is known, as it has called before."""
    made = ConnectionFactory(credentials=sealed(SECRET))
    assert door.receive_all(group_of(delivery(made, "before")))[0].status == 200
    return made


def changed(shop, **values):
    StoreConnection.objects.filter(pk=shop.pk).update(**values)
    shop.refresh_from_db()


def by_secret(shop, event, secret):
    body = order_body(event)
    headers = {name.lower(): value for name, value in signed(body, secret=secret).items()}
    return delivery(shop, event, body=body, headers=headers)


def statuses(group):
    return [reply.status for reply in door.receive_all(group)]


def test_what_a_known_shop_sends_is_kept_in_one_round_trip(shop, django_assert_num_queries):
    group = group_of(delivery(shop, "b"), delivery(shop, "a"), delivery(shop, "b"))

    with django_assert_num_queries(1):
        assert statuses(group) == [200, 200, 200]

    assert kept() == ["a", "b", "before"]
    rows = InboundWebhook.objects.exclude(event_id="before").order_by("pk").values_list("event_id", "subject_id")
    assert list(rows) == [("a", "1001"), ("b", "1001")]  # in the order of their names, as everybody keeps them


def test_a_changed_secret_counts_for_what_was_verified_before_and_is_kept_after(shop):
    group = group_of(by_secret(shop, "old", SECRET), by_secret(shop, "new", "another secret"))
    changed(shop, credentials=sealed("another secret"))

    assert statuses(group) == [401, 200]
    assert kept() == ["before", "new"]


def test_what_an_old_and_a_new_secret_verified_in_one_group_is_kept_by_the_new_one_alone(shop):
    old = door.knock(by_secret(shop, "old", SECRET))
    changed(shop, credentials=sealed("another secret"))
    assert statuses(group_of(by_secret(shop, "first", "another secret"))) == [200]
    new = door.knock(by_secret(shop, "new", "another secret"))
    assert old.early is not None
    assert new.early is not None

    assert statuses([old, new]) == [401, 200]
    assert statuses([new, old]) == [200, 401]
    assert kept() == ["before", "first", "new"]


def test_an_address_that_was_changed_takes_nothing_any_more(shop):
    old = door.knock(delivery(shop, "old"))
    changed(shop, webhook_key=uuid4())
    assert statuses(group_of(delivery(shop, "first"))) == [200]
    new = door.knock(delivery(shop, "new"))
    assert old.early is not None

    assert statuses([new, old]) == [200, 404]
    assert statuses([old, new]) == [404, 200]
    assert kept() == ["before", "first", "new"]


def test_a_shop_that_was_deleted_meanwhile_is_not_found_and_forgotten(shop):
    group = group_of(delivery(shop, "late"))
    InboundWebhook.objects.all().delete()
    StoreConnection.objects.filter(pk=shop.pk).delete()

    assert statuses(group) == [404]
    assert callers.known((False, str(shop.webhook_key))) is None
    assert kept() == []


def test_another_shop_of_the_group_that_changed_takes_nothing_from_the_first(shop):
    other = ConnectionFactory(credentials=sealed("its own"))
    assert statuses(group_of(by_secret(other, "other before", "its own"))) == [200]
    group = group_of(delivery(shop, "mine"), by_secret(other, "its", "its own"), delivery(shop, "mine too"))
    changed(other, base_url="https://moved.example")

    assert statuses(group) == [200, 200, 200]
    assert kept() == ["before", "its", "mine", "mine too", "other before"]


def test_nobody_is_refused_by_what_was_known(shop, caplog):
    early = door.knock(by_secret(shop, "new", "another secret"))
    assert early.early is None
    assert caplog.messages == []
    changed(shop, credentials=sealed("another secret"))

    assert statuses([early]) == [200]


@pytest.mark.django_db(transaction=True)
def test_a_session_that_was_ended_meanwhile_is_replaced(shop):
    group = group_of(delivery(shop, "after"))
    backend = connection.connection.info.backend_pid
    with connection.copy().cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [backend])
        cursor.db.close()

    assert statuses(group) == [200]
    assert kept() == ["after", "before"]


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_gone_is_not_waited_for_longer_than_without_it(shop, monkeypatch):
    group, tried = group_of(delivery(shop, "a"), delivery(shop, "b")), []

    def gone(*args):
        tried.append(args)
        raise OperationalError

    connection.close()
    monkeypatch.setattr(connection, "get_new_connection", gone)

    assert statuses(group) == [503, 503]
    assert len(tried) == 2  # the look-up, and once more in case its session had gone stale


def test_what_is_known_is_bounded_and_holds_the_newest(shop, monkeypatch):
    monkeypatch.setattr(callers, "MOST_KNOWN", 2)
    monkeypatch.setattr(callers, "_known", {})
    shops = [ConnectionFactory(credentials=sealed(SECRET)) for _ in range(3)]

    for each in [*shops, shops[2]]:
        statuses(group_of(delivery(each, f"of {each.pk}")))

    known = [callers.known((False, str(each.webhook_key))) is not None for each in shops]
    assert known == [False, True, True]


def test_credentials_are_opened_once_for_as_long_as_they_stay(shop, monkeypatch):
    opened, unseal = [], credentials.unseal
    monkeypatch.setattr(credentials, "unseal", lambda text: opened.append(text) or unseal(text))

    for number in range(3):
        door.receive_all([door.Knock(delivery(shop, f"long way {number}"))])
        door.receive_all(group_of(delivery(shop, f"short way {number}")))
    assert opened == []

    changed(shop, credentials=sealed("another secret"))
    for number in range(3):
        door.receive_all(group_of(by_secret(shop, f"again {number}", "another secret")))
    assert opened == [shop.credentials]
