"""Find advice by the words of error messages."""

from __future__ import annotations

import pytest

from airflow_provider_polytomic.executions import Diagnostics, Execution, Outcome, advice_for
from airflow_provider_polytomic.executions.advice import ANY_CONNECTION, advice_on


@pytest.mark.parametrize(
    ("message", "advice"),
    [
        ("401 from the target", "re-authorize"),
        ("the access token expired yesterday", "re-authorize"),
        ("invalid_grant", "re-authorize"),
        ("permission denied for table customers", "grant"),
        ("403 Forbidden", "grant"),
        ("429 Too Many Requests", "requests to it are limited"),
        ("daily API limit exceeded", "requests to it are limited"),
        ("connection refused", "can reach"),
        ("i/o timed out", "can reach"),
        ('column "tax" does not exist', "refresh the schemas"),
        ("no such table: x", "refresh the schemas"),
        ("no space left: disk full", "resume or enlarge"),
        ("duplicate key value violates unique constraint", "correct the records"),
        ("something went wrong", None),
        ("row 401: email required", "correct the records"),
        ("row 403: email required", "correct the records"),
        ("info: 401 records written", None),
        ("error: 401 records were not written", None),
        ('relation "quotations" does not exist', "refresh the schemas"),
        ("server closed the connection, reconnect failed", "can reach"),
        ("unexpected token < in JSON", None),
        ("unexpected token < in JSON: invalid", None),
        ("Object Permissions__c not found", "refresh the schemas"),
        ("HTTP 403", "grant"),
        ("status code: 401", "re-authorize"),
        ("is 'unhealthy': 429", "requests to it are limited"),
        ("daily quota used up", "requests to it are limited"),
        ("the token bucket algorithm ran", None),
    ],
)
def test_known_errors_have_advice(message, advice):
    found = advice_on([message])
    assert found is None if advice is None else advice in found
    assert found is None or ANY_CONNECTION in found or "{" not in found


def test_the_first_known_message_counts_and_the_connection_is_named():
    messages = ["well", "permission denied", "connection refused"]
    assert advice_on(messages, "connection 'CRM'") == "grant the missing permission to the user of connection 'CRM'"


def _failed(**facts) -> Execution:
    return Execution("model", "sync", "execution", "failed", Outcome.FAILED, **facts)


def test_only_console_errors_have_advice():
    lines = ("12:00 info: connection refused by the cache, going on",)
    assert advice_for(_failed(), Diagnostics(console=lines)) is None
    assert "can reach" in advice_for(_failed(), Diagnostics(console=lines, has_console_errors=True))


def test_the_connection_is_named_only_if_its_own_message_is_known():
    unhealthy_connections = (("connection 'CRM'", "is 'unhealthy': no message"),)
    assert ANY_CONNECTION in advice_for(
        _failed(errors=("permission denied",)), Diagnostics(unhealthy_connections=unhealthy_connections)
    )
    both = (*unhealthy_connections, ("connection 'Warehouse'", "is 'unhealthy': permission denied"))
    assert "connection 'Warehouse'" in advice_for(
        _failed(errors=("disk full",)), Diagnostics(unhealthy_connections=both)
    )
