"""Every act of the ledger raced against every other, and against itself, on one customer and the same rows."""

from itertools import combinations_with_replacement

import pytest

from loyalty.common.errors import DomainError
from loyalty.common.racing import crew
from loyalty.points import audit
from loyalty.points.proving import Stage
from tests.concurrency.races import erase_ledger

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]

THREADS = 16


def test_every_pair_of_acts_leaves_the_ledger_proved_and_ends_in_no_deadlock():
    names = list(Stage().acts())
    broken = []

    with crew(THREADS) as racers:
        for one, other in combinations_with_replacement(names, 2):
            stage = Stage()
            acts = stage.acts()
            results = racers.race([acts[one], acts[other]] * (THREADS // 2))
            crashed = {
                f"{type(result).__name__}: {result}"
                for result in results
                if isinstance(result, BaseException) and not isinstance(result, DomainError)
            }
            found = [
                str(difference)
                for customer_id in (stage.customer_id, stage.other_id)
                for difference in audit.differences(customer_id=customer_id)
            ]
            if crashed or found:
                broken.append((one, other, crashed, found))

    assert broken == []
    assert len(names) == 17
    erase_ledger()
