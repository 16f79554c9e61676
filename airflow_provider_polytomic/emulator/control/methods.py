"""Methods that control the emulated Polytomic, behind ``Emulator`` and the control routes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any
from uuid import uuid4

from airflow_provider_polytomic.emulator import samples
from airflow_provider_polytomic.emulator.domain import definitions, events
from airflow_provider_polytomic.emulator.domain.behavior import Behavior
from airflow_provider_polytomic.emulator.domain.clock import Clock
from airflow_provider_polytomic.emulator.domain.connections import Connection
from airflow_provider_polytomic.emulator.domain.errors import ApiError
from airflow_provider_polytomic.emulator.domain.executions import ExecutionRecord
from airflow_provider_polytomic.emulator.domain.plans import Plan
from airflow_provider_polytomic.emulator.domain.state import API_KEY, ORGANIZATION_ID, Job, Model, State
from airflow_provider_polytomic.emulator.domain.syncs import BULK, MODEL, Sync
from airflow_provider_polytomic.emulator.domain.webhooks import Delivery
from airflow_provider_polytomic.emulator.http.faults import Fault
from airflow_provider_polytomic.emulator.http.middleware import RecordedRequest, Traffic

_DEFAULT_SCHEMAS = ({"id": "contact", "duration": 5.0}, {"id": "account", "duration": 10.0})


class Controls:
    """Create syncs, plan their executions, inject faults and inspect requests.

    :param clock: callable that returns epoch seconds, or a ``Clock`` or ``ManualClock``; default the system time.
    :param api_key: API key that the emulator accepts; default ``emulator-key-not-a-secret``.
    :param organization_id: id of the organization; default a fixed UUID.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] | None = None,
        api_key: str = API_KEY,
        organization_id: str = ORGANIZATION_ID,
    ) -> None:
        self.clock = clock if isinstance(clock, Clock) else Clock(clock) if clock else Clock()
        self._state = State(self.clock, api_key, organization_id)
        self._traffic = Traffic()
        self._organizations: dict[str, Controls] = {}

    @property
    def api_key(self) -> str:
        """The API key that the emulator accepts; another one may be set, as if the key had been rotated."""
        return self._state.api_key

    @api_key.setter
    def api_key(self, key: str) -> None:
        self._state.api_key = key

    @property
    def organization_id(self) -> str:
        """The id of the organization, which is also the user name for basic authentication."""
        return self._state.organization_id

    @property
    def partner_key(self) -> str:
        """The key of the partner: alone for the organizations, together with the id of one for the rest."""
        return self._state.partner_key

    @property
    def deployment_key(self) -> str:
        """The key of the installation; the switch ``deployment_key_forms`` says how it may be sent."""
        return self._state.deployment_key

    @property
    def switches(self) -> Behavior:
        """The values of the switches; change them with ``set_switch``."""
        return self._state.behavior

    @property
    def connections(self) -> list[Connection]:
        """All connections with unmasked configurations, copies for other organizations included."""
        with self._state.lock:
            return list(self._state.connections.values())

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events that callers can see now, oldest first, as the API shows them."""
        with self._state.lock:
            visible = sorted(events.visible(self._state), key=lambda each: (each.at, each.id))
            return [each.to_json(self._state) for each in visible]

    @property
    def syncs(self) -> list[Sync]:
        """All syncs, oldest first."""
        with self._state.lock:
            return list(self._state.syncs.values())

    @property
    def requests(self) -> list[RecordedRequest]:
        """The API requests received, oldest first."""
        with self._state.lock:
            return [replace(each) for each in self._traffic.requests]

    @property
    def faults(self) -> list[Fault]:
        """The injected faults with their hits, oldest first."""
        with self._state.lock:
            return list(self._traffic.faults)

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
        next_plans = _checked(planned, next_executions)
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
        next_plans = _checked(planned, next_executions)
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
        now = self.clock()
        model = Model(id or str(uuid4()), name, connection_id, now, now, **more)
        with self._state.lock:
            self._state.models[model.id] = model
        return model

    def add_organization(self, *, name: str, id: str | None = None) -> str:
        """Add an organization of the partner and return its id; :meth:`organization` controls its syncs.

        :param name: name of the organization.
        :param id: id of the organization; default a random one.
        """
        id = id or str(uuid4())
        with self._state.lock:
            self._state.organizations[id] = name
            self._organizations[id] = Controls(clock=self.clock, api_key=self.api_key, organization_id=id)
        return id

    def organization(self, id: str) -> Controls:
        """Return the controls of an added organization, which has syncs, requests and faults of its own.

        Its callers send the partner key, or its own API key, together with the id of the organization.

        :param id: id of the organization.
        :raises KeyError: if it was not added.
        """
        return self._organizations[id]

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
            delivery = Delivery(str(uuid4()), event_id, self.clock(), success, details)
            self._state.webhook.deliveries.append(delivery)
            return delivery

    def add_samples(self) -> list[Sync]:
        """Add the connections and syncs of ``airflow_provider_polytomic.emulator.samples``, and return the syncs."""
        for connection in samples.CONNECTIONS:
            self.add_connection(**connection)
        model_syncs = [self.add_model_sync(**each) for each in samples.MODEL_SYNCS]
        return [*model_syncs, self.add_bulk_sync(**samples.BULK_SYNC)]

    def plan(self, sync_id: str, **changes: Any) -> None:
        """Change the plan of a sync; executions that exist keep theirs.

        :param sync_id: id of the sync.
        :param changes: fields of ``Plan``.
        """
        with self._state.lock:
            sync = self._state.sync(sync_id)
            sync.plan = sync.plan.with_changes(changes)

    def plan_next(self, sync_id: str, *plans: Mapping[str, Any]) -> None:
        """Plan the next executions of a sync, after those that are already planned.

        :param sync_id: id of the sync.
        :param plans: changes to the plan of the sync, one mapping for each execution.
        """
        with self._state.lock:
            sync = self._state.sync(sync_id)
            sync.next_plans.extend(_checked(sync.plan, plans))

    def start(self, sync_id: str) -> ExecutionRecord:
        """Start an execution as Polytomic's own schedule does, so that callers meet one that they did not start.

        :param sync_id: id of the sync.
        """
        with self._state.lock:
            now = self.clock()
            execution = self._state.sync(sync_id).start(now, self._state.behavior, type="scheduled", request={})
            return execution.record(now)

    def activate(self, sync_id: str, active: bool) -> None:
        """Activate or deactivate a sync, as a person does in Polytomic.

        :param sync_id: id of the sync.
        :param active: whether the sync is active.
        """
        with self._state.lock:
            self._state.sync(sync_id).activate(active, self.clock())

    def finish(
        self, execution_id: str, outcome: str = "completed", errors: Iterable[str] | None = None
    ) -> ExecutionRecord:
        """End a running execution now.

        :param execution_id: id of the execution.
        :param outcome: its last status; ``canceled`` is a cancellation by a person. Default ``completed``.
        :param errors: error texts to show; default None, those of the plan.
        :raises ValueError: if it has ended, or ``outcome`` is not a status with which one ends.
        """
        with self._state.lock:
            now = self.clock()
            execution = self._state.execution(execution_id)
            execution.finish(now, outcome, None if errors is None else tuple(errors))
            return execution.record(now)

    def executions(self, sync_id: str) -> list[ExecutionRecord]:
        """Return the executions of a sync, oldest first.

        :param sync_id: id of the sync.
        """
        with self._state.lock:
            now = self.clock()
            return [each.record(now) for each in self._state.sync(sync_id).executions]

    def execution(self, execution_id: str) -> ExecutionRecord:
        """Return an execution.

        :param execution_id: id of the execution.
        """
        with self._state.lock:
            return self._state.execution(execution_id).record(self.clock())

    def set_switch(self, name: str, value: Any) -> None:
        """Choose the behavior of the emulator where that of Polytomic is not documented.

        :param name: name of the switch; see ``docs/emulator.md``.
        :param value: one of its values.
        :raises ValueError: if there is no such switch, or it does not take the value.
        """
        with self._state.lock:
            self._state.behavior.set(name, value)

    def fault(self, kind: str, **options: Any) -> Fault:
        """Inject a fault into the requests that match; by default into the next one.

        :param kind: ``status``, ``delay``, ``reset`` or ``malformed``.
        :param options: other fields of ``Fault``: ``when``, ``method``, ``path``, ``count``, ``status``, …
        :raises ValueError: if there is no such fault.
        """
        fault = Fault(kind=kind, **options)
        with self._state.lock:
            fault.since = self.clock()
            self._traffic.faults.append(fault)
        return fault

    def clear_faults(self) -> None:
        """Remove all faults."""
        with self._state.lock:
            self._traffic.faults.clear()

    def clear_requests(self) -> None:
        """Clear the requests received."""
        with self._state.lock:
            self._traffic.requests.clear()

    def reset(self) -> None:
        """Clear everything, requests, faults and switches included. The clock stays as it is."""
        with self._state.lock:
            self._state.reset()
            self._traffic.reset()
            self._organizations.clear()


def _checked(plan: Plan, changes: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return changes to a plan after a check of each.

    :raises ValueError: if the plan does not take one.
    """
    checked = list(changes)
    for each in checked:
        plan.with_changes(each)
    return checked
