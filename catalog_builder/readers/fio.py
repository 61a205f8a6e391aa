"""Reader of ``.fio`` files: Sardana's, those of DESY's Online before it, and what people made of them by hand.

Knows every dialect of the format met so far; does not know the images that lie beside a file.

A file has the sections ``%c`` (comments, the command first), ``%p`` (``name = value``) and ``%d`` (``Col``
lines, then rows); see sardana ``macroserver/recorders/storage.py``, ``FIO_FileRecorder``. Online writes no
command but ``S2_CX-Scan started at 30-May-2018 23:58:22, ended 23:59:32`` and
``Name: slit_05x05_00001 from 0.35 to 1.85 by 0.025 sampling 0.2 s``; this is said here as
``ascan S2_CX 0.35 1.85 60 0.2``, the ends and the time as they stand, the intervals from the step.

A multichannel analyser's file has one row a channel instead of one a point: Online's own, with ``Start_time = …``
and ``Calibration EXP_MCA01: Channels (0, 2047) mapped to (0, 20000)``, and those Sardana writes a point,
``Position 0.5, Index 3`` (``FIO_FileRecorder._writeMcaFile``).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from catalog_builder.errors import CatalogError
from catalog_builder.readers import Surroundings
from catalog_builder.readers.bounds import kept_inside, reason
from catalog_builder.readers.complaints import Complaints
from catalog_builder.readers.texts import encodable, storable
from catalog_builder.readers.times import from_epoch, not_before, parse_end, parse_time
from catalog_builder.readers.units import parted, unit_of
from catalog_builder.readers.values import Table, absent, fitted_labels, number, unique_names, usual_width, value
from catalog_builder.records import Json, ScanState
from catalog_builder.signals import Column, Floats, Reading, Roi, Spectra

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
_CALIBRATION = re.compile(
    r"^Calibration\s+(\S+?):\s*Channels\s*\(([^,()]+),([^,()]+)\)\s*mapped to\s*\(([^,()]+),([^,()]+)\)", re.IGNORECASE
)
_OF_POINT = re.compile(r"^(?:Position\s+(\S+),\s*)?Index\s+(\d{1,9})$")
_LONGEST = 512 * 1024 * 1024
"""Bytes; a ``.fio`` beyond them is none."""
_MOST_ROWS = 2_000_000
"""Rows that are kept; each costs some hundred bytes, however short it is."""
_MOST_TEXTS = 1000
"""Texts of a STRING column that are kept one by one."""
_MOST_ROIS = 256
"""Rectangles of one detector."""


@dataclass(slots=True)
class _Text:
    """The lines of a file by section, each with its number."""

    comments: list[tuple[int, str]] = field(default_factory=list)
    parameters: list[tuple[int, str]] = field(default_factory=list)
    columns: list[tuple[str, str]] = field(default_factory=list)
    """Name and type."""
    rows: list[tuple[int, list[str]]] = field(default_factory=list)
    surplus: int = 0
    """Rows beyond those that are kept."""
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
    calibrations: dict[str, tuple[float, float]] = field(default_factory=dict)
    """By multichannel analyser: what channel 0 is mapped to, and the step a channel."""
    spectrum: bool = False
    """True where a line says that the rows are an analyser's channels."""


@dataclass(slots=True)
class _Parameters:
    """The ``%p`` section, understood."""

    positioners: dict[str, float] = field(default_factory=dict)
    others: dict[str, Json] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    rois: dict[str, tuple[Roi, ...]] = field(default_factory=dict)


@dataclass(slots=True)
class _Data:
    """The ``%d`` section, understood."""

    columns: tuple[Column, ...]
    texts: dict[str, Json]
    """STRING columns."""


class FioReader:
    """Reads ``.fio`` files; each holds one scan."""

    name = "fio"
    version = 3
    suffixes: tuple[str, ...] = (".fio",)
    keeps_suffix = False

    def recognises(self, head: bytes) -> bool:
        """Tell a ``.fio`` by its section marks, or by nothing but ``!`` comments so far."""
        text, zero, _ = head.partition(b"\0")  # a crash may leave zeros behind good lines
        lines = [_HASH.sub("", line).strip() for line in text.decode("latin-1").splitlines()]
        written = [line for line in lines if line]
        if zero and all(line.startswith("!") or _SECTION.match(line) for line in written):
            return False
        if any(_SECTION.match(line) for line in written):
            return bool(written[0].startswith("!") or _SECTION.match(written[0]))
        return bool(written) and all(line.startswith("!") for line in written)

    def read(self, path: Path, surroundings: Surroundings) -> Iterator[Reading]:
        """Give the file's one scan; raises CatalogError where there is no section of a ``.fio`` in it."""
        called = encodable(path.name)
        content = _decoded(kept_inside(path, surroundings.boundary), called)
        text = _sections(content, called)
        reading = _reading(path.stem, text, _story(text, surroundings.timezone), Complaints(called))
        yield storable(reading) if "\\" in content else reading  # only JSON's escapes can spell what UTF-8 cannot hold

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


