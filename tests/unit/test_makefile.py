"""The installations of the Makefile work on machines whose traffic a proxy inspects."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).parent / "uv"
SYSTEM_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


class _Index(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(404)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def index(tmp_path: Path) -> Iterator[str]:
    """Serve an empty package index, with a certificate of the authority in ``authority.pem``."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*write_certificates(tmp_path))
    with HTTPServer(("127.0.0.1", 0), _Index) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"https://localhost:{server.server_port}/simple"
        server.shutdown()
        thread.join()


def write_certificates(folder: Path) -> tuple[Path, Path]:
    """Create an authority and its certificate for localhost, and return the files of the certificate and its key."""
    new_key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
    authority = f"openssl req -x509 {new_key} -keyout authority.key -out authority.pem -subj /CN=Authority -days 1"
    request = f"openssl req {new_key} -keyout server.key -out server.csr -subj /CN=localhost"
    options = "-CA authority.pem -CAkey authority.key -CAcreateserial -extfile names -days 1"
    (folder / "names").write_text("subjectAltName=DNS:localhost\n")
    for command in (authority, request, f"openssl x509 -req -in server.csr -out server.pem {options}"):
        subprocess.run(command.split(), cwd=folder, capture_output=True, check=True)
    return folder / "server.pem", folder / "server.key"


@pytest.mark.skipif(not UV.exists(), reason="uv is only in the environment of the newest Airflow")
@pytest.mark.parametrize("trusted", [True, False], ids=["in the system", "unknown"])
def test_uv_trusts_the_authorities_of_the_system(index, tmp_path, trusted):
    if (
        not (shutil.which("openssl") and SYSTEM_CERTIFICATES.exists())
        or subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode
    ):
        pytest.skip("the certificates of the system cannot be replaced for one process")
    authorities = tmp_path / "authorities.pem"
    shutil.copy(tmp_path / "authority.pem" if trusted else SYSTEM_CERTIFICATES, authorities)
    install = f"{UV} pip install --dry-run --no-cache --index-url {index} --target {tmp_path / 'target'} a-package"
    script = f"mount --bind {authorities} {SYSTEM_CERTIFICATES} && exec {install}"
    done = subprocess.run(["unshare", "-rm", "sh", "-c", script], env=environment(), capture_output=True, text=True)
    assert ("a-package was not found" in done.stderr) is trusted, done.stderr
    assert ("UnknownIssuer" in done.stderr) is not trusted, done.stderr


def environment() -> dict[str, str]:
    """Return the variables of the Makefile's commands on a machine that sets no certificates and no proxy."""
    hidden = ("SSL_", "UV_", "MAKE", "MFLAGS")
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(hidden) and "proxy" not in name.lower()
    }
    command = ["make", "--no-print-directory", "--eval=variables: ; @env", "variables"]
    printed = subprocess.run(command, cwd=ROOT, env=clean, capture_output=True, text=True, check=True).stdout
    return dict(line.split("=", 1) for line in printed.splitlines() if "=" in line)
