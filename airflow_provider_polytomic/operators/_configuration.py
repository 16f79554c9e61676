"""The configuration of a Polytomic connection: where its secrets come from, and that nobody sees them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow_provider_polytomic._compat import BaseHook, BaseOperator, set_upstream_from
from airflow_provider_polytomic.exceptions import PolytomicRequestRefused, translate_api_errors
from airflow_provider_polytomic.hooks.polytomic import PolytomicHook

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow.sdk import Context


class PolytomicConfigurationOperator(BaseOperator):
    """What the operators share that take the configuration of a Polytomic connection.

    ``configuration`` is templated, but not among the template fields: those are shown in the UI, stored in the metadata
    database, and logged by some versions of Airflow, and it holds secrets.

    :param configuration: settings of the connection; templates in it are rendered when the task runs
    :param configuration_conn_id: id of an Airflow connection that has the secrets: the fields of its extra and, as
        ``password``, its password are added to ``configuration``, whose own fields win (templated)
    :param polytomic_conn_id: id of the Airflow connection to Polytomic; default ``polytomic_default`` (templated)
    """

    template_fields: Sequence[str] = ("configuration_conn_id", "polytomic_conn_id")

    def __init__(
        self,
        *,
        configuration: Mapping[str, Any] | None = None,
        configuration_conn_id: str | None = None,
        polytomic_conn_id: str = PolytomicHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.configuration = configuration
        self.configuration_conn_id = configuration_conn_id
        self.polytomic_conn_id = polytomic_conn_id
        set_upstream_from(self, configuration)

    def _settings(self, context: Context) -> dict[str, Any]:
        """Render the configuration and add the secrets."""
        rendered = self.render_template(self.configuration or {}, context)
        given = _mapping(rendered)
        if given is None:
            raise PolytomicRequestRefused("configuration is not a mapping. Next: check what its template renders to")
        if not self.configuration_conn_id:
            return given
        connection = BaseHook.get_connection(self.configuration_conn_id)
        kept = _mapping(connection.extra or {})
        if kept is None:
            raise PolytomicRequestRefused(
                f"The extra of the Airflow connection {self.configuration_conn_id!r} is not a JSON object"
            )
        if connection.password:
            kept["password"] = connection.password
        return {**kept, **given}

    @contextmanager
    def _refusing(self, what: str, settings: Mapping[str, Any] | None = None) -> Iterator[None]:
        """Turn a failed request into what the task raises; what is in ``settings`` is not in its message."""
        try:
            with translate_api_errors(what, self.polytomic_conn_id, hidden=_texts(settings)):
                yield
        except ValueError as error:
            raise PolytomicRequestRefused(f"{what}: {error}") from None


def _mapping(value: Any) -> dict[str, Any] | None:
    """Return a mapping, or the JSON object in a text, as a new dictionary; None if it is neither."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return None
    return dict(value) if isinstance(value, Mapping) else None


def _texts(value: Any) -> list[str]:
    """List the texts in a configuration that are long enough to be a secret."""
    if isinstance(value, Mapping):
        return [text for item in value.values() for text in _texts(item)]
    if isinstance(value, (list, tuple)):
        return [text for item in value for text in _texts(item)]
    return [value] if isinstance(value, str) and len(value) > 5 else []
