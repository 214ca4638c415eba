"""Ask payout accounts that fell silent whether they answer again, as a shop is by its polls.

A redemption ends when its provider does not answer, so nothing may be waiting there that would ask.
"""

import logging
from datetime import datetime

from platforms.credentials import CredentialsUnreadable
from platforms.models import PayoutAccount
from platforms.payouts import registry

logger = logging.getLogger(__name__)

CALL_TIMEOUT = 8.0  # seconds
AT_ONCE = 8  # those that waited longest, within the time a task has


def ask(*, now: datetime) -> int:
    """Ask those in use whose breaker lets somebody ask; gives back how many. Not inside a transaction."""
    silent = PayoutAccount.objects.select_related("shop").filter(enabled=True, health__ask_at__lte=now)
    rows = list(silent.order_by("health__ask_at", "pk")[:AT_ONCE])
    for account in rows:
        try:
            registry.ask_again(account, timeout=CALL_TIMEOUT)
        except CredentialsUnreadable as refusal:
            logger.warning("Payout account %s cannot be asked: %s", account.pk, refusal.sentence)
    return len(rows)
