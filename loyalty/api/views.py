"""What every address of the API has in common."""

import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC
from functools import partial, wraps
from typing import Any, ClassVar

from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone, translation
from drf_spectacular.openapi import AutoSchema
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from loyalty.api import authentication, conf, errors, idempotency, parsing, rate_limit

WRITES = {"POST", "PUT", "PATCH", "DELETE"}


class AlwaysFirst(BaseContentNegotiation):
    """There is one way in and one way out, whatever Accept says."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser | None:
        kind = (request.content_type or "").partition(";")[0].strip().lower()
        return next(iter(parsers)) if kind == "application/json" else None

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        renderer = next(iter(renderers))
        return renderer, str(renderer.media_type)


class OperationSchema(AutoSchema):
    """Docstrings speak to who reads the code: integrators are told only what `documentation` says."""

    def get_description(self) -> str:  # type: ignore[override]  # the stub is of the class that it replaces
        return ""


class ApiView(APIView):
    """Bearer key, scope, rate, JSON in and out, every refusal in one shape. `scopes` names the scope of each method."""

    authentication_classes = [authentication.BearerAuthentication]
    permission_classes = [authentication.HasScope]
    throttle_classes = [rate_limit.PerKey]
    parser_classes = [parsing.BoundedJSONParser]
    renderer_classes = [JSONRenderer]
    content_negotiation_class = AlwaysFirst
    http_method_names = ["get", "head", "post"]
    schema = OperationSchema()
    scopes: ClassVar[Mapping[str, str]] = {}
    body_limit: ClassVar[int] = conf.BODY_LIMIT_BYTES

    request_id: str = ""
    domain_key: str = ""  # what the domain knows this request by; set by `once`
    rate_left: int | None = None  # requests the key has left in this second; set by `rate_limit`

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """In English and UTC, whatever the caller's browser or the programme is set to."""
        with translation.override("en"), timezone.override(UTC):
            return super().dispatch(request, *args, **kwargs)

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        self.request_id = str(uuid.uuid4())
        return super().initialize_request(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if request.method in WRITES:
            parsing.refuse_unreadable(request, limit=self.body_limit)

    def check_permissions(self, request: Request) -> None:
        """The rate comes first: a request that is refused for its scope counts like any other."""
        super().check_throttles(request)
        super().check_permissions(request)

    def check_throttles(self, request: Request) -> None:
        """Done above."""

    def handle_exception(self, exc: Exception) -> Response:
        response = self.answer_error(exc)
        response.exception = True
        return response

    def answer_error(self, error: Exception) -> Response:
        return errors.answer(error, request=self.request, request_id=self.request_id)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        response["X-Request-Id"] = self.request_id
        response["Cache-Control"] = "no-store"
        if self.rate_left is not None:
            for name, value in rate_limit.headers(left=self.rate_left).items():
                response[name] = value
        return response


class OpenView(ApiView):
    """An address that asks for no key."""

    authentication_classes = []
    permission_classes = []
    throttle_classes = []


class NothingHere(OpenView):
    """Every address below the API that is not one."""

    http_method_names = ["get", "head", "post", "put", "patch", "delete", "options"]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super(ApiView, self).initial(request, *args, **kwargs)
        raise errors.NotFound(
            f"There is no address {request.path[:200]!r} here. The schema at /api/v1/schema/ lists all."
        )


def csv_file(lines: Iterable[str | bytes], *, name: str) -> StreamingHttpResponse:
    """A table that a browser saves under that name, sent while it is read."""
    answer = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return answer


Handler = Callable[..., Response]


def once(*, atomic: bool) -> Callable[[Handler], Handler]:
    """Make a write answer a repeated `Idempotency-Key` with its first answer, and do nothing a second time.

    `atomic`: the act and its answer are stored in one transaction. An act that calls a shop cannot be: it passes
    `view.domain_key` down, by which the domain knows the repetition.
    """

    def decorate(handler: Handler) -> Handler:
        @wraps(handler)
        def answer(view: ApiView, request: Request, *args: Any, **kwargs: Any) -> Response:
            key = authentication.own_key(request, idempotency.key_of(request))
            view.domain_key = idempotency.domain_key(api_key_id=authentication.identity_of(request), key=key)
            act = partial(handler, view, request, *args, **kwargs)
            if key is None:
                return act()
            return idempotency.answer_once(
                api_key_id=authentication.identity_of(request),
                key=key,
                digest=idempotency.digest_of(request),
                act=act,
                answer_error=view.answer_error,
                atomic=atomic,
            )

        return answer

    return decorate
