"""Two browsers with one link: one of them gets in."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection
from django.utils import timezone

from loyalty.common.actors import SYSTEM
from loyalty.customers import sign_in_links
from tests.factories.people import CustomerFactory

THREADS = 8


@pytest.mark.django_db(transaction=True)
def test_a_link_that_many_use_at_once_lets_one_in():
    customer = CustomerFactory()

    for _ in range(5):
        now, start = timezone.now(), Barrier(THREADS)
        token = sign_in_links.make(customer_id=customer.pk, now=now, actor=SYSTEM).token

        def enter(_number: int, token=token, now=now, start=start) -> bool:
            start.wait()
            try:
                return sign_in_links.use(token=token, now=now) == customer
            except sign_in_links.LinkRefused:
                return False
            finally:
                connection.close()

        with ThreadPoolExecutor(THREADS) as pool:
            assert sum(pool.map(enter, range(THREADS))) == 1
