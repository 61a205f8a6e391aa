"""Reader of SPEC files, as SPEC, Sardana's Spock, Bluesky and others write them.

Knows the ``#`` lines of a file and of its scans; does not know what a scan's own macro means beyond ``commands``.

It parses the text itself. ``silx.io.specfile`` reads the same scans and values (a test compares them), but it
prints about broken lines to standard output and leaves them out, reads ``nan`` as 0, and of rows wrapped as
``#N 15 8`` says gives eight columns; a build needs the whole of them, the line's number, and a quiet output.

Files packed with gzip or bzip2 are read as they stand, a bounded part of them. Each scan of a file that is not
packed carries a bookmark, from which ``resume`` reads on when the file only grew.

Sources: SPEC manual, "scans" and ``scans.mac`` (``#S #D #T #M #G #Q #P #N #L #C @A``), ``user_*`` lines of
macros at the APS (``#H``/``#V``), ``#MD`` of Bluesky, sardana ``macroserver/recorders/storage.py``
(``SPEC_FileRecorder``: header of each scan behind its ``#S``, columns ``Pt_No`` and ``dt``).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import BinaryIO, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from catalog_builder import commands
from catalog_builder.errors import CatalogError
from catalog_builder.readers import Surroundings
from catalog_builder.readers.bounds import kept_inside, reason
from catalog_builder.readers.complaints import Complaints
from catalog_builder.readers.growth import Bookmark, Digest, Numbers
from catalog_builder.readers.inflate import Inflating, first_bytes, inflated, opened
from catalog_builder.readers.specmca import SpecSpectra
from catalog_builder.readers.texts import encodable, storable
from catalog_builder.readers.times import from_epoch, not_before, parse_time
from catalog_builder.readers.values import Table, fitted_labels, number, unique_names, usual_width, value
from catalog_builder.records import Command, Json, ScanState
from catalog_builder.signals import Column, Reading

_SCAN = re.compile(r"^#S\s+(\d{1,9})(?:\s+(.*))?$")
_NAMELESS = re.compile(r"^#S(\s|$)")
_NUMBERED = re.compile(r"^#([A-Za-z]+)(\d*)(?:\s+(.*))?$")
_HEAD_LINE = re.compile(rb"^#(?:F\s+\S|E\s+\d|D\s+\S|O\d+\s)", re.MULTILINE)
_SCAN_LINE = re.compile(rb"^#S\s+\d{1,9}(?:\s|$)", re.MULTILINE)
_FILE_LINE = re.compile(rb"^#F\s+\S", re.MULTILINE)
_BLANKS = re.compile(r"\s{2,}|\t+")
_USER = re.compile(r"\bUser\s*=\s*(\S+)", re.IGNORECASE)
_ABORTED = re.compile(r"(?:^|\d{4}\.\s+)(?:Scan aborted\b|exit_status = (?:abort|fail))", re.IGNORECASE)
"""SPEC: ``Wed Jun 18 22:06:42 2014.  Scan aborted after 34 points.``; Bluesky: ``….  exit_status = abort``."""
_ACQUISITION = re.compile(r"^Acquisition (started|ended) at\s+(.*)$", re.IGNORECASE)
_NAME_TABLES = frozenset({"O", "o", "H"})
_POINT_NUMBER = frozenset({"pt_no", "#pt no", "point_nb"})
_LONGEST_LINE = 1 << 20
"""Bytes; a longer line is read as several."""
_MOST_LINES = 2_000_000
"""Lines of one scan that are kept; each costs some hundred bytes, however short it is."""
_NAMES_A_LINE = 8
"""Of ``#O``, as SPEC writes it."""
_MOST_RUNS = 500
"""Runs of scan numbers up to which a bookmark stays short; scans behind more of them have none."""


