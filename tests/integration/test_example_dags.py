"""Parse each example DAG without a connection, and run it against the emulator."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from .conftest import FOLDERS, parse

EXAMPLES = sorted(FOLDERS["examples"].glob("*.py"))

every_example = pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)


def test_examples_parse_without_a_connection_and_without_requests(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a DAG file has made a request")

    assert not [name for name in os.environ if name.startswith("AIRFLOW_CONN_")]
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr("airflow_provider_polytomic._compat.BaseHook.get_connection", refuse)
    bag = parse(FOLDERS["examples"])
    assert bag.import_errors == {}
    assert len(bag.dags) >= len(EXAMPLES)


@every_example
def test_an_example_has_a_docstring_and_snippets(path):
    text = path.read_text()
    assert text.startswith('"""')
    assert text.count("# --8<-- [start:") == text.count("# --8<-- [end:") >= 1


@every_example
def test_an_example_runs_unchanged_against_the_emulator(path, dags, run_dag, emulator):
    emulator.add_samples()
    for dag_id in [one for one, dag in dags.items() if dag.fileloc == str(path)]:
        run = run_dag(dag_id)
        assert (run.state, set(run.tasks.values())) == ("success", {"success"})
    assert any(sent.method == "POST" and sent.path.endswith("/executions") for sent in emulator.requests)


def test_examples_import_only_airflow_and_the_provider():
    code = f"import runpy; [runpy.run_path(path) for path in {[str(path) for path in EXAMPLES]!r}]"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, cwd=FOLDERS["examples"].parent)