def _sections(content: str, called: str) -> _Text:
    text, section = _Text(), ""
    if "\r" in content:
        content = content.replace("\r\n", "\n").replace("\r", "\n")
    text.cut = bool(content[content.rfind("\n") + 1 :].strip())
    for at, raw in enumerate(_lines(content), start=1):
        line = (_HASH.sub("", raw) if raw.startswith("#") else raw).strip()
        if not line:
            continue
        if line[0] == "!":
            if end := _ENDED.search(line):
                text.ends.append(end)
        elif line[0] == "%" and (mark := _SECTION.match(line)):
            section = mark[1].lower()
        elif section == "d":
            _data_line(text, at, line)
        elif section == "p":
            text.parameters.append((at, line))
        elif section == "c":
            text.comments.append((at, line))
    if not section:
        raise CatalogError("has no %c, %p or %d section, so it is no .fio file", where=called)
    return text


def _lines(content: str) -> Iterator[str]:
    """Give line after line: all of them at once would take many times the memory of the text."""
    begin = 0
    while (end := content.find("\n", begin)) >= 0:
        yield content[begin:end]
        begin = end + 1
    yield content[begin:]


def _data_line(text: _Text, at: int, line: str) -> None:
    if not text.rows and line[:3].lower() == "col" and (column := _COLUMN.match(line)):
        text.columns.append((column[1], (column[2] or "").upper()))
    elif len(text.rows) >= _MOST_ROWS:
        text.surplus += 1
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
        elif match := _CALIBRATION.match(line):
            _calibration(story, match)
            story.comments.append(line)
        elif match := _OF_POINT.match(line):
            story.spectrum = True
            story.parameters["Index"] = float(match[2])
            if match[1]:
                story.parameters["Position"] = value(match[1])
        elif order == 0:
            story.command = line
        else:
            story.comments.append(line)
    for end in text.ends:
        story.state = "complete" if end[1].lower() in ("ended", "finished") else "aborted"
        ended = parse_time(end[2] or "", zone)
        story.ended = not_before(story.started, ended, zone) if ended else story.ended
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


def _calibration(story: _Story, match: re.Match[str]) -> None:
    """Take ``Calibration EXP_MCA01: Channels (0, 2047) mapped to (0, 20000)``; a map to the same numbers is none."""
    story.spectrum = True
    first, last, start, stop = (number(match[i]) for i in (2, 3, 4, 5))
    if first is None or last is None or start is None or stop is None or first == last:
        return
    step = (stop - start) / (last - first)
    origin = start - first * step
    if (origin, step) != (0, 1) and max(abs(origin), abs(step)) < 1e300:
        story.calibrations[match[1].casefold()] = (origin, step)