@dataclass(slots=True)
class _Names:
    """Tables of names by number (``#O0``, ``#o0``, ``#H0``), for the scans behind them."""

    tables: dict[str, dict[int, list[str]]] = field(default_factory=dict)

    def add(self, letter: str, order: int, written: str) -> None:
        between = _BLANKS if letter != "o" else r"\s+"
        self.tables.setdefault(letter, {})[order] = [name for name in re.split(between, written.strip()) if name]

    def flat(self, letter: str) -> list[str]:
        table = self.tables.get(letter, {})
        return [name for order in sorted(table) for name in table[order]]


@dataclass(slots=True)
class _Header:
    """What stands above scans and holds for all of them until the next ``#F``."""

    names: _Names = field(default_factory=_Names)
    user: str | None = None
    epoch: float | None = None


@dataclass(slots=True)
class _Block:
    """The lines of one scan, as they stand."""

    number: int
    order: int
    command: str
    line: int
    header: _Header
    lines: list[tuple[int, str]] = field(default_factory=list)
    spectra: SpecSpectra = field(default_factory=SpecSpectra)
    bookmark: Bookmark | None = None
    end: int | None = None
    """Bytes of the file up to where the next scan begins; None in an archive."""
    surplus: int = 0
    """Lines beyond those that are kept."""
    last: bool = False
    """True where no other scan follows."""
    cut: bool = False
    """True where the file ends in this scan in the middle of a line."""

    def add(self, at: int, line: str) -> None:
        """Keep a line, or count it where there are too many."""
        if len(self.lines) < _MOST_LINES:
            self.lines.append((at, line))
        else:
            self.surplus += 1


class _Row(NamedTuple):
    """A line of numbers, as words."""

    line: int
    words: list[str]
    unfinished: bool
    """True where a blank ends it: SPEC's own line break, or an abort, may have cut it there."""


@dataclass(slots=True)
class _Notes:
    """The ``#`` lines of one scan, understood, and its rows as words."""

    names: _Names
    values: dict[str, dict[int, tuple[int, str]]] = field(default_factory=dict)
    """``#P0``, ``#V0``: line and text by number."""
    started: datetime | None = None
    ended: datetime | None = None
    user: str | None = None
    comments: list[str] = field(default_factory=list)
    parameters: dict[str, Json] = field(default_factory=dict)
    labels: str | None = None
    label_line: int = 0
    width: int | None = None
    """Of ``#N``."""
    rows: list[_Row] = field(default_factory=list)
    escaped: bool = False
    """True where JSON's escapes may spell what UTF-8 cannot hold."""
    sardana: set[str] = field(default_factory=set)
    """``started``, ``ended``."""


class _Known(NamedTuple):
    """What is known at a bookmarked scan of all that stands before it."""

    header: _Header
    seen: Numbers
    digest: Digest


