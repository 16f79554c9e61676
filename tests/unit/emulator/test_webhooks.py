from __future__ import annotations

import pytest

from airflow_provider_polytomic.emulator.domain.clock import timestamp
from airflow_provider_polytomic.emulator.domain.errors import ApiError
from tests.support.api_data import data

BODY = {"endpoint": "https://example.com/hook", "secret": "hunter2"}


@pytest.fixture
def path(http):
    return f"/api/webhooks/{data(http.post('/api/webhooks', json=BODY))['id']}"


def test_create_get_list_update_delete(emulator, http, path):
    got = data(http.get(path))
    assert (got["endpoint"], got["secret"], got["disabled"]) == (BODY["endpoint"], "hunter2", False)
    assert data(http.get("/api/webhooks")) == [got]
    assert data(http.put(path, json={**BODY, "endpoint": "https://example.org"}))["endpoint"] == "https://example.org"
    assert http.delete(path).status_code == 200
    assert http.get(path).status_code == 404
    assert data(http.get("/api/webhooks")) == []
    assert "hunter2" not in str(emulator.requests)


def test_an_organization_has_one(http, path):
    assert http.post("/api/webhooks", json=BODY).status_code == 422
    http.delete(path)
    assert http.post("/api/webhooks", json=BODY).status_code == 200


@pytest.mark.parametrize("missing", ["endpoint", "secret"])
def test_a_required_field_of_a_webhook(http, path, missing):
    body = {name: value for name, value in BODY.items() if name != missing}
    assert http.put(path, json=body).status_code == 422
    http.delete(path)
    assert http.post("/api/webhooks", json=body).status_code == 422


def test_disable_and_enable(clock, http, path):
    off = data(http.post(f"{path}/disable"))
    assert (off["disabled"], off["disabled_at"]) == (True, timestamp(clock()))
    assert off["disabled_reason"]
    on = data(http.post(f"{path}/enable"))
    assert (on["disabled"], on["disabled_at"], on["disabled_reason"]) == (False, None, None)


def test_deliveries(emulator, clock, http, path):
    made = []
    for number in range(3):
        made.append(emulator.add_delivery(event_id=f"event-{number}", success=number != 1, status_code=200).id)
        clock.advance(10)

    def ids(**query):
        return [made.index(each["id"]) for each in data(http.get(f"{path}/deliveries", params=query))]

    assert ids() == [2, 1, 0]
    assert (ids(success="false"), ids(event_id="event-0")) == ([1], [0])
    second = data(http.get(f"{path}/deliveries"))[1]["attempted_at"]
    assert (ids(start=second), ids(end=second)) == ([2, 1], [0])
    emulator.set_switch("page_size", 2)
    page = http.get(f"{path}/deliveries").json()
    rest = http.get(
        f"{path}/deliveries", params=page["pagination"] and {"page_token": page["pagination"]["next_page_token"]}
    )
    assert [len(page["data"]), len(rest.json()["data"])] == [2, 1]
    assert rest.json()["pagination"] == {"next_page_token": ""}


def test_a_delivery_needs_a_webhook(emulator):
    with pytest.raises(ApiError):
        emulator.add_delivery(event_id="e")