def _reading(stem: str, text: _Text, story: _Story, complaints: Complaints) -> Reading:
    parameters = _parameters(text, complaints)
    data = _data(text, [*story.names, stem], complaints)
    columns, others = data.columns, parameters.others
    epoch = next((c.values for c in columns if c.name.lower() == "epoch"), None)
    started, ended = _times(story, epoch)
    axes, signal = _online_plot(columns, story.scanned)
    chosen = _words(others.get("signalcounter"))
    return Reading(
        command=story.command,
        title=_words(others.get("title")),
        sample=_words(others.get("sample_name")),
        user=story.user,
        comments=tuple(story.comments),
        started=started,
        ended=ended,
        state=story.state,
        flag=_words(others.get("scanmode")),
        parameters={**data.texts, **story.parameters, **others},
        positioners=parameters.positioners,
        units={**parameters.units, **{c.name: c.unit for c in columns if c.unit}},
        columns=columns,
        signal=chosen if chosen in {column.name for column in columns} else signal,
        axes=axes,
        spectra=_spectra(story, columns),
        rois=parameters.rois,
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


def _parameters(text: _Text, complaints: Complaints) -> _Parameters:
    """Split the ``%p`` section into numbers and the rest; words meant as text stay text."""
    found = _Parameters()
    for at, line in text.parameters:
        name, equals, written = line.partition("=")
        name, written = name.rstrip(), written.lstrip()
        if not (equals and name):
            complaints.add(f"{line[:80]!r} is no 'name = value'", at)
        elif name in _MEANT_AS_TEXT:
            found.others[name] = None if absent(written) else written
        elif name.startswith("rois "):
            found.others[name] = rectangles = value(written)
            found.rois[name[5:].strip()] = _rois(name, rectangles, at, complaints)
        else:
            _parameter(found, name, written)
    return found


def _parameter(found: _Parameters, name: str, written: str) -> None:
    parsed, unit = value(written), None
    if isinstance(parsed, str) and " " in parsed:
        bare, unit = parted(parsed)
        parsed = value(bare) if unit else parsed
    if not isinstance(parsed, float):
        found.others[name] = parsed
        return
    found.positioners[name] = parsed
    unit = unit or unit_of(name, parsed)
    if unit:
        found.units[name] = unit


_MEANT_AS_TEXT = frozenset(
    {"title", "sample_name", "sample_description", "scanmode", "signalcounter", "chemical_formula"}
)


def _rois(name: str, written: Json, at: int, complaints: Complaints) -> tuple[Roi, ...]:
    """Give the rectangles of ``rois eiger4m  = [2012, 2010, 2024, 2034, …]``: two opposite corners each, px."""
    numbers = written if isinstance(written, list) else [written]
    whole = [int(n) for n in numbers if isinstance(n, float) and n.is_integer() and abs(n) < 1e6]
    if len(whole) != len(numbers):
        complaints.add(f"{name!r} are no whole numbers of pixels", at)
        return ()
    if len(whole) % 4:
        complaints.add(f"{name!r} has {len(whole)} numbers, which are no corners x1, y1, x2, y2 of rectangles", at)
    if len(whole) > 4 * _MOST_ROIS:
        complaints.add(f"{name!r} has more than {_MOST_ROIS} rectangles; the first ones are kept", at)
    corners = (whole[i : i + 4] for i in range(0, min(len(whole) - 3, 4 * _MOST_ROIS), 4))
    return tuple(
        Roi(left=min(x1, x2), top=min(y1, y2), right=max(x1, x2), bottom=max(y1, y2)) for x1, y1, x2, y2 in corners
    )


def _data(text: _Text, scans: Sequence[str], complaints: Complaints) -> _Data:
    rows = _whole_rows(text)
    if text.surplus:
        complaints.add(f"there are {text.surplus} rows too many, which are left out", rows[-1][0])
    names, kinds = _labels(text, rows, scans, complaints)
    spoken = {place for place, kind in enumerate(kinds) if kind == "STRING"}
    table = Table(len(names))
    for at, words in rows:
        if len(words) != len(names):
            complaints.add(f"the row has {len(words)} values for {len(names)} columns", at)
        for bad in table.append(words):
            if bad not in spoken:
                complaints.add(f"{words[bad][:40]!r} in column {names[bad]!r} is no number", at)
    columns = tuple(
        Column(name=name, values=values, unit=unit_of(name, _some(values)))
        for place, (name, values) in enumerate(zip(names, table.columns(), strict=True))
        if place not in spoken
    )
    return _Data(columns, {names[place]: _texts(rows, place) for place in sorted(spoken)})


def _some(values: Floats) -> float | None:
    finite = values[np.isfinite(values)]
    return float(finite[0]) if len(finite) else None


def _texts(rows: Sequence[tuple[int, list[str]]], place: int) -> Json:
    """Give a STRING column's texts, None where there is none; of very many the first, the last and their number."""
    texts: list[Json] = [
        None if place >= len(words) or absent(words[place]) else words[place][:200] for _, words in rows
    ]
    if len(texts) <= _MOST_TEXTS:
        return texts
    return {"count": float(len(texts)), "first": texts[0], "last": texts[-1]}


def _whole_rows(text: _Text) -> list[tuple[int, list[str]]]:
    """Give the rows; of a last one that was cut, without the word it was cut in.

    Words too many for the columns belong to the STRING column, where there is just one: its text has blanks.
    """
    rows, width = text.rows, len(text.columns)
    if rows and text.cut and not text.ends and len(rows[-1][1]) < width:
        at, words = rows[-1]
        rows = [*rows[:-1], (at, words[:-1])]
    spoken = [place for place, (_, kind) in enumerate(text.columns) if kind == "STRING"]
    if len(spoken) != 1:
        return rows
    return [(at, _joined(words, spoken[0], len(words) - width)) for at, words in rows]


def _joined(words: list[str], place: int, surplus: int) -> list[str]:
    if surplus <= 0:
        return words
    behind = place + surplus + 1
    return [*words[:place], " ".join(words[place:behind]), *words[behind:]]


def _labels(
    text: _Text, rows: Sequence[tuple[int, list[str]]], scans: Sequence[str], complaints: Complaints
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


def _without_prefix(names: list[str], scans: Sequence[str]) -> list[str]:
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


def _spectra(story: _Story, columns: tuple[Column, ...]) -> tuple[Spectra, ...]:
    """Give the columns of a multichannel analyser's file as a spectrum each, shape (1, channels).

    Such a file says so, or it has a single column and no scan that it could be a channel of.
    """
    alone = len(columns) == 1 and not (story.command or story.scanned or story.user)
    if not (story.spectrum or alone):
        return ()
    return tuple(
        Spectra(detector=c.name, values=c.values[np.newaxis], energy=_energies(c, story.calibrations))
        for c in columns
        if len(c.values)
    )


def _energies(column: Column, calibrations: Mapping[str, tuple[float, float]]) -> Column | None:
    found = calibrations.get(column.name.casefold())
    if found is None:
        return None
    origin, step = found
    return Column(name="energy", values=origin + step * np.arange(len(column.values), dtype=np.float64))
