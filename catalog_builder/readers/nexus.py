"""Reader of NeXus and other HDF5 files of beamlines: NeXDaTaS, BLISS, GDA, EPICS, detectors' own.

Knows where these writers put what a scan recorded; does not know the rules of default plots (``nxplot``), nor how
links are followed (``links``).

Sources: NeXus manual (NXentry, NXdata, NXpositioner, NXdetector, NXuser, NXsample); NeXDaTaS (``scan_command``
as an attribute of ``program_name``); BLISS (``measurement``, ``positioners_start``, the command as the title);
GDA (``before_scan``, ``scan_command``, ``solstice_scan/scan_cmd``); Dectris (``data_000001`` … in ``data``).
"""

import contextlib
import dataclasses
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import h5py
import numpy as np

from catalog_builder import commands
from catalog_builder.errors import CatalogError
from catalog_builder.readers import Surroundings
from catalog_builder.readers.attributes import H5_ERRORS, attribute, nexus_class
from catalog_builder.readers.complaints import Complaints
from catalog_builder.readers.fields import MOST_VALUES, called, is_numeric, numbers, scalar, text, unit
from catalog_builder.readers.links import (
    HDF4_SIGNATURE,
    Inside,
    LostFileError,
    Node,
    names_in,
    never_written,
    open_inside,
    walk_inside,
)
from catalog_builder.readers.nxplot import DefaultPlot, default_plot, primary_axes
from catalog_builder.readers.stacks import Marks, is_stack, marks_of, shows_images, stacked
from catalog_builder.readers.texts import storable
from catalog_builder.readers.times import parse_time
from catalog_builder.readers.values import unique_names
from catalog_builder.records import Json, ScanState
from catalog_builder.signals import Column, Floats, Frames, GridMap, Reading, Spectra

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_USER_BLOCK = b"\x89HMP\r\n\x1a\n"
"""Begins a user block of XMP text before the HDF5 file proper."""
_COMMANDS = ("scan_command", "scan_cmd", "command")
_SUCCESSION = re.compile(r"^(.*?)_?\d{4,}$")
_NUMBERED_ENTRY = re.compile(r"^(\d{1,9})\.(\d+)$")
_BARE = frozenset({"value", "data", "values", "counts"})
_COMMON_GROUPS = frozenset({"data", "measurement", "collection", "positioners", "positioners_start", "before_scan", ""})
_TRUSTED = frozenset({"NXdata", "NXpositioner"})
_ABOUT_A_POSITIONER = re.compile(
    r"limit|offset|tolerance|velocity|acceleration|target|raw_value|user_value|hardware|value_set$"
)
_FOR_ITSELF = re.compile(r"sequence_number|error_code|frame_?numbers?|unique_?keys?|.*unique_?id", re.IGNORECASE)
_COLLECTED = ("instrument/detector/detectorSpecific/data_collection_date",)
"""Where Dectris writes when the first image was taken."""
_ENDS_OF_STEPS = re.compile(r"_(end|increment_set)$")
_MOST_CHANNELS = 1 << 22
"""Values of a detector's spectra that are read."""
_TOLD_ELSEWHERE = frozenset({"title", "start_time", "end_time"})


@dataclasses.dataclass(slots=True)
class _Facts:
    """What an entry says beside its arrays."""

    parameters: dict[str, Json] = dataclasses.field(default_factory=dict)
    positioners: dict[str, float] = dataclasses.field(default_factory=dict)
    units: dict[str, str] = dataclasses.field(default_factory=dict)


class NexusReader:
    """Reads NeXus files; each entry is one scan."""

    name = "nexus"
    version = 3
    suffixes: tuple[str, ...] = (".nxs", ".h5", ".hdf5", ".hdf", ".nx5")
    keeps_suffix = False

    def recognises(self, head: bytes) -> bool:
        """Tell an HDF5 file by its signature, at the beginning or behind a user block; HDF4 only to refuse it."""
        return head.startswith((_USER_BLOCK, HDF4_SIGNATURE)) or any(
            head[at : at + 8] == _SIGNATURE for at in (0, 512, 1024, 2048)
        )

    def read(self, path: Path, surroundings: Surroundings) -> Iterator[Reading]:
        """Give the file's entries in order; a group with ``measurement``, ``instrument`` or ``data`` counts as one.

        Raises CatalogError where the file cannot be opened (yet), is an HDF4 file, or has no entry.
        """
        with open_inside(path, surroundings.boundary) as inside:
            entries = _entries(inside)
            if not entries:
                raise CatalogError("has no NXentry, so nothing tells what was measured", where=path.name)
            for name, entry in entries:
                reading = _reading(inside, entry, Complaints(path.name, f"/{name}"), surroundings.timezone)
                yield storable(dataclasses.replace(reading, measurement=name if len(entries) > 1 else None))


