"""Base of the operators that take the configuration of a Polytomic connection."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow_provider_polytomic._compat import BaseHook, BaseOperator, set_upstream_from
from airflow_provider_polytomic._task.errors import translate_api_errors
from airflow_provider_polytomic.exceptions import PolytomicRequestRefused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow.sdk import Context

MIN_HIDDEN_LENGTH = 6
"""Shortest text of a configuration that is hidden in error messages."""


class BaseConfigurationOperator(BaseOperator):
    """Render the configuration of a Polytomic connection, and keep its secrets out of sight.

    ``configuration`` is rendered but is not a template field: Airflow shows template fields in the UI, stores them in
    the metadata database, and some versions log them.
    """

    template_fields: Sequence[str] = ("configuration_conn_id", "polytomic_conn_id")

    def __init__(
        self,
        *,
        configuration: Mapping[str, Any] | None,
        configuration_conn_id: str | None,
        polytomic_conn_id: str,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.configuration = configuration
        self.configuration_conn_id = configuration_conn_id
        self.polytomic_conn_id = polytomic_conn_id
        set_upstream_from(self, configuration)

    def _render_configuration(self, context: Context) -> dict[str, Any]:
        """Render the configuration and add the secrets of ``configuration_conn_id``."""
        configuration = _as_mapping(self.render_template(self.configuration or {}, context))
        if configuration is None:
            raise PolytomicRequestRefused("configuration is not a mapping. Next: check what its template renders")
        if not self.configuration_conn_id:
            return configuration
        connection = BaseHook.get_connection(self.configuration_conn_id)
        secrets = _as_mapping(connection.extra or {})
        if secrets is None:
            raise PolytomicRequestRefused(
                f"The extra of the Airflow connection {self.configuration_conn_id!r} is not a JSON object. Next: "
                "correct it"
            )
        if connection.password:
            secrets["password"] = connection.password
        return {**secrets, **configuration}

    @contextmanager
    def _translate_errors(self, failure: str, configuration: Mapping[str, Any] | None = None) -> Iterator[None]:
        """Translate failed requests like :func:`translate_api_errors`, without texts of the configuration."""
        try:
            with translate_api_errors(failure, self.polytomic_conn_id, hidden=_texts_in(configuration)):
                yield
        except ValueError as error:
            raise PolytomicRequestRefused(f"{failure}: {error}") from None


def _as_mapping(value: Any) -> dict[str, Any] | None:
    """Return a mapping, or the JSON object in a text, as a new dictionary; None for anything else."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return None
    return dict(value) if isinstance(value, Mapping) else None


def _texts_in(value: Any) -> list[str]:
    """List the texts in a configuration that are long enough to be a secret."""
    if isinstance(value, Mapping):
        return [text for item in value.values() for text in _texts_in(item)]
    if isinstance(value, (list, tuple)):
        return [text for item in value for text in _texts_in(item)]
    return [value] if isinstance(value, str) and len(value) >= MIN_HIDDEN_LENGTH else []
