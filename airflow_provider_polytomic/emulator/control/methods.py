"""Say what happens in the emulated Polytomic: the methods behind ``Emulator`` and behind the control routes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any
from uuid import uuid4

from airflow_provider_polytomic.emulator.domain import definitions, events
from airflow_provider_polytomic.emulator.domain.behavior import Behavior
from airflow_provider_polytomic.emulator.domain.clock import Clock
from airflow_provider_polytomic.emulator.domain.connections import Connection
from airflow_provider_polytomic.emulator.domain.errors import ApiError
from airflow_provider_polytomic.emulator.domain.jobs import Job
from airflow_provider_polytomic.emulator.domain.models import Model
from airflow_provider_polytomic.emulator.domain.plans import Plan
from airflow_provider_polytomic.emulator.domain.records import ExecutionRecord, record
from airflow_provider_polytomic.emulator.domain.state import API_KEY, ORGANIZATION_ID, RecordedRequest, State
from airflow_provider_polytomic.emulator.domain.syncs import BULK, MODEL, Sync
from airflow_provider_polytomic.emulator.domain.webhooks import Delivery
from airflow_provider_polytomic.emulator.http.faults import Fault
from airflow_provider_polytomic.emulator.samples import add_samples

_DEFAULT_SCHEMAS = ({"id": "contact", "duration": 5.0}, {"id": "account", "duration": 10.0})


class Controls:
    """Create syncs, plan what they do, break answers, and look at what callers did.

    :param clock: gives epoch seconds; default the time of day. A ``Clock`` or ``ManualClock`` can be turned.
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

    @property
    def api_key(self) -> str:
        """The key that is accepted."""
        return self._state.api_key

    @property
    def organization_id(self) -> str:
        """The organization the key belongs to, the login of basic credentials."""
        return self._state.organization_id

    @property
    def switches(self) -> Behavior:
        """The present readings of what is unknown; turn them with ``set_switch``."""
        return self._state.behavior

    @property
    def partner_key(self) -> str:
        """The key of the partner, which opens the organizations, and each of them together with its id."""
        return self._state.partner_key

    @property
    def deployment_key(self) -> str:
        """The key of the whole installation; how it may be sent is a switch."""
        return self._state.deployment_key

    @property
    def connections(self) -> list[Connection]:
        """All connections with what they are configured with in clear, copies for other organizations included."""
        with self._state.lock:
            return list(self._state.connections.values())

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events that callers can see now, oldest first, as the API shows them."""
        with self._state.lock:
            seen = sorted(events.visible(self._state), key=lambda each: (each.at, each.id))
            return [events.shown(each, self.organization_id, self.switches) for each in seen]

    @property
    def syncs(self) -> list[Sync]:
        """All syncs, oldest first."""
        with self._state.lock:
            return list(self._state.syncs.values())

    @property
    def requests(self) -> list[RecordedRequest]:
        """Every API request seen, oldest first."""
        with self._state.lock:
            return [replace(each) for each in self._state.requests]

    @property
    def faults(self) -> list[Fault]:
        """The faults injected, with their hits, oldest first."""
        with self._state.lock:
            return list(self._state.faults.all)

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

        :param model_ids: the models it reads; default one that there is not.
        :param problems: what keeps it from running, as the API shows it.
        :param next_executions: changes to the plan for the first executions, one each.
        :param plan: fields of ``Plan``: ``duration``, ``outcome``, ``counts``, ``errors``, ``statuses``, …
        """
        target = {"connection_id": target_connection_id or str(uuid4()), "object": target_object}
        attributes = {
            **definitions.model_sync({"mode": mode, "schedule": {"frequency": "manual"}, "target": target}),
            "model_ids": list(model_ids or [str(uuid4())]),
            "problems": list(problems) if problems else None,
        }
        return self._add_sync(MODEL, id, name, active, plan, next_executions, attributes, next_execution_time)

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

        :param schemas: fields of ``SchemaPlan``, one mapping a schema; a schema without ``duration`` has the plan's.
        :param next_executions: changes to the plan for the first executions, one each.
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
        plan = {**plan, "schemas": schemas}
        return self._add_sync(BULK, id, name, active, plan, next_executions, attributes, next_execution_time)

    def _add_sync(
        self,
        kind: str,
        id: str | None,
        name: str,
        active: bool,
        plan: Mapping[str, Any],
        next_executions: Iterable[Mapping[str, Any]],
        attributes: dict[str, Any],
        next_execution_time: str | None,
    ) -> Sync:
        now = self.clock()
        sync = Sync(
            id=id or str(uuid4()),
            kind=kind,
            name=name,
            plan=Plan().changed(plan),
            created_at=now,
            updated_at=now,
            active=active,
            next_plans=list(next_executions),
            attributes=attributes,
            next_execution_time=next_execution_time,
        )
        with self._state.lock:
            self._state.syncs[sync.id] = sync
        return sync

    def add_connection(
        self, *, name: str, type: str, configuration: Mapping[str, Any] | None = None, id: str | None = None
    ) -> Connection:
        """Add a connection without trying it."""
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
        """Change what is found behind a connection.

        :param status: its ``status``; ``healthy`` or any other word.
        :param status_error: why it is not healthy.
        :param proxy_answer: ``status``, ``contentType`` and ``body`` that its proxy answers from now on.
        """
        with self._state.lock:
            connection = self._state.connection(connection_id)
            if status is not None:
                connection.status, connection.status_error = status, status_error
            if proxy_answer is not None:
                connection.proxy_answer = proxy_answer

    def add_model(self, *, connection_id: str, name: str = "Model", id: str | None = None, **more: Any) -> Model:
        """Add a model.

        :param more: fields of ``Model``: ``type``, ``configuration``, ``identifier``, ``fields``.
        """
        now = self.clock()
        model = Model(id or str(uuid4()), name, connection_id, now, now, **more)
        with self._state.lock:
            self._state.models[model.id] = model
        return model

    def add_organization(self, *, name: str, id: str | None = None) -> str:
        """Add an organization of the partner and give its id; its own things are not emulated."""
        id = id or str(uuid4())
        with self._state.lock:
            self._state.organizations[id] = name
        return id

    def add_job(self, type: str, *, duration: float = 0.0, result: Any = None, error: str | None = None) -> Job:
        """Begin a job as another operation of the API would; see ``Job``."""
        with self._state.lock:
            return self._state.add_job(type, duration=float(duration), result=result, error=error)

    def add_delivery(self, *, event_id: str, success: bool = True, **shown: Any) -> Delivery:
        """Note an attempt to reach the webhook, which must have been created; nothing is sent.

        :param shown: what the API shows of it besides: ``event_type``, ``status_code``, ``error``, …
        """
        with self._state.lock:
            if self._state.webhook is None:
                raise ApiError(404, "There is no webhook.")
            delivery = Delivery(str(uuid4()), event_id, self.clock(), success, shown)
            self._state.webhook.deliveries.append(delivery)
            return delivery

    def add_samples(self) -> list[Sync]:
        """Add the sample syncs and connections, whose ids stand in ``samples``."""
        return add_samples(self)

    def plan(self, sync_id: str, **changes: Any) -> None:
        """Change how the executions of a sync go from now on; those that exist keep their plan."""
        with self._state.lock:
            sync = self._state.sync(sync_id)
            sync.plan = sync.plan.changed(changes)

    def plan_next(self, sync_id: str, *plans: Mapping[str, Any]) -> None:
        """Plan the next executions of a sync, one mapping of changes each, after those already planned."""
        with self._state.lock:
            sync = self._state.sync(sync_id)
            for each in plans:
                sync.plan.changed(each)
            sync.next_plans.extend(plans)

    def start(self, sync_id: str) -> ExecutionRecord:
        """Start an execution as Polytomic's own schedule would, so that callers meet one that is not theirs."""
        with self._state.lock:
            now = self.clock()
            execution = self._state.sync(sync_id).start(now, self._state.behavior, type="scheduled", request={})
            return record(execution, now)

    def activate(self, sync_id: str, active: bool) -> None:
        """Switch the schedule of a sync on or off, as a person would in Polytomic."""
        with self._state.lock:
            self._state.sync(sync_id).activate(active, self.clock())

    def finish(
        self, execution_id: str, outcome: str = "completed", errors: Iterable[str] | None = None
    ) -> ExecutionRecord:
        """End a running execution now, with any status; ``canceled`` is what a person's cancel in Polytomic does."""
        with self._state.lock:
            now = self.clock()
            execution = self._state.execution(execution_id)
            execution.finish(now, outcome, None if errors is None else tuple(errors))
            return record(execution, now)

    def executions(self, sync_id: str) -> list[ExecutionRecord]:
        """Give the executions of a sync, oldest first."""
        with self._state.lock:
            now = self.clock()
            return [record(each, now) for each in self._state.sync(sync_id).executions]

    def execution(self, execution_id: str) -> ExecutionRecord:
        """Give one execution."""
        with self._state.lock:
            return record(self._state.execution(execution_id), self.clock())

    def set_switch(self, name: str, value: Any) -> None:
        """Choose what the emulator does where Polytomic is not documented; see ``Behavior``."""
        with self._state.lock:
            self._state.behavior.set(name, value)

    def fault(self, kind: str, **options: Any) -> Fault:
        """Break the answers to the requests that match, once unless told otherwise; see ``Fault``."""
        fault = Fault(kind=kind, **options)
        with self._state.lock:
            fault.since = self.clock()
            self._state.faults.all.append(fault)
        return fault

    def clear_faults(self) -> None:
        """Answer truthfully again."""
        with self._state.lock:
            self._state.faults.all.clear()

    def clear_requests(self) -> None:
        """Forget the requests seen so far."""
        with self._state.lock:
            self._state.requests.clear()

    def reset(self) -> None:
        """Forget everything there is, was and was asked, faults and switches too. The clock stays as it is."""
        with self._state.lock:
            self._state.reset()
