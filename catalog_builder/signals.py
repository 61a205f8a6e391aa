"""The arrays of one scan while a worker holds them, and what is chosen from them to be plotted.

Knows columns, maps, frames and the arithmetic on them; does not know formats, files or how to draw.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from fnmatch import fnmatchcase

import numpy as np
from numpy.typing import NDArray

from catalog_builder.records import Command, Json, Problem, ScanState

Floats = NDArray[np.float64]
Image = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A recorded channel or scanned positioner."""

    name: str
    values: Floats
    """Shape (points,); NaN where the file has no number."""
    unit: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GridMap:
    """A signal over two positioners on a grid."""

    signal: str
    values: Floats
    """Shape (rows, columns); NaN where nothing was measured."""
    x: Column
    """Along the columns; shape (columns,)."""
    y: Column
    """Along the rows; shape (rows,)."""
    unit: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Frames:
    """A detector's images, loaded one at a time."""

    detector: str
    count: int
    load: Callable[[int], Image]
    """Frame number, from 0, to shape (rows, columns); NaN marks masked and dead pixels.

    Raises CatalogError where the frame cannot be read.
    """
    cutoff: float | None = None
    """Counts from which on a pixel is saturated; None where the detector does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spectra:
    """A multichannel analyser's spectra, one or one a point."""

    detector: str
    values: Floats
    """Shape (spectra, channels); NaN where a spectrum was cut short."""
    energy: Column | None = None
    """Along the channels, shape (channels,); None where nothing calibrates them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Roi:
    """A rectangle of a detector's pixels whose sum is a channel; its corners, px from the first row and column."""

    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture that somebody made of a scan, as it lay beside it."""

    where: str
    """The file it came in."""
    caption: str
    content: bytes
    """PNG or JPEG; nobody has looked at it yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a reader understood of one scan. Valid until the reader is asked for the next one."""

    measurement: str | None = None
    """Set where a file holds several: ``289.1``, or the NeXus entry's name."""
    number: int | None = None
    command: str = ""
    title: str | None = None
    sample: str | None = None
    user: str | None = None
    comments: tuple[str, ...] = ()
    started: datetime | None = None
    """UTC-aware."""
    ended: datetime | None = None
    state: ScanState = "unknown"
    """As far as the file alone tells; planned points are compared elsewhere."""
    flag: str | None = None
    """The file's own word (``scanmode = measurement``)."""
    parameters: Mapping[str, Json] = field(default_factory=dict)
    positioners: Mapping[str, float] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    columns: tuple[Column, ...] = ()
    """All of the same length."""
    signal: str | None = None
    """The file's own default: ``signalcounter``, or NeXus ``@signal``."""
    axes: tuple[str, ...] = ()
    """The file's own axes for it, names of columns."""
    map: GridMap | None = None
    """The file's own two-dimensional default plot."""
    frames: tuple[Frames, ...] = ()
    spectra: tuple[Spectra, ...] = ()
    rois: Mapping[str, tuple[Roi, ...]] = field(default_factory=dict)
    """By detector, in the order of its ROI channels."""
    pictures: tuple[Picture, ...] = ()
    lost: str | None = None
    """Why what the scan is plotted by is not here (its data lie in a file that is gone); None where it is."""
    problems: tuple[Problem, ...] = ()
    bookmark: str | None = None
    """Where this scan begins, in the reader's own words: from here it reads on in a file that only grew."""
    extent: int | None = None
    """Bytes of a file with several scans up to the end of this one; they stay what they are when it grows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What of a scan is plotted, and over what."""

    signals: tuple[str, ...]
    """Channels, the main one first; empty where the scan has none."""
    axes: tuple[str, ...] = ()
    """Columns they are plotted over, fast first; two for a map, empty for the point's number."""
    reason: str
    """Why the main signal is the main one, in plain words."""


_FIRST_ROI, _LAST_CHANNEL, _LAST_COLUMN = "first ROI", "last channel", "last column"

MOST_SIGNALS = 6
"""Channels plotted together: as many as Okabe-Ito colours that stay apart."""