class SpecReader:
    """Reads SPEC files; each holds many scans."""

    name = "spec"
    version = 3
    suffixes: tuple[str, ...] = (".spec", ".dat", ".txt", ".spe", "", ".gz", ".bz2")
    keeps_suffix = True

    def recognises(self, head: bytes) -> bool:
        """Tell a SPEC file by a numbered ``#S`` line, or by ``#F`` with another line of a file's header."""
        head = inflated(head).partition(b"\0")[0]  # a crash may leave zeros behind good scans
        if _SCAN_LINE.search(head):
            return True
        return bool(_FILE_LINE.search(head)) and len(_HEAD_LINE.findall(head)) > 1

    def read(self, path: Path, surroundings: Surroundings) -> Iterator[Reading]:
        """Give the file's scans in order; a header without scans gives none.

        Raises CatalogError where there is no line of a SPEC file. Of a damaged archive the scans before the damage
        are given; the last of them names it.
        """
        called = encodable(path.name)
        try:
            target = kept_inside(path, surroundings.boundary)
            if not self.recognises(first_bytes(target)):
                raise CatalogError("has no #S or #F line, so it is no SPEC file", where=called)
            with opened(target) as (stream, archive):
                blocks = _Blocks(_Lines(stream), called, archive)
                yield from _readings(blocks, surroundings.timezone)
        except OSError as exc:
            raise CatalogError(f"cannot be read: {exc.strerror or reason(exc)}", where=called) from exc

    def resume(self, path: Path, surroundings: Surroundings, bookmark: str) -> Iterator[Reading] | None:
        """Give the scans from the bookmarked one on, or None where the file is not one that only grew since.

        They are those that ``read`` gives; what stands before the scan is compared with what it was, but not parsed
        again. Raises CatalogError.
        """
        called = encodable(path.name)
        target = kept_inside(path, surroundings.boundary)
        try:
            with target.open("rb") as stream:
                mark = Bookmark.from_text(bookmark)
                digest = None if mark is None else mark.upheld(stream)
                if mark is None or digest is None or not _stands_at(stream, mark.at):
                    return None
                known = _Known(_header_at(stream, mark), Numbers(mark.seen), digest)
        except OSError as exc:
            raise CatalogError(f"cannot be read: {exc.strerror or reason(exc)}", where=called) from exc
        except ValueError:
            return None
        return self._resumed(target, called, surroundings, mark, known)

    def _resumed(
        self, target: Path, called: str, surroundings: Surroundings, mark: Bookmark, known: _Known
    ) -> Iterator[Reading]:
        try:
            with target.open("rb") as stream:
                stream.seek(mark.at)
                blocks = _Blocks(_Lines(stream, mark.at, mark.line, known.digest), called, None)
                blocks.header, blocks.seen = known.header, known.seen
                blocks.header_place = mark.header_at, mark.header_line
                yield from _readings(blocks, surroundings.timezone)
        except OSError as exc:
            raise CatalogError(f"cannot be read: {exc.strerror or reason(exc)}", where=called) from exc


READER = SpecReader()


class _Lines:
    """The lines of a file with their numbers; tells where it is, and afterwards whether the last one was cut."""

    def __init__(self, stream: BinaryIO, at: int = 0, line: int = 1, before: Digest | None = None) -> None:
        self.stream = stream
        self.before = before or Digest()
        """Of all bytes before the line given last."""
        self.at = at
        """Bytes before the line given last."""
        self.ahead = at
        """Bytes up to its end."""
        self.cut = False
        self._line = line

    def __iter__(self) -> Iterator[tuple[int, str]]:
        raw, digested, passed = b"\n", self.ahead, self.before.waiting.append
        lines = iter(partial(self.stream.readline, _LONGEST_LINE), b"")
        for place, raw in enumerate(lines, start=self._line):
            self.at, self.ahead = self.ahead, self.ahead + len(raw)
            try:
                yield place, raw.decode("utf-8").rstrip("\r\n")
            except UnicodeDecodeError:
                yield place, raw.decode("latin-1").rstrip("\r\n")
            passed(raw)
            if self.ahead - digested > _LONGEST_LINE:
                self.before.take_in()
                digested = self.ahead
        self.cut = not raw.endswith(b"\n")


def _stands_at(stream: BinaryIO, at: int) -> bool:
    """Tell whether a scan with a number begins at a place."""
    stream.seek(at)
    return _SCAN_LINE.match(stream.readline(_LONGEST_LINE)) is not None


def _header_at(stream: BinaryIO, mark: Bookmark) -> _Header:
    """Read the header that holds for a bookmarked scan again."""
    header = _Header()
    stream.seek(mark.header_at)
    for _, line in _Lines(stream):
        if _NAMELESS.match(line):
            break
        _file_line(header, line)
    return header


