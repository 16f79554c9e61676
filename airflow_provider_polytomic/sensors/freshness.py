"""Waiting until what a sync brings is fresh."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from airflow_provider_polytomic._compat import (
    AirflowSensorTimeout,
    AirflowSkipException,
    BaseSensorOperator,
    PokeReturnValue,
    conf,
)
from airflow_provider_polytomic._templated import as_id, as_moment
from airflow_provider_polytomic.exceptions import PolytomicRequestRefused, PolytomicTaskError, refusing
from airflow_provider_polytomic.hooks.polytomic import PolytomicHook
from airflow_provider_polytomic.lineage import Traced, remember
from airflow_provider_polytomic.links.syncs import PolytomicSyncLink
from airflow_provider_polytomic.operators._ledger import Ledger
from airflow_provider_polytomic.operators._link import linked, show_link
from airflow_provider_polytomic.operators._outlets import tell_outlets
from airflow_provider_polytomic.triggers._event import checked_event

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_polytomic.runs import Execution
    from airflow_provider_polytomic.runs.freshness import Freshness

DEFERRAL_SLACK = 60.0
"""Seconds after which Airflow itself ends a deferral whose trigger has not kept the sensor's timeout."""


class PolytomicFreshnessSensor(BaseSensorOperator, Traced):
    """Wait until a sync has an execution that succeeded and completed recently enough.

    Reads the history: ``GET /api/syncs/{id}/executions`` or ``GET /api/bulk/syncs/{id}/executions``. When the execution
    began does not matter, nor that others have failed since. Returns it like the other sensors do.

    :param sync_id: id of the sync (templated)
    :param kind: ``model`` or ``bulk``; default ``model``
    :param max_age: how long ago it may have completed at most, whenever the sensor looks; a timedelta, or seconds
    :param since: moment, or text in ISO 8601, at or after which it must have completed; excludes ``max_age``; default
        without either: the start of the data interval, else of the DAG run (templated)
    :param polytomic_conn_id: id of the Airflow connection; default ``polytomic_default`` (templated)
    :param deferrable: wait in the triggerer; default: ``[operators] default_deferrable``
    :raises ValueError: if ``kind`` or ``max_age`` is something else, or both ``max_age`` and ``since`` are given
    :raises PolytomicRequestRefused: if Polytomic refuses (400, 401, 403, 404, 422); not retried
    :raises PolytomicUnavailable: if Polytomic gives no usable answer
    :raises AirflowSensorTimeout: if ``timeout`` passes
    """

    template_fields: Sequence[str] = ("sync_id", "since", "polytomic_conn_id")
    operator_extra_links = (PolytomicSyncLink(),)
    ui_color = "#e6e4fb"

    def __init__(
        self,
        *,
        sync_id: str,
        kind: str = "model",
        max_age: timedelta | float | None = None,
        since: datetime | str | None = None,
        polytomic_conn_id: str = PolytomicHook.default_conn_name,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if kind not in ("model", "bulk"):
            raise ValueError(f"kind is 'model' or 'bulk', not {kind!r}")
        if max_age is not None and since is not None:
            raise ValueError("max_age and since exclude each other")
        if max_age is not None and not _seconds(max_age) > 0:
            raise ValueError(f"max_age is a time above 0, not {max_age!r}")
        self.sync_id = sync_id
        self.kind = kind
        self.max_age = max_age
        self.since = since
        self.polytomic_conn_id = polytomic_conn_id
        self.deferrable = deferrable
        self._hook: PolytomicHook | None = None

    def execute(self, context: Context) -> Any:
        """Poke, or wait in the triggerer."""
        if not self.deferrable:
            try:
                return super().execute(context)
            except AirflowSensorTimeout:
                raise self._late(context) from None
        with self._failing_softly():
            execution = self._look(context)
            if execution is not None:
                return self._succeed(context, execution)
            self._defer(context)
        raise AssertionError("a deferral does not return")

    def poke(self, context: Context) -> bool | PokeReturnValue:
        """Look once; a look that fails is logged and decides nothing."""
        with self._failing_softly():
            execution = self._look(context)
            if execution is None:
                return False
            return PokeReturnValue(is_done=True, xcom_value=self._succeed(context, execution))

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> dict[str, Any]:
        """Go on after the triggerer has waited."""
        from airflow_provider_polytomic.runs import Execution

        event = checked_event(event)
        if event["try_number"] not in (None, context["ti"].try_number):
            self.log.info("The trigger's news is of attempt %s: starting afresh", event["try_number"])
            result: dict[str, Any] = self.execute(context)
            return result
        if event["status"] == "refused":
            raise PolytomicRequestRefused(event["message"])
        if event["status"] == "deadline":
            raise self._late(context)
        return self._succeed(context, Execution.from_result(event["execution"]))

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Go on after a deferral that failed, unless it was an earlier attempt's."""
        if next_method == "__fail__" and Ledger(context).waited_for() is None:
            self.log.info("The deferral that failed is of an earlier attempt: starting afresh")
            return self.execute(context)
        return super().resume_execution(next_method, next_kwargs, context)

    def _awaited(self, context: Context) -> Freshness:
        from airflow_provider_polytomic.runs.freshness import Freshness

        sync_id = as_id(self.sync_id, "sync_id")
        if self.max_age is not None:
            return Freshness(self.kind, sync_id, datetime.fromtimestamp(0, timezone.utc), _seconds(self.max_age))
        if self.since is not None:
            return Freshness(self.kind, sync_id, as_moment(self.since, "since"))
        begin = context.get("data_interval_start") or context["dag_run"].start_date
        return Freshness(self.kind, sync_id, as_moment(begin, "the start of the DAG run"))

    def _look(self, context: Context) -> Execution | None:
        from airflow_provider_polytomic.api import PolytomicError
        from airflow_provider_polytomic.api.retry import is_passing

        awaited = self._awaited(context)
        self._hook = self._hook or PolytomicHook(self.polytomic_conn_id)
        with refusing(f"{awaited} cannot be waited for", self.polytomic_conn_id):
            try:
                return self._hook.get_conn().run(awaited.look())
            except PolytomicError as error:
                if not is_passing(error):
                    raise
                self.log.warning("There is no telling whether there is %s: %s", awaited, error)
                return None

    def _defer(self, context: Context) -> None:
        from airflow_provider_polytomic.triggers.freshness import PolytomicFreshnessTrigger

        awaited = self._awaited(context)
        Ledger(context).waits_for(None, "joined")
        self.defer(
            trigger=PolytomicFreshnessTrigger(
                kind=self.kind,
                sync_id=awaited.sync_id,
                since=awaited.since.isoformat(),
                max_age=awaited.max_age,
                polytomic_conn_id=self.polytomic_conn_id,
                poll_interval=self.poke_interval,
                deadline=datetime.now(timezone.utc).timestamp() + self.timeout,
                try_number=context["ti"].try_number,
            ),
            method_name="execute_complete",
            timeout=timedelta(seconds=self.timeout + 2 * self.poke_interval + DEFERRAL_SLACK),
        )

    def _succeed(self, context: Context, execution: Execution) -> dict[str, Any]:
        from airflow_provider_polytomic.runs import Run

        self._hook = self._hook or PolytomicHook(self.polytomic_conn_id)
        show_link(self, context, self._hook.get_conn(), Run(execution.kind, execution.sync_id, execution.id))
        execution = linked(context, execution)
        tell_outlets(self, context, execution)
        remember(self, execution)
        return execution.result()

    def _late(self, context: Context) -> AirflowSensorTimeout:
        return AirflowSensorTimeout(
            f"There is not {self._awaited(context)}, and the sensor's timeout of {self.timeout:g} s has passed. "
            "Next: see the sync's history in Polytomic, whether it is active and why it fails or is slow"
        )

    @contextmanager
    def _failing_softly(self) -> Iterator[None]:
        """Skip instead of failing where ``soft_fail`` is set, also where Airflow itself does not see to it."""
        try:
            yield
        except PolytomicTaskError as error:
            if self.soft_fail:
                raise AirflowSkipException(f"Skipping, since soft_fail is set: {error}") from None
            raise


def _seconds(age: timedelta | float) -> float:
    return age.total_seconds() if isinstance(age, timedelta) else float(age)