_ROI = re.compile(r"roi", re.IGNORECASE)
_PLACE_IN_ROI = re.compile(r"(max|min|peak|cent(re|er|roid)?|com)[ _.]?([xy]|val(ue)?)$", re.IGNORECASE)
"""What an ROI's statistics tell beside its sum: GDA's ``roi1_maxval``, ``roi1_maxx``."""
_BOOKKEEPING = re.compile(
    r"""pt_?no|point(_?(nb|number|no))?|.*_?index            # Sardana's point number, <det>_index
      |.*epoch.*|unix|timestamp|(elapsed_?|.*[_\ ])?times?|secs?|seconds|time_s|dt|date   # when, and how long
      |htime|live_?t(ime)?|real_?t(ime)?|.*_t\d\d            # timers: exp_t01
      |(i?petra|sr|ring)_?(beam)?curr?(ent)?|ipetra|ringc    # the ring's current says nothing of the sample
      |.*atten.*|(.*[_/])?position|[hkl]                        # absorbers, read-backs of positioners
      |enabled?|channel                                          # fast sweeps' settings, the same throughout""",
    re.IGNORECASE | re.VERBOSE,
)
_COUNTER = re.compile(
    r"""det(ector)?[_\ ]?\d*|ion(_?chamber)?[_\ ]?\d*|i[0-2t]
      |.*(diode|apd|_pd|pin|vfc|counter|counts?|signal|sum|_c)[_\ ]?\d*""",
    re.IGNORECASE | re.VERBOSE,
)
"""Names of what counts, as beamlines give them: ``Det1``, ``Ion2``, ``EH2B_VFC01``, ``exp_c03``."""
_TIMES = ("timestamp", "time", "epoch", "epoch_float", "elapsed", "elapsed_time", "dt")
_OVER_TIME = ("timescan", "loopscan", "ct", "uct", "tscan")
_UNIX_TIME = 1e8
"""Seconds above which a time is counted from 1970, not from the scan's start."""


def column_named(columns: Sequence[Column], name: str | None) -> Column | None:
    """Give the column of that name, else the first that differs in case alone, else None."""
    if name is None:
        return None
    same = next((column for column in columns if column.name == name), None)
    folded = name.casefold()
    return same or next((column for column in columns if column.name.casefold() == folded), None)


def choose(reading: Reading, command: Command, preferred: Sequence[str] = ()) -> Choice:
    """Choose the signals of a scan and the axes they are plotted over.

    Signal: the file's own (``signalcounter``, ``@signal``), else the first of ``preferred`` (names, or patterns as
    ``*_roi1``), else the first ROI, else the last channel that is no time, index or positioner. A channel without
    a finite value gives way to the next, and so does a guessed one that is constant; without a scanned positioner a
    name such as ``Det1`` or ``diode`` is guessed first. Times alone are no signal. All ROIs of one detector
    come together.
    """
    if reading.map is not None and not _usable(reading.columns, reading.signal):
        grid = reading.map
        return Choice(signals=(grid.signal,), axes=(grid.x.name, grid.y.name), reason="the file's own map")
    if not reading.columns:
        return Choice(signals=(), reason="no channel was recorded")
    axes = _axes(reading, command)
    candidates = list(_candidates(reading, command, preferred, axes))
    telling = (found for found in candidates if _is_telling(*found))
    main, reason = next(telling, None) or next((f for f in candidates if _has_values(f[0])), candidates[0])
    if reading.lost is not None and reason in (_LAST_CHANNEL, _LAST_COLUMN):
        return Choice(signals=(), axes=axes, reason=reading.lost)
    if reason == _LAST_COLUMN and _BOOKKEEPING.fullmatch(main.name):
        return Choice(signals=(), axes=axes, reason="nothing but positions and times was recorded")
    signals = (main.name, *_companions(reading.columns, main))
    return Choice(signals=signals, axes=axes, reason=reason)


def _usable(columns: Sequence[Column], name: str | None) -> bool:
    found = column_named(columns, name)
    return found is not None and _has_values(found)


def _has_values(column: Column) -> bool:
    return bool(np.isfinite(column.values).any())


