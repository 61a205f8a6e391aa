"""The durable state: one SQLite file in ``state/`` with its schema's history, its writer and its readers.

Knows SQL, migrations and where SQLite can live; does not know what the rows mean.
"""

import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from catalog_builder.errors import CatalogError
from catalog_builder.mounts import NETWORK_FILE_SYSTEMS, file_system

Value = str | int | float | bytes | None
Row = sqlite3.Row
Connection = sqlite3.Connection
Parameters = Sequence[Value] | Mapping[str, Value]

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE account (
        name TEXT PRIMARY KEY,
        display_name TEXT NOT NULL,
        password TEXT,
        created INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE membership (
        account TEXT NOT NULL REFERENCES account (name) ON DELETE CASCADE,
        name TEXT NOT NULL,
        PRIMARY KEY (account, name)) WITHOUT ROWID;
    CREATE TABLE session (
        token BLOB PRIMARY KEY,
        account TEXT NOT NULL REFERENCES account (name) ON DELETE CASCADE,
        created INTEGER NOT NULL,
        last_seen INTEGER NOT NULL,
        shared_computer INTEGER NOT NULL) WITHOUT ROWID;
    CREATE INDEX session_of_account ON session (account);
    CREATE TABLE failed_sign_in (
        id INTEGER PRIMARY KEY,
        name BLOB NOT NULL,
        address TEXT NOT NULL,
        at INTEGER NOT NULL);
    CREATE INDEX failed_sign_in_from ON failed_sign_in (address, name);
    CREATE INDEX failed_sign_in_at ON failed_sign_in (at);
    CREATE TABLE cart_line (
        account TEXT NOT NULL REFERENCES account (name) ON DELETE CASCADE,
        key TEXT NOT NULL,
        added INTEGER NOT NULL,
        PRIMARY KEY (account, key)) WITHOUT ROWID;
    """,
)
"""SQL that takes the schema from version i to i + 1; an entry is never changed once it has shipped."""

_WAITING_SECONDS = 30


class Database:
    """The file ``state/catalogue.sqlite3``; safe to use from many threads and several processes.

    Raises CatalogError where the file is of a newer program, or lies on a network file system.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        refuse_network_file_system(path)
        _make_private(path)
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        try:
            self._writer = _connection(path)
            with _closed_on_failure(self._writer):
                self._writer.execute("PRAGMA journal_mode=WAL")
                self._migrate()
        except sqlite3.Error as exc:
            remedy = "free the disk, or put the last backup in its place"
            raise CatalogError(f"the database cannot be opened ({exc})", where=path, remedy=remedy) from exc

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections; nobody may be using them any more."""
        with self._lock:
            self._writer.close()
            while self._idle:
                self._idle.pop().close()

    @property
    def version(self) -> int:
        """The schema's version: how many migrations it has been through."""
        return int(self._writer.execute("PRAGMA user_version").fetchone()[0])

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give the one connection that writes: all that is done with it is kept, or nothing."""
        with self._lock:
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise

    def rows(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """Give what a query finds, on a connection of its own: reading never waits for a writer."""
        connection = self._idle_connection()
        try:
            return connection.execute(sql, parameters).fetchall()
        finally:
            self._idle.append(connection)

    def row(self, sql: str, parameters: Parameters = ()) -> Row | None:
        """Give the first row a query finds, or None."""
        found = self.rows(sql, parameters)
        return found[0] if found else None

    def _idle_connection(self) -> Connection:
        try:
            return self._idle.pop()  # list.pop and list.append are atomic
        except IndexError:
            return _connection(self.path)

    def _migrate(self) -> None:
        with self.writing() as connection:
            found = self.version
            if found > len(MIGRATIONS):
                raise CatalogError(
                    f"the database is of version {found}, this program knows {len(MIGRATIONS)}",
                    where=self.path,
                    remedy="use the newer catalog-builder that wrote it",
                )
            for step in MIGRATIONS[found:]:
                for statement in _statements(step):
                    connection.execute(statement)
            if found < len(MIGRATIONS):
                connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


def refuse_network_file_system(path: Path, mountinfo: str | None = None) -> None:
    """Raise CatalogError where the path lies on a network file system; silent where that cannot be known.

    SQLite's shared memory does not work on one. ``mountinfo`` is the text of ``/proc/self/mountinfo``.
    """
    kind = file_system(path, mountinfo)
    if kind in NETWORK_FILE_SYSTEMS:
        raise CatalogError(
            f"the database cannot live on a network file system ({kind})",
            where=path,
            remedy="set 'catalogue' to a folder on a local disk",
        )


def _connection(path: Path) -> Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=_WAITING_SECONDS)
    with _closed_on_failure(connection):
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA synchronous=FULL")  # what was acknowledged survives a power cut
    return connection


@contextmanager
def _closed_on_failure(connection: Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        connection.close()
        raise


def _make_private(path: Path) -> None:
    """Let nobody but the owner into the folder, nor read the file (and its ``-wal``, which takes its mode)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.parent.chmod(0o700)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
    path.chmod(0o600)


def _statements(script: str) -> Iterator[str]:
    """Split a script at ends of lines where SQLite says a statement is whole: triggers keep their semicolons."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if statement.strip() and sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip():
        yield statement
