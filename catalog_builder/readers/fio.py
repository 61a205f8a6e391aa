"""Reader of ``.fio`` files: Sardana's, those of DESY's Online before it, and what people made of them by hand.

Knows every dialect of the format met so far; does not know the images that lie beside a file.

A file has the sections ``%c`` (comments, the command first), ``%p`` (``name = value``) and ``%d`` (``Col``
lines, then rows); see sardana ``macroserver/recorders/storage.py``, ``FIO_FileRecorder``. Online writes no
command but ``S2_CX-Scan started at 30-May-2018 23:58:22, ended 23:59:32`` and
``Name: slit_05x05_00001 from 0.35 to 1.85 by 0.025 sampling 0.2 s``; this is said here as
``ascan S2_CX 0.35 1.85 60 0.2``, the ends and the time as they stand, the intervals from the step.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from catalog_builder.errors import CatalogError
from catalog_builder.readers import Surroundings
from catalog_builder.readers.bounds import kept_inside, reason
from catalog_builder.readers.complaints import Complaints
from catalog_builder.readers.texts import storable
from catalog_builder.readers.times import from_epoch, parse_end, parse_time
from catalog_builder.readers.values import Table, fitted_labels, number, unique_names, usual_width, value
from catalog_builder.records import Json, ScanState
from catalog_builder.signals import Column, Floats, Reading

_HASH = re.compile(r"^#[ \t]?")
_SECTION = re.compile(r"^%([cpd])\s*$", re.IGNORECASE)
_COLUMN = re.compile(
    r"^Col\s+\d+\s+(\S.*?)(?:\s+(DOUBLE|FLOAT|INTEGER|INT|LONG|STRING|BOOLEAN|BOOL))?\s*$", re.IGNORECASE
)
_USER = re.compile(r"^user\s+(\S.*?),?\s+acquisition started at\s+(.*)$", re.IGNORECASE)
_ENDED = re.compile(r"\bacquisition\s+(ended|finished|aborted|stopped|interrupted)\b(?:\s+at\s+(.*))?", re.IGNORECASE)
_ONLINE_SCAN = re.compile(r"^(\S+)-Scan started at\s+(.+?)(?:,\s*ended\s+(.*))?$", re.IGNORECASE)
_ONLINE_RANGE = re.compile(
    r"^Name:\s*(\S+)\s+from\s+(\S+)\s+to\s+(\S+)\s+by\s+(\S+)(?:\s+sampling\s+(\S+)\s*s)?", re.IGNORECASE
)
_KEYED = re.compile(r"^([A-Za-z_]\w*)\s*=\s*(.*)$")
_LONGEST = 512 * 1024 * 1024
"""Bytes; a ``.fio`` beyond them is none."""


@dataclass(slots=True)
class _Text:
    """The lines of a file by section, each with its number."""

    comments: list[tuple[int, str]] = field(default_factory=list)
    parameters: list[tuple[int, str]] = field(default_factory=list)
    columns: list[tuple[str, str]] = field(default_factory=list)
    """Name and type."""
    rows: list[tuple[int, list[str]]] = field(default_factory=list)
    ends: list[re.Match[str]] = field(default_factory=list)
    cut: bool = False
    """True where the last line has no end: it may have been cut anywhere."""


@dataclass(slots=True)
class _Story:
    """What the comments tell."""

    command: str = ""
    user: str | None = None
    started: datetime | None = None
    ended: datetime | None = None
    state: ScanState = "unknown"
    comments: list[str] = field(default_factory=list)
    parameters: dict[str, Json] = field(default_factory=dict)
    scanned: str | None = None
    """The positioner of an Online scan."""
    names: list[str] = field(default_factory=list)
    """The scan's own names: Online puts them before each column's."""


class FioReader:
    """Reads ``.fio`` files; each holds one scan."""

    name = "fio"
    version = 1
    suffixes: tuple[str, ...] = (".fio",)
    keeps_suffix = False

    def recognises(self, head: bytes) -> bool:
        """Tell a ``.fio`` by its section marks, or by nothing but ``!`` comments so far."""
        if b"\0" in head:
            return False
        lines = [_HASH.sub("", line).strip() for line in head.decode("latin-1").splitlines()]
        written = [line for line in lines if line]
        if any(_SECTION.match(line) for line in written):
            return bool(written[0].startswith("!") or _SECTION.match(written[0]))
        return bool(written) and all(line.startswith("!") for line in written)

    def read(self, path: Path, surroundings: Surroundings) -> Iterator[Reading]:
        """Give the file's one scan; raises CatalogError where there is no section of a ``.fio`` in it."""
        complaints = Complaints(path.name)
        text = _sections(_decoded(kept_inside(path, surroundings.boundary), path.name), path)
        story = _story(text, surroundings.timezone)
        yield storable(_reading(path, text, story, complaints))

    def has_ended(self, tail: bytes) -> bool:
        """Tell whether the last line written is the one that ends a scan."""
        lines = tail.decode("latin-1").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return last.startswith("!") and _ENDED.search(last) is not None


