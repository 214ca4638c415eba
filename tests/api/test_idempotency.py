from contextlib import suppress
from datetime import timedelta
from threading import Barrier, Thread

import pytest
from django.db import connection
from django.utils import timezone
from rest_framework.response import Response

from loyalty.api import errors, idempotency, tasks
from loyalty.api.models import ApiKey, IdempotencyRecord
from loyalty.customers.models import Customer
from loyalty.points import queries
from loyalty.points.models import PointsTransaction
from tests.api.conftest import refusal
from tests.concurrency.races import race
from tests.factories.people import CustomerFactory
from tests.factories.points import give

pytestmark = pytest.mark.django_db

PATH = "/points_transactions"


@pytest.fixture
def customer():
    return CustomerFactory()


def change(customer, points=10):
    return {"points_transaction": {"customer_id": customer.pk, "points_change": points}}


def balance(customer):
    return queries.balance(customer_id=customer.pk, now=timezone.now()).balance


def test_a_repeated_key_answers_the_same_and_does_nothing_more(api, customer):
    first = api.post(PATH, change(customer), key="one")
    second = api.post(PATH, change(customer), key="one")

    assert first.status_code == second.status_code == 201
    assert first.json() == second.json()
    assert first.get("Idempotent-Replayed") is None
    assert second["Idempotent-Replayed"] == "true"
    assert balance(customer) == 10


def test_without_a_key_each_request_counts(api, customer):
    api.post(PATH, change(customer))
    api.post(PATH, change(customer))

    assert balance(customer) == 20
    assert not IdempotencyRecord.objects.exists()


def test_spacing_order_and_slash_of_a_repetition_do_not_matter(api, customer):
    api.post(PATH, f'{{"customer_id":{customer.pk},"points_change":10}}', key="one")

    again = api.post(PATH + "/", f'{{ "points_change": 10, "customer_id": {customer.pk} }}', key="one")

    assert again["Idempotent-Replayed"] == "true"


def test_the_same_key_with_another_body_is_refused(api, customer):
    api.post(PATH, change(customer), key="one")

    assert refusal(api.post(PATH, change(customer, 11), key="one")) == (422, "idempotency_conflict")
    assert balance(customer) == 10


def test_the_same_key_at_another_address_is_refused(api, customer):
    api.post(PATH, change(customer), key="one")

    assert refusal(api.post("/customers", change(customer), key="one")) == (422, "idempotency_conflict")


def test_another_api_key_has_idempotency_keys_of_its_own(integrator, customer):
    integrator().post(PATH, change(customer), key="one")
    integrator().post(PATH, change(customer), key="one")

    assert balance(customer) == 20


def test_a_refusal_is_an_answer_and_is_repeated(api, customer):
    first = api.post(PATH, change(customer, -10), key="one")
    give(customer, 100, now=timezone.now())

    second = api.post(PATH, change(customer, -10), key="one")

    assert refusal(second) == (422, "insufficient_points")
    assert second.json() == first.json()
    assert second["Idempotent-Replayed"] == "true"
    assert balance(customer) == 100


def test_the_replay_of_a_last_spend_is_not_judged_again(api, customer):
    give(customer, 10, now=timezone.now())
    api.post(PATH, change(customer, -10), key="one")

    assert api.post(PATH, change(customer, -10), key="one").status_code == 201


def test_a_request_that_never_reached_the_domain_frees_its_key(api, customer):
    assert api.post(PATH, {"customer_id": customer.pk}, key="one").status_code == 400
    assert api.post("/reward_fulfillments/1/cancel", key="two").status_code == 404

    assert api.post(PATH, change(customer), key="one").status_code == 201
    assert api.post(PATH, change(customer), key="two").status_code == 201


