"""The OpenAPI document of v1: generated from the views, committed beside them, and served as committed.

`manage.py write_api_schema` writes it anew; a test fails while the two differ.
"""

from pathlib import Path
from typing import Any

from django.http import HttpResponse
from django.urls import include, path
from django.utils import translation
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiYamlRenderer
from drf_spectacular.settings import patched_settings
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from loyalty.api import views
from loyalty.api.v1 import webhook_bodies

FILE = Path(__file__).with_name("schema.yaml")
CONTENT_TYPE = "application/vnd.oai.openapi; charset=utf-8"
SETTINGS: dict[str, Any] = {
    "TITLE": "Loyalty Desk API",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "DESCRIPTION": (
        "What staff and customers can do, for integrators. Shapes, names and paths follow Smile.io's REST API; what goes "
        "beyond it is marked as an extension. Every address works with and without a slash at its end. Unknown query "
        "parameters are ignored. Instants are RFC 3339 in UTC with milliseconds. Every answer "
        "carries X-Request-Id: name it when you ask us about one. Fields are added, never changed."
    ),
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
}


class Generator(SchemaGenerator):
    """Lists each address once, without the slash, and calls the path's id an id."""

    def _get_paths_and_endpoints(self) -> list[Any]:
        return [
            (route.replace("{pk}", "{id}"), pattern.replace("pk>", "id>"), method, view)
            for route, pattern, method, view in super()._get_paths_and_endpoints()  # type: ignore[no-untyped-call]
            if not route.endswith("/")
        ]


def generate() -> bytes:
    """The document as the views say it now."""
    with patched_settings(SETTINGS), translation.override("en"):
        generator = Generator(patterns=[path("api/v1/", include("loyalty.api.v1.urls"))])  # type: ignore[no-untyped-call]
        document = generator.get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    document["webhooks"] = webhook_bodies.described(document["components"]["schemas"])
    for shape in document["components"]["schemas"].values():
        if "oneOf" in shape:  # wrapped or flat: where no field is required, a wrapped body is both
            shape["anyOf"] = shape.pop("oneOf")
        for each in shape.get("properties", {}).values():
            _say_exactly(each)
    for operation in (each for item in document["paths"].values() for each in item.values()):
        if "requestBody" in operation and _is_needed(operation["requestBody"], document):
            operation["requestBody"]["required"] = True
    _name_headers_once(document)
    return bytes(OpenApiYamlRenderer().render(document, renderer_context={}))  # type: ignore[no-untyped-call]


def _say_exactly(shape: dict[str, Any]) -> None:
    """A decimal has digits, a pattern says itself whether nothing will do, and a format is that of the text alone."""
    if (several := shape.get("oneOf")) and several[1:] == [{"type": "string", "maxLength": 0}]:
        del shape["oneOf"]
        shape.update(several[0])
    if shape.get("format") == "decimal" and "pattern" in shape:
        shape["pattern"] = shape["pattern"].replace("{0,", "{1,")
    kinds = shape.get("type")
    if isinstance(kinds, list) and set(kinds) == {"string", "null"} and "format" in shape:
        del shape["type"]
        text = {name: shape.pop(name) for name in ("format", "pattern", "minLength", "maxLength") if name in shape}
        shape["anyOf"] = [{"type": "string"} | text, {"type": "null"}]


def _is_needed(body: dict[str, Any], document: dict[str, Any]) -> bool:
    """Whether a request without a body would lack a field."""
    shape = body["content"]["application/json"]["schema"]
    shapes = [document["components"]["schemas"][shape["$ref"].rpartition("/")[2]]]
    shapes = shapes[0].get("anyOf", shapes)[-1:]
    return any(each.get("required") for each in (_of(shape, document) for shape in shapes))


def _of(shape: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = (
        document["components"]["schemas"][shape["$ref"].rpartition("/")[2]] if "$ref" in shape else shape
    )
    return found


def _name_headers_once(document: dict[str, Any]) -> None:
    """Headers that answers share stand among the components; an answer refers to them."""
    shared: dict[str, Any] = {}
    operations = (operation for item in document["paths"].values() for operation in item.values())
    for answer in (answer for operation in operations for answer in operation["responses"].values()):
        for name, header in answer.get("headers", {}).items():
            if shared.setdefault(name, header) == header:
                answer["headers"][name] = {"$ref": f"#/components/headers/{name}"}
    document["components"]["headers"] = dict(sorted(shared.items()))


class Schema(views.OpenView):
    @extend_schema(exclude=True)
    def get(self, request: Request) -> HttpResponse:
        return HttpResponse(FILE.read_bytes(), content_type=CONTENT_TYPE)
