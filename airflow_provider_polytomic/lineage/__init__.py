"""Report to OpenLineage which datasets an execution read and wrote.

OpenLineage is imported, and Polytomic requested, only when OpenLineage's listener asks a task for its lineage.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from airflow_provider_polytomic._compat import Asset, conf
from airflow_provider_polytomic._task.link import found_sync

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage
    from openlineage.client.event_v2 import Dataset
    from openlineage.client.facet_v2 import DatasetFacet, RunFacet

    from airflow_provider_polytomic.executions import Execution
    from airflow_provider_polytomic.lineage.datasets import InputColumns, LineageDatasets

log = logging.getLogger(__name__)


class OpenLineageMixin:
    """Add the methods that OpenLineage looks for in an operator."""

    _lineage_execution: Execution | None = None
    _lineage_failure: str | None = None
    _lineage_datasets: LineageDatasets | None = None

    def get_openlineage_facets_on_start(self) -> OperatorLineage[Any, Any]:
        """Report nothing: no execution is known yet, and OpenLineage adds the declared inlets and outlets."""
        from airflow.providers.openlineage.extractors import OperatorLineage

        return OperatorLineage()

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any]:
        """Report the datasets of the execution; the first call requests what the task does not know of its sync."""
        from airflow.providers.openlineage.extractors import OperatorLineage

        if self._lineage_execution is None:
            return OperatorLineage()
        try:
            return self._lineage(self._lineage_execution)
        except Exception as error:
            log.warning("No lineage of execution %s reported: %s", self._lineage_execution.id, type(error).__name__)
            log.debug("Lineage failed", exc_info=True)
            return OperatorLineage()

    def get_openlineage_facets_on_failure(self, task_instance: Any) -> OperatorLineage[Any, Any]:
        """Report the datasets of a failed execution and the task's error message."""
        from openlineage.client.facet_v2 import error_message_run

        lineage = self.get_openlineage_facets_on_complete(task_instance)
        if self._lineage_failure:
            lineage.run_facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(
                message=self._lineage_failure, programmingLanguage="python"
            )
        return lineage

    def _lineage(self, execution: Execution) -> OperatorLineage[Any, Any]:
        from airflow.providers.openlineage.extractors import OperatorLineage
        from openlineage.client.event_v2 import InputDataset, OutputDataset
        from openlineage.client.facet_v2 import external_query_run, output_statistics_output_dataset

        from airflow_provider_polytomic.lineage.datasets import lineage_datasets

        if self._lineage_datasets is None:
            hook = self._hook  # type: ignore[attr-defined]
            config = getattr(self, "_config", None) or hook.config()
            detailed = conf.getboolean("polytomic", "lineage_of_connections", fallback=False)
            self._lineage_datasets = lineage_datasets(
                execution,
                config,
                found_sync(self, execution.sync_id),
                organization_id=hook.organization_id,
                detailed=detailed,
            )
        datasets = self._lineage_datasets
        statistics = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet
        inputs: list[Dataset] = [InputDataset(each.namespace, each.name) for each in datasets.inputs]
        outputs: list[Dataset] = [
            OutputDataset(
                each.namespace,
                each.name,
                facets=_column_lineage(datasets.columns),
                outputFacets={"outputStatistics": statistics(rowCount=rows)},
            )
            for each, rows in datasets.outputs
        ]
        facet = external_query_run.ExternalQueryRunFacet
        query: RunFacet = facet(externalQueryId=execution.id, source=datasets.base_url)
        return OperatorLineage(
            inputs=_with_declared(inputs, self.inlets),  # type: ignore[attr-defined]
            outputs=_with_declared(outputs, self.outlets),  # type: ignore[attr-defined]
            run_facets={"externalQuery": query},
        )


def _column_lineage(columns: InputColumns) -> dict[str, DatasetFacet]:
    """Return the facet of an output with the columns that each field is written from; nothing if there are none."""
    from openlineage.client.facet_v2 import column_lineage_dataset as facets

    if not columns:
        return {}
    written = facets.Transformation(type="DIRECT", subtype="IDENTITY")
    encrypted = facets.Transformation(type="DIRECT", subtype="TRANSFORMATION", masking=True)
    fields = {
        target: facets.Fields(
            inputFields=[
                facets.InputField(
                    dataset.namespace, dataset.name, mapping.column, [encrypted if mapping.encrypted else written]
                )
                for dataset, mapping in sources
            ]
        )
        for target, sources in columns.items()
    }
    return {"columnLineage": facets.ColumnLineageDatasetFacet(fields=fields)}


def _with_declared(datasets: list[Dataset], declared: list[Any]) -> list[Dataset]:
    """Add the task's declared inlets or outlets, which OpenLineage adds only if a task reports nothing."""
    from airflow.providers.openlineage.extractors.manager import ExtractorManager
    from airflow.providers.openlineage.utils.utils import translate_airflow_asset

    combined = list(datasets)
    for each in declared:
        convert: Callable[[Any], Dataset | None] = ExtractorManager.convert_to_ol_dataset
        dataset = translate_airflow_asset(each, None) if isinstance(each, Asset) else convert(each)
        if dataset and (dataset.namespace, dataset.name) not in {(one.namespace, one.name) for one in combined}:
            combined.append(dataset)
    return combined
