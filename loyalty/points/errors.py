"""Refusals of the ledger."""

from loyalty.common.errors import DomainError

MOST_POINTS = 2**31 - 1


class UnknownCustomer(DomainError):
    code = "unknown_customer"

    def __init__(self, customer_id: int) -> None:
        super().__init__(f"There is no customer {customer_id}. Check the id.")


class InvalidPoints(DomainError):
    code = "invalid_points"


class InsufficientPoints(DomainError):
    """The customer has fewer points than asked for."""

    code = "insufficient_points"

    def __init__(self, *, missing: int, balance: int) -> None:
        super().__init__(
            f"The customer has {balance:,} active points, {missing:,} too few: this would make a negative points balance."
        )
        self.missing = missing
        self.balance = balance


class UnknownHold(DomainError):
    code = "unknown_hold"

    def __init__(self, hold_id: int) -> None:
        super().__init__(f"There is no hold {hold_id}. Check the id.")


class HoldClosed(DomainError):
    code = "hold_closed"


class NotReversible(DomainError):
    code = "not_reversible"


class IdempotencyConflict(DomainError):
    """The same idempotency key was used for something else."""

    code = "idempotency_conflict"

    def __init__(self, key: str) -> None:
        super().__init__(
            f"The idempotency key {key!r} was used before with other input. Use a new key for a new change."
        )


def require_points(points: int) -> int:
    """A positive whole number of points that fits. Raises InvalidPoints."""
    if isinstance(points, bool) or not isinstance(points, int):
        raise InvalidPoints(f"{points!r} is not a whole number of points.")
    if not 0 < points <= MOST_POINTS:
        raise InvalidPoints(f"{points} is not between 1 and {MOST_POINTS:,} points.")
    return points