READER = NexusReader()


def _entries(inside: Inside) -> list[tuple[str, h5py.Group]]:
    try:
        names = names_in(inside.root)
    except H5_ERRORS:
        return []
    groups = [(name, item) for name in names if isinstance(item := inside.find(inside.root, name), h5py.Group)]
    entries = [(name, item) for name, item in groups if nexus_class(item) == "NXentry"]
    if entries:
        return entries
    return [(name, item) for name, item in groups if any(key in item for key in ("measurement", "instrument", "data"))]


def _reading(inside: Inside, entry: h5py.Group, complaints: Complaints, zone: ZoneInfo) -> Reading:
    nodes = list(walk_inside(inside, entry, complaints))
    plot = default_plot(inside, entry, nodes, complaints)
    facts = _facts(inside, nodes)
    frames = _frames(inside, nodes, plot, complaints)
    drawn = _map(inside, plot, complaints)
    columns, signal, axes = _columns(inside, nodes, plot, drawn, frames, complaints)
    axes = axes or _declared_axes(inside, nodes, columns)
    recorded = {column.name for column in columns}
    title, command = _title_and_command(inside, entry, nodes)
    started = _time(inside, entry, zone, "start_time", *_COLLECTED)
    ended = _time(inside, entry, zone, "end_time")
    number = _NUMBERED_ENTRY.match(str(entry.name).strip("/"))
    return Reading(
        number=int(number[1]) if number else None,
        command=command,
        title=title,
        sample=_sample(inside, entry),
        user=_user(nodes, inside, entry),
        started=started,
        ended=ended,
        state=_state(inside, entry, ended),
        parameters=facts.parameters,
        positioners={key: value for key, value in facts.positioners.items() if key not in recorded},
        units={**facts.units, **{c.name: c.unit for c in columns if c.unit}},
        columns=columns,
        signal=signal,
        axes=axes,
        map=drawn,
        frames=frames,
        spectra=_spectra(inside, nodes, columns),
        lost=None if plot or frames else _lost(inside, entry, nodes),
        problems=complaints.all(),
    )


def _text_at(inside: Inside, entry: h5py.Group, *paths: str) -> str | None:
    for path in paths:
        found = inside.find(entry, path)
        if isinstance(found, h5py.Dataset) and (written := text(inside, found)):
            return written
    return None


def _time(inside: Inside, entry: h5py.Group, zone: ZoneInfo, *paths: str) -> datetime | None:
    written = _text_at(inside, entry, *paths)
    return parse_time(written, zone) if written else None


def _title_and_command(inside: Inside, entry: h5py.Group, nodes: Sequence[Node]) -> tuple[str | None, str]:
    """Give the title and the scan command; a title that is a command (BLISS) stands for both."""
    title = _text_at(inside, entry, "title")
    for node in nodes:
        if node.path.count("/") > 2 or not isinstance(node.item, h5py.Dataset):
            continue
        if node.path.rsplit("/", 1)[-1].lower() in _COMMANDS and (written := text(inside, node.item)):
            return title, written
        if written := next(iter(attribute(node.item, "scan_command")), ""):
            return title, written
    if title and (parsed := commands.parse(title)) and (parsed.ranges or parsed.points is not None):
        return title, title
    return title, ""


def _sample(inside: Inside, entry: h5py.Group) -> str | None:
    return _text_at(inside, entry, "sample/name", "sample/sample_name", "sample_name", "sample")


def _user(nodes: Sequence[Node], inside: Inside, entry: h5py.Group) -> str | None:
    for node in nodes:
        if isinstance(node.item, h5py.Group) and nexus_class(node.item) == "NXuser":
            found = _text_at(inside, node.item, "name", "username", "user_name", "user_id", "facility_user_id")
            if found:
                return found
    return _text_at(inside, entry, "user/name", "user", "user_name", "username")


