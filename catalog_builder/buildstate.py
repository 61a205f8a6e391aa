"""What the last build left: which sources are current, and which scan is in which dataset.

Knows its SQLite file in ``build/``; losing it costs a full build and nothing else.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from catalog_builder.database import refuse_network_file_system
from catalog_builder.errors import CatalogError
from catalog_builder.records import Problem

VERSION = 6

_SCHEMA = """
CREATE TABLE source (
    beamtime TEXT NOT NULL, path TEXT NOT NULL, signature TEXT NOT NULL, settings TEXT NOT NULL,
    scans TEXT NOT NULL, problems TEXT NOT NULL, again_at REAL, failed INTEGER NOT NULL, bookmark TEXT,
    gone INTEGER NOT NULL,
    PRIMARY KEY (beamtime, path)) WITHOUT ROWID;
CREATE INDEX source_of_inode ON source (json_extract(signature, '$.files[0][3]'));
CREATE TABLE scan (
    key TEXT PRIMARY KEY, beamtime TEXT NOT NULL, dataset TEXT NOT NULL, on_disk TEXT NOT NULL,
    size INTEGER NOT NULL, files INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX scan_of_dataset ON scan (dataset);
CREATE TABLE beamtime (id TEXT PRIMARY KEY, digest TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE page (
    beamtime TEXT NOT NULL, address TEXT NOT NULL, digest TEXT NOT NULL,
    PRIMARY KEY (beamtime, address)) WITHOUT ROWID;
CREATE TABLE applied (id INTEGER PRIMARY KEY CHECK (id = 0), remark INTEGER NOT NULL);
CREATE TABLE sweep (
    beamtime TEXT PRIMARY KEY, at REAL NOT NULL, folders TEXT NOT NULL, mark TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE problems (beamtime TEXT PRIMARY KEY, listed TEXT NOT NULL) WITHOUT ROWID;
"""

_SOURCE = "beamtime, path, signature, settings, scans, problems, again_at, failed, bookmark, gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRow:
    """A source as it was when it was read last."""

    beamtime: str
    path: str
    """Below ``raw/``."""
    signature: str
    """Path, size, mtime_ns and inode of its files, as JSON."""
    settings: str
    """Digest of the reader's version and the settings that concern it."""
    scans: tuple[str, ...]
    """Keys of the scans it gave."""
    problems: tuple[Problem, ...]
    again_at: float | None
    """Unix time from which it would be judged differently though nothing changed: it was young, or had no end."""
    failed: bool
    """True where nothing could be read."""
    bookmark: str | None = None
    """Where reading goes on if the file only grows, in the words of ``intake``."""
    gone: bool = False
    """True where its files are gone from disk: its scans stay. What comes back as it was is not read again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanRow:
    """Where a scan belongs and lies."""

    key: str
    beamtime: str
    dataset: str
    """Key of its dataset."""
    on_disk: str
    size: int
    files: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """A walk over all of a beamtime."""

    at: float
    """Unix time."""
    folders: Mapping[str, int | None]
    """Time (ns) of each folder below the beamtime's, by path: it changes when something in it comes or goes.

    Empty while the beamtime has not ended.
    """
    mark: str
    """Changes when anything else does that the beamtime depends on."""


class DamagedStateError(CatalogError):
    """The file is no database, or not a whole one."""


class _Connection(sqlite3.Connection):
    """A connection whose failures are said in words."""

    def execute(self, *given: Any) -> sqlite3.Cursor:  # noqa: ANN401 - sqlite3's own signature
        with _in_words():
            return super().execute(*given)

    def executemany(self, *given: Any) -> sqlite3.Cursor:  # noqa: ANN401 - sqlite3's own signature
        with _in_words():
            return super().executemany(*given)

    def cursor(self, *_: Any) -> Any:  # noqa: ANN401 - always ours
        return super().cursor(_Cursor)


class _Cursor(sqlite3.Cursor):
    """A cursor whose failures are said in words: damage may show only when rows are read."""

    def fetchone(self) -> Any:  # noqa: ANN401 - sqlite3's own signature
        with _in_words():
            return super().fetchone()

    def fetchall(self) -> list[Any]:
        with _in_words():
            return super().fetchall()

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        while rows := self._some():
            yield from rows

    def _some(self) -> list[Any]:
        with _in_words():
            return self.fetchmany(1_000)


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as exc:
        is_damaged = getattr(exc, "sqlite_errorcode", None) in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)
        kind = DamagedStateError if is_damaged else CatalogError
        remedy = "mend it and build again; build/ may be deleted"
        raise kind(f"the build state cannot be used ({exc})", where="build/", remedy=remedy) from exc


def discard(path: Path) -> None:
    """Remove a damaged file: nothing is lost with it but time, a full build makes it again."""
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


class BuildState:
    """The build's memory; one writer at a time (the builder's lock), any number of readers."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Open the file, making it where there is none.

        With ``read_only`` it is left as it is, whatever the program that wrote it: raises CatalogError where it
        is missing or of another version.
        """
        if read_only:
            self._db = _opened_read_only(path)
            return
        refuse_network_file_system(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._open(path)
        except DamagedStateError:
            discard(path)
            self._open(path)

    def _open(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30, factory=_Connection)
        try:
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._migrate()
        except CatalogError:
            self._db.close()
            raise

    def _migrate(self) -> None:
        with self.transaction():
            if self._db.execute("PRAGMA user_version").fetchone()[0] == VERSION:
                return
            for (name,) in self._db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                self._db.execute(f"DROP TABLE {name}")
            for statement in _SCHEMA.split(";"):
                self._db.execute(statement)
            self._db.execute(f"PRAGMA user_version = {VERSION}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it, or nothing."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def sources(self, beamtime: str) -> dict[str, SourceRow]:
        """Give a beamtime's sources by path, those gone from disk too."""
        rows = self._db.execute(
            f"SELECT {_SOURCE} FROM source WHERE beamtime = ? ORDER BY path",  # noqa: S608 - our own names
            (beamtime,),
        )
        return {row[1]: _source_row(row) for row in rows}

    def sources_on_disk(self, beamtime: str) -> list[SourceRow]:
        """Give a beamtime's sources whose files are on disk, by path."""
        return [row for row in self.sources(beamtime).values() if not row.gone]

    def sources_of_inodes(self, inodes: Iterable[int]) -> list[SourceRow]:
        """Give the sources of all beamtimes whose first file had one of these inodes, those gone from disk too."""
        rows = self._db.execute(
            f"SELECT {_SOURCE} FROM source WHERE json_extract(signature, '$.files[0][3]') "  # noqa: S608 - our own names
            "IN (SELECT value FROM json_each(?)) ORDER BY beamtime, path",
            (json.dumps(sorted(set(inodes))),),
        )
        return [_source_row(row) for row in rows]

    def put_source(self, row: SourceRow) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO source VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                row.beamtime,
                row.path,
                row.signature,
                row.settings,
                json.dumps(row.scans),
                _listed(row.problems),
                row.again_at,
                row.failed,
                row.bookmark,
                row.gone,
            ),
        )

    def forget_sources(self, beamtime: str, paths: Iterable[str]) -> None:
        self._db.executemany("DELETE FROM source WHERE beamtime = ? AND path = ?", [(beamtime, p) for p in paths])

    def put_scans(self, beamtime: str, rows: Sequence[ScanRow]) -> None:
        """Put a beamtime's scans in place of those it had."""
        found = self._db.execute("SELECT * FROM scan WHERE beamtime = ?", (beamtime,)).fetchall()
        before, now = set(found), {(r.key, r.beamtime, r.dataset, r.on_disk, r.size, r.files) for r in rows}
        self._db.executemany("DELETE FROM scan WHERE key = ?", [(row[0],) for row in before - now])
        self._db.executemany("INSERT OR REPLACE INTO scan VALUES (?, ?, ?, ?, ?, ?)", sorted(now - before))

    def scan(self, key: str) -> ScanRow | None:
        """Give where a scan belongs, or None where there is no such scan."""
        row = self._db.execute("SELECT * FROM scan WHERE key = ?", (key,)).fetchone()
        return None if row is None else _scan_row(row)

    def scans_of(self, dataset: str) -> list[ScanRow]:
        """Give the scans of a dataset by key; empty where there is no such dataset."""
        rows = self._db.execute("SELECT * FROM scan WHERE dataset = ? ORDER BY key", (dataset,))
        return [_scan_row(row) for row in rows]

    def datasets(self, beamtime: str) -> list[str]:
        """Give the keys of a beamtime's datasets, in order."""
        rows = self._db.execute("SELECT DISTINCT dataset FROM scan WHERE beamtime = ? ORDER BY dataset", (beamtime,))
        return [row[0] for row in rows]

    def digest(self, beamtime: str) -> str | None:
        """Give what a beamtime's pages and index entries were made from; None where they are not all made."""
        row = self._db.execute("SELECT digest FROM beamtime WHERE id = ?", (beamtime,)).fetchone()
        return None if row is None else str(row[0])

    def forget_digest(self, beamtime: str) -> None:
        """Say that a beamtime's pages and index entries are being made: until they are done, none are current."""
        self._db.execute("DELETE FROM beamtime WHERE id = ?", (beamtime,))

    def put_digest(self, beamtime: str, digest: str) -> None:
        """Remember what a beamtime's pages and index entries were made from."""
        self._db.execute("INSERT OR REPLACE INTO beamtime VALUES (?, ?)", (beamtime, digest))

    def pages(self, beamtime: str) -> dict[str, str]:
        """Give what each page of a beamtime was made from: digest by address."""
        return dict(self._db.execute("SELECT address, digest FROM page WHERE beamtime = ?", (beamtime,)).fetchall())

    def forget_pages(self, beamtime: str, addresses: Iterable[str]) -> None:
        """Say that pages are being made, or are made no more: until they are put again, they are not current."""
        with self.transaction():
            self._db.executemany(
                "DELETE FROM page WHERE beamtime = ? AND address = ?", [(beamtime, one) for one in addresses]
            )

    def forget_all_pages(self) -> None:
        """Say that no page of any beamtime is current."""
        with self.transaction():
            self._db.execute("DELETE FROM page")
            self._db.execute("DELETE FROM beamtime")

    def put_pages(self, beamtime: str, digests: Mapping[str, str]) -> None:
        """Remember what pages were made from, by address."""
        self._db.executemany(
            "INSERT OR REPLACE INTO page VALUES (?, ?, ?)", [(beamtime, one, made) for one, made in digests.items()]
        )

    def applied_remark(self) -> int:
        """Give the id of the newest remark that is on the pages; 0 where none is."""
        row = self._db.execute("SELECT remark FROM applied").fetchone()
        return 0 if row is None else int(row[0])

    def put_applied_remark(self, id: int) -> None:
        """Remember that all remarks up to this one are on the pages."""
        self._db.execute("INSERT OR REPLACE INTO applied VALUES (0, ?)", (id,))

    def sweep(self, beamtime: str) -> Sweep | None:
        """Give when a beamtime was walked in full, and what its folders' times were; None where it never was."""
        row = self._db.execute("SELECT at, folders, mark FROM sweep WHERE beamtime = ?", (beamtime,)).fetchone()
        return None if row is None else Sweep(at=float(row[0]), folders=json.loads(row[1]), mark=row[2])

    def put_sweep(self, beamtime: str, sweep: Sweep) -> None:
        """Remember a walk in full."""
        folders = json.dumps(dict(sweep.folders), separators=(",", ":"))
        self._db.execute("INSERT OR REPLACE INTO sweep VALUES (?, ?, ?, ?)", (beamtime, sweep.at, folders, sweep.mark))

    def put_problems(self, beamtime: str, problems: Iterable[Problem]) -> None:
        """Put what is wrong with a beamtime now in place of what was; an empty id stands for no beamtime."""
        listed = _listed(problems)
        before = self._db.execute("SELECT listed FROM problems WHERE beamtime = ?", (beamtime,)).fetchone()
        if before is None or before[0] != listed:
            self._db.execute("INSERT OR REPLACE INTO problems VALUES (?, ?)", (beamtime, listed))

    def problems(self, beamtime: str | None = None) -> list[tuple[str, Problem]]:
        """Give everything that is wrong now, with the beamtime's id, by id; an empty id stands for no beamtime."""
        sql = "SELECT beamtime, listed FROM problems WHERE ? IS NULL OR beamtime = ? ORDER BY beamtime"
        return [(id, one) for id, listed in self._db.execute(sql, (beamtime, beamtime)) for one in _unlisted(listed)]

    def forget_beamtime(self, beamtime: str) -> None:
        """Forget everything about a beamtime whose records are gone."""
        with self.transaction():
            for table, column in (
                ("source", "beamtime"),
                ("scan", "beamtime"),
                ("problems", "beamtime"),
                ("page", "beamtime"),
                ("sweep", "beamtime"),
                ("beamtime", "id"),
            ):
                self._db.execute(f"DELETE FROM {table} WHERE {column} = ?", (beamtime,))  # noqa: S608 - our own names

    def beamtimes_on_disk(self) -> set[str]:
        """Give the ids of the beamtimes that had scans on disk when they were looked at last."""
        return {
            id for (id,) in self._db.execute("SELECT DISTINCT beamtime FROM source WHERE scans != '[]' AND NOT gone")
        }

    def is_to_be_read_again(self, beamtime: str) -> bool:
        """Tell whether a source of a beamtime would be judged differently later though nothing changed."""
        sql = "SELECT 1 FROM source WHERE beamtime = ? AND again_at IS NOT NULL AND NOT gone LIMIT 1"
        return self._db.execute(sql, (beamtime,)).fetchone() is not None

    def read_again_at(self, beamtime: str, after: float) -> float | None:
        """Give the first Unix time after this one from which a source of a beamtime would be judged differently."""
        sql = "SELECT min(again_at) FROM source WHERE beamtime = ? AND again_at > ?"
        found: float | None = self._db.execute(sql, (beamtime, after)).fetchone()[0]
        return found

    def to_be_read_again(self) -> dict[str, list[str]]:
        """Give the sources that are newer on disk than in the catalogue, or still being written: paths by beamtime."""
        found: dict[str, list[str]] = {}
        sql = "SELECT beamtime, path FROM source WHERE again_at IS NOT NULL AND NOT gone ORDER BY beamtime, path"
        for beamtime, path in self._db.execute(sql):
            found.setdefault(beamtime, []).append(path)
        return found

    def sources_with_scans(self, beamtime: str) -> int:
        """Give the number of a beamtime's sources that hold scans, or failed."""
        sql = "SELECT count(*) FROM source WHERE beamtime = ? AND (scans != '[]' OR failed) AND NOT gone"
        return int(self._db.execute(sql, (beamtime,)).fetchone()[0])

    def failed(self) -> int:
        """Give the number of sources nothing could be read of."""
        return int(self._db.execute("SELECT count(*) FROM source WHERE failed AND NOT gone").fetchone()[0])

    def counts_by_beamtime(self) -> dict[str, tuple[int, int]]:
        """Give the number of scans and of datasets of each beamtime, by id."""
        rows = self._db.execute("SELECT beamtime, count(*), count(DISTINCT dataset) FROM scan GROUP BY beamtime")
        return {beamtime: (int(scans), int(datasets)) for beamtime, scans, datasets in rows}

    def counts(self) -> tuple[int, int]:
        """Give the number of scans and of datasets."""
        row = self._db.execute("SELECT count(*), count(DISTINCT dataset) FROM scan").fetchone()
        return int(row[0]), int(row[1])


