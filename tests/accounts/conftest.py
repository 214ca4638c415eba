"""Staff in every role, signed in."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from loyalty.accounts import roles
from tests.factories.people import StaffFactory


@pytest.fixture
def signed_in(db: None) -> Callable[[str], Client]:
    """A browser of somebody in that role: `signed_in("support")`."""
    roles.sync()

    def sign_in(role: str) -> Client:
        user = StaffFactory()
        user.groups.add(Group.objects.get(name=role))
        client = Client(raise_request_exception=True)
        client.force_login(user)
        return client

    return sign_in
