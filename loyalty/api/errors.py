"""Every refusal as one JSON shape: `{"error": {"code", "message", "request_id"}}`, and a `pointer` to the field."""

import logging
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.core.signals import got_request_exception
from django.db import OperationalError
from django.http import Http404, UnreadablePostError
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty.api import conf
from loyalty.common.errors import DomainError

logger = logging.getLogger(__name__)

UNRESOLVED = "redemption_unresolved"
STATUSES = {
    UNRESOLVED: 503,
    "plan_outdated": 409,
}
SECONDS_TO_WAIT = {429: 1, 503: 5, 409: 1}


class RequestError(DomainError):
    """The request itself is at fault, whatever the domain would have said."""

    code = "bad_request"
    status = 400


class InvalidParameter(RequestError):
    code = "invalid_parameter"


class MissingParameter(RequestError):
    code = "missing_parameter"


class MalformedBody(RequestError):
    code = "malformed_body"


class LengthRequired(RequestError):
    code = "length_required"
    status = 411


class BodyTooLarge(RequestError):
    code = "body_too_large"
    status = 413


class NotFound(RequestError):
    code = "not_found"
    status = 404


class RequestInProgress(RequestError):
    """Another request with the same idempotency key is under way."""

    code = "request_in_progress"
    status = 409


class KeyUsedOtherwise(RequestError):
    """The idempotency key stands for another request."""

    code = "idempotency_conflict"
    status = 422


class Contradictory(RequestError):
    """Two fields, each well by itself, that cannot both be meant."""

    code = "contradictory"
    status = 422


@dataclass(frozen=True, slots=True)
class Problem:
    """One refusal in the words of HTTP."""

    status: int
    code: str
    message: str
    field: tuple[str, ...] = ()  # the way to the part of the body that is at fault


SERVER_ERROR = Problem(500, "internal_error", "Something went wrong on our side. Tell us the request id.")
TOO_LARGE = Problem(413, "body_too_large", f"The body is larger than {conf.BODY_LIMIT_BYTES:,} bytes.")
UNREADABLE = Problem(400, "bad_request", "The request could not be read. Check its address, headers and body.")
UNAVAILABLE = Problem(503, "unavailable", "The service is not available just now. Try again in a few seconds.")
NOT_JSON = Problem(415, "unsupported_media_type", "Send the body as JSON, with Content-Type: application/json.")
FORESEEN: tuple[tuple[type[Exception], Problem], ...] = (  # the first that fits
    (Http404, Problem(404, "not_found", "There is nothing at this address.")),
    (PermissionDenied, Problem(403, "forbidden", "This API key may not do that.")),
    (RequestDataTooBig, TOO_LARGE),
    (SuspiciousOperation, UNREADABLE),
    (UnreadablePostError, UNREADABLE),
    (OperationalError, UNAVAILABLE),
    (exceptions.UnsupportedMediaType, NOT_JSON),
)


def answer(error: Exception, *, request: Request, request_id: str) -> Response:
    """The response an error becomes. One that nobody foresaw is logged with its trace and says nothing of itself."""
    problem = translate(error)
    if problem in {SERVER_ERROR, UNAVAILABLE}:
        logger.error("API request %s failed.", request_id, exc_info=error)
    if problem == SERVER_ERROR:
        got_request_exception.send(sender=None, request=request)
    told = {"code": problem.code, "message": problem.message, "request_id": request_id}
    if problem.field:
        told["pointer"] = pointer(problem.field, request=request)
    waits = problem.status in SECONDS_TO_WAIT and problem.code != "plan_outdated"  # which no waiting brings back
    headers = {"Retry-After": str(SECONDS_TO_WAIT[problem.status])} if waits else {}
    if problem.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return Response({"error": told}, status=problem.status, headers=headers)


def pointer(field: tuple[str, ...], *, request: Request) -> str:
    """Where in the body the field stands, or should, as a JSON pointer: the wrapping counts when there was one."""
    wrapping = getattr(request, "wrapped_in", "")
    parts = (wrapping, *field) if wrapping else field
    return "".join(f"/{part.replace('~', '~0').replace('/', '~1')}" for part in parts)


def translate(error: Exception) -> Problem:
    """What an error means to a client."""
    if isinstance(error, RequestError):
        return Problem(error.status, error.code, error.sentence)
    if isinstance(error, DomainError):
        return Problem(_status_of(error), error.code, error.sentence, _steps(error))
    for kind, problem in FORESEEN:
        if isinstance(error, kind):
            return problem
    return _of_framework(error) if isinstance(error, exceptions.APIException) else SERVER_ERROR


def _steps(error: DomainError) -> tuple[str, ...]:
    return tuple(error.field.split("/")) if error.field else ()


def _status_of(error: DomainError) -> int:
    if error.code == "insufficient_points":
        return conf.negative_balance_status()
    return STATUSES.get(error.code, 422)


def _of_framework(error: exceptions.APIException) -> Problem:
    match error:
        case exceptions.ValidationError():
            return _of_validation(error.detail)
        case exceptions.ParseError():
            return Problem(400, "malformed_body", f"The body is not JSON. {error.detail}")
        case exceptions.Throttled():
            sentence = f"An API key may make {conf.rate_limit()} requests a second. Wait a second and try again."
            return Problem(429, "rate_limited", sentence)
        case exceptions.MethodNotAllowed():
            return Problem(405, "method_not_allowed", f"{error.detail} The header Allow lists what this address takes.")
        case _:
            return Problem(error.status_code, _code(error), str(error.detail))


def _code(error: exceptions.APIException) -> str:
    return str(getattr(error.detail, "code", error.default_code))


def _of_validation(detail: Any) -> Problem:
    """The first field that is wrong, as a sentence. The framework nests lists and dictionaries of details."""
    path: list[str] = []
    while not isinstance(detail, exceptions.ErrorDetail):
        if isinstance(detail, dict):
            name, detail = next(iter(detail.items()))
            path.append(str(name))
        else:
            detail = detail[0]
    field = tuple(part for part in path if part != "non_field_errors")
    name = ".".join(field) or "The body"
    if detail.code == "null":
        return Problem(400, "missing_parameter", f"{name} is null. Give it a value.", field)
    if detail.code == "required":
        return Problem(400, "missing_parameter", f"{name} is missing. Send it in the JSON body.", field)
    return Problem(400, "invalid_parameter", f"{name}: {detail}", field)
