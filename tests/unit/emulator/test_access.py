"""What each kind of key opens, and what partners do."""

from __future__ import annotations

import httpx
import pytest


@pytest.fixture
def shared(emulator):
    connection = emulator.add_connection(name="CRM", type="salesforce", configuration={"api_token": "x"})
    return f"/api/organizations/{emulator.organization_id}/connections/{connection.id}/shared"


def test_a_partner_key_opens_the_organizations_alone(emulator, http, partner, shared):
    for path in ("/api/organizations", shared):
        assert (partner.get(path).status_code, http.get(path).status_code) == (200, 403)
    for path in ("/api/syncs", "/api/connections"):
        assert (partner.get(path).status_code, http.get(path).status_code) == (403, 200)


def test_a_partner_key_with_an_organization_is_the_organization(emulator):
    for key in (emulator.partner_key, emulator.api_key):
        login = (emulator.organization_id, key)
        assert httpx.get(f"{emulator.url}/api/syncs", auth=login).status_code == 200
        assert httpx.get(f"{emulator.url}/api/me", auth=login).json()["data"]["is_organization"] is True
    login = ("another", emulator.partner_key)
    assert httpx.get(f"{emulator.url}/api/syncs", auth=login).status_code == 401


def test_me_for_a_partner(partner):
    me = partner.get("/api/me").json()["data"]
    assert (me["is_partner"], me["is_user"], me["is_organization"]) == (True, False, False)


def test_organizations_begin_with_the_owning_one(emulator, partner):
    child = emulator.add_organization(name="Child")
    listed = partner.get("/api/organizations").json()["data"]
    assert [each["id"] for each in listed] == [emulator.organization_id, child]
    assert listed[1]["name"] == "Child"


def test_a_shared_connection_is_a_copy_elsewhere(emulator, http, partner, shared):
    child = emulator.add_organization(name="Child")
    made = partner.post(shared, json={"child_organization_id": child, "name": "Copy"}).json()["data"]
    [copy] = partner.get(shared).json()["data"]
    parent = emulator.connections[0]
    assert (copy["id"], copy["name"], copy["organization_id"]) == (made["id"], "Copy", child)
    assert copy["parent_connection_id"] == parent.id
    assert http.get(f"/api/connections/{parent.id}/shared").json()["data"] == [copy]
    assert [each["id"] for each in http.get("/api/connections").json()["data"]] == [parent.id]
    assert http.get(f"/api/connections/{copy['id']}").status_code == 404
    http.delete(f"/api/connections/{parent.id}")
    assert emulator.connections == []


def test_sharing_needs_the_owner_and_a_known_child(emulator, partner, shared):
    child = emulator.add_organization(name="Child")
    elsewhere = shared.replace(emulator.organization_id, child)
    assert partner.get(elsewhere).status_code == 404
    assert partner.post(elsewhere, json={"child_organization_id": child}).status_code == 404
    assert partner.post(shared, json={"child_organization_id": "none"}).status_code == 404
    assert partner.post(shared, json={}).status_code == 422