READER = FioReader()


def _decoded(target: Path, called: str) -> str:
    try:
        if target.stat().st_size > _LONGEST:
            raise CatalogError("is too long for a .fio file", where=called)
        content = target.read_bytes()
    except OSError as exc:
        raise CatalogError(f"cannot be read: {exc.strerror or reason(exc)}", where=called) from exc
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _sections(content: str, path: Path) -> _Text:
    text, section = _Text(), ""
    lines = re.split(r"\r\n|\n|\r", content)
    text.cut = bool(lines and lines[-1].strip())
    for at, raw in enumerate(lines, start=1):
        line = _HASH.sub("", raw).strip()
        if not line:
            continue
        if line.startswith("!"):
            if end := _ENDED.search(line):
                text.ends.append(end)
        elif mark := _SECTION.match(line):
            section = mark[1].lower()
        elif section == "c":
            text.comments.append((at, line))
        elif section == "p":
            text.parameters.append((at, line))
        elif section == "d":
            _data_line(text, at, line)
    if not section:
        raise CatalogError("has no %c, %p or %d section, so it is no .fio file", where=path.name)
    return text


def _data_line(text: _Text, at: int, line: str) -> None:
    column = None if text.rows else _COLUMN.match(line)
    if column:
        text.columns.append((column[1], (column[2] or "").upper()))
    else:
        text.rows.append((at, line.split()))


def _story(text: _Text, zone: ZoneInfo) -> _Story:
    story = _Story()
    for order, (_, line) in enumerate(text.comments):
        if match := _USER.match(line):
            story.user, story.state = match[1], "running"
            story.started = parse_time(match[2], zone)
        elif match := _ONLINE_SCAN.match(line):
            _online_scan(story, match, zone)
        elif match := _ONLINE_RANGE.match(line):
            story.names.append(match[1])
            story.command = _online_command(story.scanned, match) or story.command
            story.comments.append(line)
        elif match := _KEYED.match(line):
            _online_key(story, match[1], match[2], zone)
        elif order == 0:
            story.command = line
        else:
            story.comments.append(line)
    for end in text.ends:
        story.state = "complete" if end[1].lower() in ("ended", "finished") else "aborted"
        story.ended = parse_time(end[2] or "", zone) or story.ended
    return story


def _online_scan(story: _Story, match: re.Match[str], zone: ZoneInfo) -> None:
    """Take ``PIN_Y_GP-Scan started at 26-Sep-2013 19:35:46, ended 19:36:21``."""
    story.scanned = match[1]
    story.started = parse_time(match[2], zone)
    story.state = "running"
    story.comments.append(match[0])
    if match[3]:
        story.state = "complete"
        story.ended = parse_end(match[3], story.started, zone)


def _online_command(scanned: str | None, match: re.Match[str]) -> str | None:
    start, stop, step = (number(match[i]) for i in (2, 3, 4))
    if scanned is None or start is None or stop is None or not step:
        return None
    intervals = abs((stop - start) / step)
    if intervals > 1e9:
        return None
    return " ".join(["ascan", scanned, match[2], match[3], str(round(intervals)), *([match[5]] if match[5] else [])])


def _online_key(story: _Story, key: str, written: str, zone: ZoneInfo) -> None:
    """Take ``File_name = scan_mca_00001``, ``Start_time = …``, ``Storage_time = …`` (the file was closed)."""
    story.parameters[key] = value(written)
    match key.lower():
        case "file_name":
            story.names.append(written)
        case "start_time":
            story.started = parse_time(written, zone)
        case "storage_time":
            story.state = "complete"


def _reading(path: Path, text: _Text, story: _Story, complaints: Complaints) -> Reading:
    positioners, parameters = _parameters(text, complaints)
    columns = _columns(text, story, path, complaints)
    epoch = next((c.values for c in columns if c.name.lower() == "epoch"), None)
    started, ended = _times(story, epoch)
    axes, signal = _online_plot(columns, story.scanned)
    chosen = _words(parameters.get("signalcounter"))
    return Reading(
        command=story.command,
        title=_words(parameters.get("title")),
        sample=_words(parameters.get("sample_name")),
        user=story.user,
        comments=tuple(story.comments),
        started=started,
        ended=ended,
        state=story.state,
        flag=_words(parameters.get("scanmode")),
        parameters={**story.parameters, **parameters},
        positioners=positioners,
        columns=columns,
        signal=chosen if chosen in {column.name for column in columns} else signal,
        axes=axes,
        problems=complaints.all(),
    )