def _state(inside: Inside, entry: h5py.Group, ended: datetime | None) -> ScanState:
    reason = (_text_at(inside, entry, "end_reason") or "").lower()
    finished = inside.find(entry, "solstice_scan/scan_finished")
    if inside.swmr:
        return "running"
    if any(word in reason for word in ("abort", "fail", "kill")):
        return "aborted"
    if isinstance(finished, h5py.Dataset) and scalar(inside, finished) == 1:
        return "complete"
    return "complete" if ended is not None else "unknown"


def _facts(inside: Inside, nodes: Sequence[Node]) -> _Facts:
    """Collect scalars: numbers as positioners, text as parameters, both with their units."""
    facts = _Facts()
    for node in nodes:
        if not isinstance(node.item, h5py.Dataset):
            continue
        *_, group, base = ("", "", *node.path.split("/"))
        if _about_a_positioner(node):
            continue
        name = _fact_name(group, base, node.parent_class)
        found = scalar(inside, node.item)
        if found is not None and "/" in node.path:
            if name not in facts.positioners:
                facts.positioners[name] = found
                if measured_in := unit(node.item):
                    facts.units[name] = measured_in
        elif found is not None:
            facts.parameters.setdefault(name, found)
        elif base in _TOLD_ELSEWHERE or node.parent_class == "NXpositioner":
            continue
        elif written := text(inside, node.item):
            facts.parameters.setdefault(name, written)
    return facts


def _fact_name(group: str, base: str, parent_class: str) -> str:
    """Name a scalar: ``eta/value`` and ``eta/eta`` are ``eta``, ``source/current`` is ``source_current``."""
    if group and (base in _BARE or base == group):
        return group
    if parent_class in ("NXcollection", "NXpositioner", "NXtransformations", "") or group in _COMMON_GROUPS:
        return base if parent_class != "NXpositioner" or base != "name" else f"{group}_{base}"
    return f"{group}_{base}"


def _frames(
    inside: Inside, nodes: Sequence[Node], plot: DefaultPlot | None, complaints: Complaints
) -> tuple[Frames, ...]:
    """Give the stacks of images, the default one first; ``data_000001``, ``data_000002`` … are one stack."""
    stacks: dict[str, list[h5py.Dataset]] = {}
    groups: dict[str, h5py.Group] = {}
    if plot is not None and is_stack(plot.signal):
        name = _detector(inside, plot.group, plot.name)
        stacks[name], groups[name] = [plot.signal], plot.group
    known = {field for fields in stacks.values() for field in fields}
    for node in nodes:
        field = node.item
        if not isinstance(field, h5py.Dataset) or field in known or not shows_images(node.path, field):
            continue
        base = node.path.rsplit("/", 1)[-1]
        parts = _SUCCESSION.match(base)
        name = _detector(inside, node.parent, base)
        if parts is None and name in stacks:
            continue
        stacks.setdefault(name, []).append(field)
        groups.setdefault(name, node.parent)
    detectors = [node.item for node in nodes if isinstance(node.item, h5py.Group)] if stacks else []
    marks = [(group, marks_of(inside, group)) for group in detectors if nexus_class(group) == "NXdetector"]
    return tuple(
        stacked(inside, name, fields, _marks_for(fields[0], groups[name], marks, complaints))
        for name, fields in stacks.items()
    )


def _marks_for(
    field: h5py.Dataset, group: h5py.Group, marks: Sequence[tuple[h5py.Group, Marks]], complaints: Complaints
) -> Marks:
    """Find the detector whose images these are: they lie in its group, else it is the only one that can be meant.

    A mask is used whether ``pixel_mask_applied`` or not: an applied one has left its marks in the images.
    """
    own = [found for detector, found in marks if detector == group]
    fitting = own or [found for _, found in marks if found.fits(field)]
    if len(fitting) != 1:
        return Marks()
    if not fitting[0].fits(field):
        complaints.add("the pixel mask is not of its images' shape, and is not used", group.name)
        return dataclasses.replace(fitting[0], mask=None)
    return fitting[0]


