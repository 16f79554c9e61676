"""Access by each kind of key, and connections that partners share."""

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


@pytest.mark.parametrize("form", ["bearer", "basic_key", "basic_organization"])
def test_a_deployment_key_opens_everything_in_the_forms_that_are_accepted(emulator, form):
    key = emulator.deployment_key
    forms = {
        "bearer": {"headers": {"Authorization": f"Bearer {key}"}},
        "basic_key": {"auth": (key, "")},
        "basic_organization": {"auth": (emulator.organization_id, key)},
    }
    emulator.set_switch("deployment_key_forms", [form])
    for name, sent in forms.items():
        for path in ("/api/syncs", "/api/organizations", "/api/me"):
            assert httpx.get(f"{emulator.url}{path}", **sent).status_code == (200 if name == form else 401)
    me = httpx.get(f"{emulator.url}/api/me", **forms[form]).json()["data"]
    assert (me["is_system"], me["is_user"], me["is_partner"]) == (True, False, False)


@pytest.mark.parametrize("login", [("another", "KEY"), ("KEY", "something")])
def test_a_deployment_key_in_no_form_at_all(emulator, login):
    emulator.set_switch("deployment_key_forms", ["bearer", "basic_key", "basic_organization"])
    user, password = (each.replace("KEY", emulator.deployment_key) for each in login)
    assert httpx.get(f"{emulator.url}/api/me", auth=(user, password)).status_code == 401
