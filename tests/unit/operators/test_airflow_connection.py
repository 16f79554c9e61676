"""The settings of a Polytomic connection that an Airflow connection of each type has."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_polytomic.exceptions import PolytomicRequestRefused
from airflow_provider_polytomic.operators._airflow_connection import fields_of, with_types


def settings(properties: str, extra: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    connection = SimpleNamespace(**{**dict.fromkeys(("host", "port", "login", "password", "schema")), **fields})
    return fields_of(connection, extra or {}, dict.fromkeys(properties.split(), {}))


STANDARD = {"host": "db", "port": 3306, "login": "ada", "password": "secret", "schema": "crm"}


def test_a_database():
    assert settings("hostname port database username password ssl", {"sslmode": "require"}, **STANDARD) == {
        "hostname": "db", "port": 3306, "database": "crm", "username": "ada", "password": "secret",
    }  # fmt: skip


def test_a_database_whose_type_has_other_names():
    assert settings("hostname port dbname account passwd", {"charset": "utf8"}, **STANDARD) == {
        "hostname": "db", "port": 3306, "dbname": "crm", "account": "ada", "passwd": "secret",
    }  # fmt: skip


@pytest.mark.parametrize("prefix", ["", "extra__snowflake__"])
def test_snowflake(prefix):
    named = {"account": "acme", "database": "raw", "warehouse": "wh", "role": "loader", "insecure_mode": False}
    extra = {prefix + name: value for name, value in named.items()}
    given = settings("account dbname username password warehouse role schema", extra, **{**STANDARD, "host": ""})
    assert given == {
        "account": "acme", "dbname": "raw", "username": "ada", "password": "secret", "warehouse": "wh",
        "role": "loader", "schema": "crm",
    }  # fmt: skip


def test_google_cloud():
    extra = {"extra__google_cloud_platform__project": "p", "keyfile_dict": {"type": "service_account"}, "scope": "x"}
    assert settings("project_id service_account location", extra) == {
        "project_id": "p", "service_account": {"type": "service_account"},
    }  # fmt: skip


@pytest.mark.parametrize("names", ["access_key_id secret_access_key", "aws_access_key_id aws_secret_access_key"])
def test_amazon_web_services(names):
    given = settings(f"{names} s3_bucket_region", {"region_name": "eu-west-1"}, login="AKIA", password="secret")
    assert given == dict(zip(names.split(), ("AKIA", "secret"))) | {"s3_bucket_region": "eu-west-1"}


def test_an_extra_that_is_named_like_a_setting_takes_precedence():
    assert settings("hostname", {"hostname": "other"}, host="db") == {"hostname": "other"}


def test_empty_fields_are_not_sent():
    assert settings("hostname username warehouse", {"warehouse": ""}, host="", login=None) == {}


def test_a_type_without_known_settings_gets_the_extra_and_the_password():
    assert settings("", {"token": "t"}, host="db", password="secret") == {"token": "t", "password": "secret"}


@pytest.mark.parametrize(
    ("value", "type", "sent"),
    [
        ("5432", "integer", 5432),
        (" 5432\n", ["integer", "null"], 5432),
        ("0.5", "number", 0.5),
        ("5432", ["string", "integer"], "5432"),
        (5432, "string", "5432"),
        ("True", "boolean", True),
        ({"a": 1}, "string", json.dumps({"a": 1})),
        ('{"a": 1}', "object", {"a": 1}),
        ("5432", None, "5432"),
        ("5432", 7, "5432"),
        (None, "integer", None),
        (True, "string", True),
    ],
)
def test_a_setting_gets_the_type_that_is_asked_for(value, type, sent):
    [converted] = with_types({"x": value}, {"x": {"type": type}}).values()
    assert (converted, converted.__class__) == (sent, sent.__class__)


@pytest.mark.parametrize(
    ("value", "type"), [("54 32", "integer"), ("9" * 5000, "integer"), ("maybe", "boolean"), ("[", "array")]
)
def test_a_setting_that_has_not_the_type_is_refused_without_its_value(value, type):
    with pytest.raises(PolytomicRequestRefused, match=f"'x' of the connection is not of the type {type}") as raised:
        with_types({"x": value}, {"x": {"type": type}})
    assert value not in str(raised.value).replace("[", "") or value == "["