def _spectra(inside: Inside, nodes: Sequence[Node], columns: Sequence[Column]) -> tuple[Spectra, ...]:
    """Give what detectors recorded as a row of channels for each point (a multichannel analyser)."""
    points = len(columns[0].values) if columns else None
    found: dict[str, Spectra] = {}
    for node in nodes:
        field = node.item
        if node.parent_class != "NXdetector" or not isinstance(field, h5py.Dataset) or not is_numeric(field):
            continue
        base = node.path.rsplit("/", 1)[-1]
        if len(field.shape) != 2 or 1 in field.shape or base not in _BARE or field.size > _MOST_CHANNELS:
            continue
        name = _detector(inside, node.parent, base)
        if points not in (None, field.shape[0]) or never_written(field) or name in found:
            continue
        with contextlib.suppress(CatalogError):
            found[name] = Spectra(detector=name, values=numbers(inside, field))
    return tuple(found.values())


def _lost(inside: Inside, entry: h5py.Group, nodes: Sequence[Node]) -> str | None:
    """Say which file the scan's signal or its images lie in, where they lie in one that is not there."""
    classes = ("NXdata", "NXdetector")
    groups = [node.item for node in nodes if isinstance(node.item, h5py.Group) and nexus_class(node.item) in classes]
    measurement = inside.find(entry, "measurement")
    for group in (*groups, *([measurement] if isinstance(measurement, h5py.Group) else [])):
        try:
            names = names_in(group)
        except H5_ERRORS:
            continue
        for name in names:
            try:
                inside.child(group, name)
            except LostFileError as exc:
                return f"{_below_entry(group, entry)}{name}: {exc.what}"
            except CatalogError:
                continue
    return None


def _below_entry(group: h5py.Group, entry: h5py.Group) -> str:
    path = str(group.name).removeprefix(f"{entry.name}").strip("/")
    return f"{path}/" if path else ""


def _detector(inside: Inside, group: h5py.Group, base: str) -> str:
    """Name a detector after the group its images lie in, or the field where the group's name says nothing."""
    parent = str(group.name).rsplit("/", 1)[-1]
    succession = _SUCCESSION.match(base)
    stem = (succession[1] if succession else base) or base
    if stem not in _BARE:
        return stem
    if parent == "detector":
        return _text_at(inside, group, "description") or parent
    return parent if parent not in _COMMON_GROUPS and nexus_class(group) != "NXentry" else "detector"


def _map(inside: Inside, plot: DefaultPlot | None, complaints: Complaints) -> GridMap | None:
    """Give a two-dimensional default plot as a map; a field with one row or one column is a curve."""
    if plot is None or len(plot.signal.shape) != 2 or 1 in plot.signal.shape:
        return None
    values = _plotted(inside, plot, complaints)
    if values is None or plot.mesh:
        return None
    rows, columns = values.shape
    y = _axis_column(inside, plot.axes[0], "row", rows, complaints)
    x = _axis_column(inside, plot.axes[1], "column", columns, complaints)
    return GridMap(signal=plot.name, values=values, x=x, y=y, unit=unit(plot.signal))


def _plotted(inside: Inside, plot: DefaultPlot, complaints: Complaints) -> Floats | None:
    try:
        return numbers(inside, plot.signal)
    except CatalogError as exc:
        complaints.add(f"the default plot cannot be read: it {exc.what}", plot.signal.name)
        return None


def _axis_column(
    inside: Inside, axis: tuple[str, h5py.Dataset] | None, otherwise: str, length: int, complaints: Complaints
) -> Column:
    values = None
    try:
        values = numbers(inside, axis[1]) if axis else None
    except CatalogError as exc:
        complaints.add(exc.what, axis[1].name if axis else None)
    if axis is None or values is None:
        return Column(name=otherwise, values=np.arange(length, dtype=np.float64))
    if len(values) == length + 1:
        values = (values[:-1] + values[1:]) / 2
    return Column(name=axis[0], values=values, unit=unit(axis[1]))


_Columns = tuple[tuple[Column, ...], str | None, tuple[str, ...]]
"""Columns, name of the signal, names of its axes."""


