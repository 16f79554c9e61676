"""Check responses against the schemas of the API in ``api_shapes.json``.

The file has the schemas of the successful responses of each supported operation, as Polytomic's official SDK (25.9.10,
API version 2025-09-18) declares them.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import jsonschema

_FORMATS = jsonschema.FormatChecker(formats=())
_PAGED_THOUGH_UNDECLARED = ("BulkSyncListEnvelope", "ModelListResponseEnvelope", "EventsEnvelope")
"""Lists that have pages according to the API reference but not in the SDK."""


@_FORMATS.checks("date-time", raises=ValueError)
def _is_aware_datetime(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value.replace("Z", "+00:00")).tzinfo is not None


@cache
def _document() -> dict[str, Any]:
    """Read the schemas and make them strict: an undeclared field is a bug of the emulator."""
    document: dict[str, Any] = json.loads(Path(__file__).with_name("api_shapes.json").read_text())
    for name, schema in document["components"]["schemas"].items():
        if name in _PAGED_THOUGH_UNDECLARED:
            schema["properties"]["pagination"] = {"$ref": "#/components/schemas/PaginationDetails"}
        if "properties" in schema:
            schema["additionalProperties"] = False
    return document


def operations() -> set[str]:
    """Return the names of all operations."""
    return {each["operation"] for each in _document()["answers"].values()}


@cache
def _patterns() -> list[tuple[str, re.Pattern[str], str]]:
    """Return method, path pattern and key of each operation, those with fewer ids in the path first."""
    keys = sorted(_document()["answers"], key=lambda key: key.count("{"))
    split = [(key, *key.split(" ")) for key in keys]
    return [(method, re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), key) for key, method, path in split]


def _answers_of(request: httpx.Request) -> dict[str, Any]:
    path = request.url.raw_path.decode().partition("?")[0]
    for method, pattern, key in _patterns():
        if method == request.method and pattern.fullmatch(path):
            return _document()["answers"][key]
    raise AssertionError(f"No operation is {request.method} {path}.")


def operation(request: httpx.Request) -> str:
    """Return the name of the operation of a request."""
    return str(_answers_of(request)["operation"])


def check(response: httpx.Response) -> None:
    """Fail unless the response, whose body has been read, has the schema of the API."""
    assert response.headers["X-Polytomic-Version"] == "2025-09-18"
    if not response.is_success:
        _validate(response.json(), "#/components/schemas/ApiError")
        return
    answers = _answers_of(response.request)["answers"]
    assert str(response.status_code) in answers, f"{response.status_code} is not a declared answer"
    schema = answers[str(response.status_code)]
    if schema is None:
        assert response.content == b""
    elif "$ref" in schema:
        _validate(response.json(), schema["$ref"])
    else:
        assert response.json() == {}


def _validate(value: Any, reference: str) -> None:
    _validator(reference).validate(value)


@cache
def _validator(reference: str) -> jsonschema.Draft202012Validator:
    schema = {"$ref": reference, "components": _document()["components"]}
    return jsonschema.Draft202012Validator(schema, format_checker=_FORMATS)
