from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_provider_polytomic.api import PolytomicClient
from airflow_provider_polytomic.api.models.connections import Connection
from airflow_provider_polytomic.api.models.syncs import BulkSchema, Sync
from airflow_provider_polytomic.api.redaction import (
    MAX_REGISTERED_SECRETS,
    one_line,
    redact,
    register_secrets,
)
from airflow_provider_polytomic.api.secret_names import is_secret_name
from airflow_provider_polytomic.api.secret_values import secrets_in

SECRET_NAMES = """
    pass db_pass password passwd PASSWORD db_password passphrase encryption_passphrase pwd secret clientSecret
    client_secret token access_token refreshToken authorization Authorization api_key apiKey api-key X-Api-Key apikey
    access_key
    secretAccessKey private_key privateKey ssh_private_key account_key service_account_key signing_key
    aws_secret_access_key credentials credential signature sig dsn jwt cookie Set-Cookie connection_string
    encryption_key passwords tokens secrets secret_value password_hash passwordHash auth basic_auth token_hash api_keys
    SharedAccessSignature pem creds sas_url conn_str jdbc_url password1 password_2 passcode
"""
TERRAFORM_NAMES = """
    access_id access_key access_key_secret access_secret access_token admin_api_token api_id api_key
    api_password api_secret api_token apikey apikey_id apikey_secret app_api_key app_key app_secret
    application_id authentication_key aws_secret_access_key azure_access_key byo_app_token ca_cert
    client_certificate client_id client_key client_private_key client_secret consumer_key consumer_secret
    credential_config credentials deployment_api_key merchant_token oauth_access_token oauth_refresh_token
    partner_api_key passwd password personal_access_token personal_api_key private_apikey
    private_integration_token private_key private_key_passphrase refresh_token seal_token secret
    secret_access_key secret_key service_account service_account_secret service_principal_secret ssh_password
    ssh_private_key subscription_key token token_secret tracking_api_key write_key
"""
"""Settings that the Terraform provider of Polytomic marks as sensitive, except ``key``."""

HARMLESS_NAMES = """
    name host port user username key keys monkey primary_key source_primary_key partition_key foreign_key sort_key
    key_field unique_key row_key csv_has_headers oauth_token_expiry token_endpoint auth_method public_key account_id
    page_token next_page_token idempotency_key status tokenizer compass database schema id keyboard
    token_count tokenCount max_tokens author authentic secretary password_policy auth_url auth_type passenger passed
"""


@pytest.mark.parametrize("name", dict.fromkeys([*SECRET_NAMES.split(), *TERRAFORM_NAMES.split()]))
def test_values_of_secret_names_are_masked(name: str):
    assert is_secret_name(name)
    assert redact({name: "canary"}) == {name: "***"}
    assert secrets_in({"x": [{name: "canary"}]}) == ["canary"]


@pytest.mark.parametrize("kind", ["string", ["string", "null"], "object"])
def test_the_property_of_a_json_schema_is_kept(kind: Any):
    described = {"type": kind, "title": "Password", "description": "Of the database user"}
    schema = {"configuration": {"type": "object", "properties": {"password": described, "key": described}}}
    assert redact(schema) == schema


@pytest.mark.parametrize(
    "value", ["canary", ["canary"], {"value": "canary"}, {"type": "service_account", "id": "canary"}, {"type": []}]
)
def test_a_secret_in_a_field_named_properties_is_masked(value: Any):
    assert redact({"properties": {"credentials": value}}) == {"properties": {"credentials": "***"}}


@pytest.mark.parametrize("masked", ["********", "***", "*"])
def test_a_value_that_the_api_has_masked_is_kept(masked: str):
    assert redact({"configuration": {"password": masked, "key": masked}}) == {
        "configuration": {"password": masked, "key": masked}
    }


@pytest.mark.parametrize("name", HARMLESS_NAMES.split())
def test_values_of_other_names_are_kept(name: str):
    assert not is_secret_name(name)
    assert redact({name: "value"}) == {name: "value"}
    assert secrets_in({name: "value"}) == []


def test_everything_below_a_secret_name_is_masked():
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
        ('parse "postgres://etl:can/ary@db:5432/x": invalid port', 'parse "postgres://***@db:5432/x": invalid port'),
        ("postgres://etl:can@ary@db", "postgres://***@db"),
        ("postgres://can@ary@db/x", "postgres://***@db/x"),
        ("dial etl:can/a@ry@tcp(db:3306)/x failed", "dial ***@tcp(db:3306)/x failed"),
        ("dsn (etl:canary@unix(/s))", "dsn (***@unix(/s))"),
        ('{"credentials": "canary", "host": "h"}', '{"credentials": ***, "host": "h"}'),
        ('{"credentials": {"a": {"b": "canary"}, "c": "canary"}, "host": "h"}', '{"credentials": ***, "host": "h"}'),
        ('"password": [\n "canary"', '"password": ***'),
        ("signature: canary", "signature: ***"),
        ("SharedAccessSignature=canary&sig=canary&e=1", "SharedAccessSignature=***&sig=***&e=1"),
        ("error: password=canary", "error: password=***"),
        ('"password"=>"can ary", x', '"password"=>***, x'),
        ('password: "can ary', "password: ***"),
        ('{\\"password\\": \\"can ary\\", \\"x\\": 1}', '{\\"password\\": ***, \\"x\\": 1}'),
        ("invalid api key: canary", "invalid api key: ***"),
        ("token_count: 5 max_tokens=7 key: id keys=a", "token_count: 5 max_tokens=7 key: id keys=a"),
        ("row 3: ada@example.com is no address", "row 3: ada@example.com is no address"),
        ("see https://example.com/users/ada@example.com", "see https://example.com/users/ada@example.com"),
        ("time: 12:30:00, secret", "time: 12:30:00, secret"),
    ],
)
def test_secrets_in_texts_are_masked(text: str, redacted: str):
    assert redact(text) == redacted


