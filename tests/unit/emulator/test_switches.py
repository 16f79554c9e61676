"""The switches, and the page that describes them."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import httpx
import pytest

from airflow_provider_polytomic.emulator.domain import behavior
from airflow_provider_polytomic.emulator.domain.behavior import Behavior
from airflow_provider_polytomic.emulator.domain.errors import ApiError
from airflow_provider_polytomic.emulator.http.responses import IdempotencyStore

PAGE = Path(__file__).parents[3] / "docs" / "emulator.md"
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.read_text().partition("## Switches")[2].splitlines()
    if line.startswith("| `")
]
NAMES = [each.name for each in fields(Behavior)]


def test_the_page_lists_exactly_the_switches_in_order():
    assert [row[0].strip("`") for row in ROWS] == NAMES


def test_the_docstring_describes_every_switch():
    assert re.findall(r":param (\w+):", Behavior.__doc__) == NAMES


def test_the_page_lists_every_value_with_the_default_first():
    for name, _, values in ROWS:
        default, allowed = getattr(Behavior(), name.strip("`")), behavior.allowed_values(name.strip("`"))
        listed = re.findall(r"[\w-]+", values)
        assert {str(value) for value in allowed} <= set(listed), name
        if allowed:
            assert listed[0] == str(allowed[0]) == str(default), name
        elif isinstance(default, bool):
            assert values == f"`{default}`, `{not default}`", name


class TestValues:
    """Switches that no other test of the emulator sets."""

    def test_lists_without_a_documented_order_can_be_reversed(self, emulator, get):
        sync = emulator.add_bulk_sync(schemas=[{"id": "a"}, {"id": "b"}])
        emulator.add_bulk_sync()
        paths = ["/api/connection_types", "/api/bulk/syncs/status?all=true", f"/api/bulk/syncs/{sync.id}/schemas"]
        before = [get(path)["data"] for path in paths]
        assert all(len(rows) > 1 for rows in before)
        emulator.set_switch("list_order", "reversed")
        assert [get(path)["data"] for path in paths] == [rows[::-1] for rows in before]

    def test_only_completed_can_leave_out_failures(self, emulator, get):
        sync = emulator.add_model_sync(next_executions=[{"duration": 1, "outcome": "failed"}, {"duration": 1}])
        for _ in range(2):
            emulator.start(sync.id)
            emulator.clock.advance(5)
        path = f"/api/syncs/{sync.id}/executions?only_completed=true"
        assert [one["status"] for one in get(path)["data"]] == ["completed", "failed"]
        emulator.set_switch("only_completed", "completed")
        assert [one["status"] for one in get(path)["data"]] == ["completed"]

    @pytest.mark.parametrize(("kind", "folder"), [("model", "syncs"), ("bulk", "bulk/syncs")])
    def test_a_status_can_show_an_ended_execution_late(self, emulator, clock, get, kind, folder):
        sync = getattr(emulator, f"add_{kind}_sync")()
        path = f"/api/{folder}/{sync.id}"

        def run():
            execution = emulator.start(sync.id)
            emulator.finish(execution.id)
            return execution.id

        def shown():
            return {name: one["id"] for name, one in get(f"{path}/status")["data"].items() if one}

        first = run()
        assert shown() == {"last_execution": first}
        emulator.set_switch("status_lag", "30")
        assert shown() == {}
        clock.advance(30)
        second = run()
        clock.advance(29)
        assert shown() == {"last_execution": first}
        assert get(f"{path}/executions/{second}")["data"]["status"] == "completed"
        clock.advance(1)
        assert shown() == {"last_execution": second}

    def test_a_header_can_mark_a_replayed_response(self, emulator):
        sync = emulator.add_model_sync()
        emulator.set_switch("replay_header", "Idempotent-Replayed")
        url, headers = f"{emulator.url}/api/syncs/{sync.id}/executions", {
            "Authorization": f"Bearer {emulator.api_key}", "Idempotency-Key": "12345678",
        }  # fmt: skip
        responses = [httpx.post(url, headers=headers, json={}) for _ in range(2)]
        assert [response.headers.get("Idempotent-Replayed") for response in responses] == [None, "true"]

    @pytest.mark.parametrize(("value", "said"), [("own_words", "Idempotency-Key"), ("as_running", "in progress")])
    def test_the_message_to_a_key_in_flight_can_be_that_to_a_running_sync(self, value, said):
        chosen = Behavior(in_flight=value)
        store = IdempotencyStore()
        store.begin(("12345678", ""), ("/", b""), 0.0, chosen)
        with pytest.raises(ApiError, match=said):
            store.begin(("12345678", ""), ("/", b""), 0.0, chosen)

    @pytest.fixture
    def get(self, emulator):
        headers = {"Authorization": f"Bearer {emulator.api_key}"}
        return lambda path: httpx.get(emulator.url + path, headers=headers).json()


@pytest.mark.parametrize("value", ["maybe", 200, 700, "400", None])
def test_a_switch_for_a_status_takes_no_other_value(emulator, value):
    with pytest.raises(ValueError, match="start_inactive must be the status of an error or accept"):
        emulator.set_switch("start_inactive", value)
