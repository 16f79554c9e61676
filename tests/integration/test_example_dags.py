"""Parse each example DAG without a connection; tests/system/test_dag_shapes.py runs them all."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from .conftest import FOLDERS, parse

EXAMPLES = sorted(FOLDERS["examples"].glob("*.py"))


def test_examples_parse_without_a_connection_and_without_requests(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a DAG file has made a request")

    assert not [name for name in os.environ if name.startswith("AIRFLOW_CONN_")]
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr("airflow_provider_polytomic._compat.BaseHook.get_connection", refuse)
    bag = parse(FOLDERS["examples"])
    assert bag.import_errors == {}
    assert len(bag.dags) >= len(EXAMPLES)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_has_a_docstring_and_snippets(path):
    text = path.read_text()
    assert text.startswith('"""')
    assert text.count("# --8<-- [start:") == text.count("# --8<-- [end:") >= 1


def test_the_example_collects_what_has_failed_in_one_message(run_dag, emulator):
    for name in ("Contacts", "Orders"):
        sync = emulator.add_model_sync(name=name, duration=0, outcome="failed", errors=[f"{name} has no key"])
        emulator.start(sync.id)
    emulator.start(emulator.add_model_sync(name="Deals", duration=0).id)
    emulator.add_model_sync(name="Never started")
    emulator.clock.advance(1.0)
    run = run_dag("example_polytomic_what_failed")
    first, *lines = run.result("message").splitlines()
    assert first == "2 executions failed since the last run"
    assert sorted(line.split(":")[0] for line in lines) == ["Contacts", "Orders"]


def test_examples_import_only_airflow_and_the_provider():
    code = f"import runpy; [runpy.run_path(path) for path in {[str(path) for path in EXAMPLES]!r}]"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, cwd=FOLDERS["examples"].parent)
