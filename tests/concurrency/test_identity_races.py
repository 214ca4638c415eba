"""Systems that speak of one customer at the same moment."""

import pytest

from loyalty.common.actors import SYSTEM
from loyalty.customers import enrollment, profile
from tests.concurrency.races import in_the_midst, kinds_of_failure
from tests.factories.people import ConnectionFactory, CustomerFactory
from tests.factories.points import NOW

pytestmark = pytest.mark.django_db(transaction=True)


def link(customer, connection_id, external_id):
    return enrollment.link_identity(
        customer_id=customer.pk, connection_id=connection_id, external_id=external_id, now=NOW, actor=SYSTEM
    )


def test_who_is_being_tied_to_a_shop_while_another_system_deletes_them_stays(monkeypatch):
    customer, shop = CustomerFactory(), ConnectionFactory()
    link(customer, None, "7")
    left = in_the_midst(
        monkeypatch, (profile, "record"), lambda: enrollment.leave(external_id="7", now=NOW, actor=SYSTEM)
    )

    link(customer, shop.pk, "9")

    assert kinds_of_failure([left()]) == {"KnownElsewhere"}
    customer.refresh_from_db()
    assert customer.state == "member"