def _words(parameter: Json) -> str | None:
    return parameter if isinstance(parameter, str) and parameter else None


def _times(story: _Story, epoch: Floats | None) -> tuple[datetime | None, datetime | None]:
    """Prefer the ``epoch`` channel, which knows no zone, over the comments, which do not name theirs."""
    stamps = np.empty(0) if epoch is None else epoch[np.isfinite(epoch)]
    first, last = (from_epoch(float(stamps[i])) if len(stamps) else None for i in (0, -1))
    ended = None if story.state == "running" else last or story.ended
    return first or story.started, ended


def _parameters(text: _Text, complaints: Complaints) -> tuple[dict[str, float], dict[str, Json]]:
    """Split the ``%p`` section into numbers and the rest; words meant as text stay text."""
    positioners: dict[str, float] = {}
    parameters: dict[str, Json] = {}
    for at, line in text.parameters:
        name, equals, written = (part.strip() for part in line.partition("="))
        if not (equals and name):
            complaints.add(f"{line[:80]!r} is no 'name = value'", at)
            continue
        parsed = value(written)
        if name in _MEANT_AS_TEXT:
            parameters[name] = None if parsed is None else written
        elif isinstance(parsed, float):
            positioners[name] = parsed
        else:
            parameters[name] = parsed
    return positioners, parameters


_MEANT_AS_TEXT = frozenset(
    {"title", "sample_name", "sample_description", "scanmode", "signalcounter", "chemical_formula"}
)


def _columns(text: _Text, story: _Story, path: Path, complaints: Complaints) -> tuple[Column, ...]:
    rows = _whole_rows(text)
    names, kinds = _labels(text, rows, [*story.names, path.stem], complaints)
    table = Table(len(names))
    for at, words in rows:
        if len(words) != len(names):
            complaints.add(f"the row has {len(words)} values for {len(names)} columns", at)
        for bad in table.append(words):
            if kinds[bad] != "STRING":
                complaints.add(f"{words[bad][:40]!r} in column {names[bad]!r} is no number", at)
    return tuple(
        Column(name=name, values=np.full(len(values), np.nan) if kind == "STRING" else values)
        for name, kind, values in zip(names, kinds, table.columns(), strict=True)
    )


def _whole_rows(text: _Text) -> list[tuple[int, list[str]]]:
    """Give the rows; of a last one that was cut, without the word it was cut in."""
    rows = text.rows
    if rows and text.cut and not text.ends and len(rows[-1][1]) < len(text.columns):
        at, words = rows[-1]
        return [*rows[:-1], (at, words[:-1])]
    return rows


def _labels(
    text: _Text, rows: list[tuple[int, list[str]]], scans: list[str], complaints: Complaints
) -> tuple[list[str], list[str]]:
    """Give the columns' names and types, as many as the rows have values."""
    names = _without_prefix([name for name, _ in text.columns], scans)
    kinds = [kind for _, kind in text.columns]
    width = usual_width([words for _, words in rows], len(names))
    if width != len(names):
        complaints.add(
            f"there are {len(names)} Col lines, but the rows have {width} values: which of them is which is unknown",
            rows[0][0],
        )
        names, kinds = fitted_labels(names, width), [""] * width
    return unique_names(names), kinds


def _without_prefix(names: list[str], scans: list[str]) -> list[str]:
    """Take the scan's name off the columns' names: ``HASYLAB_00127_POS`` is ``POS``."""
    for scan in scans:
        prefix = f"{scan.upper()}_"
        if names and all(name.upper().startswith(prefix) and len(name) > len(prefix) for name in names):
            return [name[len(prefix) :] for name in names]
    return names


def _online_plot(columns: tuple[Column, ...], scanned: str | None) -> tuple[tuple[str, ...], str | None]:
    """Give the axes and the signal of an Online scan.

    ``POS`` is where the positioner stood; the column that bears the positioner's name holds what was counted,
    a copy of one of the counters behind it, which then names it better.
    """
    by_name = {column.name.upper(): column for column in columns}
    if scanned is None or "POS" not in by_name:
        return (), None
    counted = by_name.get(scanned.upper())
    if counted is None:
        return (by_name["POS"].name,), None
    copied = [c for c in columns if c is not counted and np.array_equal(c.values, counted.values, equal_nan=True)]
    return (by_name["POS"].name,), (copied[0] if copied else counted).name