class _Blocks:
    """The scans of a file as their lines stand; each is given once the next one, or the end, is seen."""

    def __init__(self, lines: _Lines, called: str, archive: Inflating | None) -> None:
        self.header = _Header()
        self.header_place = (0, 1)
        """Bytes before it, and its line."""
        self.seen = Numbers()
        self.called = called
        self._lines = lines
        self._archive = archive
        self._block: _Block | None = None
        self._complaints = Complaints(called)
        self._into = "header"

    def __iter__(self) -> Iterator[tuple[_Block, Complaints]]:
        for at, line in self._lines:
            if not line.startswith("#"):
                if self._into == "scan" and self._block is not None and line:
                    _row_or_spectrum(self._block, at, line)
            elif match := _SCAN.match(line):
                if self._block is not None:
                    self._block.end = self._lines.at
                    yield self._block, self._complaints
                    self._complaints = Complaints(self.called)
                self._begin(match, at)
            elif _NAMELESS.match(line):
                self._into = "nothing"
                self._complaints.add(f"{line[:80]!r} is a scan without a number", at)
            else:
                self._noted(at, line)
        yield from self._ended()

    def _begin(self, match: re.Match[str], at: int) -> None:
        scan, bookmark = int(match[1]), self._bookmark(at)
        command = " ".join((match[2] or "").split())
        order = self.seen.add(scan)
        self._into = "scan"
        self._block = _Block(number=scan, order=order, command=command, line=at, header=self.header, bookmark=bookmark)

    def _bookmark(self, at: int) -> Bookmark | None:
        """Mark the scan that begins; none of an archive, nor where a problem stands before the first scan."""
        seen = self.seen.text(_MOST_RUNS)
        if self._archive is not None or seen is None or (self._block is None and self._complaints.all()):
            return None
        header_at, header_line = self.header_place
        before = self._lines.before.text()
        return Bookmark(
            at=self._lines.at, line=at, header_at=header_at, header_line=header_line, seen=seen, before=before
        )

    def _noted(self, at: int, line: str) -> None:
        """Take a ``#`` line that begins no scan."""
        if line.startswith("#F ") or (line.startswith("#E ") and self._into != "header"):
            self.header, self.header_place, self._into = _Header(), (self._lines.at, at), "header"
        if self._into == "header":
            _file_line(self.header, line)
        elif self._into == "scan" and self._block is not None:
            self._block.spectra.goes_on = False
            if line.startswith("#@"):
                self._block.spectra.header(line[2:])
            else:
                self._block.add(at, line)

    def _ended(self) -> Iterator[tuple[_Block, Complaints]]:
        damage = self._archive.damage if self._archive else None
        if damage:
            self._complaints.add(f"{damage}; what stands behind is missing")
        if self._block is not None:
            self._block.last, self._block.cut = True, (self._lines.cut or bool(damage)) and self._into == "scan"
            self._block.end = self._lines.ahead
            yield self._block, self._complaints
        elif self._complaints.all() and (damage or not self._lines.cut):
            first = self._complaints.all()[0]
            raise CatalogError(first.what, where=first.where)


def _row_or_spectrum(block: _Block, at: int, line: str) -> None:
    if line[0] == "@" or block.spectra.goes_on:
        block.spectra.take(at, line)
    elif not line.isspace():
        block.add(at, line)


def _readings(blocks: _Blocks, zone: ZoneInfo) -> Iterator[Reading]:
    for block, complaints in blocks:
        yield _reading(block, complaints, zone)


def _file_line(header: _Header, line: str) -> None:
    match = _NUMBERED.match(line)
    if match is None:
        return
    letter, order, written = match[1], match[2], match[3] or ""
    if order and letter in _NAME_TABLES:
        header.names.add(letter, int(order), written)
    elif letter == "E":
        header.epoch = number(written)
    elif letter == "C" and (user := _USER.search(written)):
        header.user = user[1]


def _notes(block: _Block, complaints: Complaints, zone: ZoneInfo) -> _Notes:
    own = _Names()
    notes = _Notes(names=own, user=block.header.user)
    for at, line in block.lines:
        if line[0] != "#":
            if "#" not in line:
                notes.rows.append(_Row(at, line.split(), line[-1] == " "))
                continue
            line = _row_line(notes, at, line)
        if match := _NUMBERED.match(line):
            _scan_line(notes, at, match[1], match[2], (match[3] or "").strip(), complaints, zone)
    for letter, table in block.header.names.tables.items():
        own.tables.setdefault(letter, table)
    return notes