@pytest.mark.parametrize("secret", ["canary", "p@ss /w+?rd", 'quo"te\\', "line\nbreak", "schlüssel"])
def test_given_secrets_are_masked_in_every_encoding(secret: str):
    for spelled in (secret, quote(secret, safe=""), json.dumps(secret)[1:-1]):
        assert redact(f"before {spelled} after", secret, None, "") == "before *** after"


@pytest.mark.parametrize("before", ["", "/", "/ab/", "/abc-", "k="])
@pytest.mark.parametrize("encode", [b64encode, urlsafe_b64encode])
def test_a_secret_in_base64_is_masked_wherever_it_begins(encode: Callable[[bytes], bytes], before: str):
    spelled = encode(b"user:canary?>of-the-test").decode()
    assert spelled not in redact(f"GET {before}{spelled}/x failed", "canary?>of-the-test")


def test_longer_secrets_are_masked_first():
    assert redact("abcdef", "abc", "abcdef") == "***"


def test_secrets_in_names_are_masked():
    assert redact({"canary": [{"x": ("canary",)}], 1: 2}, "canary") == {"***": [{"x": ["***"]}], 1: 2}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def leaves(value: Any) -> list[str]:
    """List the names, texts and numbers in a value, as text."""
    if isinstance(value, dict):
        return [text for pair in value.items() for item in pair for text in leaves(item)]
    if isinstance(value, (list, tuple)):
        return [text for item in value for text in leaves(item)]
    return [value if isinstance(value, str) else repr(value)]


@given(value=json_values, secret=st.text("abcXYZ0189-_", min_size=8, max_size=40))
@example(value=12_500_000_000, secret="00000000")
@example(value={"00000000": [-1.25e-300]}, secret="25e-300")
def test_no_given_secret_remains(value, secret: str):
    planted = {"message": f"x{secret}y", secret: [value, secret], "deep": {"a": {"b": (secret, {"c": secret * 2})}}}
    assert not [text for text in leaves(redact(planted, secret)) if secret in text]


@pytest.mark.parametrize("number", [12345678, 9912345678, -12345678.5, 0.12345678])
def test_a_number_with_the_digits_of_a_secret_is_masked_whole(number: float):
    assert redact({"n": [number], number: 1}, "12345678") == {"n": ["***"], "***": 1}
    assert redact([1234567, 12, True, None], "12345678", "1", "True") == [1234567, 12, True, None]


@given(json_values)
def test_redaction_keeps_the_shape(value):
    redacted = redact({"value": value})
    assert redacted.keys() == {"value"}
    assert isinstance(redacted["value"], type(value))


def test_long_texts_are_redacted_without_backtracking():
    text = "k" * 200_000 + " " + "http://" * 2_000 + " " + "-----BEGIN A-----" * 2_000
    assert redact(text, "canary").startswith("kkk")
    for part in ("a://b:", "k = ", "password: ", 'x="', "password=[", 'token\\"', "a:b", "api key ", "-", " "):
        assert redact(part * 20_000, "canary")


def test_the_secrets_of_a_client_are_masked_everywhere():
    PolytomicClient("canary-of-a-client", organization_id="canary-organization").close()
    assert redact("canary-of-a-client was here") == "*** was here"
    credentials = b64encode(b"canary-organization:canary-of-a-client").decode()
    assert redact(f"it sent {credentials}") == "it sent ***"
    PolytomicClient("short").close()
    assert redact("a short text") == "a short text"


def test_the_number_of_registered_secrets_is_limited():
    for number in range(MAX_REGISTERED_SECRETS + 1):
        register_secrets(f"canary-{number:04}")
    assert redact("canary-0000") == "canary-0000"
    assert redact(f"canary-{MAX_REGISTERED_SECRETS:04}") == "***"


@pytest.mark.parametrize("letter", ["\n", "\r", "\x1b[2J", "\x00", "\x85", "\u2028", "\u202e", "\x9b"])
def test_one_line_has_no_control_characters(letter: str):
    line = one_line(f"a{letter}::error::b")
    assert line == "a" + repr(letter)[1:-1] + "::error::b"
    assert one_line("x" * 500) == "x" * 299 + "…"


def test_the_repr_of_a_model_shows_no_secret():
    sync = Sync.model_validate({"id": "1", "encryption_passphrase": "canary", "logs_url": "https://x.test/f?s=canary"})
    connection = Connection.model_validate(
        {"id": "1", "configuration": {"x": "canary"}, "auth_url": "https://canary", "auth_code": "canary"}
    )
    assert "canary" not in repr(sync) + str(sync) + repr([connection])
    assert sync.encryption_passphrase == "canary"
    assert "partition_key='day'" in repr(BulkSchema(partition_key="day"))
