"""JSON schemas of OpenLineage's facets, from the classes that its client generates from the specification."""

from __future__ import annotations

from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import attr

TYPES = {str: "string", bool: "boolean", int: "integer", float: "number", NoneType: "null"}


def json_schema(hint: Any) -> dict[str, Any]:
    """Return the JSON schema of a type; that of a class has no other properties than its fields."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return {}
    if hint in TYPES:
        return {"type": TYPES[hint]}
    if origin in (Union, UnionType):
        return {"anyOf": [json_schema(each) for each in arguments]}
    if origin is list:
        return {"type": "array", "items": json_schema(arguments[0])}
    if origin is dict:
        return {"type": "object", "additionalProperties": json_schema(arguments[1])}
    assert attr.has(hint), hint
    types = get_type_hints(hint)
    fields = [each for each in attr.fields(hint) if each.name != "_deleted"]
    return {
        "type": "object",
        "properties": {each.name: json_schema(types[each.name]) for each in fields},
        "required": [each.name for each in fields if each.default is attr.NOTHING],
        "additionalProperties": False,
    }
