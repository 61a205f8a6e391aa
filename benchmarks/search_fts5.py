"""SQLite FTS5 with facets counted in SQL, as an engineer who knows SQLite would set it up.

Knows schema, indexes and how a question becomes SQL; does not know what it is compared with.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from benchmarks.search_contender import Answer
from benchmarks.search_queries import (
    COUNTED,
    MOST_VALUES,
    PER_PAGE,
    AnyOf,
    Clause,
    Days,
    Number,
    Question,
    Without,
    Words,
)
from catalog_builder.records import Json
from catalog_builder.search import Document

FIELDS = (
    "name", "beamtime", "proposal", "sample", "title", "keyword", "dataset", "dataset_title", "pi", "positioner",
    "detector", "command", "flag",
)  # fmt: skip
_WEIGHTS = (4, 4, 4, 3, 3, 3, 2, 2, 2, 1.5, 1, 1, 0.5)
_SINGLE = ("flag", "sample", "beamtime", "macro")
_MULTIPLE = ("keyword", "detector")
_COLUMNS = ("energy", "points", "exposure", "size")
"""Numbers that nearly every scan has; others stand in a table by name."""
_BETWEEN = " ¦ "
"""A token between texts of a field, so that no phrase runs over it."""

_TABLES = f"""
CREATE VIRTUAL TABLE words USING fts5({", ".join(FIELDS)}, content='', contentless_delete=1,
    tokenize="unicode61 remove_diacritics 2 tokenchars '¦'", prefix='1 2 3');
"""
_OLD_TABLES = f"""
CREATE VIRTUAL TABLE words USING fts5({", ".join(FIELDS)},
    tokenize="unicode61 remove_diacritics 2 tokenchars '¦'", prefix='1 2 3');
"""
"""Before SQLite 3.43 what has no content cannot be deleted from, so that the texts are stored too."""

_SCHEMA = """
CREATE TABLE value(id INTEGER PRIMARY KEY, facet TEXT NOT NULL, value TEXT NOT NULL, UNIQUE(facet, value));
CREATE TABLE scan(id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, date REAL, energy REAL, points REAL,
    exposure REAL, size REAL, flag INTEGER, sample INTEGER, beamtime INTEGER, macro INTEGER);
CREATE TABLE shown(id INTEGER PRIMARY KEY, fields TEXT NOT NULL);
CREATE TABLE keyword(scan INTEGER, value INTEGER, PRIMARY KEY(scan, value)) WITHOUT ROWID;
CREATE TABLE detector(scan INTEGER, value INTEGER, PRIMARY KEY(scan, value)) WITHOUT ROWID;
CREATE TABLE number(name INTEGER, value REAL, scan INTEGER, PRIMARY KEY(name, value, scan)) WITHOUT ROWID;
"""
_INDEXES = """
CREATE INDEX by_beamtime ON scan(beamtime, date);
CREATE INDEX by_date ON scan(date);
CREATE INDEX by_energy ON scan(energy);
CREATE INDEX by_points ON scan(points);
CREATE INDEX by_keyword ON keyword(value, scan);
CREATE INDEX by_detector ON detector(value, scan);
CREATE INDEX number_of_scan ON number(scan);
ANALYZE;
"""
_SET_UP = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
PRAGMA cache_size = -200000;
PRAGMA mmap_size = 4000000000;
PRAGMA temp_store = MEMORY;
"""


class Fts5:
    """SQLite FTS5."""

    name = "fts5"
    packages: tuple[str, ...] = ()
    most: int | None = None

    def build(self, folder: Path, documents: Iterable[Document]) -> int:
        connection = _connected(folder)
        connection.executescript(_TABLES if sqlite3.sqlite_version_info >= (3, 43) else _OLD_TABLES)
        connection.executescript(_SCHEMA)
        connection.execute("INSERT INTO words(words, rank) VALUES ('rank', ?)", (f"bm25({_weights()})",))
        values, count = _Values(connection), 0
        connection.execute("BEGIN")
        for document in documents:
            if document.level == "scan":
                count += 1
                _insert(connection, values, count, document)
        connection.execute("COMMIT")
        connection.executescript(_INDEXES)
        connection.execute("INSERT INTO words(words) VALUES ('optimize')")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
        return count

    def open(self, folder: Path) -> "OpenFts5":
        return OpenFts5(folder)


