"""What the OpenAPI schema says of each operation: one decorator for each kind."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension, OpenApiSerializerFieldExtension
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiParameter,
    OpenApiResponse,
    PolymorphicProxySerializer,
    extend_schema,
    extend_schema_field,
    inline_serializer,
)
from rest_framework import serializers

from loyalty.api import conf, error_codes, fields, pagination

Decorator = Callable[[Any], Any]
SerializerClass = type[serializers.Serializer]

REASONS = {
    400: "The request is malformed: a parameter is missing or of the wrong type.",
    401: "The API key or customer token is missing, unknown, revoked or expired.",
    403: "The API key lacks the scope, or may not be used from there.",
    404: "There is no such thing.",
    405: "This address does not take that method.",
    409: "A request with the same Idempotency-Key is under way, ask again; or the plan that was shown is out of date.",
    411: "The body came in chunks, without Content-Length.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    422: "Understood and refused",
    429: "Too many requests in one second; see Retry-After.",
    500: "Something went wrong on our side.",
    503: "Not available, or not decided yet; see Retry-After.",
}
READ_ERRORS = (400, 401, 403, 405, 429, 500, 503)
WRITE_ERRORS = (*READ_ERRORS, 409, 411, 413, 415)

RETRY_AFTER = OpenApiParameter(
    "Retry-After", int, OpenApiParameter.HEADER, response=[409, 429, 503], description="Seconds to wait."
)
RATE_LIMIT = [
    OpenApiParameter(
        "RateLimit-Policy",
        str,
        OpenApiParameter.HEADER,
        response=[200, 201, 202, 422, 429],
        description='Requests a key may make: `"second";q=10;w=1` is ten in each second of the clock.',
    ),
    OpenApiParameter(
        "RateLimit",
        str,
        OpenApiParameter.HEADER,
        response=[200, 201, 202, 422, 429],
        description='What is left of it: `"second";r=7;t=1` is seven more, and all again in a second.',
    ),
]
# What a parameter may be, as exactly as it is judged; whatever fits is never called malformed.
TEXT = {"type": "string", "pattern": r"^[^\x00]*[^\s\x00][^\x00]*$"}
INSTANT = {"type": "string", "format": "date-time"}
CURSOR_TEXT = {"type": "string", "format": "cursor"}
FEED_CURSOR = {"type": "string", "format": "feed-cursor"}
SIZE = {"type": "integer", "minimum": 1, "maximum": pagination.LARGEST_SIZE}
PAGE = {"type": "integer", "minimum": 1, "maximum": pagination.LAST_PAGE}
ID = {"type": "integer", "minimum": 0, "maximum": conf.LARGEST_ID}
KINDS: dict[Any, dict[str, Any]] = {str: TEXT, int: ID, datetime: INSTANT}

IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]*[!-~][ -~]*$"},
    OpenApiParameter.HEADER,
    description=(
        "1 to 255 plain characters, such as a UUID. The same key answers with its first answer and does nothing a second "
        "time; with another body it is refused."
    ),
)
REPLAYED = OpenApiParameter(
    "Idempotent-Replayed",
    str,
    OpenApiParameter.HEADER,
    response=[200, 201, 202, 409, 422],
    description="`true` on a repeated answer.",
)
UPDATED_AT_MIN = OpenApiParameter("updated_at_min", INSTANT, description="Date and time: changed at or after it.")
LIMIT = OpenApiParameter("limit", SIZE, description="50 when left out.")
CURSOR = [
    LIMIT,
    OpenApiParameter("cursor", CURSOR_TEXT, description="From `metadata` of another page."),
]
NUMBER = [
    OpenApiParameter("page", PAGE, description="From 1."),
    OpenApiParameter("page_size", SIZE, description="50 when left out."),
]
INCLUDE = OpenApiParameter(
    "include", str, description="What else to send, with commas between. Unknown words are ignored."
)
IDENTIFIER = OpenApiParameter("id", int, OpenApiParameter.PATH, description="The id.")


@extend_schema_field({"type": "string", "examples": list(error_codes.ALL), "description": error_codes.in_words()})
class CodeField(serializers.CharField):
    """No closed list of words: clients that are made from the document would stumble over a code that is added."""


class ErrorSerializer(serializers.Serializer):
    error = inline_serializer(
        "ErrorDetail",
        {
            "code": CodeField(),
            "message": serializers.CharField(help_text="For people: what was wrong, where, what to do."),
            "request_id": serializers.CharField(),
            "pointer": serializers.CharField(
                required=False, help_text="JSON pointer to the field of the body that is at fault, when it is one."
            ),
        },
    )


class EffectSerializer(serializers.Serializer):
    kind = serializers.CharField(help_text="What it concerns: status, use, code, points, limit, delivery, customer.")
    sentence = serializers.CharField(help_text="For people.")


class PlanSerializer(serializers.Serializer):
    effects = EffectSerializer(many=True, help_text="Everything it would do, now; empty when it is refused.")
    refusal = serializers.CharField(allow_null=True, help_text="Why it would be refused, now.")
    points_returned = serializers.IntegerField(help_text="Points that would go back to the customer.")
    fingerprint = serializers.CharField(
        allow_null=True,
        help_text="Send it with the act: it is refused when the state has moved since. Null: not taken.",
    )


class MetadataSerializer(serializers.Serializer):
    next_cursor = serializers.CharField(allow_null=True)
    previous_cursor = serializers.CharField(allow_null=True)


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "loyalty.api.authentication.BearerAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "An API key, made by staff in the back office."}


class CustomerTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "loyalty.api.storefront.CustomerTokenAuthentication"
    name = "customer_token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "Of one customer, for five minutes: see create_customer_token.",
        }


class TextShape(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]
    target_class = "loyalty.api.fields.TextField"

    def map_serializer_field(self, auto_schema: Any, direction: str) -> dict[str, Any]:
        return {"type": "string", "pattern": r"^[^\x00]*$" if self.target.allow_blank else r"^[^\x00]+$"}


class NameShape(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]
    target_class = "loyalty.api.fields.NameField"

    def map_serializer_field(self, auto_schema: Any, direction: str) -> dict[str, Any]:
        pattern = r"^[^\x00]*$" if self.target.allow_blank else r"^[^\x00]+$"
        return {"type": ["string", "integer"], "pattern": pattern, "minimum": 0, "maximum": fields.LARGEST_WHOLE}


class TrimmedTextShape(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]
    target_class = "loyalty.api.fields.TrimmedTextField"

    def map_serializer_field(self, auto_schema: Any, direction: str) -> dict[str, Any]:
        return dict(TEXT)


class WholeNumberShape(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]
    target_class = "loyalty.api.fields.WholeNumberField"

    def map_serializer_field(self, auto_schema: Any, direction: str) -> dict[str, Any]:
        return {"type": "integer", "minimum": -fields.LARGEST_WHOLE, "maximum": fields.LARGEST_WHOLE}


def filter_by(name: str, kind: Any, description: str = "") -> OpenApiParameter:
    """A query parameter: of a type, of a shape, or one of a list of words."""
    if isinstance(kind, type | dict):
        return OpenApiParameter(name, KINDS[kind] if isinstance(kind, type) else kind, description=description)
    return OpenApiParameter(name, str, enum=list(kind), description=description)


def listing(
    name: str,
    shape: SerializerClass,
    *,
    summary: str,
    operation: str = "",
    filters: Sequence[OpenApiParameter] = (),
) -> Decorator:
    """A list by cursor."""
    envelope = _envelope(name, shape, kind="by_cursor")
    parameters = [*filters, *CURSOR, *NUMBER]
    return _operation(operation or f"list_{name}", summary, responses={200: envelope}, parameters=parameters)


def mine(name: str, shape: SerializerClass, *, summary: str, many: bool = False) -> Decorator:
    """What concerns the customer whose token it is: one object, or all of a few."""
    envelope = inline_serializer(f"Own{_camel(name)}Envelope", {name: shape(many=many)})
    return _operation(f"{'list' if many else 'get'}_own_{name}", summary, responses={200: envelope}, parameters=[])


def numbered_listing(
    name: str, shape: SerializerClass, *, summary: str, filters: Sequence[OpenApiParameter] = ()
) -> Decorator:
    """A list by page number."""
    envelope = _envelope(name, shape, kind="by_number")
    return _operation(f"list_{name}", summary, responses={200: envelope}, parameters=[*filters, *NUMBER])


def whole_listing(
    name: str, shape: SerializerClass, *, summary: str, description: str, filters: Sequence[OpenApiParameter] = ()
) -> Decorator:
    """A list that is short and comes whole."""
    envelope = _envelope(name, shape, kind="by_number")
    return _operation(
        f"list_{name}", summary, description=description, responses={200: envelope}, parameters=list(filters)
    )


def feed(
    name: str,
    shape: SerializerClass,
    metadata: SerializerClass,
    *,
    summary: str,
    description: str,
    filters: Sequence[OpenApiParameter],
    missing: bool = False,
) -> Decorator:
    """A list read forwards from some place on. `missing`: of one thing, by its id."""
    envelope = inline_serializer(f"{_camel(name)}Envelope", {name: shape(many=True), "metadata": metadata()})
    return _operation(
        f"list_{name}",
        summary,
        description=description,
        responses={200: envelope},
        errors=(*READ_ERRORS, 404) if missing else READ_ERRORS,
        parameters=[*([IDENTIFIER] if missing else []), *filters],
    )


def single(
    name: str,
    shape: SerializerClass,
    *,
    summary: str,
    description: str = "",
    filters: Sequence[OpenApiParameter] = (),
) -> Decorator:
    """One object by its id."""
    envelope = _envelope(name, shape, kind="one")
    return _operation(
        f"get_{name}",
        summary,
        description=description,
        responses={200: envelope},
        errors=(*READ_ERRORS, 404),
        parameters=[IDENTIFIER, *filters],
    )


def the_one(name: str, shape: SerializerClass, *, summary: str) -> Decorator:
    """The one object of its kind, such as settings: it has no id."""
    return _operation(f"get_{name}", summary, responses={200: _envelope(name, shape, kind="one")}, parameters=[])


def file(
    operation: str,
    *,
    summary: str,
    description: str = "",
    filters: Sequence[OpenApiParameter] = (),
    missing: bool = False,
) -> Decorator:
    """A table as CSV, streamed. `missing`: of one thing, by its id."""
    return _operation(
        operation,
        summary,
        description=description,
        responses={(200, "text/csv"): OpenApiTypes.STR},
        errors=(*READ_ERRORS, 404) if missing else READ_ERRORS,
        parameters=[*([IDENTIFIER] if missing else []), *filters],
    )


def write(
    name: str,
    shape: SerializerClass,
    *,
    accepts: SerializerClass | None,
    summary: str,
    operation: str = "",
    status: int = 201,
    also: Sequence[int] = (),
    wrapped: bool = True,
    missing: bool = False,
    addressed: bool | None = None,
    plan: bool = False,
    description: str = "",
    refusals: str = "",
) -> Decorator:
    """An operation that changes something. `also`: further successes. `plan`: it can be tried with `dry_run`.

    `missing`: what it is about may not be there; its id stands in the path unless `addressed` says otherwise.
    """
    in_path = missing if addressed is None else addressed
    envelope = _envelope(name, shape, kind="planned" if plan else "one")
    return _operation(
        operation or f"create_{name}",
        summary,
        description=description,
        request=_body(name, accepts, wrapped=wrapped) if accepts else None,
        responses=dict.fromkeys((status, *also), envelope),
        errors=(*WRITE_ERRORS, 422, *((404,) if missing else ())),
        refusals=refusals,
        parameters=[IDEMPOTENCY_KEY, REPLAYED, *([IDENTIFIER] if in_path else [])],
    )


def _operation(
    operation_id: str,
    summary: str,
    *,
    responses: dict[Any, Any],
    parameters: Sequence[OpenApiParameter],
    errors: Sequence[int] = READ_ERRORS,
    refusals: str = "",
    description: str = "",
    **more: Any,
) -> Decorator:
    described = {code: OpenApiResponse(ErrorSerializer, REASONS[code]) for code in sorted(errors)}
    if 422 in described:
        reason = (
            f"{REASONS[422]}: {refusals or 'the values do not fit'}; or the Idempotency-Key stands for another request."
        )
        described[422] = OpenApiResponse(ErrorSerializer, reason)
    return extend_schema(
        operation_id=operation_id,
        summary=summary,
        responses={**responses, **described},
        parameters=[*parameters, RETRY_AFTER, *RATE_LIMIT],
        description=description,
        **more,
    )


@cache
def _envelope(name: str, shape: SerializerClass, *, kind: str) -> serializers.Serializer:
    content: dict[str, Any] = {name: shape(many=kind.startswith("by"))}
    if kind == "by_cursor":
        content["metadata"] = MetadataSerializer()
    if kind == "planned":
        content["plan"] = PlanSerializer(required=False, help_text="Only with `dry_run`; then nothing was changed.")
    return inline_serializer(f"{'Planned' if kind == 'planned' else ''}{_camel(name)}Envelope", content)


def _body(name: str, accepts: SerializerClass, *, wrapped: bool) -> Any:
    """The body, wrapped in its name or flat: both are taken where Smile's API wraps, flat where it does not."""
    if not wrapped:
        return accepts
    inside = inline_serializer(f"Wrapped{accepts.__name__.removesuffix('Serializer')}", {name: accepts()})
    return PolymorphicProxySerializer(
        component_name=f"{accepts.__name__.removesuffix('Serializer')}Body",
        serializers=[inside, accepts],
        resource_type_field_name=None,
    )


def _camel(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))
