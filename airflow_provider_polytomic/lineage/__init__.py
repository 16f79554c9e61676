"""What a task tells OpenLineage, where its listener asks: which data went where, and how much.

Nothing of OpenLineage is imported before it asks, and nothing is asked of Polytomic before that either.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from airflow_provider_polytomic._compat import Asset, conf

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage
    from airflow.sdk import BaseOperator
    from openlineage.client.event_v2 import Dataset
    from openlineage.client.facet_v2 import RunFacet

    from airflow_provider_polytomic.executions import Execution
    from airflow_provider_polytomic.lineage.datasets import LineageDatasets

log = logging.getLogger(__name__)


def record_for_lineage(task: BaseOperator, execution: Execution, failure: str | None = None) -> None:
    """Keep what the lineage of a task is told by, for the listener that asks in this process when the task is over.

    :param failure: why the task fails; None where it succeeds
    """
    if isinstance(task, OpenLineageMixin):
        task._ended = execution
        task._failure = failure


class OpenLineageMixin:
    """The methods that OpenLineage looks for in an operator."""

    _ended: Execution | None = None
    _failure: str | None = None
    _flow: LineageDatasets | None = None

    def get_openlineage_facets_on_start(self) -> OperatorLineage[Any, Any]:
        """Tell nothing yet: what is read and written is known to Polytomic alone, and a start asks nobody.

        OpenLineage then takes the declared inlets and outlets.
        """
        from airflow.providers.openlineage.extractors import OperatorLineage

        return OperatorLineage()

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any]:
        """Tell what an execution read and wrote: ``GET /api/syncs/{id}`` or ``GET /api/bulk/syncs/{id}``, once."""
        from airflow.providers.openlineage.extractors import OperatorLineage

        if self._ended is None:
            return OperatorLineage()
        try:
            return self._lineage(self._ended)
        except Exception as error:
            log.warning("The lineage of execution %s is not known: %s", self._ended.id, type(error).__name__)
            log.debug("Lineage failed", exc_info=True)
            return OperatorLineage()

    def get_openlineage_facets_on_failure(self, task_instance: Any) -> OperatorLineage[Any, Any]:
        """Tell what a failed execution read and wrote, and why it failed."""
        from openlineage.client.facet_v2 import error_message_run

        lineage = self.get_openlineage_facets_on_complete(task_instance)
        if self._failure:
            facet = error_message_run.ErrorMessageRunFacet(message=self._failure, programmingLanguage="python")
            lineage.run_facets["errorMessage"] = facet
        return lineage

    def _lineage(self, execution: Execution) -> OperatorLineage[Any, Any]:
        from airflow.providers.openlineage.extractors import OperatorLineage
        from openlineage.client.event_v2 import InputDataset, OutputDataset
        from openlineage.client.facet_v2 import external_query_run, output_statistics_output_dataset

        flow = self._find_flow(execution)
        written = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet
        inputs: list[Dataset] = [InputDataset(place.namespace, place.name) for place in flow.inputs]
        outputs: list[Dataset] = [
            OutputDataset(place.namespace, place.name, outputFacets={"outputStatistics": written(rowCount=rows)})
            for place, rows in flow.outputs
        ]
        query: RunFacet = external_query_run.ExternalQueryRunFacet(externalQueryId=execution.id, source=flow.base_url)
        return OperatorLineage(
            inputs=_with_declared(inputs, self.inlets),  # type: ignore[attr-defined]
            outputs=_with_declared(outputs, self.outlets),  # type: ignore[attr-defined]
            run_facets={"externalQuery": query},
        )

    def _find_flow(self, execution: Execution) -> LineageDatasets:
        from airflow_provider_polytomic.hooks.polytomic import PolytomicHook
        from airflow_provider_polytomic.lineage.datasets import flow_of

        if self._flow is None:
            config = getattr(self, "_config", None)
            config = config or PolytomicHook(self.polytomic_conn_id).config()  # type: ignore[attr-defined]
            detailed = conf.getboolean("polytomic", "lineage_of_connections", fallback=False)
            self._flow = flow_of(execution, config, detailed=detailed)
        return self._flow


def _with_declared(found: list[Dataset], declared: list[Any]) -> list[Dataset]:
    """Add what the task declares: OpenLineage takes it by itself only where a task tells nothing."""
    from airflow.providers.openlineage.extractors.manager import ExtractorManager
    from airflow.providers.openlineage.utils.utils import translate_airflow_asset

    datasets = list(found)
    for each in declared:
        convert: Callable[[Any], Dataset | None] = ExtractorManager.convert_to_ol_dataset
        dataset = translate_airflow_asset(each, None) if isinstance(each, Asset) else convert(each)
        if dataset and not any((dataset.namespace, dataset.name) == (one.namespace, one.name) for one in datasets):
            datasets.append(dataset)
    return datasets
