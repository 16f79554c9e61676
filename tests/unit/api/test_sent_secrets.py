"""Whatever a request about a connection sends is hidden in the answer and in all later texts, however it is spelled."""

from __future__ import annotations

import html
import json
import logging
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_polytomic.api import Call, PolytomicAPIError, PolytomicClient, connections
from airflow_provider_polytomic.api.redaction import MAX_REDACTED_LENGTH, MAX_REGISTERED_SECRETS, redact
from airflow_provider_polytomic.api.secret_finder import PIECE_LENGTH
from tests.support.scripted_server import Server, answer

from .conftest import KEY

LINES = [b64encode(bytes(range(at, at + 48))).decode() for at in range(0, 200, 48)]
PEM = "\n".join(["-----BEGIN PRIVATE KEY-----", *LINES, "-----END PRIVATE KEY-----", ""])
GOOGLE = {"type": "service_account", "private_key_id": "0123abcd4567", "private_key": PEM, "client_email": "a@b.test"}
ACCOUNT_KEY = "aGVsbG8rd29ybGQv/Zm9v+YmFyCg=="
LONG = "".join(map(str, range(2000)))
PASSWORD = 'p@s&w<"x\\y é+/z'

QUOTED = {
    "a line of a key": ({"private_key": PEM}, LINES[2]),
    "a line of a key on one line": ({"x": PEM.replace("\n", "\\n")}, LINES[2]),
    "a whole key on one line": ({"x": PEM}, PEM.replace("\n", " ")),
    "JSON in a text": ({"service_account": json.dumps(GOOGLE)}, json.dumps(GOOGLE)),
    "a line of a key in JSON in a text": ({"service_account": json.dumps(GOOGLE)}, LINES[3]),
    "the key in JSON in a text": ({"x": json.dumps(GOOGLE)}, PEM),
    "the key in JSON in a text, escaped": ({"x": json.dumps(GOOGLE)}, json.dumps(PEM)[1:-1]),
    "a line of a key in base64": ({"x": b64encode(json.dumps(GOOGLE).encode()).decode()}, LINES[1]),
    "the key in a connection string": ({"x": f"AccountName=a;AccountKey={ACCOUNT_KEY};E=n"}, ACCOUNT_KEY),
    "the signature in a URL": ({"sas_url": "https://a.test/c?sv=1&sig=5ignature%2Bx"}, "5ignature+x"),
    "the password in a URI": ({"uri": "mongodb://u:pwd1@h/db"}, "pwd1"),
    "the password in a URI, encoded": ({"uri": f"mongodb://u:{quote(PASSWORD, safe='')}@h/db"}, PASSWORD),
    "the password in a JDBC URL": ({"jdbc_url": "jdbc:postgresql://h/db?user=u&password=hunter2x"}, "hunter2x"),
    "the password in a JDBC URL with semicolons": ({"x": "jdbc:sqlserver://h;user=u;password=hunter2x"}, "hunter2x"),
    "the password in an Oracle URL": ({"x": "jdbc:oracle:thin:scott/t1ger-pw@//h:1521/x"}, "t1ger-pw"),
    "the password in a driver address": ({"x": "etl:hunter2x@tcp(db:3306)/x"}, "hunter2x"),
    "the password in a DSN": ({"x": "host=h user=u password='hunter 2x'"}, "hunter 2x"),
    "the signature in a URL, with a slash": ({"sas_url": "https://a.test/c?sig=5ign%2Fature%3D"}, "5ign/ature="),
    "a token in a path": ({"x": "https://hooks.test/services/T0a/B0b/t0kenOfThePath"}, "t0kenOfThePath"),
    "the only line of a key": ({"x": f"-----BEGIN PRIVATE KEY-----\n{LINES[1]}\n-----END PRIVATE KEY-----"}, LINES[1]),
    "the token of a bearer": ({"headers": {"X-Other": "Bearer t0ken-of-it"}}, "t0ken-of-it"),
    "the password of basic credentials": ({"x": "Basic " + b64encode(b"user:secret-word").decode()}, "secret-word"),
    "a line of headers": ({"headers": "Accept: any\nX-Api: value-of-it\n"}, "value-of-it"),
    "a field of YAML": ({"x": "user: u\nnested:\n  password: 'secret word'\n"}, "secret word"),
    "a word that looks random": ({"x": "machine h login u password hunter2xyz"}, "hunter2xyz"),
    "the value of a header": ({"headers": [{"name": "X-Api", "value": "v4lue-of-it"}]}, "v4lue-of-it"),
    "a key": ({"key": "c0smos-key"}, "c0smos-key"),
    "a numbered password": ({"password1": "pw1"}, "pw1"),
    "a number": ({"passcode": 123456}, "123456"),
    "a long number": ({"x": 98765432101}, "98765432101"),
    "a text in a list": ({"x": [[{"y": "deep-5ecret"}]]}, "deep-5ecret"),
    "a long text": ({"x": LONG}, LONG),
}

SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "JSON": json.dumps,
    "JSON without ASCII": lambda text: json.dumps(text, ensure_ascii=False),
    "JSON of Go": lambda text: re.sub("[&<>]", lambda match: f"\\u{ord(match[0]):04x}", json.dumps(text)),
    "JSON of PHP": lambda text: json.dumps(text).replace("/", "\\/"),
    "JSON in JSON": lambda text: json.dumps(json.dumps(text)),
    "percent": lambda text: quote(text, safe=""),
    "percent in lower case": lambda text: re.sub("%..", lambda match: match[0].lower(), quote(text)),
    "percent twice": lambda text: quote(quote(text, safe="")),
    "form": quote_plus,
    "HTML": html.escape,
    "HTML with numbers": lambda text: re.sub("[&<>\"'+]", lambda match: f"&#{ord(match[0])};", text),
    "JSON in HTML": lambda text: html.escape(json.dumps(text)),
    "base64": lambda text: b64encode(f"user:{text}".encode()).decode(),
    "base64 for URLs": lambda text: urlsafe_b64encode(f"u:{text}:more".encode()).decode().rstrip("="),
    "on one line": lambda text: " ".join(text.split()),
}


def calls(configuration: Any) -> list[Call[Any]]:
    return [
        connections.create("n", "t", configuration),
        connections.test("t", configuration),
        connections.update("1", name="n", configuration=configuration),
        connections.get_type_parameter_values("t", field="f", parameters=configuration),
        connections.execute_proxy("1", request={"method": "POST", "path": "/x", "body": configuration}),
    ]


def refused(server: Server, call: Call[Any], payload: Any) -> list[str]:
    """Return every text of the exception of a refused request."""
    server.answers(answer(payload, 422))
    with PolytomicClient(KEY, base_url=server.url) as client, pytest.raises(PolytomicAPIError) as raised:
        client.send(call)
    error = raised.value
    return [str(error), repr(error), error.message, str(error.key), json.dumps(error.metadata, ensure_ascii=False)]


@pytest.mark.parametrize("name", QUOTED)
def test_what_a_refusal_quotes_is_hidden(name: str, server, caplog):
    caplog.set_level(logging.DEBUG)
    configuration, quoted = QUOTED[name]
    for call in calls(configuration):
        shown = refused(server, call, {"message": f"failed for {quoted} there", "metadata": {"why": [quoted]}})
        assert not [text for text in [*shown, caplog.text] if quoted in text]
        assert "failed for ***" in shown[0]
        assert shown[0].endswith("there")


def test_the_query_in_the_path_of_a_proxied_request_is_hidden_and_the_path_is_not(server):
    call = connections.execute_proxy("1", request={"method": "GET", "path": "/crm/objects?token=plain-word"})
    shown = refused(server, call, {"message": "no plain-word at /crm/objects"})
    assert "no *** at /crm/objects" in shown[0]