def _is_telling(column: Column, reason: str) -> bool:
    """Tell whether a candidate needs no better one: named by somebody, or guessed and not constant throughout."""
    if reason in (_FIRST_ROI, _LAST_CHANNEL):
        return extent(column.values) > 0
    return reason != _LAST_COLUMN and _has_values(column)


def _candidates(
    reading: Reading, command: Command, preferred: Sequence[str], axes: Sequence[str]
) -> Iterator[tuple[Column, str]]:
    """Give possible main signals with the reason for each, best first; at least one."""
    columns = reading.columns
    own = column_named(columns, reading.signal)
    if own is not None:
        yield own, "named by the file"
    for wanted in preferred:
        for column in columns:
            name = column.name.casefold()
            if name == wanted.casefold() or fnmatchcase(name, wanted.casefold()):
                yield column, "preferred by the configuration"
    for column in columns:
        if _ROI.search(column.name) and not _PLACE_IN_ROI.search(column.name):
            yield column, _FIRST_ROI
    positioners = {name.casefold() for name in (*reading.positioners, *axes, *(r.positioner for r in command.ranges))}
    channels = [c for c in columns if c.name.casefold() not in positioners and not _BOOKKEEPING.fullmatch(c.name)]
    last = channels[-1:] if reading.axes or _scanned(columns, command) else []
    counters = [column for column in channels if _COUNTER.fullmatch(column.name)]
    for column in (*last, *reversed(counters), *reversed(channels)):
        yield column, _LAST_CHANNEL
    for column in reversed(columns):
        if column.name not in axes:
            yield column, _LAST_COLUMN
    yield columns[-1], _LAST_COLUMN


def _companions(columns: Sequence[Column], main: Column) -> list[str]:
    """Give the other ROIs of the main signal's detector, in the file's order."""
    detector = roi_detector(main.name)
    if detector is None:
        return []
    same = (c for c in columns if roi_detector(c.name) == detector and not _PLACE_IN_ROI.search(c.name))
    names = dict.fromkeys(column.name for column in same if _has_values(column))
    return [name for name in names if name != main.name][: MOST_SIGNALS - 1]


def roi_detector(name: str) -> str | None:
    """Give what stands before ``roi`` in a channel's name (``eiger4m`` of ``eiger4m_roi1``), or None."""
    found = _ROI.search(name)
    return None if found is None else name[: found.start()].rstrip("_-. ").casefold()


def _axes(reading: Reading, command: Command) -> tuple[str, ...]:
    columns = reading.columns
    own = [column_named(columns, name) for name in reading.axes[:2]]
    if own and all(column is not None and _has_values(column) for column in own):
        return tuple(column.name for column in own if column is not None)
    scanned = _scanned(columns, command)
    if is_mesh(command):
        return tuple(scanned[:2]) if len(scanned) > 1 else ()
    if _is_over_time(command):
        return _first_time(columns)
    if scanned:
        return (scanned[0],)
    position = next((c for c in columns if re.fullmatch(r"(.*_)?pos|zap_?energy", c.name, re.IGNORECASE)), None)
    if position is not None and _has_values(position):
        return (position.name,)
    return _first_column(columns, command)


def frame_of_point(columns: Sequence[Column], detector: str, frames: int, point: int) -> int | None:
    """Give the number of the frame taken at a point, from 0, or None where nothing says so.

    The channel ``<detector>_index`` tells it; without one, a scan with as many frames as points has one a point.
    """
    index = column_named(columns, f"{detector}_index")
    if index is not None and point < len(index.values) and np.isfinite(index.values[point]):
        number = int(index.values[point])
        return number if 0 <= number < frames else None
    points = len(columns[0].values) if columns else 0
    return point if points == frames and point < frames else None


def is_mesh(command: Command) -> bool:
    """Tell whether two positioners were moved over a grid: mesh, dmesh, hklmesh, meshct."""
    return len(command.ranges) > 1 and "mesh" in command.macro.casefold()