def _weights() -> str:
    return ", ".join(str(float(weight)) for weight in _WEIGHTS)


def _connected(folder: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(folder / "search.sqlite3", isolation_level=None)
    connection.executescript(_SET_UP)
    return connection


class _Values:
    """Numbers of facet values and of names, given as they come."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._known = {
            (facet, text): id for id, facet, text in connection.execute("SELECT id, facet, value FROM value")
        }

    def number(self, facet: str, text: str) -> int:
        found = self._known.get((facet, text))
        if found is None:
            found = self._known[facet, text] = len(self._known) + 1
            self._connection.execute("INSERT INTO value VALUES (?, ?, ?)", (found, facet, text))
        return found

    def first(self, document: Document, facet: str) -> int | None:
        return next((self.number(facet, text) for text in document.facets.get(facet, ())), None)


def _insert(connection: sqlite3.Connection, values: _Values, id: int, document: Document) -> None:
    numbers = document.numbers
    texts = [_BETWEEN.join(document.texts.get(name, ())) for name in FIELDS]
    connection.execute(
        f"INSERT INTO words(rowid, {', '.join(FIELDS)}) VALUES ({_marks(1 + len(FIELDS))})", (id, *texts)
    )
    row = (id, document.key, numbers.get("date"), *(numbers.get(name) for name in _COLUMNS))
    connection.execute(
        f"INSERT INTO scan VALUES ({_marks(11)})", (*row, *(values.first(document, name) for name in _SINGLE))
    )
    connection.execute("INSERT INTO shown VALUES (?, ?)", (id, json.dumps(dict(document.fields))))
    for name in _MULTIPLE:
        pairs = [(id, values.number(name, text)) for text in document.facets.get(name, ())]
        connection.executemany(f"INSERT INTO {name} VALUES (?, ?)", pairs)
    others = [(values.number("", name), value, id) for name, value in numbers.items() if name not in _COLUMNS]
    connection.executemany("INSERT INTO number VALUES (?, ?, ?)", others)


def _marks(number: int) -> str:
    return ", ".join("?" * number)


class OpenFts5:
    """A connection; what is found is put into a table of its own first, from which all facets are counted."""

    def __init__(self, folder: Path) -> None:
        self._connection = _connected(folder)
        self._values: _Values | None = None

    def ask(self, question: Question, allowed: frozenset[str] | None, scans: int) -> Answer:
        run = self._connection.execute
        run("BEGIN")
        run("CREATE TEMP TABLE may(id INTEGER PRIMARY KEY)")
        if allowed is not None:
            chosen = f"facet = 'beamtime' AND value IN ({_marks(len(allowed))})"
            run(f"INSERT INTO may SELECT id FROM value WHERE {chosen}", tuple(allowed))
        self._find(question, question.chosen, is_masked=allowed is not None)
        (total,) = run("SELECT count(*) FROM found").fetchone()
        rows = self._page(question, scans)
        facets = {name: self._counted(name) for name in COUNTED if name not in question.chosen}
        for name in question.chosen:
            others = {other: values for other, values in question.chosen.items() if other != name}
            run("DROP TABLE found")
            self._find(question, others, is_masked=allowed is not None)
            facets[name] = self._counted(name)
        run("ROLLBACK")
        return Answer(total, rows, facets)

    def _find(self, question: Question, chosen: Mapping[str, tuple[str, ...]], *, is_masked: bool) -> None:
        match = " ".join(_match(question.clauses))
        score = "words.rank" if match and question.sort == "relevance" else "0"
        source = "words JOIN scan ON scan.id = words.rowid" if match else "scan"
        tests: list[str] = ["words MATCH ?"] if match else []
        given: list[object] = [match] if match else []
        if is_masked:
            tests.append("scan.beamtime IN (SELECT id FROM may)")
        for clause in question.clauses:
            if isinstance(clause, Number | Days):
                _compare(clause, tests, given)
        for name, values in chosen.items():
            meant = f"(SELECT id FROM value WHERE facet = ? AND value IN ({_marks(len(values))}))"
            inside = f"scan.{name} IN {meant}"
            if name in _MULTIPLE:
                inside = f"EXISTS (SELECT 1 FROM {name} AS has WHERE has.scan = scan.id AND has.value IN {meant})"
            tests.append(inside)
            given += [name, *values]
        where = " AND ".join(tests) or "1"
        columns = f"scan.id AS id, scan.date AS date, {', '.join(f'scan.{name} AS {name}' for name in _SINGLE)}"
        self._connection.execute(
            f"CREATE TEMP TABLE found AS SELECT {columns}, {score} AS score FROM {source} WHERE {where}", given
        )

    def _page(self, question: Question, scans: int) -> list[Mapping[str, Json]]:
        order = {"relevance": "score", "date": "date IS NULL, date", "-date": "date DESC"}[question.sort]
        first = (question.page(scans) - 1) * PER_PAGE
        page = f"SELECT id, row_number() OVER () AS place FROM (SELECT id FROM found ORDER BY {order}, id"
        page += f" LIMIT {PER_PAGE} OFFSET {first})"
        text = f"SELECT fields FROM ({page}) AS page JOIN shown USING (id) ORDER BY place"
        return [json.loads(fields) for (fields,) in self._connection.execute(text)]

    def _counted(self, name: str) -> list[tuple[str, int]]:
        if name in _SINGLE:
            groups = f"SELECT {name} AS id, count(*) AS n FROM found WHERE {name} IS NOT NULL GROUP BY 1"
        else:
            groups = (
                f"SELECT has.value AS id, count(*) AS n FROM found JOIN {name} AS has ON has.scan = found.id GROUP BY 1"
            )
        text = f"SELECT value, n FROM ({groups}) JOIN value USING (id) ORDER BY n DESC, value LIMIT {MOST_VALUES}"
        return self._connection.execute(text).fetchall()

    def get_ready(self) -> None:
        self._values = _Values(self._connection)

    def update(self, document: Document) -> None:
        if self._values is None:
            raise AssertionError("not ready for updates")
        run = self._connection.execute
        run("BEGIN IMMEDIATE")
        (id,) = run("SELECT id FROM scan WHERE key = ?", (document.key,)).fetchone()
        for table, column in _ROWS_OF_A_SCAN:
            run(f"DELETE FROM {table} WHERE {column} = ?", (id,))
        _insert(self._connection, self._values, id, document)
        run("COMMIT")

    def close(self) -> None:
        self._connection.close()


_ROWS_OF_A_SCAN = (
    ("words", "rowid"), ("scan", "id"), ("shown", "id"), ("keyword", "scan"), ("detector", "scan"), ("number", "scan"),
)  # fmt: skip


def _match(clauses: Iterable[Clause]) -> Iterator[str]:
    """Give the parts of an FTS5 query, all of which must hold; what is excluded comes last, as FTS5 wants it."""
    asked = [_words(clause) for clause in clauses if isinstance(clause, Words)]
    asked += [f"({' OR '.join(map(_words, clause.parts))})" for clause in clauses if isinstance(clause, AnyOf)]
    excluded = [_words(clause.part) for clause in clauses if isinstance(clause, Without)]
    if asked:
        yield f"({' AND '.join(asked)})"
    for each in excluded:
        yield f"NOT {each}"


def _words(clause: Words) -> str:
    star = " *" if clause.beginning or clause.typed else ""
    where = "" if clause.field is None else f"{clause.field} : "
    return f'{where}"{" ".join(clause.words)}"{star}'


def _compare(clause: Number | Days, tests: list[str], given: list[object]) -> None:
    low, high = clause.seconds if isinstance(clause, Days) else (clause.low, clause.high)
    name = "date" if isinstance(clause, Days) else clause.name
    column = f"scan.{name}" if name in (*_COLUMNS, "date") else "has.value"
    limits = [f"{column} {sign} ?" for sign, limit in ((">=", low), ("<=", high)) if limit is not None]
    inside = " AND ".join(limits)
    if column == "has.value":
        number = "(SELECT id FROM value WHERE facet = '' AND value = ?)"
        inside = f"scan.id IN (SELECT has.scan FROM number AS has WHERE has.name = {number} AND {inside})"
        given.append(name)
    tests.append(inside)
    given += [limit for limit in (low, high) if limit is not None]
