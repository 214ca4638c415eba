"""What an answer holds: its headers, and its body within limits. Nothing is taken on trust."""

import json
import zlib
from decimal import Decimal
from typing import Any, NoReturn

import httpcore2

LARGEST_BODY = 5_000_000


class Unreadable(Exception):
    """The body is too large, or not packed as it says."""


def headers(response: httpcore2.Response) -> dict[str, str]:
    """By their names in lower case; those that came several times joined by commas."""
    found: dict[str, str] = {}
    for raw_name, raw_value in response.headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("utf-8", "replace")
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def read(response: httpcore2.Response, *, encoding: str) -> bytes:
    """The body, unpacked. Raises Unreadable."""
    encoding = encoding.strip().lower()
    if encoding not in {"identity", "gzip", "deflate", ""}:
        raise Unreadable(f"its answer was encoded as {encoding[:20]}")
    unpack = zlib.decompressobj(wbits=47) if encoding in {"gzip", "deflate"} else None
    content = bytearray()
    for chunk in response.iter_stream():
        try:
            # The limit holds for the unpacked size, so a small bomb stays small.
            content += chunk if unpack is None else unpack.decompress(chunk, LARGEST_BODY + 1 - len(content))
        except zlib.error:
            raise Unreadable("its answer was not packed as it said") from None
        if len(content) > LARGEST_BODY:
            raise Unreadable(f"its answer was larger than {LARGEST_BODY // 1_000_000} MB")
    return bytes(content)


def parse(content: bytes) -> tuple[Any, bool]:
    """The JSON in it, decimals as Decimal, and whether there was any that could be read; an empty body reads as None."""
    if not content.strip():
        return None, True
    try:
        return json.loads(content, parse_float=Decimal, parse_constant=_no_constant), True
    except (ValueError, RecursionError):
        return None, False


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
