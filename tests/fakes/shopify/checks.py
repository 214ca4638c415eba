"""What Shopify checks before it does anything: the question against its schema, the app's scopes, and the cost."""

import gzip
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLSchema,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    build_client_schema,
    get_named_type,
    get_operation_ast,
    parse,
    validate,
    visit,
)
from graphql.error import GraphQLError
from graphql.execution.values import get_variable_values

MOST_COST = 1000
MUTATION_COST = 10
FOLDER = Path(__file__).parent / "schema"


class Refused(Exception):
    """Shopify would not understand the question: the sender is at fault."""


@dataclass(frozen=True, slots=True)
class Version:
    schema: GraphQLSchema
    scopes: dict[str, list[str]]  # any one of a list will do


@cache
def version(name: str) -> Version:
    """Shopify's own schema, cut down by `prune`."""
    raw = json.loads(gzip.decompress((FOLDER / f"admin_{name}.json.gz").read_bytes()))
    return Version(build_client_schema(raw["data"], assume_valid=True), raw["scopes"])


def known(name: str) -> bool:
    return (FOLDER / f"admin_{name}.json.gz").exists()


def understand(against: Version, query: str, variables: dict[str, Any]) -> DocumentNode:
    """The question as it was parsed. Raises Refused."""
    try:
        document = parse(query)
    except GraphQLError as error:
        raise Refused(error.message) from error
    errors = validate(against.schema, document)
    if errors:
        raise Refused("; ".join(error.message for error in errors))
    operation = get_operation_ast(document)
    if operation is None:
        raise Refused("one operation at a time")
    coerced = get_variable_values(against.schema, operation.variable_definitions, variables)
    if isinstance(coerced, list):
        raise Refused("; ".join(error.message for error in coerced))
    surplus = set(variables) - {one.variable.name.value for one in operation.variable_definitions}
    if surplus:
        raise Refused(f"variables that nobody declared: {sorted(surplus)}")
    return document


def with_reads(granted: set[str]) -> set[str]:
    """A scope to write includes the one to read."""
    return granted | {scope.replace("write_", "read_", 1) for scope in granted}


class _Met(Visitor):
    def __init__(self, info: TypeInfo) -> None:
        super().__init__()
        self.info = info
        self.names: list[str] = []

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        parent, found = self.info.get_parent_type(), self.info.get_field_def()
        if parent is not None and found is not None:
            self.names += [f"{parent.name}.{node.name.value}", get_named_type(found.type).name]


def wanted_scopes(against: Version, document: DocumentNode) -> dict[str, list[str]]:
    """Each type and field of the question that needs a scope."""
    info = TypeInfo(against.schema)
    met = _Met(info)
    visit(document, TypeInfoVisitor(info, met))
    return {name: against.scopes[name] for name in met.names if name in against.scopes}


def denied(against: Version, document: DocumentNode, granted: set[str]) -> str:
    """What the app may not see, in Shopify's words; empty when it may all."""
    held = with_reads(granted)
    for name, scopes in wanted_scopes(against, document).items():
        if not held.intersection(scopes):
            return f"Access denied for {name} field. Required access: `{scopes[0]}` access scope."
    return ""


def cost(against: Version, document: DocumentNode, variables: dict[str, Any]) -> int:
    """Points: nothing for plain fields, one for an object, so many times over for the entries of a page."""
    operation = get_operation_ast(document)
    assert operation is not None
    mutation = operation.operation.value == "mutation"
    root = against.schema.mutation_type if mutation else against.schema.query_type
    counting = _Counting(against.schema, document, variables)
    return counting.points(root, operation.selection_set, times=1) + (MUTATION_COST if mutation else 0)


class _Counting:
    def __init__(self, schema: GraphQLSchema, document: DocumentNode, variables: dict[str, Any]) -> None:
        self.types = schema.type_map
        self.variables = variables
        self.fragments: dict[str, Any] = {
            one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)
        }

    def points(self, parent: Any, selection: Any, *, times: int) -> int:
        total = 0
        for one in selection.selections:
            if isinstance(one, FieldNode):
                total += self._field(parent, one, times=times)
            else:
                part = self.fragments[one.name.value] if isinstance(one, FragmentSpreadNode) else one
                total += self.points(self.types[part.type_condition.name.value], part.selection_set, times=times)
        return total

    def _field(self, parent: Any, field: FieldNode, *, times: int) -> int:
        if field.name.value.startswith("__") or field.selection_set is None:
            return 0
        inner = get_named_type(parent.fields[field.name.value].type)
        page = next((given.value for given in field.arguments if given.name.value == "first"), None)
        if page is None:
            return times + self.points(inner, field.selection_set, times=times)
        name = getattr(page, "name", None)
        many = int(self.variables[name.value] if name is not None else page.value)
        return self.points(inner, field.selection_set, times=times * many)