def _columns(
    inside: Inside,
    nodes: Sequence[Node],
    plot: DefaultPlot | None,
    drawn: GridMap | None,
    frames: Sequence[Frames],
    complaints: Complaints,
) -> _Columns:
    """Give every field with a number for each point, the default plot's first; a grid is unrolled."""
    first: list[Column] = []
    signal: str | None = None
    axes: tuple[str, ...] = ()
    shape: tuple[int, ...] | None = None
    if drawn is not None:
        first, signal, axes = _unrolled(drawn)
        shape = drawn.values.shape
    elif plot is not None and plot.mesh and len(plot.signal.shape) == 2:
        first, signal, axes = _mesh(inside, plot, complaints)
        shape = plot.signal.shape if first else None
    elif plot is not None and _length(plot.signal) is not None:
        first, signal, axes = _curve(inside, plot, complaints)
        shape = (len(first[0].values),) if first else None
    shape = shape or _usual_shape(nodes, plot, frames)
    if shape is None:
        return (), signal, axes
    drawn_from = {axis[1] for axis in (*plot.axes, *plot.mesh) if axis} if plot and first else set()
    drawn_from |= {plot.signal} if plot else set()
    known = {column.name: column for column in first}
    for node in _auxiliary_first(nodes, plot):
        if node.item not in drawn_from and (column := _column(inside, node, shape, known, complaints)) is not None:
            known[column.name] = column
    return tuple(known.values()), signal, axes


def _auxiliary_first(nodes: Sequence[Node], plot: DefaultPlot | None) -> list[Node]:
    """Give what the default plot's group names beside its signal (``@auxiliary_signals``) before all else."""
    names = attribute(plot.group, "auxiliary_signals") if plot else ()
    named = [node for node in nodes if plot and node.parent == plot.group and node.path.rsplit("/", 1)[-1] in names]
    return [*named, *(node for node in nodes if node not in named)] if named else list(nodes)


def _declared_axes(inside: Inside, nodes: Sequence[Node], columns: Sequence[Column]) -> tuple[str, ...]:
    """Give the axis an NXdata names though its signal is missing (images in a lost file), where it is a column."""
    names = {column.name for column in columns}
    for node in nodes:
        if not isinstance(node.item, h5py.Group) or nexus_class(node.item) != "NXdata":
            continue
        for name in (*attribute(node.item, "axes")[:1], *primary_axes(inside, node.item)):
            if name in names:
                return (name,)
    return ()


def _curve(
    inside: Inside, plot: DefaultPlot, complaints: Complaints
) -> tuple[list[Column], str | None, tuple[str, ...]]:
    values = _plotted(inside, plot, complaints)
    if values is None:
        return [], None, ()
    signal = Column(name=plot.name, values=values.ravel(), unit=unit(plot.signal))
    long = max(range(len(plot.axes)), key=lambda at: plot.signal.shape[at], default=None)
    axis = plot.axes[long] if long is not None else None
    if axis is None or axis[0] == plot.name:
        return [signal], signal.name, ()
    column = _axis_column(inside, axis, axis[0], len(signal.values), complaints)
    return [column, signal], signal.name, (column.name,)


def _mesh(
    inside: Inside, plot: DefaultPlot, complaints: Complaints
) -> tuple[list[Column], str | None, tuple[str, ...]]:
    """Give a signal of two dimensions with the read-backs it is plotted over, each of the signal's shape."""
    values = _plotted(inside, plot, complaints)
    if values is None:
        return [], None, ()
    columns = []
    for name, field in reversed(plot.mesh):
        try:
            columns.append(Column(name=name, values=numbers(inside, field).ravel(), unit=unit(field)))
        except CatalogError as exc:
            complaints.add(exc.what, field.name)
    signal = Column(name=plot.name, values=values.ravel(), unit=unit(plot.signal))
    return [*columns, signal], signal.name, tuple(column.name for column in columns)


def _unrolled(drawn: GridMap) -> tuple[list[Column], str, tuple[str, ...]]:
    """Give a map point by point; its columns run fast."""
    rows, columns = drawn.values.shape
    x = Column(name=drawn.x.name, values=np.tile(drawn.x.values, rows), unit=drawn.x.unit)
    y = Column(name=drawn.y.name, values=np.repeat(drawn.y.values, columns), unit=drawn.y.unit)
    signal = Column(name=drawn.signal, values=drawn.values.ravel(), unit=drawn.unit)
    return [x, y, signal], signal.name, (x.name, y.name)