def _opened_read_only(path: Path) -> sqlite3.Connection:
    db = None
    try:
        db = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            timeout=30,
            factory=_Connection,
        )
        if db.execute("PRAGMA user_version").fetchone()[0] == VERSION:
            return db
    except (sqlite3.Error, CatalogError) as exc:
        if db is not None:
            db.close()
        raise CatalogError("the build state cannot be read", where=path, remedy="run: catbuild build") from exc
    db.close()
    raise CatalogError("the build state is of another version", where=path, remedy="run: catbuild build")


def _listed(problems: Iterable[Problem]) -> str:
    return json.dumps([[problem.where, problem.what] for problem in problems])


def _unlisted(listed: str) -> tuple[Problem, ...]:
    return () if listed == "[]" else tuple(Problem(where=where, what=what) for where, what in json.loads(listed))


def _source_row(row: tuple[str, str, str, str, str, str, float | None, int, str | None, int]) -> SourceRow:
    beamtime, path, signature, settings, scans, problems, again_at, failed, bookmark, gone = row
    return SourceRow(
        beamtime=beamtime,
        path=path,
        signature=signature,
        settings=settings,
        scans=tuple(json.loads(scans)) if scans != "[]" else (),
        problems=_unlisted(problems),
        again_at=again_at,
        failed=bool(failed),
        bookmark=bookmark,
        gone=bool(gone),
    )


def _scan_row(row: tuple[str, str, str, str, int, int]) -> ScanRow:
    key, beamtime, dataset, on_disk, size, files = row
    return ScanRow(key=key, beamtime=beamtime, dataset=dataset, on_disk=on_disk, size=size, files=files)