@pytest.mark.parametrize("name", [name for name, (_, quoted) in QUOTED.items() if len(quoted) >= 6])
def test_it_is_hidden_in_later_texts_too(name: str, server):
    configuration, quoted = QUOTED[name]
    refused(server, connections.create("n", "t", configuration), {"message": "no"})
    assert redact(f"the sync failed for {quoted}; it ended") == "the sync failed for ***; it ended"


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize(
    "secret", [PASSWORD, "plain-5ecret", PEM, ACCOUNT_KEY, "a%41bc\\n&amp;xyz", "пароль-ключ", "🔑-of-x"]
)
def test_a_secret_is_hidden_in_every_spelling(secret: str, spelling: str):
    spelled = SPELLINGS[spelling](secret)
    assert redact(f"failed for {spelled}", secret).replace('"', "").replace("\\", "").strip() in (
        "failed for ***",
        "failed for &quot;***&quot;",
        "failed for ***n",
    )


@pytest.mark.parametrize(
    "settings",
    [
        {"hostname": "db.example.com", "port": 5432, "database": "warehouse", "username": "polytomic", "ssl": True},
        {"auth_method": "password", "region": "eu-west-1", "schema": "public", "sslmode": "require", "n": None},
    ],
)
def test_settings_that_are_evidently_not_secret_stay_readable(settings: dict[str, Any], server):
    message = "no " + " ".join(str(value) for value in settings.values())
    assert message in refused(server, connections.create("n", "t", settings), {"message": message})


def test_the_code_of_an_error_stays_readable_and_the_setting_of_that_name_does_not(server):
    body = {
        "key": "not_found",
        "message": "key=not_found",
        "metadata": {"configuration": {"key": "c0smos"}, "key": "x"},
    }
    shown = refused(server, connections.get("1"), body)
    assert shown[2:] == ["key=not_found", "not_found", '{"configuration": {"key": "***"}, "key": "x"}']


def test_the_number_of_kept_secrets_is_limited_and_the_key_stays_among_them(server):
    many = {f"n{number}": f"canary-{number:06}" for number in range(MAX_REGISTERED_SECRETS + 10)}
    refused(server, connections.create("n", "t", many), {"message": "no"})
    assert redact(f"{KEY} canary-000000 canary-{MAX_REGISTERED_SECRETS:06}") == "*** canary-000000 ***"


configurations = st.recursive(
    st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), min_size=10, max_size=40).map(lambda text: "5!" + text)
    | st.booleans()
    | st.integers(0, 9999),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abcxyz_", max_size=8), inner, max_size=3),
    max_leaves=8,
)


def leaves(value: Any) -> list[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [leaf for item in value for leaf in leaves(item)]
    return [value] if isinstance(value, str) else []


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    configuration=st.dictionaries(st.text("abcxyz_", min_size=1, max_size=8), configurations, min_size=1, max_size=3),
    spelling=st.sampled_from(sorted(SPELLINGS)),
    before=st.text(max_size=20),
)
def test_no_leaf_of_any_configuration_is_readable(server, configuration: Any, spelling: str, before: str):
    secrets = leaves(configuration)
    quoted = [SPELLINGS[spelling](secret) for secret in secrets]
    payload = {"message": f"{before} {' '.join(quoted)}", "metadata": {"why": quoted}}
    for text in refused(server, connections.create("n", "t", configuration), payload):
        assert not [secret for secret in [*secrets, *quoted] if secret in text]


def test_a_piece_of_a_long_secret_is_hidden_but_for_its_ends():
    begin, masked, end = redact(f"failed for {LONG[500:5000]} there", LONG).partition("***")
    assert masked
    assert len(begin + end) < len("failed for  there") + 2 * PIECE_LENGTH


@pytest.mark.parametrize("distance", range(0, 40, 3))
def test_a_secret_at_the_cut_is_not_shown_in_half(distance: int):
    secret = "canary-5ecret-canary-5ecret"
    text = "x " * 500 + secret + " y" * 5000
    shown = redact(text, secret, max_length=1000 + distance)
    assert "canary" not in shown
    assert len(shown) <= 1000 + distance
    assert "canary" not in redact("x " * 500 + "password=" + secret * 200 + " y" * 9, max_length=1020)


def test_a_text_is_read_no_further_than_a_little_beyond_its_cut():
    begin = "http://a" * (MAX_REDACTED_LENGTH // 4)
    assert redact(begin + "?x" * 10, "canary") == redact(begin + "http://" * 10**6, "canary")
    assert len(redact(begin, "canary")) == MAX_REDACTED_LENGTH
