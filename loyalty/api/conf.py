"""What of the API can be set, with its defaults."""

from django.conf import settings

BODY_LIMIT_BYTES = 100_000  # the largest body a request may bring: none of ours needs a hundredth of it
BULK_BODY_LIMIT_BYTES = 5_000_000  # the same where bulk work is begun: a table of some hundred thousand rows
LOCK_SECONDS = 60  # how long a request may be under way before the same idempotency key takes it over
LARGEST_ID = 2**63 - 1


def rate_limit() -> int:
    """Requests a second that one key may make."""
    return int(settings.API_RATE_LIMIT)


def negative_balance_status() -> int:
    """The status of a change that would make a balance negative: some clients look for 400 instead of 422."""
    return int(settings.API_NEGATIVE_BALANCE_STATUS)
