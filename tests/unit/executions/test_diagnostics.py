"""What is looked up about an execution that ended badly, and what of it may be read by anybody."""

from __future__ import annotations

import gzip
import json

import pytest

from airflow_provider_polytomic.executions import Diagnostics, Execution, Outcome, advice_for, first_records, report
from airflow_provider_polytomic.executions.advice import ANY_CONNECTION, advice_on

CANARY = "canary-5ecret"


@pytest.mark.parametrize(
    ("said", "advice"),
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
def test_known_causes_have_advice(said, advice):
    found = advice_on([said])
    assert found is None if advice is None else advice in found
    assert found is None or ANY_CONNECTION in found or "{" not in found


def test_the_first_text_that_tells_counts_and_the_connection_is_named():
    told = ["well", "permission denied", "connection refused"]
    assert advice_on(told, "connection 'CRM'") == "grant the missing permission to the user of connection 'CRM'"


def test_a_table_shows_its_names_and_hides_what_stands_under_a_secret_one():
    text = f'email,api_key,error\nada@x.test,{CANARY},"no, not valid"\ngrace@x.test,,ok,{CANARY}\n1\n2\n3\n'
    assert first_records(text) == (
        "email, api_key, error", "ada@x.test, ***, no, not valid",
    )  # fmt: skip


@pytest.mark.parametrize("separator", ["\t", ";", "|", ","])
def test_a_table_may_have_another_separator(separator):
    rows = [["email", "password", "error"], ["ada@x.test", CANARY, "bad"], ["", "", "shown"]]
    assert first_records("\r\n".join(separator.join(row) for row in rows)) == (
        "email, password, error", "ada@x.test, ***, bad", ", , shown",
    )  # fmt: skip


@pytest.mark.parametrize("letter", ["\u2028", "\x85", "\x0c"])
def test_nothing_but_the_end_of_a_line_ends_it(letter):
    shown = first_records(f"note,password,error\na{letter}b,{CANARY},bad\n")
    assert shown == ("note, password, error", "a b, ***, bad")


@pytest.mark.parametrize(
    "text",
    [
        f'email,password\n"ada"x,{CANARY}\n',
        f'email,password\n"ada,{CANARY}\n',
        f"email,password\nada,grace,{CANARY}\n",
        f"email~password\nada~{CANARY}\n",
        f'{{\n"password": [\n "{CANARY}"',
        f'{{\n"credentials":\n {{"value": "{CANARY}"}}',
        f'[\n"password", "{CANARY}"\n]',
        f'{{"credentials":"{CANARY}","pass":"{CANARY}"}},\n{{"credentials": {CANARY}',
    ],
)
def test_a_line_that_is_not_understood_is_left_out_where_there_are_names_of_secrets(text):
    assert CANARY not in str(first_records(text))


def test_lines_of_a_json_array_are_understood():
    text = f'[\n{{"credentials":"{CANARY}","pass":"{CANARY}","id":1}},\n{{"id":2}}]'
    assert first_records(text) == ('{"credentials": "***", "pass": "***", "id": 1}', '{"id": 2}')


def test_where_nothing_is_secret_a_line_is_shown_as_it_is():
    assert first_records('a,b\n"x"y,1\n') == ("a,b", '"x"y,1')
    assert first_records('{"a": \n1}') == ('{"a":', "1}")


def test_json_records_hide_what_stands_under_a_secret_name():
    lines = "\n".join(json.dumps({"id": number, "user": {"password": CANARY}}) for number in range(9))
    shown = first_records(lines)
    assert shown[0] == '{"id": 0, "user": {"password": "***"}}'
    assert len(shown) == 3
    assert CANARY not in str(first_records(f'{{"password": "{CANARY}", "cut": '))


def test_known_secrets_and_signed_addresses_are_hidden_anywhere():
    text = f"why\nwith {CANARY} at https://x.test/f?sig={CANARY}x and user://a:{CANARY}@host\n"
    assert CANARY not in str(first_records(text, CANARY))


@pytest.mark.parametrize("text", ["", "\n \n", "\x00\x01\x02", gzip.compress(b"x", mtime=0).decode(errors="replace")])
def test_what_cannot_be_read_is_left_out(text):
    assert first_records(text) == ()


def test_records_are_cut():
    assert max(map(len, first_records("a,b\n" + "x" * 5000))) <= 300


def _failed(**facts) -> Execution:
    return Execution("model", "sync", "execution", "failed", Outcome.FAILED, **facts)


def test_only_lines_of_trouble_tell_what_to_do():
    lines = ("12:00 info: connection refused by the cache, going on",)
    assert advice_for(_failed(), Diagnostics(console=lines)) is None
    assert "can reach" in advice_for(_failed(), Diagnostics(console=lines, has_console_errors=True))


def test_the_connection_is_named_only_where_its_own_words_tell():
    unhealthy_connections = (("connection 'CRM'", "is 'unhealthy': no message"),)
    assert ANY_CONNECTION in advice_for(
        _failed(errors=("permission denied",)), Diagnostics(unhealthy_connections=unhealthy_connections)
    )
    both = (*unhealthy_connections, ("connection 'Warehouse'", "is 'unhealthy': permission denied"))
    assert "connection 'Warehouse'" in advice_for(
        _failed(errors=("disk full",)), Diagnostics(unhealthy_connections=both)
    )


def test_a_report_is_of_lines_of_ours_whatever_the_api_says():
    forged = "x\x1b[2J\n::error::\u2028" + "y" * 5000
    row = {"schema": forged, "status": "failed", "status_message": forged}
    execution = Execution("bulk", "sync", forged, forged, Outcome.FAILED, errors=(forged,), schemas=(row,), url=forged)
    cause = Diagnostics(
        sync_name=forged, unhealthy_connections=(("connection", forged),), problems=(forged,), console=(forged,)
    )
    text = report(execution, "failed", ["advice"], cause)
    assert all(line.isprintable() for line in text.split("\n"))
    assert not [line for line in text.split("\n") if line.startswith("::") or len(line) > 2100]
    assert len(text.split("\n")) == 10
