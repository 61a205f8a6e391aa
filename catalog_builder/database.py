"""The durable state: one SQLite file in ``state/`` with its schema's history, its writer and its readers.

Knows SQL, migrations and where SQLite can live; does not know what the rows mean.
"""

import errno
import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
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
    """
    CREATE TABLE remark (
        id INTEGER PRIMARY KEY,
        batch INTEGER NOT NULL,
        at INTEGER NOT NULL,
        who TEXT NOT NULL,
        via TEXT NOT NULL,
        beamtime TEXT NOT NULL,
        target TEXT NOT NULL,
        field TEXT NOT NULL,
        old TEXT NOT NULL,
        new TEXT NOT NULL,
        underlying TEXT NOT NULL,
        reason TEXT,
        undoes INTEGER REFERENCES remark (id));
    CREATE INDEX remark_of_beamtime ON remark (beamtime, id);
    CREATE INDEX remark_of_target ON remark (target, field, id);
    CREATE INDEX remark_of_batch ON remark (batch);
    CREATE TRIGGER remark_is_not_changed BEFORE UPDATE ON remark BEGIN
        SELECT RAISE(ABORT, 'remarks are never changed');
    END;
    CREATE TRIGGER remark_is_not_removed BEFORE DELETE ON remark BEGIN
        SELECT RAISE(ABORT, 'remarks are never removed');
    END;
    CREATE TRIGGER remark_is_not_replaced BEFORE INSERT ON remark
        WHEN EXISTS (SELECT 1 FROM remark WHERE id = NEW.id) BEGIN
        SELECT RAISE(ABORT, 'remarks are never replaced');
    END;
    """,
    """
    ALTER TABLE account ADD COLUMN kind TEXT NOT NULL DEFAULT 'local';
    CREATE TABLE membership_by_source (
        account TEXT NOT NULL REFERENCES account (name) ON DELETE CASCADE,
        name TEXT NOT NULL,
        source TEXT NOT NULL,
        PRIMARY KEY (account, name, source)) WITHOUT ROWID;
    INSERT INTO membership_by_source SELECT account, name, 'local' FROM membership;
    DROP TABLE membership;
    ALTER TABLE membership_by_source RENAME TO membership;
    CREATE TABLE identity (
        issuer TEXT NOT NULL,
        subject TEXT NOT NULL,
        account TEXT NOT NULL REFERENCES account (name) ON DELETE CASCADE,
        PRIMARY KEY (issuer, subject)) WITHOUT ROWID;
    CREATE TABLE login (
        state BLOB PRIMARY KEY,
        browser BLOB NOT NULL,
        provider TEXT NOT NULL,
        nonce TEXT NOT NULL,
        verifier TEXT NOT NULL,
        going_to TEXT NOT NULL,
        shared_computer INTEGER NOT NULL,
        links TEXT,
        at INTEGER NOT NULL) WITHOUT ROWID;
    CREATE INDEX login_at ON login (at);
    CREATE TABLE invitation (
        id INTEGER PRIMARY KEY,
        token BLOB NOT NULL UNIQUE,
        beamtime TEXT NOT NULL,
        label TEXT NOT NULL,
        gives TEXT NOT NULL,
        devices INTEGER NOT NULL,
        created INTEGER NOT NULL,
        by_whom TEXT NOT NULL,
        expires INTEGER NOT NULL,
        revoked INTEGER);
    CREATE INDEX invitation_to_beamtime ON invitation (beamtime);
    CREATE TABLE redemption (
        invitation INTEGER NOT NULL REFERENCES invitation (id),
        account TEXT NOT NULL REFERENCES account (name) ON DELETE CASCADE,
        stated_name TEXT NOT NULL,
        at INTEGER NOT NULL,
        PRIMARY KEY (invitation, account)) WITHOUT ROWID;
    CREATE INDEX redemption_of_account ON redemption (account);
    CREATE TABLE opening (
        beamtime TEXT PRIMARY KEY,
        day INTEGER NOT NULL,
        by_whom TEXT NOT NULL,
        at INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE audit (
        id INTEGER PRIMARY KEY,
        at INTEGER NOT NULL,
        who TEXT NOT NULL,
        via TEXT NOT NULL,
        action TEXT NOT NULL,
        what TEXT NOT NULL,
        address TEXT NOT NULL);
    CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit BEGIN
        SELECT RAISE(ABORT, 'the audit log is never changed');
    END;
    CREATE TRIGGER audit_is_not_removed BEFORE DELETE ON audit BEGIN
        SELECT RAISE(ABORT, 'the audit log is never cut');
    END;
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

    def copy_to(self, path: Path) -> None:
        """Write a whole and consistent copy into an empty file, whoever writes to the database meanwhile.

        Raises CatalogError where what was copied is damaged.
        """
        with _failing_in_words(self.path), closing(_connection(path)) as copy:
            with closing(_connection(self.path)) as source:
                source.backup(copy)  # in one step, so of one moment
            copy.execute("PRAGMA journal_mode=DELETE")  # one file, nothing beside it
            found = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise CatalogError(f"the database is damaged ({found})", where=self.path, remedy="restore the last backup")

    def become(self, other: Self) -> None:
        """Take on all that another database holds, in one transaction: others see the old one or the new one."""
        with self._lock, _failing_in_words(self.path), closing(_connection(other.path)) as source:
            source.backup(self._writer)

    @property
    def version(self) -> int:
        """The schema's version: how many migrations it has been through."""
        return int(self._writer.execute("PRAGMA user_version").fetchone()[0])

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give the one connection that writes: all that is done with it is kept, or nothing.

        Raises OSError, as ``rows`` does, where the disk or the file refuses.
        """
        with _failing_in_words(self.path), self._transaction() as connection:
            yield connection

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
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
        with _failing_in_words(self.path):
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
        if self.version == len(MIGRATIONS):  # opening waits for nobody who writes
            return
        with self._transaction() as connection:
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


@contextmanager
def _failing_in_words(path: Path) -> Iterator[None]:
    """Say that the disk or the file refuses as any other file's failure is said: nobody asked for anything wrong."""
    try:
        yield
    except sqlite3.DatabaseError as exc:
        if isinstance(exc, sqlite3.IntegrityError | sqlite3.ProgrammingError):
            raise
        is_full = getattr(exc, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
        raise OSError(
            errno.ENOSPC if is_full else errno.EIO, f"the database cannot be used ({exc})", str(path)
        ) from exc


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
