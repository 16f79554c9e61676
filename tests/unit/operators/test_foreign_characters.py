"""Names and messages from outside appear on one line of a log or message, with visible escapes."""

from __future__ import annotations

import pytest

from airflow_provider_polytomic.exceptions import PolytomicRequestRefused, PolytomicRunFailed
from airflow_provider_polytomic.operators.bulk_syncs import PolytomicStartBulkSyncOperator
from airflow_provider_polytomic.operators.syncs import PolytomicStartSyncOperator

FOREIGN = "bad\n::error::forged\x1b[31m\u202e\u2028\x9b\u200b\r"
SHOWN = r"bad\n::error::forged" + "\ufffd" + r"[31m\u202e\u2028\x9b\u200b"
"""The decoding of an answer has replaced the escape character, which cannot be stored."""

pytestmark = pytest.mark.usefixtures("no_waiting")


def assert_shown_on_one_line(*texts: str) -> None:
    for text in texts:
        lines = text.split("\n")
        assert not [line for line in lines if line.lstrip().startswith("::error::")]
        assert not [letter for line in lines for letter in line if letter in FOREIGN[1:] and not letter.isprintable()]


def start(kind: str, emulator, deferrable: bool):
    if kind == "model":
        sync = emulator.add_model_sync(name=FOREIGN, duration=60, outcome="failed", errors=[FOREIGN])
        return PolytomicStartSyncOperator(task_id="t", sync_id=sync.id, deferrable=deferrable)
    schemas = [{"id": FOREIGN, "outcome": "failed", "message": FOREIGN}]
    sync = emulator.add_bulk_sync(name=FOREIGN, duration=60, schemas=schemas, message=FOREIGN)
    return PolytomicStartBulkSyncOperator(task_id="t", bulk_sync_id=sync.id, deferrable=deferrable)


@pytest.mark.parametrize("name", ["model", "bulk"])
def test_a_failed_execution(emulator, task_instance, logged, name, deferrable):
    with pytest.raises(PolytomicRunFailed) as raised:
        task_instance(start(name, emulator, deferrable)).finish()
    assert SHOWN in str(raised.value)
    assert_shown_on_one_line(str(raised.value), logged())


def test_a_refused_start(emulator, task_instance, logged):
    emulator.fault("status", status=422, body={"message": FOREIGN}, method="POST", count=None)
    with pytest.raises(PolytomicRequestRefused) as raised:
        task_instance(start("model", emulator, False)).finish()
    assert f"422: {SHOWN}" in str(raised.value)
    assert_shown_on_one_line(str(raised.value), logged())
