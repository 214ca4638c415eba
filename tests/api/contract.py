"""What the OpenAPI document says of an exchange, held against what was really answered."""

import json
import re
from typing import Any

from django.http import HttpResponse
from jsonschema import Draft202012Validator

from loyalty.api.v1 import outline


def document() -> dict[str, Any]:
    return outline.document()


def operation(method: str, path: str) -> dict[str, Any] | None:
    """What the document says of an address below /api/v1, with or without the slash at its end."""
    for template, item in sorted(document()["paths"].items(), key=lambda each: "{" in each[0]):  # the literal one first
        pattern = re.sub(r"\\{id\\}", "[^/]+", re.escape(template))
        if re.fullmatch(f"{pattern}/?", f"/api/v1{path}"):
            return item.get(method)
    return None


def differences(shape: dict[str, Any], value: Any, *, whole: bool = True) -> list[str]:
    """Where a JSON value is not of the shape; `whole`: a property that the shape does not name is a difference."""
    found = Draft202012Validator({**shape, "components": document()["components"]}).iter_errors(value)
    return [f"{error.json_path}: {error.message}" for error in found] + (unnamed(shape, value, "$") if whole else [])


def unnamed(shape: dict[str, Any], value: Any, path: str) -> list[str]:
    """Properties that are sent and not documented: JSON Schema alone would let them pass."""
    if "$ref" in shape:
        shape = document()["components"]["schemas"][shape["$ref"].rpartition("/")[2]]
    for several in ("allOf", "oneOf", "anyOf"):  # a reference, and maybe null beside it
        if several in shape:
            return unnamed(shape[several][0], value, path)
    if isinstance(value, list):
        return [line for row in value for line in unnamed(shape["items"], row, f"{path}[*]")]
    if not isinstance(value, dict) or shape.get("additionalProperties", False) is not False:  # names of anybody's
        return []
    known = shape.get("properties", {})
    lines = [f"{path}.{name} is not documented" for name in value if name not in known]
    return lines + [
        line for name in value if name in known for line in unnamed(known[name], value[name], f"{path}.{name}")
    ]


def check(method: str, path: str, answer: HttpResponse) -> None:
    """Fail unless the document foretold this answer."""
    described = operation(method, path)
    if described is None and answer.status_code in {404, 405}:
        return
    assert described is not None, f"{method} {path} is not documented"
    told = described["responses"].get(str(answer.status_code))
    assert told is not None, f"{method} {path} answered {answer.status_code}, which is not documented"
    shape = told["content"]["application/json"]["schema"]
    found = differences(shape, json.loads(answer.content))
    assert not found, f"{method} {path} {answer.status_code}: {'; '.join(found)}"
    for name in ("Retry-After", "Idempotent-Replayed"):
        assert name not in answer or name in told.get("headers", {}), f"{method} {path}: {name} is not documented"
