"""The sweep that writes down what time has done. Balances are right without it; the ledger entries come from it."""

from datetime import datetime

from django.db import transaction

from loyalty.points import statements

ACCOUNTS_AT_ONCE = 2_000  # a writer waits for one such transaction at most: well under a second


def settle_due(*, now: datetime, limit: int = 100_000, at_once: int = ACCOUNTS_AT_ONCE) -> int:
    """Settle up to `limit` accounts whose next edge has passed; gives back how many were settled.

    Pending points become active and lots past their end expire: one ledger entry a lot, and one event
    "points.expired" for each customer who lost points, with how many: notices start from it. Works in transactions of
    `at_once` accounts each, in id order, so that a killed sweep keeps what it did and the next one goes on. May run
    twice or beside itself and any writer: accounts that somebody else is writing are left to them, for every writer
    settles first.
    """
    done = after = 0
    while done < limit:
        with transaction.atomic():
            due = statements.lock_due_accounts(after=after, now=now, limit=min(at_once, limit - done))
            if not due:
                break
            statements.settle(customer_ids=due, now=now)
        done += len(due)
        after = due[-1]
    return done
