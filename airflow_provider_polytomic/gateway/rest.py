"""The operations as a REST API: Polytomic's paths below ``/v1``, with hyphens in place of underscores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from airflow_provider_polytomic.api import PolytomicAPIError, PolytomicError
from airflow_provider_polytomic.api.catalogue import Operation
from airflow_provider_polytomic.api.decoding import DecodingError, decode_json
from airflow_provider_polytomic.gateway.calls import Gateway

REST_PREFIX = "/v1"
MAX_BODY_BYTES = 4 * 1024 * 1024


class BodyTooLarge(Exception):
    """The body of a request exceeds the limit."""


class RestAdapter:
    """Answer requests as Polytomic does.

    :param gateway: Gateway with the operations.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        paths = [(_segments(rest_path(each)), each) for each in gateway.operations.values()]
        self._paths = sorted(paths, key=lambda path: len(path[1].path_arguments))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        await (await self._respond(request))(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        try:
            operation, ids = self._find(request.method, request.scope["raw_path"].decode("latin-1"))
            if operation is None:
                return _error(404, "there is no such operation")
            body = await _body(request)
            arguments = _arguments(ids, request.scope["query_string"].decode("latin-1"), body)
            caller = request.client.host if request.client else "unknown"
            found = await self._gateway.response(operation, arguments, caller)
        except BodyTooLarge:
            return _error(413, f"the body is larger than {MAX_BODY_BYTES} bytes")
        except ValueError as error:
            return _error(400, str(error))
        except PolytomicAPIError as error:
            return _api_error(error)
        except PolytomicError as error:
            return _error(502, str(error))
        return Response(found.content, found.status_code, media_type="application/json" if found.content else None)

    def _find(self, method: str, raw_path: str) -> tuple[Operation | None, dict[str, str]]:
        """Return the operation of a path with the fewest placeholders, and the ids in the path."""
        segments = [unquote(each) for each in _segments(raw_path)]
        for pattern, operation in self._paths:
            if operation.method == method and len(pattern) == len(segments):
                pairs = list(zip(pattern, segments))
                if all(part == segment or part.startswith("{") for part, segment in pairs):
                    ids = [segment for part, segment in pairs if part.startswith("{")]
                    return operation, dict(zip(operation.path_arguments, ids))
        return None, {}


def rest_path(operation: Operation) -> str:
    """Return the path of an operation, such as ``/v1/api/connection-types/{id}``."""
    return REST_PREFIX + operation.path_template.rstrip("/").replace("_", "-")


def _segments(path: str) -> list[str]:
    return path.strip("/").split("/")


async def _body(request: Request) -> dict[str, Any]:
    """Read the JSON object of a body; an empty body has no fields.

    :raises BodyTooLarge: If it is larger than the limit.
    :raises ValueError: If it is not a JSON object.
    """
    content = b""
    async for chunk in request.stream():
        content += chunk
        if len(content) > MAX_BODY_BYTES:
            raise BodyTooLarge
    if not content.strip():
        return {}
    try:
        body = decode_json(content, exact=True)
    except DecodingError as error:
        raise ValueError(f"the body cannot be used: {error}") from None
    except ValueError:
        raise ValueError("the body is not JSON") from None
    if not isinstance(body, dict):
        raise ValueError("the body is not a JSON object")
    return body


def _arguments(ids: Mapping[str, str], query: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Merge the ids of the path, the query and the body.

    ``name[key]=value`` is a field of a mapping, and a name that repeats is a list.

    :raises ValueError: If an argument is given in two ways.
    """
    parameters: dict[str, Any] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        outer, bracket, key = name.removesuffix("]").partition("[")
        fields = parameters.setdefault(outer, {}) if bracket else parameters
        if not isinstance(fields, dict):
            raise ValueError(f"the parameter {outer!r} is both a value and a mapping")
        known = fields.get(key or outer)
        if isinstance(known, dict):
            raise ValueError(f"the parameter {outer!r} is both a value and a mapping")
        values = [*known, value] if isinstance(known, list) else [known, value]
        fields[key or outer] = value if known is None else values
    if twice := [name for name in body if name in ids or name in parameters] or [
        name for name in parameters if name in ids
    ]:
        raise ValueError(f"the argument {twice[0]!r} is given in two ways")
    return {**ids, **parameters, **body}


def _api_error(error: PolytomicAPIError) -> Response:
    """Answer an error as Polytomic does; an error of its servers is one of a gateway."""
    status = 502 if error.status_code >= 500 else error.status_code
    fields = {"key": error.key, "message": error.message, "metadata": error.metadata or None}
    shown = {name: value for name, value in fields.items() if value is not None}
    response = JSONResponse({"status": error.status_code, **shown}, status)
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(round(error.retry_after))
    return response


def _error(status: int, message: str) -> Response:
    return JSONResponse({"status": status, "message": message}, status)
