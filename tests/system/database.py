"""Provide the metadata database of one Airflow: PostgreSQL if it is installed, otherwise SQLite."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg2

from .postgres import Postgres, find_programs
from .processes import Process

CACHE = Path(__file__).resolve().parents[2] / ".cache"


class MetadataDatabase:
    """Manage the files of one metadata database, and its server with PostgreSQL.

    A migration takes seconds and always has the same result. The first start of an Airflow version saves a copy of the
    migrated database in the repository's `.cache`, and later starts use the copy.

    :param version: Version of Airflow, which names the copy.
    :param log: File for the server's messages.
    """

    def __init__(self, version: str, log: Path) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="airflow-database-", ignore_cleanup_errors=True)
        self._folder = Path(self._directory.name)
        programs = find_programs()
        self._postgres = Postgres(programs, self._folder, log) if programs else None
        self._template = CACHE / f"airflow-{version}-{self.kind}"

    @property
    def kind(self) -> str:
        """The kind of database: `postgres` or `sqlite`."""
        return "postgres" if self._postgres else "sqlite"

    @property
    def url(self) -> str:
        """The address of the database, for SQLAlchemy."""
        if self._postgres:
            return self._postgres.url.replace("postgresql:", "postgresql+psycopg2:")
        return f"sqlite:///{self._sqlite_file}"

    @property
    def process(self) -> Process | None:
        """The server; None with SQLite."""
        return self._postgres.process if self._postgres else None

    @property
    def _sqlite_file(self) -> Path:
        return self._folder / "airflow.db"

    def start(self, migrate: Callable[[], None]) -> None:
        """Start a migrated database.

        :param migrate: Function that creates Airflow's schema in the empty database at `url`.
        """
        if self._template.exists():
            shutil.copytree(self._template, self._folder, dirs_exist_ok=True)
            self._start_server()
        else:
            self._start_server()
            migrate()
            if self.process:
                self.process.terminate()
            self._save_template()
            self._start_server()

    def rows(self, sql: str, *parameters: Any) -> list[dict[str, Any]]:
        """Run a query with the placeholder `%s`, and return its rows as dictionaries."""
        connection: Any
        if self._postgres:
            connection = psycopg2.connect(self._postgres.url)
        else:
            connection, sql = sqlite3.connect(self._sqlite_file, timeout=30), sql.replace("%s", "?")
        with contextlib.closing(connection):
            cursor = connection.cursor()
            cursor.execute(sql, parameters)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def remove(self) -> None:
        """Delete the files."""
        self._directory.cleanup()

    def _start_server(self) -> None:
        if self._postgres:
            self._postgres.start()

    def _save_template(self) -> None:
        CACHE.mkdir(exist_ok=True)
        copy = Path(tempfile.mkdtemp(dir=CACHE))
        shutil.copytree(self._folder, copy, dirs_exist_ok=True)
        try:
            copy.rename(self._template)
        except OSError:
            shutil.rmtree(copy)
