"""Reading what stands in the address: ids, and query parameters, which are all strings. Unknown ones are ignored."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, time

from django.utils.dateparse import parse_date, parse_datetime
from rest_framework.request import Request

from loyalty.api import conf, errors

DIGITS = re.compile(r"[0-9]{1,19}", re.ASCII)
LOST_PLUS = re.compile(r" (?=\d\d:?\d\d$)")  # "+02:00" that was not percent-encoded arrives with a space for the plus


def path_id(text: str) -> int:
    """An id that is part of the path. Raises NotFound for anything that cannot be one."""
    if not DIGITS.fullmatch(text) or int(text) > conf.LARGEST_ID:
        raise errors.NotFound(f"There is nothing with the id {text[:40]!r}: ids are whole numbers.")
    return int(text)


def text(request: Request, name: str) -> str | None:
    """A parameter as it came; None when it is absent. Raises InvalidParameter for an empty or a repeated one."""
    times = len(request.query_params.getlist(name))
    if times > 1:
        raise errors.InvalidParameter(f"{name} is given {times} times. Give it once.")
    return texts(request, name)[0] if times else None


def texts(request: Request, name: str) -> list[str]:
    """The values of a parameter that may be given several times. Raises InvalidParameter for an empty one."""
    values = [str(value) for value in request.query_params.getlist(name)]
    for value in values:
        if not value.strip():
            raise errors.InvalidParameter(f"{name} is empty. Give it a value, or leave it out.")
        if "\x00" in value:
            raise errors.InvalidParameter(f"{name} contains a null character. Write it without.")
    return values


def identifier(request: Request, name: str) -> int | None:
    """A parameter that holds an id. Raises InvalidParameter."""
    return whole_number(request, name, lowest=0, highest=conf.LARGEST_ID)


def whole_number(request: Request, name: str, *, lowest: int, highest: int) -> int | None:
    value = text(request, name)
    if value is None:
        return None
    if not DIGITS.fullmatch(value) or not lowest <= int(value) <= highest:
        raise errors.InvalidParameter(f"{name}: {value[:40]!r} is not a whole number from {lowest} to {highest}.")
    return int(value)


def choice(request: Request, name: str, words: Sequence[str]) -> str | None:
    value = text(request, name)
    return None if value is None else _known(name, value, words)


def choices(request: Request, name: str, words: Sequence[str]) -> list[str]:
    """Like `choice`, of a parameter that may be given several times."""
    return [_known(name, value, words) for value in texts(request, name)]


def _known(name: str, value: str, words: Sequence[str]) -> str:
    if value not in words:
        raise errors.InvalidParameter(f"{name}: {value[:40]!r} is unknown. Write one of {', '.join(words)}.")
    return value


def included(request: Request) -> frozenset[str]:
    """The words of `include`. Unknown ones, and none, are nothing to refuse."""
    given = ",".join(str(value) for value in request.query_params.getlist("include"))
    return frozenset(word.strip() for word in given.split(","))


def instant(request: Request, name: str) -> datetime | None:
    """A date and time with its offset; without one, and for a date alone, UTC. Raises InvalidParameter."""
    value = text(request, name)
    if value is None:
        return None
    try:
        moment = _moment(LOST_PLUS.sub("+", value.strip()))
    except (ValueError, OverflowError):
        moment = None
    if moment is None:
        sentence = "is not a date and time. Write one such as 2024-12-07T20:15:27.893Z."
        raise errors.InvalidParameter(f"{name}: {value[:40]!r} {sentence}")
    return moment


def _moment(value: str) -> datetime | None:
    moment = parse_datetime(value)
    if moment is None and (day := parse_date(value)) is not None:
        moment = datetime.combine(day, time.min)
    if moment is None:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
