"""Methods that add objects to the emulated Polytomic, behind ``Emulator`` and the control routes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import uuid4

from airflow_provider_polytomic.emulator import samples
from airflow_provider_polytomic.emulator.domain import definitions
from airflow_provider_polytomic.emulator.domain.connections import Connection
from airflow_provider_polytomic.emulator.domain.errors import ApiError
from airflow_provider_polytomic.emulator.domain.plans import Plan
from airflow_provider_polytomic.emulator.domain.state import Job, Model, State
from airflow_provider_polytomic.emulator.domain.syncs import BULK, MODEL, Sync
from airflow_provider_polytomic.emulator.domain.webhooks import Delivery

_DEFAULT_SCHEMAS = ({"id": "contact", "duration": 5.0}, {"id": "account", "duration": 10.0})


class AddMethods:
    """Add syncs, connections and other objects."""

    _state: State

    def add_model_sync(
        self,
        *,
        name: str = "Model sync",
        id: str | None = None,
        active: bool = True,
        mode: str = "updateOrCreate",
        target_connection_id: str | None = None,
        target_object: str = "contacts",
        model_ids: Iterable[str] | None = None,
        problems: Iterable[Mapping[str, Any]] | None = None,
        next_execution_time: str | None = None,
        next_executions: Iterable[Mapping[str, Any]] = (),
        **plan: Any,
    ) -> Sync:
        """Add a model sync.

        :param name: name of the sync; default ``Model sync``.
        :param id: id of the sync; default a random one.
        :param active: whether the sync is active; default True.
        :param mode: mode of the sync; default ``updateOrCreate``.
        :param target_connection_id: id of the target connection, which need not exist; default a random one.
        :param target_object: object of the target; default ``contacts``.
        :param model_ids: ids of its models; default one random id.
        :param problems: problems that keep it from running, as the API shows them; default none.
        :param next_execution_time: RFC 3339 time that its status shows; default none.
        :param next_executions: changes to the plan for the first executions, one each; default none.
        :param plan: fields of ``Plan``: ``duration``, ``outcome``, ``counts``, ``errors``, ``statuses``, …
        """
        target = {"connection_id": target_connection_id or str(uuid4()), "object": target_object}
        attributes = {
            **definitions.model_sync({"mode": mode, "schedule": {"frequency": "manual"}, "target": target}),
            "model_ids": list(model_ids or [str(uuid4())]),
            "problems": list(problems) if problems else None,
        }
        planned = Plan().with_changes(plan)
        next_plans = checked_plans(planned, next_executions)
        fields = {"active": active, "next_execution_time": next_execution_time, "next_plans": next_plans}
        with self._state.lock:
            return self._state.add_sync(MODEL, name, planned, attributes, id=id, **fields)

    def add_bulk_sync(
        self,
        *,
        name: str = "Bulk sync",
        id: str | None = None,
        active: bool = True,
        mode: str = "replicate",
        source_connection_id: str | None = None,
        destination_connection_id: str | None = None,
        next_execution_time: str | None = None,
        next_executions: Iterable[Mapping[str, Any]] = (),
        schemas: Iterable[Mapping[str, Any]] = _DEFAULT_SCHEMAS,
        **plan: Any,
    ) -> Sync:
        """Add a bulk sync.

        :param name: name of the sync; default ``Bulk sync``.
        :param id: id of the sync; default a random one.
        :param active: whether the sync is active; default True.
        :param mode: mode of the sync; default ``replicate``.
        :param source_connection_id: id of the source connection, which need not exist; default a random one.
        :param destination_connection_id: id of the destination connection, likewise.
        :param next_execution_time: RFC 3339 time that its status shows; default none.
        :param next_executions: changes to the plan for the first executions, one each; default none.
        :param schemas: fields of ``SchemaPlan``, one mapping a schema; default ``contact`` and ``account``.
        :param plan: other fields of ``Plan``: ``duration``, ``outcome``, ``message``, ``statuses``, …
        """
        attributes = definitions.bulk_sync(
            {
                "mode": mode,
                "source_connection_id": source_connection_id or str(uuid4()),
                "destination_connection_id": destination_connection_id or str(uuid4()),
                "destination_configuration": {"schema": "replica"},
                "default_schedule": {"frequency": "manual"},
            }
        )
        planned = Plan().with_changes({**plan, "schemas": schemas})
        next_plans = checked_plans(planned, next_executions)
        fields = {"active": active, "next_execution_time": next_execution_time, "next_plans": next_plans}
        with self._state.lock:
            return self._state.add_sync(BULK, name, planned, attributes, id=id, **fields)

    def add_connection(
        self, *, name: str, type: str, configuration: Mapping[str, Any] | None = None, id: str | None = None
    ) -> Connection:
        """Add a connection without a test of its configuration.

        :param name: name of the connection; names may repeat.
        :param type: any connection type, such as ``postgresql``.
        :param configuration: its configuration, secrets included; default empty.
        :param id: id of the connection; default a random one.
        """
        with self._state.lock:
            return self._state.add_connection(name=name, type=type, configuration=configuration or {}, id=id)

    def set_connection(
        self,
        connection_id: str,
        *,
        status: str | None = None,
        status_error: str | None = None,
        proxy_answer: Mapping[str, Any] | None = None,
    ) -> None:
        """Change the state of a connection.

        :param connection_id: id of the connection.
        :param status: ``status`` of the connection, any word; default None, unchanged.
        :param status_error: ``status_error`` that goes with ``status``; default None.
        :param proxy_answer: ``status``, ``contentType`` and ``body`` of its proxy's responses; default None, unchanged.
        """
        with self._state.lock:
            connection = self._state.connection(connection_id)
            if status is not None:
                connection.status, connection.status_error = status, status_error
            if proxy_answer is not None:
                connection.proxy_answer = proxy_answer

    def add_model(self, *, connection_id: str, name: str = "Model", id: str | None = None, **more: Any) -> Model:
        """Add a model.

        :param connection_id: id of its connection, which need not exist.
        :param name: name of the model; default ``Model``.
        :param id: id of the model; default a random one.
        :param more: fields of ``Model``: ``type``, ``configuration``, ``identifier``, ``fields``.
        """
        now = self._state.clock()
        model = Model(id or str(uuid4()), name, connection_id, now, now, **more)
        with self._state.lock:
            self._state.models[model.id] = model
        return model

    def add_job(self, type: str, *, duration: float = 0.0, result: Any = None, error: str | None = None) -> Job:
        """Begin a job, as other operations of the API do.

        :param type: type of the job, such as ``exportlogs``.
        :param duration: seconds until it ends; default 0.
        :param result: its result; default None.
        :param error: cause of its failure; default None, it succeeds.
        """
        with self._state.lock:
            return self._state.add_job(type, duration=float(duration), result=result, error=error)

    def add_delivery(self, *, event_id: str, success: bool = True, **details: Any) -> Delivery:
        """Record an attempt to deliver an event to the webhook, without sending anything.

        :param event_id: id of the event.
        :param success: whether it succeeded; default True.
        :param details: other fields that the API shows: ``event_type``, ``status_code``, ``error``, …
        :raises ApiError: if there is no webhook.
        """
        with self._state.lock:
            if self._state.webhook is None:
                raise ApiError(404, "There is no webhook.")
            delivery = Delivery(str(uuid4()), event_id, self._state.clock(), success, details)
            self._state.webhook.deliveries.append(delivery)
            return delivery

    def add_samples(self) -> list[Sync]:
        """Add the connections and syncs of ``airflow_provider_polytomic.emulator.samples``, and return the syncs."""
        for connection in samples.CONNECTIONS:
            self.add_connection(**connection)
        model_syncs = [self.add_model_sync(**each) for each in samples.MODEL_SYNCS]
        return [*model_syncs, self.add_bulk_sync(**samples.BULK_SYNC)]


def checked_plans(plan: Plan, changes: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return changes to a plan after a check of each.

    :raises ValueError: if the plan does not take one.
    """
    checked = list(changes)
    for each in checked:
        plan.with_changes(each)
    return checked
