"""The part of the hook that reads the Airflow connection and sends requests with it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_polytomic._compat import BaseHook

if TYPE_CHECKING:
    from airflow_provider_polytomic.api import Call, Flow, PolytomicClient
    from airflow_provider_polytomic.api.models.base import Listing
    from airflow_provider_polytomic.hooks._connection import ConnectionConfig

T = TypeVar("T")


class BasePolytomicHook(BaseHook):
    """Show the form of the Airflow connection, create its client, and send requests."""

    conn_name_attr = "polytomic_conn_id"
    default_conn_name = "polytomic_default"
    conn_type = "polytomic"
    hook_name = "Polytomic"

    def __init__(self, polytomic_conn_id: str = default_conn_name, organization_id: str | None = None) -> None:
        super().__init__()
        self.polytomic_conn_id = polytomic_conn_id
        self.organization_id = organization_id
        self._client: tuple[tuple[str, str | None], PolytomicClient] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave the client out of copies, which create their own."""
        return {**vars(self), "_client": None}

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Return the labels and placeholders of the form; Airflow 3.2 and later read the provider metadata instead."""
        from airflow_provider_polytomic.provider_info import FIELD_BEHAVIOUR

        return {name.replace("-", "_"): value for name, value in FIELD_BEHAVIOUR.items()}

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Return the extra fields of the form; Airflow 3.2 and later read the provider metadata instead."""
        from flask_appbuilder.fieldwidgets import BS3PasswordFieldWidget, BS3TextFieldWidget
        from flask_babel import lazy_gettext
        from wtforms import BooleanField, IntegerField, PasswordField, StringField
        from wtforms.validators import Optional

        from airflow_provider_polytomic.provider_info import CONNECTION_FIELDS

        field_types: dict[str, Any] = {"boolean": BooleanField, "integer": IntegerField, "number": IntegerField}
        widgets: dict[str, Any] = {}
        for name, field in CONNECTION_FIELDS.items():
            field_type = field_types.get(field["schema"]["type"][0], StringField)
            options: dict[str, Any] = {"description": field["description"]}
            if field_type is not BooleanField:
                options |= {"validators": [Optional()], "widget": BS3TextFieldWidget()}
            if field["schema"].get("format") == "password":
                field_type, options["widget"] = PasswordField, BS3PasswordFieldWidget()
            widgets[name] = field_type(lazy_gettext(field["label"]), **options)
        return widgets

    def get_conn(self) -> PolytomicClient:
        """Return the client, the same one until ``polytomic_conn_id`` or ``organization_id`` of the hook is changed.

        :raises PolytomicRequestRefused: if the Airflow connection cannot be used
        """
        settings = (self.polytomic_conn_id, self.organization_id)
        if self._client is None or self._client[0] != settings:
            from airflow_provider_polytomic.api import PolytomicClient

            self._client = settings, PolytomicClient(config=self.config())
        return self._client[1]

    def config(self) -> ConnectionConfig:
        """Read the Airflow connection.

        :raises PolytomicRequestRefused: if it cannot be used
        """
        from airflow_provider_polytomic.hooks._lookup import ConnectionSource

        return ConnectionSource(self.polytomic_conn_id, self.get_connection, self.organization_id).read()

    async def aconfig(self) -> ConnectionConfig:
        """Read the Airflow connection without blocking the event loop.

        :raises PolytomicRequestRefused: if it cannot be used
        """
        from airflow_provider_polytomic.hooks._lookup import ConnectionSource

        return await ConnectionSource(self.polytomic_conn_id, self.get_connection, self.organization_id).aread()

    def send(self, call: Call[T]) -> T:
        """Send one call and return its result.

        :param call: A call built by a function of :mod:`airflow_provider_polytomic.api`, such as ``syncs.get(id)``.
        :raises PolytomicError: if the request fails or its response is invalid
        :raises PolytomicRequestRefused: if the Airflow connection cannot be used
        """
        return self.get_conn().send(call)

    async def asend(self, call: Call[T]) -> T:
        """Send one call from an event loop, without blocking it, and return its result.

        :param call: A call built by a function of :mod:`airflow_provider_polytomic.api`, such as ``syncs.get(id)``.
        :raises PolytomicError: if the request fails or its response is invalid
        :raises PolytomicRequestRefused: if the Airflow connection cannot be used
        """
        from airflow_provider_polytomic.api import AsyncPolytomicClient

        async with AsyncPolytomicClient(config=await self.aconfig()) as client:
            return await client.send(call)

    def pages(self, call: Call[Listing[T]]) -> Iterator[T]:
        """Yield the rows of all pages of a list; each page is requested when it is needed.

        :param call: A call for a list, such as ``syncs.list()``.
        :raises PolytomicError: if the request fails or its response is invalid
        :raises PolytomicRequestRefused: if the Airflow connection cannot be used
        """
        return self.get_conn().pages(call)

    def run(self, flow: Flow[T]) -> T:
        """Run a flow, which takes several requests, and return its result.

        :param flow: A flow built by a function of :mod:`airflow_provider_polytomic.api` or
            :mod:`airflow_provider_polytomic.executions`, such as ``syncs.change(id, name="…")``.
        :raises PolytomicError: if a request fails and the flow does not handle it
        :raises PolytomicRequestRefused: if the Airflow connection cannot be used
        """
        return self.get_conn().run(flow)

    def test_connection(self) -> tuple[bool, str]:
        """Call ``GET /api/me`` once; return whether it succeeded and a message for the connection form.

        The message names the organization and the user of the key, or the error and what to do. It contains no secret.
        """
        from airflow_provider_polytomic.hooks._connection import test_connection

        try:
            connection = self.get_connection(self.polytomic_conn_id)
        except Exception as error:  # Airflow and its secrets backends raise many; their messages may hold a secret.
            return False, f"The Airflow connection cannot be read ({type(error).__name__})."
        return test_connection(connection, self.organization_id)
