"""Show the first records of an error file without secrets."""

from __future__ import annotations

import gzip
import json

import pytest

from airflow_provider_polytomic.executions import first_records

CANARY = "canary-5ecret"


def test_a_table_shows_its_header_and_hides_values_of_secret_columns():
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
def test_only_line_breaks_end_a_record(letter):
    shown = first_records(f"note,password,error\na{letter}b,{CANARY},bad\n")
    assert shown == ("note, password, error", f"a{repr(letter)[1:-1]}b, ***, bad")


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
def test_a_line_that_cannot_be_parsed_is_left_out_if_there_are_secret_names(text):
    assert CANARY not in str(first_records(text))


def test_lines_of_a_json_array_are_parsed():
    text = f'[\n{{"credentials":"{CANARY}","pass":"{CANARY}","id":1}},\n{{"id":2}}]'
    assert first_records(text) == ('{"credentials": "***", "pass": "***", "id": 1}', '{"id": 2}')


def test_a_line_is_shown_as_it_is_if_there_are_no_secret_names():
    assert first_records('a,b\n"x"y,1\n') == ("a,b", '"x"y,1')
    assert first_records('{"a": \n1}') == ('{"a":', "1}")


def test_json_records_hide_values_of_secret_names():
    lines = "\n".join(json.dumps({"id": number, "user": {"password": CANARY}}) for number in range(9))
    shown = first_records(lines)
    assert shown[0] == '{"id": 0, "user": {"password": "***"}}'
    assert len(shown) == 3
    assert CANARY not in str(first_records(f'{{"password": "{CANARY}", "cut": '))


def test_known_secrets_and_signed_urls_are_hidden_anywhere():
    text = f"why\nwith {CANARY} at https://x.test/f?sig={CANARY}x and user://a:{CANARY}@host\n"
    assert CANARY not in str(first_records(text, CANARY))


@pytest.mark.parametrize("text", ["", "\n \n", "\x00\x01\x02", gzip.compress(b"x", mtime=0).decode(errors="replace")])
def test_a_file_that_is_no_text_is_left_out(text):
    assert first_records(text) == ()


def test_records_are_cut():
    assert max(map(len, first_records("a,b\n" + "x" * 5000))) <= 300
