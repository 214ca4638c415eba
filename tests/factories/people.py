"""Customers, users and shops for tests."""

import factory

from loyalty.accounts.models import User
from loyalty.customers.models import Customer, CustomerState, ShippingAddress
from platforms.models import PayoutAccount, StoreConnection


class UserFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = User
        skip_postgeneration_save = True

    email = factory.Sequence(lambda n: f"person{n}@example.com")
    name = "Pat Person"


class StaffFactory(UserFactory):
    is_staff = True
    email = factory.Sequence(lambda n: f"staff{n}@example.com")


class CustomerFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Customer

    email = factory.Sequence(lambda n: f"customer{n}@example.com")
    first_name = "Anna"
    last_name = "Nowak"
    state = CustomerState.MEMBER


class ShippingAddressFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = ShippingAddress

    customer = factory.SubFactory(CustomerFactory)
    recipient = "Anna Nowak"
    line_1 = "ul. Prosta 1"
    postal_code = "00-001"
    city = "Warszawa"
    country = "PL"


class ConnectionFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = StoreConnection

    name = factory.Sequence(lambda n: f"Shop {n}")
    platform = "sandbox"
    base_url = "http://127.0.0.1:9"


class PayoutAccountFactory(factory.django.DjangoModelFactory):
    """Payouts by hand."""

    class Meta:
        model = PayoutAccount

    name = factory.Sequence(lambda n: f"Account {n}")
    provider = "by_hand"
