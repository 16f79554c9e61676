"""Methods that control the emulated Polytomic, behind ``Emulator`` and the control routes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any
from uuid import uuid4

from airflow_provider_polytomic.emulator.control.add_methods import AddMethods, checked_plans
from airflow_provider_polytomic.emulator.domain import events
from airflow_provider_polytomic.emulator.domain.behavior import Behavior
from airflow_provider_polytomic.emulator.domain.clock import Clock
from airflow_provider_polytomic.emulator.domain.connections import Connection
from airflow_provider_polytomic.emulator.domain.executions import ExecutionRecord
from airflow_provider_polytomic.emulator.domain.state import API_KEY, ORGANIZATION_ID, State
from airflow_provider_polytomic.emulator.domain.syncs import Sync
from airflow_provider_polytomic.emulator.http.faults import Fault
from airflow_provider_polytomic.emulator.http.middleware import RecordedRequest, Traffic


class Controls(AddMethods):
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
            sync.next_plans.extend(checked_plans(sync.plan, plans))

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
