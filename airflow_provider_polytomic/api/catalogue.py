"""The operations of the API as one table, for callers that choose an operation by its name.

The table is made from the functions of this package: their signatures, docstrings and the flags of their calls. So a
new function is in it without being listed here.

.. code-block:: python

    from airflow_provider_polytomic.api import PolytomicClient, catalogue

    with PolytomicClient() as client:
        client.send(catalogue.build("syncs.activate", {"sync_id": "…", "active": True}))
    changes = [name for name, operation in catalogue.OPERATIONS.items() if not operation.read_only]

.. seealso::
    How-to: ``docs/agents.md``.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache, cached_property
from keyword import iskeyword
from types import MappingProxyType, ModuleType
from typing import Annotated, Any, cast, get_args, get_origin, get_type_hints
from urllib.parse import unquote

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from typing_extensions import NotRequired, Required, TypedDict, Unpack

from airflow_provider_polytomic.api import (
    bulk_syncs,
    connections,
    data_models,
    entities,
    events,
    identity,
    jobs,
    organizations,
    schemas,
    syncs,
    webhooks,
)
from airflow_provider_polytomic.api.call import Call
from airflow_provider_polytomic.api.flow import Flow, all_rows, send
from airflow_provider_polytomic.api.models.base import Listing
from airflow_provider_polytomic.api.provisioning import send_once
from airflow_provider_polytomic.api.redaction import redact
from airflow_provider_polytomic.api.secret_values import secrets_in

AREAS = (
    bulk_syncs, connections, data_models, entities, events, identity, jobs, organizations, schemas, syncs, webhooks
)  # fmt: skip
"""Modules whose functions are the operations."""

TOOL_NAMES = {
    "connections.list_types": "get-connection-types",
    "connections.get_type": "get-connection-type",
    "connections.get_type_parameter_values": "connection-type-parameter-values",
    "connections.list": "list-connections",
    "connections.create": "create-connection",
    "connections.connect": "connect",
    "connections.test": "test-connection",
    "connections.get": "get-connection",
    "connections.update": "update-connection",
    "connections.delete": "delete-connection",
    "connections.get_parameter_values": "connection-parameter-values",
    "connections.execute_proxy": "execute-connection-proxy",
    "connections.get_proxy_info": "get-connection-proxy-info",
    "connections.list_shared": "list-current-org-shared-connections",
    "connections.list_shared_for_partner": "list-partner-shared-connections",
    "connections.create_shared": "create-partner-shared-connection",
    "syncs.get_source": "get-sync-source",
    "syncs.get_source_fields": "model-sync-field-query",
    "syncs.list": "list-syncs",
    "syncs.create": "create-sync",
    "syncs.get_schedule_options": "get-sync-schedule-options",
    "syncs.get": "get-sync",
    "syncs.update": "update-sync",
    "syncs.delete": "delete-model-sync",
    "syncs.activate": "activate-sync",
    "syncs.cancel": "cancel-sync",
    "syncs.start": "start-sync",
    "syncs.get_status": "get-sync-status",
}
"""Tool names that Polytomic has given; every other operation has its own name with hyphens."""

ACCESS = ("read", "write", "full")
"""Sets of operations: those that change nothing, those that delete nothing, and all."""

MAX_NEAREST_OPERATIONS = 5
MAX_ARGUMENT_ERRORS = 5

_KEY_PARAMETER = "idempotency_key"
_ENDPOINT = re.compile(r":?\s*``[A-Z]+ (/api/[^`]*)``")
_PARAMETER = re.compile(r"^:(?:param|ivar) (\w+): ((?:.|\n(?!:))*)", re.MULTILINE)
_ROLE = re.compile(r":\w+:`([^`<]*?)\s*(?:<[^`]*>)?`")
_SENTENCE = re.compile(r"(?<=[.!?])\s+")


@dataclass(frozen=True)
class Operation:
    """Describe one operation of the API.

    :param name: Module and name of its function, such as ``syncs.start``.
    :param tool_name: Name as a tool of an agent, such as ``start-sync``.
    :param area: Module of its function, such as ``syncs``.
    :param method: HTTP method.
    :param path_template: Path with placeholders in braces, as the API documents it.
    :param description: Description for people and agents, without markup.
    :param read_only: True if it changes nothing.
    :param idempotent: True if sending it twice, without an Idempotency-Key, has the effect of sending it once.
    :param destructive: True if it deletes something.
    :param takes_idempotency_key: True if a call of it can have an Idempotency-Key.
    :param path_arguments: Names of the arguments for the placeholders of the path, in their order.
    :param function: Function that builds the call.
    """

    name: str
    tool_name: str
    area: str
    method: str
    path_template: str
    description: str
    read_only: bool
    idempotent: bool
    destructive: bool
    takes_idempotency_key: bool
    path_arguments: tuple[str, ...]
    function: Callable[..., Call[Any]] = field(repr=False, compare=False)

    @property
    def parameters(self) -> dict[str, Any]:
        """JSON schema of the arguments, a new copy at each access."""
        return cast("dict[str, Any]", json.loads(self._schema))

    def build(self, arguments: Mapping[str, Any]) -> Call[Any]:
        """Build the call.

        :param arguments: Arguments by the names of :attr:`parameters`.
        :raises ValueError: If an argument is missing, unknown or invalid.
        """
        self.check(arguments)
        return self.function(
            **{_python_name(name): value for name, value in self._adapter.validate_python({**arguments}).items()}
        )

    def check(self, arguments: Mapping[str, Any], unknown_values: Collection[str] = ()) -> None:
        """Check the names and the values of arguments.

        :param arguments: Arguments by the names of :attr:`parameters`.
        :param unknown_values: Names of arguments whose values are not known yet; default none.
        :raises ValueError: If an argument is missing, unknown or invalid.
        """
        try:
            self._adapter.validate_python({**arguments})
        except ValidationError as error:
            errors = error.errors(include_url=False, include_input=False)
            problems = [
                _describe(each)
                for each in errors
                if each["type"] == "extra_forbidden" or each["loc"][0] not in unknown_values
            ]
        else:
            return
        if problems:
            shown = "; ".join(problems[:MAX_ARGUMENT_ERRORS])
            raise ValueError(f"{self.name} does not take these arguments: {shown}")

    @cached_property
    def _adapter(self) -> TypeAdapter[dict[str, Any]]:
        kind = TypedDict("Arguments", _arguments_of(self.function))  # type: ignore[misc]
        kind.__pydantic_config__ = ConfigDict(extra="forbid", coerce_numbers_to_str=True)  # type: ignore[attr-defined]
        return TypeAdapter(cast("Any", kind))

    @cached_property
    def _schema(self) -> str:
        schema = _without_titles(self._adapter.json_schema())
        return json.dumps({"type": "object", "properties": {}, **schema, "additionalProperties": False})


def __getattr__(name: str) -> Any:
    """Make the table at its first use."""
    if name == "OPERATIONS":
        return _operations()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


OPERATIONS: Mapping[str, Operation]
"""Every operation by its name."""


def find(name: str) -> Operation:
    """Return an operation.

    :param name: Name of the operation, such as ``syncs.start``.
    :raises ValueError: If there is no such operation; the message has the nearest names.
    """
    operations = _operations()
    if name in operations:
        return operations[name]
    spellings = {**{each.tool_name: each.name for each in operations.values()}, **{each: each for each in operations}}
    matches = get_close_matches(str(name), spellings, n=MAX_NEAREST_OPERATIONS, cutoff=0.5)
    nearest = dict.fromkeys(spellings[each] for each in matches)
    hint = f"the nearest names are {', '.join(nearest)}" if nearest else f"the areas are {', '.join(map(_area, AREAS))}"
    raise ValueError(f"there is no operation {str(name)[:100]!r}; {hint}")


def offered(access: str = "read", areas: Collection[str] | None = None) -> dict[str, Operation]:
    """Return the operations that a caller with these rights may use, by their tool names.

    :param access: ``read`` for operations that change nothing, ``write`` for those that delete nothing, or ``full``;
        default ``read``.
    :param areas: Names of areas, such as ``syncs``; None (the default) for all.
    :raises ValueError: If there is no such access or area.
    """
    if access not in ACCESS:
        raise ValueError(f"access must be one of {', '.join(ACCESS)}, not {access!r}")
    known = [_area(each) for each in AREAS]
    if unknown := [each for each in areas or () if each not in known]:
        raise ValueError(f"there is no area {unknown[0]!r}; the areas are {', '.join(known)}")
    return {
        each.tool_name: each
        for each in _operations().values()
        if (areas is None or each.area in areas)
        and (each.read_only or access == "full" or (access == "write" and not each.destructive))
    }


def build(name: str, arguments: Mapping[str, Any]) -> Call[Any]:
    """Build the call of an operation.

    :param name: Name of the operation, such as ``syncs.start``.
    :param arguments: Arguments by the names of the function's parameters; ``async_`` is spelled ``async``.
    :raises ValueError: If there is no such operation, or if an argument is missing, unknown or invalid.
    """
    return find(name).build(arguments)


def answer(call: Call[Any], *, key_facts: Sequence[str | int | None] = (), attempts_before: int = 0) -> Flow[Any]:
    """Send a call and return its response as plain JSON without secrets; a list has the rows of all its pages.

    :param call: Call of an operation.
    :param key_facts: Facts that make its Idempotency-Key, see :func:`~.provisioning.send_once`; default no key.
    :param attempts_before: Number of attempts with these facts before this one; default 0.
    :raises PolytomicError: If a request fails.
    """
    if key_facts:
        value = yield from send_once(call, key_facts=key_facts, attempts_before=attempts_before)
    else:
        value = yield from send_or_list(call)
    return as_json(call, value)


def send_or_list(call: Call[Any]) -> Flow[Any]:
    """Send a call and return its result; of a list, the rows of all its pages.

    :param call: Call of an operation.
    :raises PolytomicError: If a request fails.
    """
    is_list = isinstance(call.model, type) and issubclass(call.model, Listing)
    return (yield from all_rows(call) if is_list else send(call))


def as_json(call: Call[Any], value: Any) -> Any:
    """Return the result of a call as plain JSON without secrets, which takes seconds for a list of many rows.

    :param call: Call of an operation.
    :param value: Result of the call.
    """
    kind: TypeAdapter[Any] = TypeAdapter(Any)
    plain = kind.dump_python(value, mode="json", by_alias=True, exclude_unset=True)
    return redact(plain, *secrets_in(call.body))


@cache
def _operations() -> Mapping[str, Operation]:
    functions = [(_area(area), function) for area in AREAS for function in _functions(area)]
    names = {f"{area}.{function.__name__}" for area, function in functions}
    return MappingProxyType({each.name: each for each in (_operation(*one, names) for one in functions)})


def _area(module: ModuleType) -> str:
    return module.__name__.rpartition(".")[2]


def _functions(area: ModuleType) -> Iterator[Callable[..., Any]]:
    """List the public functions of a module that build calls; those that build flows are left out."""
    for name, function in vars(area).items():
        defined_here = inspect.isfunction(function) and function.__module__ == area.__name__
        if defined_here and not name.startswith("_") and get_origin(_hints(function)["return"]) is Call:
            yield function


def _operation(area: str, function: Callable[..., Call[Any]], names: set[str]) -> Operation:
    name = f"{area}.{function.__name__}"
    call = function(**{each: _sample(each, hint) for each, hint in _required(function)})
    text = inspect.cleandoc(function.__doc__ or "")
    documented = _ENDPOINT.search(text)
    path = unquote(call.path)
    return Operation(
        name=name,
        tool_name=TOOL_NAMES.get(name) or re.sub(r"\W|_", "-", name),
        area=area,
        method=call.method,
        path_template=documented[1].replace(" ", "_") if documented else path,
        description=_description(text, area, names),
        read_only=call.read_only,
        idempotent=call.idempotent,
        destructive=call.destructive,
        takes_idempotency_key=_KEY_PARAMETER in inspect.signature(function).parameters,
        path_arguments=tuple(re.findall(r"{(\w+)}", path)),
        function=function,
    )


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    return get_type_hints(function, localns={"Unpack": Unpack})


def _required(function: Callable[..., Any]) -> Iterator[tuple[str, Any]]:
    hints = _hints(function)
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD:
            yield name, hints[name]


def _sample(name: str, hint: Any) -> Any:
    """Return a value with which a call can be built; a text is the placeholder of the path."""
    return {Mapping: {}, Sequence: (), bool: False}.get(get_origin(hint) or hint, f"{{{name}}}")


def _arguments_of(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the type of each argument with its description, for a TypedDict."""
    hints, required = _hints(function), dict(_required(function))
    texts = _parameter_texts(function)
    arguments: dict[str, Any] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            [options] = get_args(hints[name])
            texts |= _parameter_texts(options)
            hints_of_options = get_type_hints(options)
            arguments |= {each: NotRequired[_described(hint, texts[each])] for each, hint in hints_of_options.items()}
        elif name != _KEY_PARAMETER:
            described = _described(hints[name], texts[name])
            arguments[name.rstrip("_")] = Required[described] if name in required else NotRequired[described]
    return arguments


