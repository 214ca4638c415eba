"""Reading a body: JSON, of bounded size, an object, wrapped in its name or not."""

from collections.abc import Mapping
from typing import IO, Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser
from rest_framework.request import Request

from loyalty.api import errors


class BoundedJSONParser(JSONParser):
    """JSON as the standard has it: no NaN, no Infinity, and no nesting that would exhaust the stack."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        try:
            return super().parse(stream, media_type, parser_context)
        except RecursionError as error:
            raise ParseError("It is nested too deeply.") from error


def refuse_unreadable(request: Request, *, limit: int) -> None:
    """Judge a body of at most `limit` bytes by its headers alone, before anything is read.

    Raises LengthRequired, BodyTooLarge, MalformedBody.
    """
    if "Transfer-Encoding" in request.headers:  # WSGI would read it as no body at all, and what was asked be ignored
        raise errors.LengthRequired("The body came in chunks. Send it whole, with the header Content-Length.")
    length = request.headers.get("Content-Length") or "0"
    if not (length.isascii() and length.isdigit()):
        raise errors.MalformedBody("The header Content-Length is not a number.")
    if len(length) > 12 or int(length) > limit:
        raise errors.BodyTooLarge(f"The body is larger than {limit:,} bytes.")
    if int(length) == 0:
        return
    if not request.content_type:
        raise errors.MalformedBody("The body has no type. Send it with Content-Type: application/json.")


def body_of(request: Request, *, name: str) -> dict[str, Any]:
    """The body's object: what stands under `name`, or the body itself when nothing does. Raises MalformedBody."""
    body = request.data
    if isinstance(body, dict) and isinstance(body.get(name), dict):
        body = body[name]
        request.wrapped_in = name  # type: ignore[attr-defined]  # for the pointers of refusals
    if not isinstance(body, dict):
        raise errors.MalformedBody(f'The body is not an object. Send {{"{name}": {{…}}}} or its fields alone.')
    return body
