"""Snapshots of the schemas of a bulk sync: the file, the command that writes it, and the task that compares it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_polytomic.assets import bulk_sync_asset
from airflow_provider_polytomic.exceptions import PolytomicRequestRefused, PolytomicSnapshotOutdated
from airflow_provider_polytomic.operators.snapshots import PolytomicCheckSnapshotOperator
from airflow_provider_polytomic.snapshot import BulkSyncSnapshot
from airflow_provider_polytomic.snapshot.__main__ import main

SCHEMAS = [{"id": "Lead", "enabled": False}, {"id": "Contact"}, {"id": "Account", "output_name": "accounts"}]


@pytest.fixture(autouse=True)
def connection(emulator: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_POLYTOMIC_DEFAULT", emulator.airflow_connection)


@pytest.fixture
def sync(emulator: Any) -> Any:
    return emulator.add_bulk_sync(id="crm", name="CRM", schemas=SCHEMAS)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "crm.json"


class TestCommand:
    @pytest.mark.parametrize("given", [("--bulk-sync-id", "crm"), ("--bulk-sync-name", "CRM")])
    def test_the_file_is_sorted_and_has_the_enabled_schemas(self, sync, path, given):
        assert main([str(path), *given]) == 0
        text = path.read_text()
        assert json.loads(text) == {
            "bulk_sync_id": "crm", "bulk_sync_name": "CRM", "schemas": {"Account": "accounts", "Contact": "Contact"},
        }  # fmt: skip
        assert text == json.dumps(json.loads(text), indent=2, sort_keys=True) + "\n"

    def test_the_order_of_the_answer_does_not_matter(self, emulator, sync, path):
        main([str(path), "--bulk-sync-id", "crm"])
        before = path.read_bytes()
        emulator.plan("crm", schemas=SCHEMAS[::-1])
        assert main([str(path)]) == 0
        assert path.read_bytes() == before

    def test_an_existing_file_is_renewed_and_its_changes_are_printed(self, emulator, sync, path, capsys):
        main([str(path), "--bulk-sync-id", "crm"])
        capsys.readouterr()
        emulator.plan("crm", schemas=[*SCHEMAS, {"id": "Order"}])
        assert main([str(path)]) == 0
        assert "+ schema Order as Order\nWrote 3 schemas of bulk sync crm" in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("given", "text"),
        [
            ((), "does not exist: add --bulk-sync-id"),
            (("--bulk-sync-id", "other"), "404"),
            (("--bulk-sync-name", "Crm"), "the nearest names are 'CRM'"),
            (("--bulk-sync-id", "crm", "--conn-id", "nothing"), "nothing"),
        ],
    )
    def test_a_failure_is_one_line_and_writes_nothing(self, sync, path, capsys, given, text):
        assert main([str(path), *given]) == 1
        error = capsys.readouterr().err
        assert "Could not write the snapshot: " in error
        assert text in error
        assert not path.exists()

    @pytest.mark.parametrize(
        "content", ["", "<<<<<<< HEAD\n{}", "{}", "[" * 100_000], ids=["empty", "conflict", "no_fields", "deep"]
    )
    def test_a_damaged_file_is_written_again_if_the_bulk_sync_is_named(self, sync, path, capsys, content):
        path.write_text(content)
        assert main([str(path)]) == 1
        assert "is damaged: add --bulk-sync-id or --bulk-sync-name" in capsys.readouterr().err
        assert path.read_text() == content
        assert main([str(path), "--bulk-sync-name", "CRM"]) == 0
        assert BulkSyncSnapshot.read(path).schemas == {"Account": "accounts", "Contact": "Contact"}

    def test_the_key_is_nowhere(self, emulator, sync, path, capsys):
        emulator.fault("status", status=500, body={"message": f"the key is {emulator.api_key}"}, count=None)
        assert main([str(path), "--bulk-sync-id", "crm"]) == 1
        assert emulator.api_key not in capsys.readouterr().err

    def test_it_runs_as_a_module(self, emulator, sync, path):
        command = [sys.executable, "-m", "airflow_provider_polytomic.snapshot", str(path), "--bulk-sync-id", "crm"]
        subprocess.run(command, check=True, env={**os.environ}, capture_output=True)
        assert BulkSyncSnapshot.read(path).bulk_sync_id == "crm"


class TestFile:
    def test_its_assets_are_those_of_the_schemas_and_need_no_request(self, path, monkeypatch):
        snapshot = BulkSyncSnapshot("crm", "CRM", {"Account": "accounts", "a/b": None})
        snapshot.write(path)

        def refuse(*arguments: Any) -> None:
            raise AssertionError("a request")

        monkeypatch.setattr(socket.socket, "connect", refuse)
        read = BulkSyncSnapshot.read(path)
        assert read == snapshot
        assert read.assets() == {name: bulk_sync_asset("crm", schema=name) for name in ("Account", "a/b")}
        of_customer = read.assets(organization_id="customer")
        assert of_customer["a/b"] == bulk_sync_asset("crm", schema="a/b", organization_id="customer")
        assert read.assets(host="eu.example.com")["Account"].uri.startswith("polytomic://eu.example.com/bulk/crm/")

    @pytest.mark.parametrize(
        "content",
        [
            None,
            "",
            "[]",
            "{}",
            pytest.param("[" * 100_000, id="deep"),
            '{"bulk_sync_id": 1, "bulk_sync_name": "", "schemas": {}}',
        ],
    )
    def test_another_file_is_refused_with_the_command(self, path, content):
        if content is not None:
            path.write_text(content)
        with pytest.raises(ValueError, match=r"is not a snapshot .*Next: write it with python -m"):
            BulkSyncSnapshot.read(path)

    def test_a_dag_file_that_reads_it_loads_no_client(self):
        code = "import sys, airflow_provider_polytomic.snapshot; assert not {'httpx', 'pydantic'} & set(sys.modules)"
        subprocess.run([sys.executable, "-c", code], check=True)


class TestOperator:
    @pytest.fixture
    def check(self, sync, path, task_instance):
        main([str(path), "--bulk-sync-id", "crm"])
        return task_instance(PolytomicCheckSnapshotOperator(task_id="check", snapshot=path))

    def test_it_succeeds_while_nothing_has_changed(self, check, emulator):
        emulator.plan("crm", schemas=SCHEMAS[::-1])
        assert check.execute() is None

    def test_it_fails_with_the_differences(self, check, emulator, path):
        emulator.plan("crm", schemas=[{"id": "Account", "output_name": "account"}, {"id": "Lead"}])
        with pytest.raises(PolytomicSnapshotOutdated) as raised:
            check.execute()
        assert str(raised.value) == (
            "The snapshot crm.json of bulk sync crm is outdated:\n"
            "    + schema Account as account\n"
            "    - schema Account as accounts\n"
            "    - schema Contact as Contact\n"
            "    + schema Lead as Lead\n"
            "  Next:\n"
            f"    - run python -m airflow_provider_polytomic.snapshot {path}, and commit the file"
        )

    def test_a_long_difference_is_cut(self, check, emulator):
        emulator.plan("crm", schemas=[{"id": f"schema-{number:03}"} for number in range(100)])
        with pytest.raises(PolytomicSnapshotOutdated, match=r"\n    and 82 more\n") as raised:
            check.execute()
        assert len(str(raised.value).splitlines()) == 24

    def test_a_file_that_is_no_snapshot_is_refused(self, check, path):
        path.write_text("{}")
        with pytest.raises(PolytomicRequestRefused, match="is not a snapshot"):
            check.execute()

    def test_a_bulk_sync_that_is_gone_is_refused(self, check, emulator):
        emulator.reset()
        with pytest.raises(PolytomicRequestRefused, match="bulk sync crm could not be compared: .*Next:"):
            check.execute()