def _described(hint: Any, text: str) -> Any:
    return Annotated[hint, Field(description=text)]


def _python_name(name: str) -> str:
    return f"{name}_" if iskeyword(name) else name


def _parameter_texts(documented: Any) -> dict[str, str]:
    """Return the text of each parameter in a docstring."""
    return {name: _plain(text) for name, text in _PARAMETER.findall(inspect.cleandoc(documented.__doc__ or ""))}


def _description(text: str, area: str, names: set[str]) -> str:
    """Return the text above the parameters, without the endpoint and sentences that refer to what is no operation."""
    prose = _ENDPOINT.sub("", re.split(r"^:\w+ ", text, maxsplit=1, flags=re.MULTILINE)[0])

    def is_offered(sentence: str) -> bool:
        return all({target, f"{area}.{target}"} & names for target in re.findall(r":func:`(\w+)`", sentence))

    return " ".join(_plain(each) for each in _SENTENCE.split(prose.strip()) if is_offered(each))


def _plain(text: str) -> str:
    """Return a text without the markup of docstrings, on one line."""
    return " ".join(_ROLE.sub(r"`\1`", text).replace("``", "`").split())


def _without_titles(schema: Any) -> Any:
    """Drop the titles that pydantic makes of names, at any depth."""
    if isinstance(schema, dict):
        return {
            name: _without_titles(each)
            for name, each in schema.items()
            if not (name == "title" and isinstance(each, str))
        }
    return [_without_titles(each) for each in schema] if isinstance(schema, list) else schema


def _describe(error: Mapping[str, Any]) -> str:
    problem = {"missing": "is missing", "extra_forbidden": "is no parameter"}.get(error["type"]) or error["msg"]
    return f"{'.'.join(map(str, error['loc']))[:100]}: {problem}"
