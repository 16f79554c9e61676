"""Create a certificate for the loopback API, and a bundle of authorities that accepts it."""

from __future__ import annotations

from pathlib import Path

import certifi
import trustme


def write_certificate(folder: Path) -> tuple[Path, Path]:
    """Write the API's certificate with its key, and the bundle of authorities for every client.

    The bundle also has the usual authorities, since a real client reads all of them when it is created.
    """
    authority = trustme.CA()
    certificate, bundle = folder / "api.pem", folder / "authorities.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(certificate)
    bundle.write_bytes(Path(certifi.where()).read_bytes() + authority.cert_pem.bytes())
    return certificate, bundle