def test_a_failure_of_ours_is_not_kept_and_the_key_is_resumed(api, customer, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr("loyalty.points.queries.describe", lambda **_: 1 / 0)
        assert api.post(PATH, change(customer), key="one").status_code == 500
    assert not PointsTransaction.objects.exists()
    assert refusal(api.post(PATH, change(customer, 11), key="one")) == (422, "idempotency_conflict")

    assert api.post(PATH, change(customer), key="one").status_code == 201
    assert balance(customer) == 10


def in_flight(api, customer, *, locked_until):
    """What the record looks like while the first request is under way, or after its process was killed."""
    api.post(PATH, change(customer), key="one")
    IdempotencyRecord.objects.update(status=None, body=None, locked_until=locked_until)


def test_a_request_under_way_is_not_started_again(api, customer):
    in_flight(api, customer, locked_until=timezone.now() + timedelta(seconds=30))

    answer = api.post(PATH, change(customer), key="one")

    assert refusal(answer) == (409, "request_in_progress")
    assert answer["Retry-After"] == "1"
    assert balance(customer) == 10


def test_a_request_whose_process_was_killed_is_resumed_exactly(api, customer):
    in_flight(api, customer, locked_until=timezone.now() - timedelta(seconds=1))
    written = PointsTransaction.objects.get().pk

    answer = api.post(PATH, change(customer), key="one")

    assert answer.json()["points_transaction"]["id"] == written
    assert balance(customer) == 10
    assert api.post(PATH, change(customer), key="one")["Idempotent-Replayed"] == "true"


def test_one_that_took_so_long_that_another_took_over_undoes_itself(api, customer, monkeypatch):
    from loyalty.api.v1 import points_transactions

    act = points_transactions.adjustments.adjust

    def slow(**arguments):
        done = act(**arguments)
        IdempotencyRecord.objects.update(locked_until=timezone.now() + timedelta(hours=1))  # somebody else's claim
        return done

    monkeypatch.setattr("loyalty.points.adjustments.adjust", slow)

    assert refusal(api.post(PATH, change(customer), key="one")) == (409, "request_in_progress")
    assert balance(customer) == 0


@pytest.mark.parametrize("key", ["x" * 256, "", " ", "tab\there", "żółw"])
def test_a_key_that_cannot_be_kept_is_refused(api, customer, key):
    assert refusal(api.post(PATH, change(customer), key=key)) == (400, "invalid_parameter")
    assert balance(customer) == 0


def test_the_longest_key_is_kept_and_known_to_the_domain_by_a_bounded_name(api, customer):
    assert api.post(PATH, change(customer), key="x" * 255).status_code == 201
    assert api.post(PATH, change(customer), key="x" * 255)["Idempotent-Replayed"] == "true"
    assert len(PointsTransaction.objects.get().idempotency_key) <= 120


def test_creating_a_customer_is_repeated_as_well(api):
    first = api.post("/customers", {"email": "anna@example.com"}, key="one")
    second = api.post("/customers", {"email": "anna@example.com"}, key="one")

    assert first.json() == second.json()
    assert Customer.objects.count() == 1


def test_old_answers_are_forgotten_in_time(api, customer):
    now = timezone.now()
    api.post(PATH, change(customer), key="old")
    api.post(PATH, change(customer), key="young")
    IdempotencyRecord.objects.filter(key="old").update(created_at=now - timedelta(days=31))

    assert idempotency.purge(now=now) == 1
    assert IdempotencyRecord.objects.get().key == "young"

    api.post(PATH, change(customer), key="old")
    assert balance(customer) == 20  # the domain still knows the key


def test_forgetting_goes_on_while_there_is_more_and_keeps_pace_with_a_busy_key(
    api, customer, monkeypatch, django_capture_on_commit_callbacks
):
    monkeypatch.setattr(idempotency, "PURGED_AT_ONCE", 2)
    for name in ("one", "two", "three"):
        api.post(PATH, change(customer), key=name)
    IdempotencyRecord.objects.update(created_at=timezone.now() - timedelta(days=31))

    with django_capture_on_commit_callbacks() as rung:
        tasks.forget_answers()
    with django_capture_on_commit_callbacks() as rung_again:
        tasks.forget_answers()

    assert (len(rung), len(rung_again)) == (1, 0)
    assert not IdempotencyRecord.objects.exists()


def test_forgetting_is_on_the_timetable(settings):
    assert "api.forget_answers" in {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}


@pytest.mark.django_db(transaction=True)
def test_eight_at_once_with_one_key_change_the_balance_once(integrator):
    customer, callers = CustomerFactory(), [integrator()]
    callers = [callers[0].__class__(callers[0].headers["Authorization"].removeprefix("Bearer ")) for _ in range(8)]
    start, statuses = Barrier(8), []

    def call(caller):
        start.wait()
        statuses.append(caller.post(PATH, change(customer), key="one").status_code)
        connection.close()

    threads = [Thread(target=call, args=[caller]) for caller in callers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert set(statuses) <= {201, 409}
    assert 201 in statuses
    assert balance(customer) == 10


@pytest.mark.django_db(transaction=True)
def test_a_key_that_is_freed_while_others_ask_for_it_fails_nobody(integrator):
    integrator()
    api_key_id = ApiKey.objects.get().pk

    def refuse():
        raise errors.InvalidParameter("Not so.")

    def ask():
        for _ in range(60):
            with suppress(errors.RequestInProgress):
                idempotency.answer_once(
                    api_key_id=api_key_id,
                    key="one",
                    digest="same",
                    act=refuse,
                    answer_error=lambda error: Response(status=400),
                    atomic=False,
                )

    assert race(*[ask] * 6) == [None] * 6
    assert IdempotencyRecord.objects.count() == 0