def _row_line(notes: _Notes, at: int, line: str) -> str:
    """Take a row that an abort broke; gives what stands behind it: ``24.4121 48916#C Wed … Scan aborted``."""
    row, mark, behind = line.partition("#")
    words = row.split()
    if not row.endswith(" "):
        del words[-1:]
    if words:
        notes.rows.append(_Row(at, words, unfinished=False))
    return mark + behind


def _scan_line(
    notes: _Notes, at: int, letter: str, order: str, written: str, complaints: Complaints, zone: ZoneInfo
) -> None:
    if order:
        _numbered_line(notes, at, letter, int(order), written)
    elif letter == "D":
        notes.started = _date(written, zone)
        if notes.started is None:
            complaints.add(f"{written[:60]!r} is no date", at)
    elif letter == "C":
        _comment(notes, written, zone)
    elif letter == "N":
        notes.width = next((int(word) for word in written.split() if word.isdecimal() and len(word) < 6), None)
    elif letter == "L":
        _label_line(notes, at, written, complaints)
    else:
        _parameter_line(notes, letter, written)


def _numbered_line(notes: _Notes, at: int, letter: str, order: int, written: str) -> None:
    if letter in _NAME_TABLES:
        notes.names.add(letter, order, written)
    elif letter in ("P", "V"):
        notes.values.setdefault(letter, {})[order] = (at, written)
    elif letter == "G" and written:
        notes.parameters[f"G{order}"] = _floats(written)


def _parameter_line(notes: _Notes, letter: str, written: str) -> None:
    if letter == "Q" and written:
        notes.parameters["hkl"] = _floats(written)
    elif letter in ("T", "M"):
        name = "preset_time" if letter == "T" else "preset_monitor"
        notes.parameters[name] = number((written.split() or [""])[0])
    elif letter == "U":
        notes.parameters.setdefault("user_comment", written)
    elif letter == "MD" and "=" in written:
        key, _, text = written.partition("=")
        notes.escaped = notes.escaped or "\\" in text
        notes.parameters[key.strip()] = value(text)


def _floats(written: str) -> Json:
    numbers = [number(word) for word in written.split()]
    return written if None in numbers else [n for n in numbers if n is not None]


def _date(written: str, zone: ZoneInfo) -> datetime | None:
    seconds = number(written)
    return parse_time(written, zone) if seconds is None else from_epoch(seconds)


def _comment(notes: _Notes, written: str, zone: ZoneInfo) -> None:
    notes.comments.append(written)
    if match := _ACQUISITION.match(written):
        notes.sardana.add(match[1].lower())
        when = parse_time(match[2], zone)
        if match[1].lower() == "ended":
            notes.ended = when and not_before(notes.started, when, zone)
        else:
            notes.started = notes.started or when


def _label_line(notes: _Notes, at: int, written: str, complaints: Complaints) -> None:
    if notes.labels is None or not notes.rows:
        notes.labels, notes.label_line = written, at
    elif written != notes.labels:
        complaints.add("there are other labels in the middle of the scan; the first ones are kept", at)