def _is_over_time(command: Command) -> bool:
    if command.macro.casefold() in _OVER_TIME:
        return True
    return bool(command.ranges) and all(
        r.positioner.casefold().startswith("dummy") or (r.start is not None and r.start == r.stop)
        for r in command.ranges
    )


def _first_time(columns: Sequence[Column]) -> tuple[str, ...]:
    """Give the first column that counts time onwards (SPEC's ``Time`` may be the counting time: constant)."""
    for name in _TIMES:
        for column in columns:
            if column.name.casefold() == name and _has_values(column) and _never_falls(column.values):
                return (column.name,)
    return ()


def _never_falls(values: Floats) -> bool:
    finite = values[np.isfinite(values)]
    return len(finite) < 2 or bool((finite[1:] >= finite[:-1]).all() and finite[-1] > finite[0])


def _scanned(columns: Sequence[Column], command: Command) -> list[str]:
    """Give the scanned positioners that have a column: those that move first, of h, k, l the one that moves most.

    A macro nobody knows mostly names its positioner first (``uascan ar 15.4995 …``).
    """
    macro = command.macro.casefold()
    wanted = [r.positioner for r in command.ranges] or command.text.split()[1:2]
    if macro in ("hscan", "kscan", "lscan", "hklscan"):
        wanted = list("hkl") if macro == "hklscan" else [macro[0]]
    found = [column for name in wanted if (column := column_named(columns, name)) and _has_values(column)]
    if macro == "hklscan":
        found.sort(key=lambda column: -extent(column.values))
    elif not is_mesh(command):
        found.sort(key=lambda column: extent(column.values) == 0)
    return [column.name for column in found]


def extent(values: Floats) -> float:
    """Give the distance between the smallest and the largest finite value; 0 where there is none."""
    finite = values[np.isfinite(values)]
    with np.errstate(over="ignore"):
        return float(finite.max() - finite.min()) if len(finite) else 0.0


def _first_column(columns: Sequence[Column], command: Command) -> tuple[str, ...]:
    """Give the first column where it can be the scanned positioner under another name (SPEC: ``th`` is ``Theta``)."""
    first = next((c for c in columns if not _BOOKKEEPING.fullmatch(c.name)), None)
    if first is None or len(columns) < 2 or _ROI.search(first.name) or not extent(first.values):
        return ()
    ends = [(r.start, r.stop) for r in command.ranges if r.start is not None and r.stop is not None]
    finite = first.values[np.isfinite(first.values)]
    if not ends:
        steps = np.diff(finite)
        return (first.name,) if bool((steps > 0).all() or (steps < 0).all()) else ()
    low, high = min(ends[0]), max(ends[0])
    slack = 0.1 * (high - low)
    moved = extent(first.values) <= high - low + 2 * slack
    inside = command.relative or bool(finite.min() >= low - slack and finite.max() <= high + slack)
    return (first.name,) if moved and inside else ()


def axis_of(reading: Reading, choice: Choice) -> Column:
    """Give what a curve is plotted over, of the columns' length.

    A time since 1970 is counted from the first point, in s; with no axis, or with two, it is the point's number
    from 0.
    """
    column = column_named(reading.columns, choice.axes[0]) if len(choice.axes) == 1 else None
    if column is None or not _has_values(column):
        points = len(reading.columns[0].values) if reading.columns else 0
        return Column(name="point", values=np.arange(points, dtype=np.float64))
    if column.name.casefold() not in _TIMES:
        return column if column.unit else replace(column, unit=reading.units.get(column.name))
    finite = column.values[np.isfinite(column.values)]
    name, unit = axis_words(column.name, column.unit, float(finite.min()))
    if finite.min() < _UNIX_TIME:
        return replace(column, unit=unit)
    return Column(name=name, values=column.values - finite[0], unit=unit)


def axis_words(name: str, unit: str | None, smallest: float | None) -> tuple[str, str | None]:
    """Give name and unit of the axis that ``axis_of`` makes of a column whose smallest value is known."""
    if name.casefold() not in _TIMES:
        return name, unit
    if smallest is not None and smallest >= _UNIX_TIME:
        return "time", "s"
    return name, unit or "s"
