"""Numbers of one HDF5 field as they are stored, in chunks or in one piece, checked before they are handed out.

Knows chunks and filters; does not know links, virtual datasets or what a field means.

HDF5 believes a chunk to be as long as the field says: where one inflates to less, the rest is what else was in
memory, of another beamtime perhaps. So chunks of deflate are inflated here, with a bound; of other filters the
sizes their headers give are compared first; of a filter that tells no size nothing is read.

Sources: HDF5 File Format, "Data Layout" and "Filter Pipeline"; RFC 1950; bitshuffle ``bshuf_h5filter.c``; LZ4 filter
(HDF Group plugin 32004); blosc ``README_CHUNK_FORMAT``; RFC 8878 "Frame_Header"; LibLZF.
"""

import bz2
import math
import os
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, TypeAlias

import h5py
import numpy as np
from numpy.typing import NDArray

from catalog_builder.errors import CatalogError

Region: TypeAlias = tuple[slice, ...]
"""A block of a field: for each dimension a slice with start and stop, of step 1."""

LARGEST_CHUNK = 1 << 28
"""Bytes a chunk may inflate to; the whole chunk a value lies in is inflated."""
MOST_CHUNKS = 50_000
"""Chunks one reading may take; each is looked at by itself."""

_DEFLATE, _SHUFFLE, _FLETCHER32 = 1, 2, 3
_BZIP2, _LZF, _BLOSC, _LZ4, _BITSHUFFLE, _ZSTD = 307, 32000, 32001, 32004, 32008, 32015
_OURS = frozenset({_DEFLATE, _SHUFFLE, _FLETCHER32, _BZIP2})
"""Filters undone here; a checksum is left to HDF5, which compares it."""
_MOST_BLOCKS = 1 << 20
"""Blocks of a chunk that are followed; writers make them of some kilobytes."""
_LONGEST_LZF = 32 << 20
"""Bytes of a chunk that are followed step by step."""
_REFERENCE = 16
"""Bytes: a length, an address in the global heap, and an index there."""
_MOST_OVERHEAD = 65536
"""Bytes a chunk may take beyond what it inflates to: headers, and what a filter made larger."""


@dataclass(frozen=True, slots=True)
class _Filter:
    code: int
    values: tuple[int, ...]
    """The filter's own parameters (``cd_values``)."""


def whole(shape: Sequence[int]) -> Region:
    """Give the region that is all of a shape."""
    return tuple(slice(0, length) for length in shape)


def extent(region: Region) -> tuple[int, ...]:
    """Give the shape of a region."""
    return tuple(part.stop - part.start for part in region)


def stored(field: h5py.Dataset, region: Region) -> NDArray[Any]:
    """Give a region of a field that keeps its values in its own file, of the region's shape.

    Raises CatalogError where less is stored than the field says, or more than may be read; and what h5py raises.
    """
    plist = field.id.get_create_plist()
    if plist.get_layout() != h5py.h5d.CHUNKED:
        needed = field.size * _width(field)
        if plist.get_layout() == h5py.h5d.CONTIGUOUS and field.id.get_storage_size() < needed:
            raise CatalogError("is stored shorter than it is, and is not read")
        return np.asarray(field[region])
    filters = [_filter(plist, place) for place in range(plist.get_nfilters())]
    chunks = tuple(field.chunks)
    size = math.prod(chunks) * _width(field)
    if size > LARGEST_CHUNK:
        what = f"its chunks inflate to {size >> 20} MB each, and are not read; store it in smaller ones with h5repack"
        raise CatalogError(what)
    corners = list(_corners(chunks, region))
    if all(one.code in _OURS and one.code != _FLETCHER32 for one in filters) and _is_plain(field):
        return _assembled(field, region, filters, corners)
    for corner in corners:
        _raw_chunk(field, corner, size, filters)
    return np.asarray(field[region])