def _reading(block: _Block, complaints: Complaints, zone: ZoneInfo) -> Reading:
    if block.surplus:
        complaints.add(f"scan {block.number} has {block.surplus} lines too many, which are left out", block.line)
    notes = _notes(block, complaints, zone)
    command = commands.parse(block.command)
    columns = _columns(block, notes, complaints)
    positioners = _positioners(notes, complaints)
    if block.spectra.count:
        notes.parameters["mca_spectra"] = float(block.spectra.count)
    if "started" in notes.sardana and isinstance(written := notes.parameters.get("user_comment"), str):
        notes.user = written
    state = _state(block, notes, command, len(columns[0].values) if columns else 0)
    reading = Reading(
        measurement=f"{block.number}.{block.order}",
        number=block.number,
        command=block.command,
        user=notes.user,
        comments=tuple(notes.comments),
        started=notes.started,
        ended=None if state == "running" else notes.ended or _end(notes.started, columns),
        state=state,
        parameters=notes.parameters,
        positioners=positioners,
        columns=columns,
        axes=_axes(command, columns, notes.names),
        spectra=block.spectra.spectra(complaints, block.line),
        problems=complaints.all(),
        bookmark=None if block.bookmark is None else block.bookmark.text(),
        extent=None if block.bookmark is None else block.end,
    )
    return storable(reading) if notes.escaped else reading


def _state(block: _Block, notes: _Notes, command: Command, points: int) -> ScanState:
    """Tell the state: SPEC marks no end, so a scan is over when another follows or all points are there."""
    if any(_ABORTED.search(comment) for comment in notes.comments):
        return "aborted"
    if "ended" in notes.sardana or not (block.last or "started" in notes.sardana):
        return "complete"
    if command.points is not None and points >= command.points:
        return "complete"
    return "running" if block.last and "started" in notes.sardana else "unknown"


def _end(started: datetime | None, columns: tuple[Column, ...]) -> datetime | None:
    """Add the time between the first and the last point (``Epoch``, s since the file's ``#E``) to the start."""
    epoch = next((c.values[np.isfinite(c.values)] for c in columns if c.name == "Epoch"), None)
    if started is None or epoch is None or not len(epoch):
        return None
    seconds = float(epoch[-1] - epoch[0])
    return started + timedelta(seconds=seconds) if 0 <= seconds < 1e7 else None


def _positioners(notes: _Notes, complaints: Complaints) -> dict[str, float]:
    """Give where everything stood: ``#O``/``#P``, then the numbers of ``#H``/``#V``.

    A shorter ``#P`` line keeps the names it has values for; of a longer one nobody knows which value is whose, nor
    where ``#O`` has more names than the eight SPEC writes a line: one of them has two blanks in it
    (``#O5 Mono  piz  POWDERmono …``).
    """
    positioners: dict[str, float] = {}
    positions = sorted(notes.values.get("P", {}).items())
    if positions and not notes.names.tables.get("O"):
        complaints.add("the positions of #P have no names, there is no #O line", positions[0][1][0])
        positions = []
    for order, (at, written) in positions:
        names, words = notes.names.tables.get("O", {}).get(order, []), written.split()
        if len(names) != len(words):
            single = " ".join(names).split()
            names = single if len(single) == len(words) else names
        if len(names) != len(words):
            complaints.add(f"#P{order} has {len(words)} values, but #O{order} has {len(names)} names", at)
        if len(words) > len(names) or len(words) < len(names) > _NAMES_A_LINE:
            continue
        for name, word in zip(names, words, strict=False):
            _place(positioners, name, word, at, complaints)
    for order, (_, written) in sorted(notes.values.get("V", {}).items()):
        _extras(notes, order, written, positioners)
    return positioners


def _place(positioners: dict[str, float], name: str, word: str, at: int, complaints: Complaints) -> None:
    where = number(word)
    if where is not None:
        positioners[name] = where
    elif word.lower() not in ("nan", "none"):
        complaints.add(f"{word[:40]!r} of {name!r} is no number", at)


def _extras(notes: _Notes, order: int, written: str, positioners: dict[str, float]) -> None:
    names, words = notes.names.tables.get("H", {}).get(order, []), written.split()
    if len(names) != len(words):
        notes.parameters[f"V{order}"] = written
        return
    for name, word in zip(names, words, strict=True):
        found = number(word)
        if found is None:
            notes.parameters.setdefault(name, word)
        else:
            positioners.setdefault(name, found)


