from __future__ import annotations

import copy
import pickle

import pytest

from airflow_provider_polytomic import api
from airflow_provider_polytomic.api import (
    PolytomicAPIError,
    PolytomicAuthError,
    PolytomicResponseError,
    PolytomicValidationError,
    connections,
    syncs,
)
from airflow_provider_polytomic.api.retry import is_transient
from tests.support.scripted_server import Answer, answer

from .conftest import KEY


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (400, "PolytomicValidationError"),
        (401, "PolytomicAuthError"),
        (403, "PolytomicPermissionError"),
        (404, "PolytomicNotFoundError"),
        (405, "PolytomicAPIError"),
        (409, "PolytomicConflictError"),
        (422, "PolytomicValidationError"),
        (429, "PolytomicRateLimitError"),
        (500, "PolytomicServerError"),
        (599, "PolytomicServerError"),
    ],
)
def test_each_status_has_its_exception(status: int, name: str, server, sync_driver):
    body = {"key": "some_key", "message": "some words", "metadata": {"a": [1]}, "status": 200}
    server.answers(answer(body, status, Retry_After="9"))
    with pytest.raises(PolytomicAPIError) as caught:
        sync_driver.send(syncs.get("x y"), max_retries=0)
    error = caught.value
    assert type(error) is getattr(api, name)
    assert (error.status_code, error.key, error.message) == (status, "some_key", "some words")
    assert (error.metadata, error.method, error.path) == ({"a": [1]}, "GET", "/api/syncs/x%20y")
    assert error.retry_after == 9
    assert str(error) == f"GET /api/syncs/x%20y was answered {status}: some words"


def test_the_message_lists_what_uses_a_connection(server, sync_driver):
    users = [{"type": "sync", "name": "CRM", "id": "1"}, {"type": "bulk_sync", "name": None, "id": "2"}, "odd"]
    server.answers(answer({"message": "connection in use", "metadata": {"used_by": users}}, 422))
    with pytest.raises(PolytomicValidationError) as caught:
        sync_driver.send(connections.delete("c"))
    assert str(caught.value).endswith("connection in use; used by sync 'CRM' (1), bulk_sync None (2)")
    assert caught.value.metadata["used_by"][1]["id"] == "2"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "the response is empty"),
        (b"<html>Bad gateway</html>", "the response is an HTML page"),
        (b'{"message": "cut sho', "truncated or malformed"),
        (b'"text"', "not a JSON object as the API returns"),
        (b"null", "not a JSON object as the API returns"),
        (b"{}", "no message"),
        (b'{"message": null, "metadata": null, "key": null}', "no message"),
        (b'{"error": "said elsewhere"}', "said elsewhere"),
        (b'{"message": {"nested": "words"}, "metadata": [1], "key": 5}', "{'nested': 'words'}"),
        (b'{"metadata": {"used_by": {"not": "a list"}}}', "no message"),
        (b'{"message": "bad \\ud800 id"}', "bad \ufffd id"),
        (b'{"metadata": ' + b"[" * 800 + b"]" * 800 + b"}", ""),
        (b'{"metadata": ' + b"[" * 90_000 + b"]" * 90_000 + b"}", ""),
        (b'{"message": "\xff"}', "\ufffd"),
    ],
)
def test_any_body_of_an_error_status_is_read(body: bytes, message: str, server, sync_driver):
    server.answers(Answer(500, body, {"Content-Type": "application/json"}))
    with pytest.raises(PolytomicAPIError) as caught:
        sync_driver.send(syncs.get("1"), max_retries=0)
    assert caught.value.status_code == 500
    assert message in caught.value.message


@pytest.mark.parametrize("name", ["X-Request-Id", "Request-ID", "cf-ray"])
def test_an_error_has_the_headers_of_the_response_for_a_support_ticket(name: str, server, sync_driver):
    secrets = {"Set-Cookie": "s=c4nary", "X-Auth-Token": "c4nary", "Location": "https://x.test/c4nary"}
    headers = {"Via": "1.1 proxy", "X-Echo": f"key {KEY}", **secrets, name: "req-1"}
    server.answers(Answer(500, b"{}", headers))
    with pytest.raises(PolytomicAPIError) as caught:
        sync_driver.send(syncs.get("1"), max_retries=0)
    error = caught.value
    assert error.request_id == error.headers[name.lower()] == "req-1"
    assert (error.headers["via"], error.headers["x-echo"]) == ("1.1 proxy", "key ***")
    assert "c4nary" not in str(error.headers)
    assert KEY not in str(error.headers)


def test_an_error_without_such_headers_has_no_request_id(server, sync_driver):
    server.answers(answer({}, 500))
    with pytest.raises(PolytomicAPIError) as caught:
        sync_driver.send(syncs.get("1"), max_retries=0)
    assert caught.value.request_id is None


