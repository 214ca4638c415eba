"""Seal every stored secret with the newest of CREDENTIALS_KEYS, so that older keys can be taken away.

Row by row, each in a transaction of its own: whoever breaks it off has done what it did, and the next run passes over
that. Shops stay reachable all the while, as any of the keys opens what it sealed.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from allauth.mfa.models import Authenticator
from django.db import transaction
from django.db.models import Model

from loyalty.common import sealing
from platforms.models import PayoutAccount, StoreConnection

BATCH = 500
SECRETS_OF_FACTORS = ("secret", "seed", "migrated_codes")


class Verdict(StrEnum):
    """What became of one row."""

    MOVED = "moved"  # sealed anew; in a dry run: would be
    ALREADY = "already"  # with the newest key
    EMPTY = "empty"  # nothing is stored there
    UNREADABLE = "unreadable"  # none of the keys opens it


@dataclass(frozen=True, slots=True)
class Place:
    """A column that holds secrets, and how its value looks sealed anew."""

    what: str
    model: type[Model]
    column: str
    resealed: Callable[[Any], Any]  # raises sealing.Unreadable


def _text(stored: str) -> str:
    return sealing.resealed(stored) if stored else stored


def _factor(stored: dict[str, Any]) -> dict[str, Any]:
    """A second factor of somebody's sign-in: its secrets among what is no secret."""
    found: dict[str, Any] = {}
    for name, value in stored.items():
        if name not in SECRETS_OF_FACTORS:
            found[name] = value
        else:
            found[name] = [_text(each) for each in value] if isinstance(value, list) else _text(value)
    return found


PLACES = (
    Place("shops", StoreConnection, "credentials", _text),
    Place("payout accounts", PayoutAccount, "credentials", _text),
    Place("second factors", Authenticator, "data", _factor),
)


def rotate(place: Place, *, dry_run: bool = False) -> Iterator[tuple[int, Verdict]]:
    """Each row of the place by its id, and what became of it. A row that is taken away meanwhile is passed over."""
    last = 0
    while ids := _ids(place, above=last):
        for pk in ids:
            verdict = _rotate_one(place, pk, dry_run=dry_run)
            if verdict is not None:
                yield pk, verdict
        last = ids[-1]


def _ids(place: Place, *, above: int) -> list[int]:
    rows = place.model._default_manager.filter(pk__gt=above).order_by("pk")  # noqa: SLF001 (Django names it so)
    return list(rows.values_list("pk", flat=True)[:BATCH])


@transaction.atomic
def _rotate_one(place: Place, pk: int, *, dry_run: bool) -> Verdict | None:
    """Under the row's lock: what somebody enters at the same moment is not overwritten."""
    rows = place.model._default_manager.filter(pk=pk)  # noqa: SLF001
    found = rows.select_for_update().values_list(place.column, flat=True).first()
    if found is None:
        return None
    try:
        resealed = place.resealed(found)
    except sealing.Unreadable:
        return Verdict.UNREADABLE
    if not found:
        return Verdict.EMPTY
    if resealed == found:
        return Verdict.ALREADY
    if not dry_run:
        rows.update(**{place.column: resealed})
    return Verdict.MOVED
