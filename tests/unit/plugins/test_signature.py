from __future__ import annotations

import base64
import hashlib
import hmac

import pytest

from airflow_provider_polytomic.plugins._signature import ENCODINGS, HASHES, is_genuine

SECRET, BODY = "hunter2", b'{"type": "sync.completed"}'


def signed(hash, encoding, body=BODY, secret=SECRET):
    digest = hmac.new(secret.encode(), body, getattr(hashlib, hash)).digest()
    return digest.hex() if encoding == "hex" else base64.b64encode(digest).decode()


@pytest.mark.parametrize("hash", HASHES)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_only_the_signature_of_this_body_with_this_secret_is_genuine(hash, encoding):
    right = signed(hash, encoding)
    assert is_genuine(BODY, right, SECRET, hash=hash, encoding=encoding)
    assert is_genuine(BODY, f" {hash}={right}", SECRET, hash=hash, encoding=encoding)
    for wrong in (
        "",
        right[:-2],
        right + "a",
        f"sha384={right}",
        signed(hash, encoding, BODY + b" "),
        signed(hash, encoding, secret="hunter3"),
        "\N{SNOWMAN}" * len(right),
    ):
        assert not is_genuine(BODY, wrong, SECRET, hash=hash, encoding=encoding)


def test_what_is_configured_decides_and_not_what_is_sent():
    assert not is_genuine(BODY, signed("sha1", "hex"), SECRET, hash="sha256", encoding="hex")
    assert not is_genuine(BODY, "sha1=" + signed("sha1", "hex"), SECRET, hash="sha256", encoding="hex")
    assert not is_genuine(BODY, signed("sha256", "base64"), SECRET, hash="sha256", encoding="hex")


def test_upper_case_is_the_same_in_hexadecimal_alone():
    assert is_genuine(BODY, signed("sha256", "hex").upper(), SECRET, hash="sha256", encoding="hex")
    assert not is_genuine(BODY, signed("sha256", "base64").upper(), SECRET, hash="sha256", encoding="base64")


def test_without_a_secret_nothing_is_genuine():
    assert not is_genuine(BODY, signed("sha256", "hex", secret=""), "", hash="sha256", encoding="hex")