VERSION = {"X-Polytomic-Version": "2025-09-18"}
FOREIGN = {
    "an HTML page": (b"<html><h1>Not found</h1></html>", {}),
    "an HTML page under the header": (b"<html><h1>Not found</h1></html>", VERSION),
    "empty": (b"", {}),
    "empty object": (b"{}", {}),
    "null": (b"null", {}),
    "a list": (b"[]", VERSION),
    "an error as text": (b'{"error": "Not Found"}', {}),
    "a detail": (b'{"detail": "Not Found"}', VERSION),
    "a status as text": (b'{"status": "error", "message": "no route"}', {}),
    "other fields, too": (b'{"message": "no route", "request_id": "1"}', {}),
    "a status alone": (b'{"status": 404}', {}),
    "truncated": (b'{"message": "no ro', VERSION),
}
OWN = {
    "whole": (b'{"key": "k", "message": "m", "metadata": {"a": 1}, "status": 404}', {}),
    "message": (b'{"message": "m"}', {}),
    "key": (b'{"key": "k", "message": null}', {}),
    "older form": (b'{"error": {"message": "m"}}', {}),
    "empty object under the header": (b"{}", VERSION),
    "a further field under the header": (b'{"message": "m", "trace": "1"}', VERSION),
}
REFUSALS = [400, 401, 403, 404, 409, 410, 422]


@pytest.mark.parametrize("status", REFUSALS)
@pytest.mark.parametrize(("body", "headers"), FOREIGN.values(), ids=FOREIGN)
def test_a_refusal_that_is_not_of_the_api_decides_nothing(body, headers, status: int, server, sync_driver):
    server.answers(Answer(status, body, headers))
    with pytest.raises(PolytomicResponseError, match="not an answer of Polytomic's API; .* any proxy") as caught:
        sync_driver.send(syncs.get("1"), max_retries=0)
    assert caught.value.status_code == status
    assert is_transient(caught.value)


@pytest.mark.parametrize("status", REFUSALS)
@pytest.mark.parametrize(("body", "headers"), OWN.values(), ids=OWN)
def test_a_refusal_of_the_api_decides(body: bytes, headers: dict[str, str], status: int, server, sync_driver):
    server.answers(Answer(status, body, headers))
    with pytest.raises(PolytomicAPIError) as caught:
        sync_driver.send(syncs.get("1"), max_retries=0)
    assert not is_transient(caught.value)


def test_a_401_of_the_api_needs_no_body(server, sync_driver):
    server.answers(Answer(401, b"", VERSION))
    with pytest.raises(PolytomicAuthError):
        sync_driver.send(syncs.get("1"), max_retries=0)


@pytest.mark.parametrize(("body", "foreign"), [(b"<html>", True), (b"", True), (b'{"message": "m"}', False)])
@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
def test_an_outage_keeps_its_class_and_tells_whose_answer_it_is(status, body, foreign, server, sync_driver):
    server.answers(Answer(status, body, {"Retry-After": "9"}))
    with pytest.raises(PolytomicAPIError) as caught:
        sync_driver.send(syncs.get("1"), max_retries=0)
    assert (caught.value.status_code, caught.value.foreign, caught.value.retry_after) == (status, foreign, 9)


def test_errors_can_be_copied_and_pickled():
    error = PolytomicValidationError(422, method="PUT", path="/x", message="m", key="k", metadata={"a": 1})
    for other in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert type(other) is type(error)
        assert (str(other), other.__dict__) == (str(error), error.__dict__)


def test_long_metadata_and_many_headers_of_an_error_are_left_out(server, sync_driver):
    body = {"message": "some words", "key": ["k"] * 50_000, "metadata": {"rows": ["x"] * 50_000}}
    server.answers(answer(body, 503, **{f"X_{number}": "x" for number in range(60)}))
    with pytest.raises(api.PolytomicServerError, match="was answered 503: some words") as caught:
        sync_driver.send(syncs.get("1"), max_retries=0)
    assert (caught.value.key, caught.value.metadata) == (None, {})
    assert len(caught.value.headers) == 50


def test_an_error_names_the_optional_settings_of_its_request(server, driver):
    server.answers(answer({"message": "no"}, 401))
    with pytest.raises(PolytomicAuthError) as raised:
        driver.send(syncs.list(), organization_id="o", max_requests_per_minute=600)
    assert raised.value.settings_in_use == {"organization_id", "max_requests_per_minute"}


def test_a_key_that_is_the_name_of_a_field_hides_no_field(server, driver):
    server.answers(answer({"message": "no such sync", "key": "not_found"}, 404))
    with pytest.raises(api.PolytomicNotFoundError) as raised:
        driver.send(syncs.get("1"), api_key="key")
    assert raised.value.key == "not_found"
