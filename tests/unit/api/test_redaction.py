from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_polytomic.api.models.bulk_syncs import BulkSchema
from airflow_provider_polytomic.api.models.connections import Connection
from airflow_provider_polytomic.api.models.syncs import Sync
from airflow_provider_polytomic.api.redaction import is_secret_name, redact, secrets_in

SECRET_NAMES = """
    pass db_pass password passwd PASSWORD db_password passphrase encryption_passphrase pwd secret clientSecret
    client_secret token access_token refreshToken authorization Authorization api_key apiKey api-key X-Api-Key apikey
    access_key
    secretAccessKey private_key privateKey ssh_private_key account_key service_account_key signing_key
    aws_secret_access_key credentials credential signature sig dsn jwt cookie Set-Cookie connection_string
    encryption_key
"""
HARMLESS_NAMES = """
    name host port user username key keys monkey primary_key source_primary_key partition_key foreign_key sort_key
    page_token next_page_token idempotency_key status tokenizer compass database schema id keyboard
"""


@pytest.mark.parametrize("name", SECRET_NAMES.split())
def test_secret_names(name: str):
    assert is_secret_name(name)
    assert redact({name: "canary"}) == {name: "***"}
    assert secrets_in({"x": [{name: "canary"}]}) == ["canary"]


@pytest.mark.parametrize("name", HARMLESS_NAMES.split())
def test_harmless_names(name: str):
    assert not is_secret_name(name)
    assert redact({name: "value"}) == {name: "value"}
    assert secrets_in({name: "value"}) == []


def test_everything_below_a_secret_name_is_secret():
    body = {"credentials": {"user": "u", "parts": ["p", 5, None, True]}, "token": "", "secret": None}
    assert secrets_in(body) == ["u", "p", "5", ""]
    assert redact(body) == {"credentials": "***", "token": "", "secret": None}


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("Authorization: Bearer canary", "Authorization: *** ***"),
        ("sent bearer canary.x-y_z= on", "sent bearer *** on"),
        ("postgres://user:canary@host/db", "postgres://***@host/db"),
        ("get https://s3.test/f?X-Sig=canary&e=1 now", "get https://s3.test/f?*** now"),
        ("password=canary; host=h", "password=***; host=h"),
        ("password: 'can ary' host", "password: *** host"),
        ('{"api_key": "can\\"ary", "host": "h"}', '{"api_key": ***, "host": "h"}'),
        ('{\\"api_key\\": \\"canary\\"}', '{\\"api_key\\": ***}'),
        ("X-Api-Key: canary", "X-Api-Key: ***"),
        ("monkey=banana primary_key=id page_token=t", "monkey=banana primary_key=id page_token=t"),
        ("a\n-----BEGIN RSA PRIVATE KEY-----\ncanary\n-----END RSA PRIVATE KEY-----\nb", "a\n***\nb"),
        ("a -----BEGIN PRIVATE KEY-----\ncanary", "a ***"),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_texts(text: str, redacted: str):
    assert redact(text) == redacted


@pytest.mark.parametrize("secret", ["canary", "p@ss/w?rd +", 'quo"te\\', "line\nbreak", "schlüssel"])
def test_known_secrets_however_they_are_spelled(secret: str):
    for spelled in (secret, quote(secret, safe=""), json.dumps(secret)[1:-1]):
        assert redact(f"before {spelled} after", secret, None, "") == "before *** after"


def test_longer_secrets_go_first():
    assert redact("abcdef", "abc", "abcdef") == "***"


def test_names_are_redacted_as_values_are():
    assert redact({"canary": [{"x": ("canary",)}], 1: 2}, "canary") == {"***": [{"x": ["***"]}], 1: 2}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(value=json_values, secret=st.text("abcXYZ0189-_", min_size=8, max_size=40))
def test_no_known_secret_survives(value, secret: str):
    planted = {"message": f"x{secret}y", secret: [value, secret], "deep": {"a": {"b": (secret, {"c": secret * 2})}}}
    assert secret not in repr(redact(planted, secret))


@given(json_values)
def test_redaction_keeps_the_shape(value):
    redacted = redact({"value": value})
    assert redacted.keys() == {"value"}
    assert isinstance(redacted["value"], type(value))


def test_long_texts_take_no_long_time():
    text = "k" * 200_000 + " " + "http://" * 2_000 + " " + "-----BEGIN A-----" * 2_000
    assert redact(text, "canary").startswith("kkk")


def test_reprs_of_models_show_no_secret():
    sync = Sync.model_validate({"id": "1", "encryption_passphrase": "canary", "logs_url": "https://x.test/f?s=canary"})
    connection = Connection.model_validate(
        {"id": "1", "configuration": {"x": "canary"}, "auth_url": "https://canary", "auth_code": "canary"}
    )
    assert "canary" not in repr(sync) + str(sync) + repr([connection])
    assert sync.encryption_passphrase == "canary"
    assert "partition_key='day'" in repr(BulkSchema(partition_key="day"))
