"""What is looked up about an execution that ended badly, and what of it may be read by anybody."""

from __future__ import annotations

import gzip
import json

import pytest

from airflow_provider_polytomic.runs import first_records
from airflow_provider_polytomic.runs.advice import SOME_CONNECTION, advice_on

CANARY = "canary-5ecret"


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("401 from the target", "re-authorize"),
        ("the access token expired yesterday", "re-authorize"),
        ("invalid_grant", "re-authorize"),
        ("permission denied for table customers", "grant"),
        ("403 Forbidden", "grant"),
        ("429 Too Many Requests", "limits requests"),
        ("daily API limit exceeded", "limits requests"),
        ("connection refused", "can reach"),
        ("i/o timed out", "can reach"),
        ('column "tax" does not exist', "refresh the schemas"),
        ("no such table: x", "refresh the schemas"),
        ("no space left: disk full", "wake or enlarge"),
        ("duplicate key value violates unique constraint", "mend the records"),
        ("something went wrong", None),
        ("the token bucket algorithm ran", None),
    ],
)
def test_known_causes_have_advice(said, advice):
    found = advice_on([said])
    assert found is None if advice is None else advice in found
    assert found is None or SOME_CONNECTION in found or "{" not in found


def test_the_first_text_that_tells_counts_and_the_connection_is_named():
    told = ["well", "permission denied", "connection refused"]
    assert advice_on(told, "connection 'CRM'") == "grant the missing right to the user of connection 'CRM'"


def test_a_table_shows_its_names_and_hides_what_stands_under_a_secret_one():
    text = f'email,api_key,error\nada@x.test,{CANARY},"no, not valid"\ngrace@x.test,,ok,{CANARY}\n1\n2\n3\n'
    assert first_records(text) == (
        "email, api_key, error", "ada@x.test, ***, no, not valid", "grace@x.test, , ok, ***", "1",
    )  # fmt: skip


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
