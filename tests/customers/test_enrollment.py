"""How somebody becomes a customer, also when everybody asks at once."""

import threading
from datetime import UTC, datetime

import pytest
from django.db import connection

from loyalty.accounts.models import User
from loyalty.common import actors
from loyalty.customers import contacts, enrollment, profile
from loyalty.customers.models import Customer, CustomerIdentity, CustomerState
from loyalty.events.models import Event
from platforms.models import StoreConnection

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def enroll(**fields) -> Customer:
    return enrollment.enroll(now=NOW, actor=actors.SYSTEM, **fields)


def find_or_create(**fields) -> Customer:
    return enrollment.find_or_create_by_identity(now=NOW, actor=actors.SYSTEM, **fields)


@pytest.fixture
def shop(db) -> StoreConnection:
    return StoreConnection.objects.create(name="Shop", platform="sandbox", base_url="http://127.0.0.1:1")


@pytest.mark.django_db
class TestEnroll:
    def test_stores_the_customer_and_one_event_without_personal_data(self):
        customer = enroll(email=" Anna@Example.com ", phone="0048 501 234 567", first_name=" Anna ", last_name="Nowak")

        customer.refresh_from_db()
        assert (customer.email, customer.phone, customer.first_name) == ("Anna@Example.com", "+48501234567", "Anna")
        assert customer.state == CustomerState.MEMBER
        event = Event.objects.get()
        assert (event.kind, event.subject_id, event.customer_id) == ("customer.enrolled", customer.pk, customer.pk)
        assert event.data == {"state": "member"}

    def test_refuses_an_address_that_differs_in_case_only(self):
        first = enroll(email="anna@example.com")

        with pytest.raises(profile.EmailTaken) as refusal:
            enroll(email="ANNA@example.COM")

        assert refusal.value.customer_id == first.pk
        assert Customer.objects.count() == 1
        assert Event.objects.count() == 1

    def test_takes_several_without_an_address(self):
        enroll(first_name="Anna")
        enroll(first_name="Anna")

        assert Customer.objects.count() == 2

    def test_leaves_nothing_behind_for_a_wrong_phone(self):
        with pytest.raises(contacts.InvalidPhone):
            enroll(email="anna@example.com", phone="call me")

        assert not Customer.objects.exists()


class TestFindOrCreate:
    def test_makes_a_guest_with_the_shops_id(self, shop):
        customer = find_or_create(connection_id=shop.pk, external_id="7", email="anna@example.com")

        assert customer.state == CustomerState.CANDIDATE
        identity = CustomerIdentity.objects.get()
        assert (identity.customer, identity.connection, identity.external_id) == (customer, shop, "7")

    def test_finds_by_the_shops_id_first(self, shop):
        anna = find_or_create(connection_id=shop.pk, external_id="7", email="anna@example.com")

        assert find_or_create(connection_id=shop.pk, external_id="7", email="new@example.com") == anna
        anna.refresh_from_db()
        assert anna.email == "anna@example.com"

    def test_finds_by_address_and_gives_the_shops_id(self, shop):
        anna = enroll(email="Anna@example.com", first_name="Anna")

        found = find_or_create(connection_id=shop.pk, external_id="7", email="anna@EXAMPLE.com", first_name="Other")

        assert found == anna
        assert found.first_name == "Anna"
        assert anna.identities.get().external_id == "7"

    def test_never_makes_two_people_one(self, shop):
        anna = find_or_create(connection_id=shop.pk, external_id="7", first_name="Anna")
        ben = enroll(email="ben@example.com")

        assert find_or_create(connection_id=shop.pk, external_id="7", email="ben@example.com") == anna
        anna.refresh_from_db()
        assert anna.email is None
        assert not ben.identities.exists()

    def test_fills_in_the_contacts_we_lack(self, shop):
        anna = find_or_create(connection_id=shop.pk, external_id="7")

        find_or_create(connection_id=shop.pk, external_id="7", email="anna@example.com", phone="+48 501 234 567")

        anna.refresh_from_db()
        assert (anna.email, anna.phone) == ("anna@example.com", "+48501234567")

    def test_tells_the_same_id_of_two_shops_apart(self, shop):
        second = StoreConnection.objects.create(name="Second", platform="sandbox", base_url="http://127.0.0.1:2")

        one = find_or_create(connection_id=shop.pk, external_id="7")
        two = find_or_create(connection_id=second.pk, external_id="7")
        three = find_or_create(connection_id=None, external_id="7")

        assert len({one.pk, two.pk, three.pk}) == 3

    def test_leaves_out_an_unreadable_address_when_there_is_an_id(self, shop):
        assert find_or_create(connection_id=shop.pk, external_id="7", email="guest", phone="none").email is None

    def test_refuses_an_unreadable_address_when_there_is_nothing_else(self, shop):
        with pytest.raises(contacts.InvalidEmail):
            find_or_create(connection_id=shop.pk, external_id="", email="guest")

    def test_refuses_somebody_unknown(self, shop):
        with pytest.raises(enrollment.UnidentifiedCustomer):
            find_or_create(connection_id=shop.pk, external_id=" ", email=" ")

        assert not Customer.objects.exists()


