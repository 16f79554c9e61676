"""Signatures and docstrings: options of the same meaning are the same in every operator and sensor."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest

from airflow_provider_polytomic.operators.bulk_syncs import (
    PolytomicCancelBulkSyncOperator,
    PolytomicStartBulkSyncOperator,
)
from airflow_provider_polytomic.operators.connections import (
    PolytomicCreateConnectionOperator,
    PolytomicTestConnectionOperator,
    PolytomicUpdateConnectionOperator,
)
from airflow_provider_polytomic.operators.syncs import PolytomicCancelSyncOperator, PolytomicStartSyncOperator
from airflow_provider_polytomic.sensors.bulk_syncs import PolytomicBulkSyncStatusSensor
from airflow_provider_polytomic.sensors.syncs import PolytomicSyncStatusSensor
from tests.support.task_classes import REQUIRED_PARAMETERS

RUN_OPTIONS = (
    "polytomic_conn_id", "organization_id", "wait_for_completion", "deferrable", "poll_interval", "timeout",
    "if_running", "cancel_on_kill", "max_errors", "min_records", "max_deviation", "console_log", "fail_if_scheduled",
)  # fmt: skip
CANCEL_OPTIONS = ("polytomic_conn_id", "organization_id", "wait_for_completion", "poll_interval", "timeout")
SENSOR_OPTIONS = (
    "execution_id", "completed_after", "polytomic_conn_id", "organization_id", "deferrable", "max_errors",
    "cancel_on_timeout", "console_log", "start_from_trigger", "end_from_trigger",
)  # fmt: skip
CONFIGURATION_OPTIONS = ("configuration", "configuration_conn_id", "polytomic_conn_id", "organization_id")

PAIRS = [
    (PolytomicStartSyncOperator, PolytomicStartBulkSyncOperator, RUN_OPTIONS),
    (PolytomicCancelSyncOperator, PolytomicCancelBulkSyncOperator, CANCEL_OPTIONS),
    (PolytomicSyncStatusSensor, PolytomicBulkSyncStatusSensor, SENSOR_OPTIONS),
    (PolytomicCreateConnectionOperator, PolytomicUpdateConnectionOperator, CONFIGURATION_OPTIONS),
    (PolytomicCreateConnectionOperator, PolytomicTestConnectionOperator, CONFIGURATION_OPTIONS),
]

BULK_ONLY = {
    "schemas", "resync_mode", "fetch_mode", "fail_on_partial", "retry_failed_schemas", "schema_outlets", "bulk_sync_id",
    "bulk_sync_name",
}  # fmt: skip
MODEL_ONLY = {"sync_id", "sync_name", "resync", "identities", "source_identities", "retry_resync"}


def parameters(task_class: Any) -> dict[str, inspect.Parameter]:
    """Return the parameters of the constructor, without ``kwargs``."""
    found = inspect.signature(task_class).parameters
    return {name: each for name, each in found.items() if each.kind is not inspect.Parameter.VAR_KEYWORD}


def documented(task_class: Any) -> dict[str, str]:
    """Return the text of each ``:param x:`` of the docstring."""
    field = re.compile(r"^:param (\w+):((?:.|\n(?! ?:|\n))*)", re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in field.findall(inspect.cleandoc(task_class.__doc__))}


@pytest.mark.parametrize(("first", "second", "options"), PAIRS, ids=lambda each: getattr(each, "__name__", ""))
def test_shared_options_have_the_same_annotation_default_and_docstring(first, second, options):
    for name in options:
        assert parameters(first)[name] == parameters(second)[name]
        assert documented(first)[name] == documented(second)[name]


@pytest.mark.parametrize(("first", "second", "options"), PAIRS[:3], ids=lambda each: getattr(each, "__name__", ""))
def test_all_options_of_model_and_bulk_syncs_are_shared_except_those_of_one_kind(first, second, options):
    assert list(options) == [name for name in parameters(first) if name not in {*MODEL_ONLY, "test"}]
    assert list(options) == [name for name in parameters(second) if name not in {*BULK_ONLY, "test"}]


@pytest.mark.parametrize("task_class", REQUIRED_PARAMETERS, ids=lambda each: each.__name__)
def test_every_parameter_is_an_attribute(task_class):
    defaults = {name: each.default for name, each in parameters(task_class).items()}
    built = task_class(task_id="t", **REQUIRED_PARAMETERS[task_class])
    assert {name: getattr(built, name) for name in defaults} == {**defaults, **REQUIRED_PARAMETERS[task_class]}
