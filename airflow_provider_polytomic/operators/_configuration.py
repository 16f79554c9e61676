"""Base of the operators that take the configuration of a Polytomic connection."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from airflow_provider_polytomic._compat import BaseHook, BaseOperator, set_upstream_from
from airflow_provider_polytomic._task.client import ClientTask
from airflow_provider_polytomic._task.errors import MAX_REFUSAL_LENGTH, translate_api_errors
from airflow_provider_polytomic._task.values import as_id, with_lists
from airflow_provider_polytomic.durations import InvalidParameterError
from airflow_provider_polytomic.exceptions import PolytomicRequestRefused, PolytomicTaskError
from airflow_provider_polytomic.operators._airflow_connection import fields_of, read_extra, with_types

if TYPE_CHECKING:
    from airflow.sdk import Context

_NUMBER_OR_BOOLEAN = re.compile(r"\s*([+-]?\d+(\.\d+)?|true|false)\s*", re.IGNORECASE)


class HiddenConfiguration(Mapping[str, Any]):
    """Hold a configuration where Airflow serializes it: in the arguments of a mapped operator, or a DAG's defaults.

    It is not a ``dict``, so Airflow serializes its text, which is ``***``.
    """

    def __init__(self, configuration: Mapping[str, Any]) -> None:
        self._configuration = configuration

    def __getitem__(self, name: str) -> Any:
        return self._configuration[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._configuration)

    def __len__(self) -> int:
        return len(self._configuration)

    def __repr__(self) -> str:
        return "***"


class BaseConfigurationOperator(ClientTask, BaseOperator):
    """Render the configuration of a Polytomic connection, and hide its secrets.

    ``configuration`` is rendered but is not a template field: Airflow shows template fields in the UI, stores them in
    the metadata database, and some versions log them.
    """

    template_fields: Sequence[str] = ("configuration_conn_id", "polytomic_conn_id", "organization_id")

    def __init__(
        self,
        *,
        configuration: Mapping[str, Any] | None,
        configuration_conn_id: str | None,
        polytomic_conn_id: str,
        organization_id: str | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if self.has_dag():  # type: ignore[no-untyped-call]
            _hide_configuration(self.dag.default_args)
        self.configuration = dict(configuration) if isinstance(configuration, HiddenConfiguration) else configuration
        self.configuration_conn_id = configuration_conn_id
        self.polytomic_conn_id = polytomic_conn_id
        self.organization_id = organization_id
        set_upstream_from(self, self.configuration)

    @classmethod
    def partial(cls, **kwargs: Any) -> Any:
        """Map the operator over some of its arguments; Airflow stores no ``configuration`` of a mapped operator."""
        partial = super().partial(**kwargs)
        partial._expand_called = True  # it is not used, and must not warn that it was never mapped
        _hide_configuration(partial.kwargs)
        if partial.kwargs.get("dag"):
            _hide_configuration(partial.kwargs["dag"].default_args)
        return _hiding_partial_class(type(partial))(operator_class=cls, kwargs=partial.kwargs, params=partial.params)

    def _render_configuration(self, context: Context, connection_type: Callable[[], str | None]) -> dict[str, Any]:
        """Render the configuration, and add the fields of ``configuration_conn_id`` that its type asks for.

        :param connection_type: function that returns the id of the connection type; called only if needed
        """
        from airflow_provider_polytomic.api.redaction import register_secrets
        from airflow_provider_polytomic.api.secret_values import secrets_sent

        configuration = _as_mapping(with_lists(self.render_template(self.configuration or {}, context)))
        if configuration is None:
            raise PolytomicRequestRefused("configuration is not a mapping. Next: check what its template renders")
        if self.configuration_conn_id is not None:
            conn_id = as_id(self.configuration_conn_id, "configuration_conn_id")
            connection = BaseHook.get_connection(conn_id)
            extra = read_extra(connection, conn_id)
            properties = self._properties_of(connection_type)
            configuration = with_types({**fields_of(connection, extra, properties), **configuration}, properties)
        elif any(isinstance(value, str) and _NUMBER_OR_BOOLEAN.fullmatch(value) for value in configuration.values()):
            with suppress(PolytomicTaskError):
                configuration = with_types(configuration, self._properties_of(connection_type))
        register_secrets(*secrets_sent(configuration))
        return configuration

    def _properties_of(self, connection_type: Callable[[], str | None]) -> Mapping[str, Any]:
        """Return the properties of the JSON Schema of a connection type's configuration."""
        from airflow_provider_polytomic.api import connections

        with self._translate_errors("The settings of the connection type could not be read"):
            type_id = connection_type()
            return self._hook.send(connections.get_type(type_id)).properties if type_id else {}

    @contextmanager
    def _translate_errors(self, failure: str) -> Iterator[None]:
        """Translate failed requests like :func:`translate_api_errors`, and configurations that cannot be sent."""
        from airflow_provider_polytomic.api.redaction import one_line, redact

        try:
            with translate_api_errors(failure, self._hook):
                yield
        except ValueError as error:
            raise PolytomicRequestRefused(f"{failure}: {one_line(redact(str(error)), MAX_REFUSAL_LENGTH)}") from None


def _as_mapping(value: Any) -> dict[str, Any] | None:
    """Return a mapping, or the JSON object in a text, as a new dictionary; None for anything else."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return None
    return dict(value) if isinstance(value, Mapping) else None


def _hiding_partial_class(partial_class: type[Any]) -> type[Any]:
    """Return a subclass of Airflow's class of partly mapped operators that hides the configurations to expand over."""

    class HidingPartial(partial_class):  # type: ignore[misc]
        def _expand(self, expand_input: Any, *, strict: bool) -> Any:
            value = given = expand_input.value
            if isinstance(value, Mapping) and isinstance(value.get("configuration"), Mapping):
                raise InvalidParameterError("expand() takes a list of configurations, not one configuration")
            if isinstance(value, Mapping) and isinstance(value.get("configuration"), (list, tuple)):
                value = {**value, "configuration": [_hidden(each) for each in value["configuration"]]}
            elif isinstance(value, (list, tuple)):
                value = [dict(each) if isinstance(each, Mapping) else each for each in value]
                for each in value:
                    _hide_configuration(each)
            mapped = super()._expand(type(expand_input)(value), strict=strict)
            for arguments in [self.kwargs, *(given if isinstance(given, (list, tuple)) else [given])]:
                if isinstance(arguments, Mapping):
                    set_upstream_from(mapped, _shown(arguments.get("configuration")))
            return mapped

    return HidingPartial


def _hide_configuration(arguments: Any) -> None:
    if isinstance(arguments, dict) and "configuration" in arguments:
        arguments["configuration"] = _hidden(arguments["configuration"])


def _shown(configuration: Any) -> Any:
    """Return a configuration that may be hidden as Airflow looks for the outputs of tasks in it."""
    if isinstance(configuration, (list, tuple)):
        return [_shown(each) for each in configuration]
    return dict(configuration) if isinstance(configuration, HiddenConfiguration) else configuration


def _hidden(configuration: Any) -> Any:
    """Hide a configuration; leave everything else, such as a template or the output of a task."""
    mapping = _as_mapping(configuration)
    return configuration if mapping is None else HiddenConfiguration(mapping)