@pytest.mark.django_db
class TestLinks:
    def test_refuses_an_id_of_another_customer(self, shop):
        find_or_create(connection_id=shop.pk, external_id="7")
        ben = enroll(email="ben@example.com")

        with pytest.raises(enrollment.IdentityTaken):
            enrollment.link_identity(
                customer_id=ben.pk, connection_id=shop.pk, external_id="7", now=NOW, actor=actors.SYSTEM
            )

    def test_ties_a_user_to_one_customer_and_a_customer_to_one_user(self):
        anna, ben = enroll(email="anna@example.com"), enroll(email="ben@example.com")
        user, other = User.objects.create_user("anna@example.com"), User.objects.create_user("x@example.com")

        enrollment.link_user(customer_id=anna.pk, user_id=user.pk, now=NOW, actor=actors.SYSTEM)
        enrollment.link_user(customer_id=anna.pk, user_id=user.pk, now=NOW, actor=actors.SYSTEM)

        for customer, second in ((anna, other), (ben, user)):
            with pytest.raises(enrollment.UserTaken):
                enrollment.link_user(customer_id=customer.pk, user_id=second.pk, now=NOW, actor=actors.SYSTEM)
        anna.refresh_from_db()
        assert anna.user == user
        assert Event.objects.filter(kind="customer.user_linked").count() == 1


def at_once(act, times: int = 8) -> tuple[list, list]:
    """Run `act(number)` in that many threads at the same moment: what they returned, and what they raised."""
    start, results, refusals = threading.Barrier(times), [], []

    def run(number: int) -> None:
        start.wait()
        try:
            results.append(act(number))
        except Exception as error:  # noqa: BLE001 (the test looks at them)
            refusals.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return results, refusals


@pytest.mark.django_db(transaction=True)
class TestRaces:
    def test_one_address_enrolled_at_once_is_one_customer(self):
        results, refusals = at_once(lambda number: enroll(email=["anna@example.com", "ANNA@example.com"][number % 2]))

        assert Customer.objects.count() == len(results) == 1
        assert {type(refusal) for refusal in refusals} == {profile.EmailTaken}

    def test_one_order_heard_of_at_once_is_one_customer(self, shop):
        results, refusals = at_once(
            lambda _: find_or_create(connection_id=shop.pk, external_id="7", email="anna@example.com")
        )

        assert refusals == []
        assert len({customer.pk for customer in results}) == Customer.objects.count() == 1
        assert CustomerIdentity.objects.count() == 1

    def test_one_nameless_id_heard_of_at_once_is_one_customer(self, shop):
        results, refusals = at_once(lambda _: find_or_create(connection_id=shop.pk, external_id="7"))

        assert refusals == []
        assert len({customer.pk for customer in results}) == Customer.objects.count() == 1
        assert Event.objects.filter(kind="customer.enrolled").count() == 1