def told_length(field: h5py.Dataset) -> int:
    """Give the bytes that a single text without a fixed length has by what the file says, before it is read.

    0 where the reference to the text does not stand in the file by itself (compact and compressed fields).
    """
    plist = field.id.get_create_plist()
    reference = b""
    if plist.get_layout() == h5py.h5d.CONTIGUOUS and (offset := field.id.get_offset()):
        reference = os.pread(field.file.id.get_vfd_handle(), _REFERENCE, offset)
    elif plist.get_layout() == h5py.h5d.CHUNKED and not plist.get_nfilters():
        corner = (0,) * len(field.shape)
        if field.id.get_chunk_info_by_coord(corner).byte_offset is not None:
            reference = field.id.read_direct_chunk(corner)[1][:_REFERENCE]
    return int.from_bytes(reference[:4], "little")


def _width(field: h5py.Dataset) -> int:
    """Give the bytes a value takes in the file; of texts without a fixed length, what refers to them."""
    return _REFERENCE if field.dtype.kind == "O" else int(field.id.get_type().get_size())


def _filter(plist: h5py.h5p.PropDCID, place: int) -> _Filter:
    code, _, values, name = plist.get_filter(place)
    if code not in _OURS and code not in _SIZED:
        called = name.decode("ascii", "replace") or code
        raise CatalogError(f"is compressed by a filter ({called}) that is not read; store it anew with h5repack")
    return _Filter(code, tuple(values))


