"""A certificate for the loopback API, and a bundle that trusts it."""

from __future__ import annotations

from pathlib import Path

import certifi
import trustme


def write_certificate(folder: Path) -> tuple[Path, Path]:
    """Write the API's certificate with its key, and the bundle of authorities that every client gets.

    The bundle has the usual authorities too: a client pays for reading all of them whenever it is built.
    """
    authority = trustme.CA()
    certificate, bundle = folder / "api.pem", folder / "authorities.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(certificate)
    bundle.write_bytes(Path(certifi.where()).read_bytes() + authority.cert_pem.bytes())
    return certificate, bundle