def _columns(block: _Block, notes: _Notes, complaints: Complaints) -> tuple[Column, ...]:
    labels = _labels(block, notes, complaints)
    table = Table(len(labels))
    for row in _rows(block, notes, len(labels)):
        if len(row.words) != len(labels):
            wrong = f"the row has {len(row.words)} values for {len(labels)} columns"
            complaints.add(f"scan {block.number}: {wrong}", row.line)
        for bad in table.append(row.words):
            wrong = f"{row.words[bad][:40]!r} in column {labels[bad]!r} is no number"
            complaints.add(f"scan {block.number}: {wrong}", row.line)
    return _told_apart([Column(name=n, values=v) for n, v in zip(labels, table.columns(), strict=True)])


def _rows(block: _Block, notes: _Notes, width: int) -> list[_Row]:
    """Give the rows: broken ones joined, the last one without the word it was cut in.

    A row goes on in the next line where it stops with a blank (``#N 15 8``: eight values a line) and both fit.
    """
    whole: list[_Row] = []
    for row in notes.rows:
        if whole and whole[-1].unfinished and len(whole[-1].words) + len(row.words) <= width:
            row = row._replace(line=whole[-1].line, words=whole.pop().words + row.words)
        whole.append(row)
    last = whole[-1] if whole else None
    if last and block.cut and not last.unfinished and block.lines[-1][0] >= last.line and len(last.words) < width:
        whole[-1] = last._replace(words=last.words[:-1])
    return whole


def _labels(block: _Block, notes: _Notes, complaints: Complaints) -> list[str]:
    """Give the columns' names, as many as the rows have values; two blanks part them, or a single one.

    Where names and rows agree, what ``#N`` says does not matter; many macros count wrongly.
    """
    written = notes.labels or ""
    labels = [label for label in _BLANKS.split(written.strip()) if label]
    single = written.split()
    words = [row.words for row in notes.rows]
    if len(labels) not in (notes.width, *map(len, words)) and len(single) in (notes.width, *map(len, words)):
        labels = single
    if notes.width == len(labels):
        width = max([notes.width, *map(len, words)]) if words else notes.width
    else:
        width = usual_width(words, len(labels))
    if width != len(labels):
        at = notes.label_line or block.line
        complaints.add(f"scan {block.number} has {len(labels)} labels but {width} columns", at)
    return fitted_labels(labels, width)


def _told_apart(columns: list[Column]) -> tuple[Column, ...]:
    """Leave out a column SPEC repeats (the counter of a plot comes last again) and tell others apart."""
    names = [column.name for column in columns]
    if len(set(names)) == len(names):
        return tuple(columns)
    kept = {(column.name, (column.values + 0.0).tobytes()): column for column in reversed(columns)}  # -0.0 is 0.0
    left = {id(column) for column in kept.values()}
    told = [column for column in columns if id(column) in left]
    names = unique_names([column.name for column in told])
    return tuple(Column(name=name, values=column.values) for name, column in zip(names, told, strict=True))


def _axes(command: Command, columns: tuple[Column, ...], tables: _Names) -> tuple[str, ...]:
    """Give the columns of what was scanned, fast first: by name, by mnemonic (``#o``), else by their place.

    SPEC writes scanned positioners as a scan's first columns, Spock behind ``Pt_No``.
    """
    folded = {column.name.lower(): column.name for column in columns}
    names, mnemonics = tables.flat("O"), tables.flat("o")
    full = dict(zip(mnemonics, names, strict=True)) if len(mnemonics) == len(names) else {}
    behind = 1 if columns and columns[0].name.lower() in _POINT_NUMBER else 0
    axes: list[str] = []
    for moved in commands.main_ranges(command):
        place = command.ranges.index(moved) + behind
        by_name = folded.get(moved.positioner.lower()) or folded.get(full.get(moved.positioner, "").lower())
        if by_name is None and place >= len(columns):
            return ()
        axes.append(by_name or columns[place].name)
    return tuple(axes)