def _corners(chunks: Sequence[int], region: Region) -> Iterator[tuple[int, ...]]:
    """Give the first index of each chunk that the region touches."""
    lead = [range(part.start // size * size, part.stop, size) for part, size in zip(region, chunks, strict=True)]
    count = math.prod(len(one) for one in lead)
    if count > MOST_CHUNKS:
        raise CatalogError(f"is stored in {count} chunks, too many to be read; store it in larger ones with h5repack")
    return product(*lead)


def _is_plain(field: h5py.Dataset) -> bool:
    """Tell numbers that numpy keeps as the file does."""
    dtype = field.dtype
    return dtype.kind in "iuf" and bool(field.id.get_type().equal(h5py.h5t.py_create(dtype)))


def _assembled(
    field: h5py.Dataset, region: Region, filters: Sequence[_Filter], corners: Sequence[tuple[int, ...]]
) -> NDArray[Any]:
    chunks, dtype = tuple(field.chunks), field.dtype
    size = math.prod(chunks) * dtype.itemsize
    result: NDArray[Any] = np.full(extent(region), field.fillvalue, dtype)
    for corner in corners:
        raw = _raw_chunk(field, corner, size, filters)
        if raw is None:
            continue
        block = np.frombuffer(raw, dtype).reshape(chunks)
        target, source = [], []
        for part, start, length in zip(region, corner, chunks, strict=True):
            low, high = max(part.start, start), min(part.stop, start + length)
            target.append(slice(low - part.start, high - part.start))
            source.append(slice(low - start, high - start))
        result[tuple(target)] = block[tuple(source)]
    return result


def _raw_chunk(
    field: h5py.Dataset, corner: tuple[int, ...], size: int, filters: Sequence[_Filter]
) -> bytes | NDArray[np.uint8] | None:
    """Give a chunk's bytes as far as they can be undone here, None for one never written; raises where they are few."""
    info = field.id.get_chunk_info_by_coord(corner)
    if info.byte_offset is None:
        return None
    if info.size > size + _MOST_OVERHEAD:
        raise CatalogError("its chunks are stored longer than they are, and are not read")
    mask, raw = field.id.read_direct_chunk(corner)
    undone = _undone(raw, mask, size, filters)
    if undone is None:
        raise CatalogError("its chunks are stored shorter than they are, and are not read")
    return undone


def _undone(raw: bytes, mask: int, size: int, filters: Sequence[_Filter]) -> bytes | NDArray[np.uint8] | None:
    """Undo the filters, last first; None where the chunk has not just the bytes it should have.

    At a filter that is not undone here the size it tells is compared, and what is before it is taken on trust:
    shuffling and checksums change no sizes but by four bytes.
    """
    data: bytes | NDArray[np.uint8] = raw
    applied = [one for place, one in enumerate(filters) if not mask >> place & 1]
    for place in reversed(range(len(applied))):
        one = applied[place]
        expected = size + 4 * sum(before.code == _FLETCHER32 for before in applied[:place])
        if one.code in _SIZED:
            if any(before.code not in (_SHUFFLE, _FLETCHER32) for before in applied[:place]):
                return None
            return data if _tells(one, bytes(data), expected) else None
        data = _undo(one, data, expected)
    return data if len(data) == size else None


def _tells(one: _Filter, data: bytes, expected: int) -> bool:
    try:
        return _SIZED[one.code](data, one.values, expected)
    except (struct.error, IndexError, ZeroDivisionError):
        return False


def _undo(one: _Filter, data: bytes | NDArray[np.uint8], expected: int) -> bytes | NDArray[np.uint8]:
    if one.code == _FLETCHER32:
        return data[:-4]
    if one.code == _SHUFFLE:
        return _unshuffled(data, one.values[0] if one.values else 1)
    inflate = zlib.decompressobj() if one.code == _DEFLATE else bz2.BZ2Decompressor()
    try:
        inflated = inflate.decompress(bytes(data), expected + 1)
    except (zlib.error, OSError, EOFError, ValueError):
        return b""
    return inflated if inflate.eof else b""


def _unshuffled(data: bytes | NDArray[np.uint8], width: int) -> bytes | NDArray[np.uint8]:
    """Bring the bytes of each value together again; those behind the last whole value stay."""
    if width < 2 or len(data) < width:
        return data
    values = len(data) // width
    array = np.frombuffer(data, np.uint8)
    together = np.ascontiguousarray(array[: values * width].reshape(width, values).T).ravel()
    return np.concatenate([together, array[values * width :]]) if len(data) % width else together


def _bitshuffle(data: bytes, values: tuple[int, ...], expected: int) -> bool:
    """Follow the blocks, each behind its length: the filter itself would read on behind the last one."""
    if len(values) < 5 or values[4] == 0:
        return len(data) == expected
    width = values[2]
    total, block = struct.unpack_from(">QI", data)
    if total != expected or block < 8 * width or total // block > _MOST_BLOCKS:
        return False
    items, each = total // width, block // width
    last = items % each // 8 * 8
    at = 12
    for _ in range(items // each + (last > 0)):
        at += 4 + struct.unpack_from(">I", data, at)[0]
    return bool(at + (items % 8) * width <= len(data))


def _lz4(data: bytes, values: tuple[int, ...], expected: int) -> bool:
    total, block = struct.unpack_from(">QI", data)
    if total != expected or block == 0 or total // block > _MOST_BLOCKS:
        return False
    at = 12
    for _ in range(-(-total // block)):
        at += 4 + struct.unpack_from(">I", data, at)[0]
    return bool(at <= len(data))


def _blosc(data: bytes, values: tuple[int, ...], expected: int) -> bool:
    total, _, packed = struct.unpack_from("<III", data, 4)
    return bool(total == expected and packed <= len(data))


def _zstd(data: bytes, values: tuple[int, ...], expected: int) -> bool:
    magic, descriptor = struct.unpack_from("<IB", data)
    single = descriptor >> 5 & 1
    at = 5 + (0 if single else 1) + (0, 1, 2, 4)[descriptor & 3]
    width = (1 if single else 0, 2, 4, 8)[descriptor >> 6]
    content = int.from_bytes(data[at : at + width], "little") + (256 if width == 2 else 0)
    return bool(magic == 0xFD2FB528 and width and len(data) >= at + width and content == expected)


def _lzf(data: bytes, values: tuple[int, ...], expected: int) -> bool:
    """Follow the runs and back references; they carry their lengths, the whole carries none."""
    at, total, end = 0, 0, len(data)
    if end > _LONGEST_LZF:
        return False
    while at < end and total <= expected:
        control = data[at]
        if control < 32:
            total += control + 1
            at += control + 2
        else:
            long = control >> 5 == 7
            total += (control >> 5) + 2 + (data[at + 1] if long else 0)
            at += 3 if long else 2
    return at == end and total == expected


_SIZED: dict[int, Callable[[bytes, tuple[int, ...], int], bool]] = {
    _BITSHUFFLE: _bitshuffle,
    _LZ4: _lz4,
    _BLOSC: _blosc,
    _ZSTD: _zstd,
    _LZF: _lzf,
}
"""Filters that HDF5's plugins undo; each tells whether a chunk is as long as it should be."""
