"""Run a PostgreSQL server for one Airflow, if its programs are installed."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
from pathlib import Path

import psycopg2

from .processes import Process, free_port, poll, run_as

USER = "airflow"


def find_programs() -> Path | None:
    """Return the folder with `initdb` and `postgres`, from the PATH or from Debian's location; None without one."""
    on_path = shutil.which("initdb")
    folders = [Path(on_path).parent] if on_path else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "initdb").exists() and (folder / "postgres").exists()), None)


def server_account() -> pwd.struct_passwd | None:
    """Return the account to run the server as root, which it refuses; None for the current user."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError("PostgreSQL refuses to run as root and no user 'postgres' or 'nobody' exists")


class Postgres:
    """Run a PostgreSQL server on a free loopback port, with all of its files in one folder.

    :param programs: Folder with the server's programs.
    :param folder: Folder for its files; if it is missing or empty, the server creates an empty database.
    :param log: File for the server's messages.
    """

    def __init__(self, programs: Path, folder: Path, log: Path) -> None:
        self._programs = programs
        self._data = folder / "data"
        self._folder = folder
        self._password = folder / "password"
        self._log = log
        self._account = server_account()
        self._port = free_port()
        self.process: Process | None = None

    @property
    def url(self) -> str:
        """The address of the database, for libpq."""
        return f"postgresql://{USER}:{self._password.read_text()}@127.0.0.1:{self._port}/postgres"

    def start(self) -> None:
        """Start the server and wait until it accepts connections."""
        if not self._data.exists():
            self._initialize()
        self._change_owner()
        settings = {
            "port": self._port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": 200,
            "fsync": "off",
        }
        options = [f"--{name}={value}" for name, value in settings.items()]
        command: list[str | Path] = [self._programs / "postgres", "-D", self._data, *options]
        self.process = Process("postgres", command, self._log, account=self._account, stop_signal=signal.SIGINT)
        if not poll(self._accepts_connections, timeout=20):
            raise RuntimeError(f"PostgreSQL accepts no connections:\n{self.process.tail()}")

    def _initialize(self) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._password.write_text(secrets.token_hex(16))
        self._change_owner()
        command: list[str | Path] = [
            self._programs / "initdb",
            self._data,
            f"--username={USER}",
            f"--pwfile={self._password}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--no-locale",
            "--no-sync",
        ]
        with self._log.open("ab") as output:
            subprocess.run(command, check=True, stdout=output, stderr=output, **run_as(self._account))

    def _change_owner(self) -> None:
        if self._account:
            for path in (self._folder, *self._folder.rglob("*")):
                os.chown(path, self._account.pw_uid, self._account.pw_gid)

    def _accepts_connections(self) -> bool:
        assert self.process
        if self.process.exit_code is not None:
            raise RuntimeError(f"PostgreSQL ended with exit code {self.process.exit_code}:\n{self.process.tail()}")
        try:
            psycopg2.connect(self.url).close()
        except psycopg2.OperationalError:
            return False
        return True
