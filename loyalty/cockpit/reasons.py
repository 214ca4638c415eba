"""Why points changed, as customers read it."""

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from loyalty.points import queries
from loyalty.points.models import PointsTransaction

REWARDS = ("redeemed_reward", "reverses__redeemed_reward")


def changes(*, customer_id: int) -> QuerySet[PointsTransaction]:
    """The changes of a customer's points by the day they count from, newest first, with what it takes to say why.

    Not in the order they were written: points set aside for a reward yesterday may be spent today, and a purchase told
    of late was still made then.
    """
    rows = queries.history(customer_id=customer_id).select_related(*REWARDS)
    return rows.order_by("-effective_at", "-id")


def reward_of(row: PointsTransaction) -> str:
    """The reward that was paid with these points, or that they came back from."""
    redeemed = getattr(row.reverses or row, "redeemed_reward", None)
    return quoted(redeemed.name) if redeemed is not None else ""


def quoted(name: str) -> str:
    """The name as it stands inside a sentence; nothing for nothing."""
    return _("“%(name)s”") % {"name": name} if name else ""
