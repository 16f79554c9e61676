"""Whether a delivery is Polytomic's."""

from __future__ import annotations

import base64
import hmac

HEADER = "Polytomic-Signature"
HASHES = ("sha256", "sha512", "sha1")
ENCODINGS = ("hex", "base64")


def is_genuine(body: bytes, signature: str, secret: str, *, hash: str, encoding: str) -> bool:
    """Compare the signature of a body, in a time that does not tell how much of it is right.

    :param signature: value of the header; the name of the hash and ``=`` may stand before it
    :param hash: one of :data:`HASHES`
    :param encoding: one of :data:`ENCODINGS`
    """
    if not secret:
        return False
    given = signature.strip().removeprefix(f"{hash}=")
    digest = hmac.digest(secret.encode(), body, hash)
    if encoding == "hex":
        expected, given = digest.hex(), given.lower()
    else:
        expected = base64.b64encode(digest).decode()
    return hmac.compare_digest(expected.encode(), given.encode())
