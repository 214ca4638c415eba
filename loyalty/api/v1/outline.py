"""The OpenAPI document as people read it: resources, their operations, and each shape as a flat list of fields."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from loyalty.api import error_codes
from loyalty.api.v1 import schema

LARGEST_TOLD = 2**31 - 1
DEEPEST = 4  # levels of a shape that are shown
COMMON = {"RateLimit", "RateLimit-Policy", "Retry-After", "Idempotent-Replayed"}
EXAMPLES = {
    "date-time": "2026-11-27T12:00:00.000Z",
    "date": "1990-05-17",
    "email": "anna@example.com",
    "uri": "https://shop.example/",
    "decimal": "5.00",
    "uuid": "3f0c8a52-7f2f-4f0e-9d0a-2a3f5c1f8b7e",
}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a body, or one parameter. `depth` is 0 for the outermost; `words` are the values it may have."""

    name: str
    kind: str
    depth: int = 0
    required: bool = False
    where: str = ""
    about: str = ""
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    status: str
    about: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One call. `takes` and `gives` are the fields of its body and of its answer; the examples are JSON."""

    name: str
    method: str
    path: str
    summary: str
    about: str
    parameters: tuple[Field, ...]
    takes: tuple[Field, ...]
    gives: tuple[Field, ...]
    taken_example: str
    given_example: str
    success: str
    refusals: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class Resource:
    """The operations on one kind of thing; `slug` names it in addresses."""

    slug: str
    title: str
    operations: tuple[Operation, ...]


@dataclass(frozen=True, slots=True)
class Topic:
    name: str
    about: str


@dataclass(frozen=True, slots=True)
class Refusals:
    """The codes of one status, each with what it means."""

    status: int
    codes: tuple[tuple[str, str], ...]


@cache
def document() -> dict[str, Any]:
    """The committed document; read once by each process."""
    loader = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
    read: dict[str, Any] = yaml.load(schema.FILE.read_bytes(), Loader=loader)  # noqa: S506 (both loaders are the safe ones)
    return read


@cache
def resources() -> tuple[Resource, ...]:
    """Everything that can be called, by what it is about."""
    found: dict[str, list[Operation]] = {}
    for path, item in document()["paths"].items():
        for method, told in item.items():
            found.setdefault(told["tags"][0], []).append(_operation(path, method, told))
    return tuple(Resource(slug, _title(slug), tuple(operations)) for slug, operations in sorted(found.items()))


@cache
def topics() -> tuple[Topic, ...]:
    """What webhooks tell of."""
    return tuple(Topic(name, item["post"]["summary"]) for name, item in document()["webhooks"].items())


@cache
def refusals() -> tuple[Refusals, ...]:
    """Every code that an answer may have, by its status."""
    return tuple(
        Refusals(status, tuple((code, _marked(says)) for code, says in codes.items()))
        for status, codes in error_codes.BY_STATUS.items()
    )


def _title(slug: str) -> str:
    return slug.replace("_", " ").capitalize()


def _operation(path: str, method: str, told: dict[str, Any]) -> Operation:
    successes = [status for status in told["responses"] if status.startswith("2")]
    given = _content(told["responses"][successes[0]])
    taken = _flat(_content(told.get("requestBody", {})))
    return Operation(
        name=told["operationId"],
        method=method.upper(),
        path=path,
        summary=told["summary"],
        about=_marked(told.get("description", "")),
        parameters=tuple(_parameter(each) for each in told.get("parameters", ())),
        takes=tuple(_fields(taken)),
        gives=tuple(_fields(given)),
        taken_example=_pretty(taken, "in") if taken else "",
        given_example=_pretty(given, "out") if given else "",
        success=" or ".join(successes),
        refusals=tuple(
            Answer(status, _marked(answer["description"]))
            for status, answer in told["responses"].items()
            if status not in successes
        ),
    )


def _marked(text: str) -> SafeString:
    """What stands between backticks is code."""
    parts = [format_html("<code>{}</code>" if place % 2 else "{}", part) for place, part in enumerate(text.split("`"))]
    return format_html_join("", "{}", ((part,) for part in parts))


def _content(part: dict[str, Any]) -> dict[str, Any]:
    shape: dict[str, Any] = part.get("content", {}).get("application/json", {}).get("schema", {})
    return shape


def _flat(shape: dict[str, Any]) -> dict[str, Any]:
    """Of a body that may be wrapped in its name or not: without the wrapping, which is said once for all."""
    found = _resolved(shape)
    return _resolved(found["anyOf"][-1]) if "anyOf" in found else found


def _resolved(shape: dict[str, Any]) -> dict[str, Any]:
    """A shape behind its references; null beside it is left out, and what was said beside a reference is kept."""
    for several in ("allOf", "oneOf", "anyOf"):
        choices = [each for each in map(_resolved, shape.get(several, ())) if each.get("type") != "null"]
        beside = {name: value for name, value in shape.items() if name != several}
        if len(choices) == 1:
            return {**choices[0], **beside}
        if choices and all("enum" in each for each in choices):  # words, or none of them
            return {"type": "string", "enum": [word for each in choices for word in each["enum"] if word], **beside}
    if "$ref" in shape:
        target: dict[str, Any] = document()["components"]["schemas"][shape["$ref"].rpartition("/")[2]]
        return {**_resolved(target), **{name: value for name, value in shape.items() if name != "$ref"}}
    return shape


def _parameter(told: dict[str, Any]) -> Field:
    shape = _resolved(told["schema"])
    return Field(
        name=told["name"],
        kind=_kind(shape),
        required=bool(told.get("required")),
        where={"path": "in the path", "query": "in the query", "header": "header"}[told["in"]],
        about=_marked(told.get("description", "")),
        words=_words(shape),
    )


def _fields(shape: dict[str, Any], depth: int = 0) -> Iterator[Field]:
    found = _resolved(shape)
    required = found.get("required", ())
    for name, each in found.get("properties", {}).items():
        inner = _resolved(each)
        about = each.get("description", inner.get("description", ""))
        yield Field(name, _kind(each), depth, required=name in required, about=_marked(about), words=_words(inner))
        if depth < DEEPEST:
            yield from _fields(_resolved(inner["items"]) if "items" in inner else inner, depth + 1)


def _kind(shape: dict[str, Any]) -> str:
    inner = _resolved(shape)
    kinds = inner.get("type", "object" if "properties" in inner else "any")
    kinds = list(kinds) if isinstance(kinds, list) else [kinds]
    beside = [_resolved(each).get("type") for several in ("oneOf", "anyOf") for each in shape.get(several, ())]
    if "null" in beside and "null" not in kinds:
        kinds.append("null")
    return " or ".join(_named(kind, inner) for kind in kinds) + _range(inner)


def _range(shape: dict[str, Any]) -> str:
    """The bounds of a number, where they are closer than those of all numbers."""
    least, most = shape.get("minimum"), shape.get("maximum")
    if least is None or most is None or most > LARGEST_TOLD:
        return ""
    return f" from {least:,} to {most:,}"


def _named(kind: str, shape: dict[str, Any]) -> str:
    if kind == "array":
        return f"list of {_kind(shape['items'])}"
    formats = {"date-time": "date and time", "date": "date", "decimal": "decimal", "uri": "address"}
    return formats.get(shape.get("format", ""), kind) if kind == "string" else kind


def _words(shape: dict[str, Any]) -> tuple[str, ...]:
    items = _resolved(shape["items"]) if "items" in shape else {}
    return tuple(str(word) for word in shape.get("enum", items.get("enum", ())) if word not in {None, ""})


def _pretty(shape: dict[str, Any], way: str) -> str:
    return json.dumps(_example(shape, way, 0), indent=2, ensure_ascii=False)


def _example(shape: dict[str, Any], way: str, depth: int) -> Any:
    """A value of the shape: of a body that is sent, only what is required, or everything when nothing is."""
    found = _resolved(shape)
    kind = found.get("type", "object")
    kind = next((each for each in kind if each != "null"), "null") if isinstance(kind, list) else kind
    if found.get("enum"):
        return next(word for word in found["enum"] if word)
    if kind == "object":
        sent = found.get("required") if way == "in" else None
        inside = found.get("properties", {})
        return {
            name: _example(each, way, depth + 1)
            for name, each in inside.items()
            if depth < DEEPEST and (not sent or name in sent)
        }
    if kind == "array":
        return [_example(found["items"], way, depth + 1)] if depth < DEEPEST else []
    plain = {"integer": 1, "number": 1.5, "boolean": False, "string": EXAMPLES.get(found.get("format", ""), "…")}
    return plain.get(kind)
