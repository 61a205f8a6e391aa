"""The default plot of a NeXus entry: which field is plotted over which.

Knows the NeXus rules for ``NXdata``, new and old; does not know what else an entry holds.

Sources: NeXus manual, "Associating plottable data" (``@default``, ``@signal``, ``@axes``, ``@AXISNAME_indices``;
before 2014 ``signal=1`` on a field and ``@axes`` or ``axis=1`` beside it).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import h5py

from catalog_builder.readers.attributes import H5_ERRORS, attribute, nexus_class
from catalog_builder.readers.complaints import Complaints
from catalog_builder.readers.fields import called, is_numeric
from catalog_builder.readers.links import Inside, Node, names_in, never_written

_LONGEST_CHAIN = 4


@dataclass(frozen=True, slots=True)
class DefaultPlot:
    """A signal and, for each of its dimensions, the field it is plotted over."""

    group: h5py.Group
    name: str
    signal: h5py.Dataset
    axes: tuple[tuple[str, h5py.Dataset] | None, ...]
    mesh: tuple[tuple[str, h5py.Dataset], ...] = ()
    """Two fields of the signal's own shape it is plotted over (read-backs of a mesh), slow first; or none."""


def default_plot(
    inside: Inside, entry: h5py.Group, nodes: Sequence[Node], complaints: Complaints
) -> DefaultPlot | None:
    """Give the entry's default plot: of ``@default``, else of the first NXdata that has a valid one, or None."""
    groups = [node.item for node in nodes if isinstance(node.item, h5py.Group) and nexus_class(node.item) == "NXdata"]
    for group in (*_chosen(inside, entry), *groups):
        names = [*attribute(group, "signal"), *_marked_signals(inside, group)]
        for name in names:
            found = _field(inside, group, name)
            if found is not None:
                placed = _axes(inside, group, found, complaints)
                mesh = () if any(placed) else _mesh(inside, group, found)
                return DefaultPlot(group, called(name, found), found, placed, mesh)
    return None


def _chosen(inside: Inside, entry: h5py.Group) -> Iterator[h5py.Group]:
    """Follow ``@default`` from group to group."""
    group = entry
    for _ in range(_LONGEST_CHAIN):
        name = next(iter(attribute(group, "default")), "")
        found = inside.find(group, name) if name else None
        if not isinstance(found, h5py.Group):
            break
        group = found
    if group is not entry or nexus_class(group) == "NXdata":
        yield group


def _marked_signals(inside: Inside, group: h5py.Group) -> list[str]:
    return [name for name, field in _fields(inside, group) if attribute(field, "signal")[:1] == ("1",)]


def _fields(inside: Inside, group: h5py.Group) -> list[tuple[str, h5py.Dataset]]:
    try:
        names = names_in(group)
    except H5_ERRORS:
        return []
    items = [(name, inside.find(group, name)) for name in names]
    return [(name, item) for name, item in items if isinstance(item, h5py.Dataset)]


def _field(inside: Inside, group: h5py.Group, name: str) -> h5py.Dataset | None:
    item = inside.find(group, name)
    if isinstance(item, h5py.Dataset) and is_numeric(item) and not never_written(item):
        return item
    return None


def _axes(
    inside: Inside, group: h5py.Group, signal: h5py.Dataset, complaints: Complaints
) -> tuple[tuple[str, h5py.Dataset] | None, ...]:
    """Find for each dimension the axis that fits; what is named but does not fit is a problem."""
    placed: list[tuple[str, h5py.Dataset] | None] = [None] * len(signal.shape)
    for dimension, name in _named_axes(inside, group, signal):
        if name in ("", ".") or not 0 <= dimension < len(placed):
            continue
        axis = _field(inside, group, name)
        if axis is not None and len(axis.shape) > 1 and axis.shape == signal.shape:
            continue
        if axis is None or not _fits(axis, signal.shape[dimension]):
            complaints.add(f"the axis {name!r} does not fit the signal, or is not there", group.name)
        else:
            placed[dimension] = (called(name, axis), axis)
    return tuple(placed)


def _mesh(inside: Inside, group: h5py.Group, signal: h5py.Dataset) -> tuple[tuple[str, h5py.Dataset], ...]:
    """Give the two named axes that have a value for each of the signal's, slow first; none where it is not two."""
    if len(signal.shape) != 2 or 1 in signal.shape:
        return ()
    found = []
    for _, name in _named_axes(inside, group, signal):
        axis = _field(inside, group, name) if name not in ("", ".") else None
        if axis is not None and axis.shape == signal.shape:
            found.append((called(name, axis), axis))
    return tuple(found) if len(found) == 2 else ()


def _fits(axis: h5py.Dataset, length: int) -> bool:
    """Tell an axis of as many values as the dimension has, or one more (edges of bins)."""
    return len(axis.shape) == 1 and axis.shape[0] in (length, length + 1)


def _named_axes(inside: Inside, group: h5py.Group, signal: h5py.Dataset) -> list[tuple[int, str]]:
    names = _split(attribute(group, "axes")) or _split(attribute(signal, "axes"))
    if names:
        return [(_index(group, name, place), name) for place, name in enumerate(names)]
    marked = []
    for name, field in _fields(inside, group):
        at = next(iter(attribute(field, "axis")), "")
        first = attribute(field, "primary")[:1] in ((), ("1",))
        if at.isdecimal() and first and _fits(field, _extent(signal, int(at) - 1)):
            marked.append((int(at) - 1, attribute(field, "primary")[:1] != ("1",), name))
    best: dict[int, str] = {}
    for dimension, _, name in sorted(marked):
        best.setdefault(dimension, name)
    return sorted(best.items())


def primary_axes(inside: Inside, group: h5py.Group) -> list[str]:
    """Give the fields marked ``axis=1`` and ``primary=1`` (GDA writes them though the signal lies elsewhere)."""
    return [
        name
        for name, field in _fields(inside, group)
        if attribute(field, "axis")[:1] == ("1",) and attribute(field, "primary")[:1] == ("1",)
    ]


def _extent(signal: h5py.Dataset, dimension: int) -> int:
    return int(signal.shape[dimension]) if 0 <= dimension < len(signal.shape) else -1


def _split(names: tuple[str, ...]) -> list[str]:
    """Split the old spelling in one text (``y:x``, ``[y,x]``); the new one is an array of names already."""
    if len(names) != 1:
        return list(names)
    return [part.strip() for part in re.split(r"[:,]", names[0].strip("[] "))]


def _index(group: h5py.Group, name: str, place: int) -> int:
    indices = _split(attribute(group, f"{name}_indices"))
    return int(indices[0]) if len(indices) == 1 and indices[0].isdecimal() else place
