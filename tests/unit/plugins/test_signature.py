"""The signature of a delivery."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest

from airflow_provider_polytomic.plugins._settings import ENCODINGS, HASHES, WebhookSettings

SECRET, BODY = "hunter2", b'{"type": "sync.completed"}'


def is_valid(body, signature, secret, *, hash, encoding):
    settings = WebhookSettings("webhook", "airflow", "polytomic", "completed", hash, encoding, 0, 1000)
    return settings.is_valid_signature(body, signature, secret)


def signed(hash, encoding, body=BODY, secret=SECRET):
    digest = hmac.new(secret.encode(), body, getattr(hashlib, hash)).digest()
    return digest.hex() if encoding == "hex" else base64.b64encode(digest).decode()


@pytest.mark.parametrize("hash", HASHES)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_only_the_signature_of_this_body_with_this_secret_is_valid(hash, encoding):
    right = signed(hash, encoding)
    assert is_valid(BODY, right, SECRET, hash=hash, encoding=encoding)
    assert is_valid(BODY, f" {hash}={right}", SECRET, hash=hash, encoding=encoding)
    for wrong in (
        "",
        right[:-2],
        right + "a",
        f"sha384={right}",
        signed(hash, encoding, BODY + b" "),
        signed(hash, encoding, secret="hunter3"),
        "\N{SNOWMAN}" * len(right),
    ):
        assert not is_valid(BODY, wrong, SECRET, hash=hash, encoding=encoding)


def test_only_the_configured_hash_and_encoding_are_accepted():
    assert not is_valid(BODY, signed("sha1", "hex"), SECRET, hash="sha256", encoding="hex")
    assert not is_valid(BODY, "sha1=" + signed("sha1", "hex"), SECRET, hash="sha256", encoding="hex")
    assert not is_valid(BODY, signed("sha256", "base64"), SECRET, hash="sha256", encoding="hex")


def test_upper_case_is_accepted_in_hexadecimal_only():
    assert is_valid(BODY, signed("sha256", "hex").upper(), SECRET, hash="sha256", encoding="hex")
    assert not is_valid(BODY, signed("sha256", "base64").upper(), SECRET, hash="sha256", encoding="base64")


def test_without_a_secret_no_signature_is_valid():
    assert not is_valid(BODY, signed("sha256", "hex", secret=""), "", hash="sha256", encoding="hex")