def _length(field: h5py.Dataset) -> int | None:
    """Give the number of values of a curve: one dimension, or others of length one; of a scalar, 1."""
    if field.shape is None or never_written(field):
        return None
    longest = max(field.shape, default=1)
    return int(longest) if math.prod(field.shape) == longest else None


def _usual_shape(nodes: Sequence[Node], plot: DefaultPlot | None, frames: Sequence[Frames]) -> tuple[int, ...] | None:
    """Give the number of points: the length most fields share that are recorded point by point.

    A positioner's values of two dimensions are a grid. Vectors (an orientation, a pixel size) are as long as a
    short scan, so lengths up to four count only where scans are recorded; a stack's images decide between equals.
    """
    shapes: Counter[tuple[int, ...]] = Counter()
    for node in nodes:
        field = node.item
        if isinstance(field, h5py.Dataset) and is_numeric(field) and _may_be_points(node, field):
            shapes[field.shape] += 1
    if not shapes:
        return None
    images = {stack.count for stack in frames} | ({int(plot.signal.shape[0])} if plot and plot.signal.shape else set())
    return max(shapes, key=lambda shape: (len(shape), shapes[shape], math.prod(shape) in images, shape))


def _may_be_points(node: Node, field: h5py.Dataset) -> bool:
    if field.size > MOST_VALUES or _about_a_positioner(node) or _is_bookkeeping(node) or never_written(field):
        return False
    if len(field.shape) == 2:
        return node.parent_class == "NXpositioner" and 1 not in field.shape
    return len(field.shape) == 1 and field.shape[0] > (1 if _is_trusted(node) else 4)


def _about_a_positioner(node: Node) -> bool:
    """Tell limits, offsets and the like, which stand beside a positioner's values."""
    base = node.path.rsplit("/", 1)[-1]
    return node.parent_class == "NXpositioner" and _ABOUT_A_POSITIONER.search(base) is not None


def _is_trusted(node: Node) -> bool:
    return node.parent_class in _TRUSTED or str(node.parent.name).rsplit("/", 1)[-1] == "measurement"


def _column(
    inside: Inside, node: Node, shape: tuple[int, ...], known: Mapping[str, Column], complaints: Complaints
) -> Column | None:
    """Give a field with a number for each point; None for another, and for one that is there already."""
    field, points = node.item, math.prod(shape)
    if not isinstance(field, h5py.Dataset) or not is_numeric(field) or never_written(field):
        return None
    fits = field.shape in (shape, (points,), (points, 1)) or (points == 1 and field.shape == ())
    if not fits or (points <= 4 and not _is_trusted(node)) or _about_a_positioner(node) or _is_bookkeeping(node):
        return None
    name = _column_name(node, set(known))
    if name is None:
        return None
    try:
        values = numbers(inside, field).ravel()
    except CatalogError as exc:
        complaints.add(exc.what, node.path)
        return None
    *_, group, base = ("", *node.path.split("/"))
    same = known.get(base) or (known.get(group) if base in _BARE else None)
    if same is not None and np.array_equal(same.values, values, equal_nan=True):
        return None
    return Column(name=name, values=values, unit=unit(field))


def _is_bookkeeping(node: Node) -> bool:
    """Tell what a writer counts for itself, and the ends and widths of a rotation's steps (NXtransformations)."""
    base = node.path.rsplit("/", 1)[-1]
    if _FOR_ITSELF.fullmatch(base):
        return True
    return node.parent_class == "NXtransformations" and _ENDS_OF_STEPS.search(base) is not None


def _column_name(node: Node, taken: set[str]) -> str | None:
    """Name a column after its field, or its group where the field is only ``value``; None for one already there."""
    *_, group, base = ("", *node.path.split("/"))
    named_by_group = group not in _COMMON_GROUPS and base in _BARE and node.parent_class != "NXdata"
    name = group if named_by_group else called(base, node.item)
    if name not in taken:
        return name
    if node.parent_class == "NXdata":
        return None if name == base or base in taken else base
    longer = f"{group}_{base}"
    return longer if group and longer not in taken else unique_names([*taken, name])[-1]
