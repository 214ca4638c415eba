"""Cut Shopify's own schema down to what our questions can reach: `python -m tests.fakes.shopify.prune FOLDER`.

FOLDER holds `admin_<version>.json.gz` of the npm package @shopify/dev-mcp (its dist/data; unpack it, do not install it)
and its licence as LICENSE.txt or LICENSE. What is written beside this file: for each version the types that
`platforms.shopify.queries` meets, with every plain field of theirs, all inputs and choices they take, no descriptions,
and the access scopes that the package lists for them. The licence is copied along.
"""

import gzip
import json
import sys
from pathlib import Path
from typing import Any

from graphql import TypeInfo, TypeInfoVisitor, Visitor, build_client_schema, get_named_type, parse, visit

from platforms.shopify import queries, sentences

HERE = Path(__file__).parent / "schema"
DROPPED = {"description", "specifiedByURL"}
BUILT_IN = {"String", "Int", "Float", "Boolean", "ID"}


def documents() -> dict[str, str]:
    """Our questions by their names."""
    return {name: text for name, text in vars(queries).items() if name.isupper() and not name.startswith("_")}


class Met(Visitor):
    """Collects which composite types our questions select from, and which fields of the two roots they ask."""

    def __init__(self, info: TypeInfo) -> None:
        super().__init__()
        self.info = info
        self.types: set[str] = set()
        self.fields: set[tuple[str, str]] = set()

    def enter_field(self, node: Any, *_: Any) -> None:
        parent, found = self.info.get_parent_type(), self.info.get_field_def()
        if parent is not None and found is not None:
            self.fields.add((parent.name, node.name.value))
            self.types |= {parent.name, get_named_type(found.type).name}

    def enter_inline_fragment(self, node: Any, *_: Any) -> None:
        self.types.add(node.type_condition.name.value)


def prune(raw: dict[str, Any]) -> dict[str, Any]:
    """The package's file for one version, cut down."""
    schema = build_client_schema(raw["data"], assume_valid=True)
    info = TypeInfo(schema)
    met = Met(info)
    for text in documents().values():
        visit(parse(text), TypeInfoVisitor(info, met))
    whole = {entry["name"]: entry for entry in raw["data"]["__schema"]["types"]}
    roots = {schema.query_type.name, schema.mutation_type.name} if schema.query_type and schema.mutation_type else set()
    kept: dict[str, Any] = {}
    waiting = sorted(met.types | roots)
    while waiting:
        name = waiting.pop()
        if name in kept:
            continue
        kept[name] = entry = _bare(whole[name])
        entry["fields"] = _fields(entry, whole, met, roots)
        for part in (*(entry["fields"] or ()), *(entry.get("inputFields") or ())):
            waiting += [_named(part["type"]), *(_named(argument["type"]) for argument in part.get("args", ()))]
        entry["interfaces"] = [one for one in entry.get("interfaces") or () if one["name"] in met.types]
        waiting += [one["name"] for one in entry.get("possibleTypes") or ()]
    for name in BUILT_IN:
        kept.setdefault(name, _bare(whole[name]))
    outline = raw["data"]["__schema"]
    cut = {name: outline[name] for name in ("queryType", "mutationType", "subscriptionType")}
    cut |= {"types": [kept[name] for name in sorted(kept)], "directives": _bare(outline["directives"])}
    cut["directives"] = [one for one in cut["directives"] if one["name"] in {"include", "skip", "deprecated"}]
    return {"data": {"__schema": cut}, "scopes": _scopes(raw, kept)}


def _fields(entry: dict[str, Any], whole: dict[str, Any], met: Met, roots: set[str]) -> list[Any] | None:
    if entry.get("fields") is None:
        return None
    name = entry["name"]
    if name in roots:
        return [field for field in entry["fields"] if (name, field["name"]) in met.fields]
    plain = {"SCALAR", "ENUM"}
    return [
        field
        for field in entry["fields"]
        if (name, field["name"]) in met.fields or (whole[_named(field["type"])]["kind"] in plain and not field["args"])
    ]


def _scopes(raw: dict[str, Any], kept: dict[str, Any]) -> dict[str, list[str]]:
    """Type, or Type.field → scopes of which any one will do."""
    found = {}
    for item in raw["offline_scopes"]["items"]:
        entry = kept.get(item["typeName"])
        if entry is None or not item["offlineScopes"]:
            continue
        if item["type"] == "type":
            found[item["typeName"]] = item["offlineScopes"]
        elif any(field["name"] == item["fieldName"] for field in entry["fields"] or ()):
            found[f"{item['typeName']}.{item['fieldName']}"] = item["offlineScopes"]
    return dict(sorted(found.items()))


def _named(reference: dict[str, Any]) -> str:
    while reference.get("ofType"):
        reference = reference["ofType"]
    name: str = reference["name"]
    return name


def _bare(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _bare(inner) for name, inner in value.items() if name not in DROPPED}
    return [_bare(inner) for inner in value] if isinstance(value, list) else value


def main(folder: Path) -> None:
    HERE.mkdir(exist_ok=True)
    for version in sentences.VERSIONS:
        raw = json.loads(gzip.decompress((folder / f"admin_{version}.json.gz").read_bytes()))
        text = json.dumps(prune(raw), separators=(",", ":"), sort_keys=True)
        (HERE / f"admin_{version}.json.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    licence = next(folder / name for name in ("LICENSE.txt", "LICENSE") if (folder / name).exists())
    (HERE / "LICENSE.txt").write_text(licence.read_text())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
