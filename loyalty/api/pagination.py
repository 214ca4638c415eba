"""Pages of a list: by cursor, newest first, or by number for clients that count pages."""

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db.models import Model, QuerySet
from rest_framework.request import Request

from loyalty.api import errors, query

Row = TypeVar("Row", bound=Model)

DEFAULT_SIZE = 50
LARGEST_SIZE = 250
LAST_PAGE = 1000  # beyond it, counting pages costs more than following cursors
POSITION = re.compile(r"id:([0-9]{1,18}),direction:(next|previous)", re.ASCII)
NEXT, PREVIOUS = "next", "previous"


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    rows: list[Row]
    next_cursor: str | None
    previous_cursor: str | None

    @property
    def metadata(self) -> dict[str, Any]:
        return {"next_cursor": self.next_cursor, "previous_cursor": self.previous_cursor}


def by_cursor(queryset: QuerySet[Row], *, request: Request) -> Page[Row]:
    """One page by falling id, from where the cursor points; without a cursor `page` is honoured. Raises InvalidParameter.

    All of these parameters are judged, whichever of them decides.
    """
    for name, highest in (("limit", LARGEST_SIZE), ("page_size", LARGEST_SIZE), ("page", LAST_PAGE)):
        query.whole_number(request, name, lowest=1, highest=highest)
    cursor = query.text(request, "cursor") if any(request.query_params.getlist("cursor")) else None
    if cursor is not None:
        return _from_cursor(queryset, cursor=cursor, size=_size(request, "limit"))
    if "page" in request.query_params or "page_size" in request.query_params:
        size = _size(request, "limit" if "page_size" not in request.query_params else "page_size")
        start = (_number(request) - 1) * size
    else:
        size, start = _size(request, "limit"), 0
    rows = list(queryset.order_by("-pk")[start : start + size + 1])
    before = encode(rows[0].pk, PREVIOUS) if start and rows else None
    return _page(rows[:size], older=len(rows) > size, previous_cursor=before)


def by_number(queryset: QuerySet[Row], *, request: Request) -> list[Row]:
    """One page of a list that is ordered already. Raises InvalidParameter."""
    size = _size(request, "page_size")
    start = (_number(request) - 1) * size
    return list(queryset[start : start + size])


def encode(position: int, direction: str) -> str:
    return base64.urlsafe_b64encode(f"id:{position},direction:{direction}".encode()).decode()


def decode(cursor: str) -> tuple[int, str]:
    """The id a cursor stands at, and its direction. Raises InvalidParameter."""
    try:
        text = base64.b64decode(cursor.encode() + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
        found = POSITION.fullmatch(text)
    except (binascii.Error, ValueError):
        found = None
    if found is None:
        raise errors.InvalidParameter("cursor: this is not a cursor of ours. Send one from metadata, or none.")
    return int(found[1]), found[2]


def _from_cursor(queryset: QuerySet[Row], *, cursor: str, size: int) -> Page[Row]:
    position, direction = decode(cursor)
    if direction == NEXT:
        rows = list(queryset.filter(pk__lt=position).order_by("-pk")[: size + 1])
        newest = rows[0].pk if rows else position - 1
        return _page(rows[:size], older=len(rows) > size, previous_cursor=encode(max(newest, 0), PREVIOUS))
    rows = list(queryset.filter(pk__gt=position).order_by("pk")[: size + 1])
    shown = rows[:size][::-1]
    oldest = shown[-1].pk if shown else position + 1
    before = encode(shown[0].pk, PREVIOUS) if len(rows) > size else None
    return Page(shown, next_cursor=encode(oldest, NEXT), previous_cursor=before)


def _page(rows: list[Row], *, older: bool, previous_cursor: str | None) -> Page[Row]:
    return Page(rows, next_cursor=encode(rows[-1].pk, NEXT) if older else None, previous_cursor=previous_cursor)


def _size(request: Request, name: str) -> int:
    return query.whole_number(request, name, lowest=1, highest=LARGEST_SIZE) or DEFAULT_SIZE


def _number(request: Request) -> int:
    return query.whole_number(request, "page", lowest=1, highest=LAST_PAGE) or 1
