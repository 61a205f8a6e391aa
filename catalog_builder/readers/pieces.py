"""Virtual datasets, put together from their sources here and not by HDF5.

Knows which part of a virtual dataset is which part of a source; does not know how sources are found or stored.

HDF5 opens sources by name, and gives fill values for what it does not find; neither is wanted: a name may lead
elsewhere by the time it is opened, and what is lost is no measurement.

Source: HDF5 File Format, "Virtual Dataset"; a mapping selects as many points on both sides, taken in their order.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import h5py
import numpy as np
from numpy.typing import NDArray

from catalog_builder.errors import CatalogError
from catalog_builder.readers.storage import Region, extent

Read: TypeAlias = Callable[[h5py.Dataset, Region], NDArray[Any]]
"""Reads a region of a source."""

_ENDLESS = 1 << 62
"""Indices no field reaches: HDF5 writes a count without limit as 2⁶⁴-1."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One mapping of a virtual dataset."""

    target: tuple[range, ...]
    """Indices along each dimension of the virtual dataset."""
    origin: tuple[range, ...]
    """Those of the source they are taken from."""
    source: h5py.Dataset | None
    """None where it is lost."""
    lost: str = ""
    """Why there is no source."""


def picked(space: h5py.h5s.SpaceID, shape: Sequence[int]) -> tuple[range, ...] | None:
    """Give the indices a selection takes along each dimension; None for one that is no regular grid."""
    if space.get_select_type() == h5py.h5s.SEL_ALL:
        return tuple(range(length) for length in shape)
    if space.get_select_type() != h5py.h5s.SEL_HYPERSLABS or not space.is_regular_hyperslab():
        return None
    if len(space.shape) != len(shape):
        return None
    parts = [_steps(*one) for one in zip(*space.get_regular_hyperslab(), shape, strict=True)]
    return None if None in parts else tuple(part for part in parts if part is not None)


def _steps(start: int, stride: int, count: int, block: int, length: int) -> range | None:
    """Give a dimension's indices; a count or block without limit reaches to the end."""
    if count == 1 or block == stride:
        stop = start + count * block
        return range(start, length if stop > _ENDLESS else stop)
    if block != 1:
        return None
    last = start + (count - 1) * stride
    return range(start, length if last > _ENDLESS else last + 1, stride)


def fit(target: Sequence[range], origin: Sequence[range]) -> bool:
    """Tell selections whose dimensions go together: of more than one index there are as many on both sides."""
    return [len(one) for one in target if len(one) != 1] == [len(one) for one in origin if len(one) != 1]


def composed(field: h5py.Dataset, region: Region, pieces: Sequence[Piece], read: Read, *, gaps: bool) -> NDArray[Any]:
    """Give a region of a virtual dataset, of the region's shape; NaN where it has no source.

    With ``gaps`` what is lost is NaN too; else CatalogError is raised where the region needs it.
    """
    parts = [(piece, hits) for piece in pieces if (hits := _hits(piece.target, region)) is not None]
    size = int(np.prod(extent(region), dtype=np.int64))
    if all(piece.source is not None for piece, _ in parts) and _covers(parts, region, size):
        result: NDArray[Any] = np.empty(extent(region), field.dtype)
    else:
        result = np.full(extent(region), np.nan, np.float32 if field.dtype.itemsize <= 2 else np.float64)
    for piece, hits in parts:
        if piece.source is None:
            if not gaps:
                raise CatalogError(piece.lost)
            continue
        values = read(piece.source, _box(piece, hits))
        steps = tuple(slice(None, None, one.step) for one in piece.origin)
        result[_places(piece, hits, region)] = values[steps].reshape([len(hit) for hit in hits])
    return result


def _covers(parts: Sequence[tuple[Piece, tuple[range, ...]]], region: Region, size: int) -> bool:
    """Tell pieces that surely leave no gap; of several it is looked at where each value comes from."""
    if sum(int(np.prod([len(hit) for hit in hits], dtype=np.int64)) for _, hits in parts) < size:
        return False
    if len(parts) == 1:
        return True
    seen = np.zeros(extent(region), bool)
    for piece, hits in parts:
        seen[_places(piece, hits, region)] = True
    return bool(seen.all())


def _places(piece: Piece, hits: Sequence[range], region: Region) -> tuple[slice, ...]:
    """Give where in the region the hits lie."""
    return tuple(
        slice(one[hit.start] - part.start, one[hit.stop - 1] - part.start + 1, one.step)
        for one, hit, part in zip(piece.target, hits, region, strict=True)
    )


def _hits(target: Sequence[range], region: Region) -> tuple[range, ...] | None:
    """Give which of a piece's indices lie in the region, by their order; None where it has none there."""
    hits = []
    for one, part in zip(target, region, strict=True):
        low = max(0, -(-(part.start - one.start) // one.step))
        high = min(len(one), -(-(part.stop - one.start) // one.step))
        if low >= high:
            return None
        hits.append(range(low, high))
    return tuple(hits)


def _box(piece: Piece, hits: Sequence[range]) -> Region:
    """Give the block of the source in which the hits lie."""
    wide = iter(hit for one, hit in zip(piece.target, hits, strict=True) if len(one) != 1)
    box = []
    for one in piece.origin:
        hit = range(1) if len(one) == 1 else next(wide)
        box.append(slice(one[hit.start], one[hit.stop - 1] + 1))
    return tuple(box)
