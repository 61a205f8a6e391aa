"""Stacks of images in HDF5 fields, read one image at a time.

Knows shapes and how much may be read at once; does not know where a stack lies or what it shows.
"""

import math
import re
from collections.abc import Sequence
from itertools import islice, product

import h5py
import numpy as np

from catalog_builder.errors import CatalogError
from catalog_builder.readers.attributes import H5_ERRORS
from catalog_builder.readers.bounds import reason
from catalog_builder.readers.links import inflates, never_written, too_short
from catalog_builder.readers.pixels import image
from catalog_builder.readers.texts import encodable
from catalog_builder.signals import Frames, Image

_MOST_PIXELS = 1 << 26
_SMALLEST_IMAGE = 16
"""Rows and columns; smaller ones are matrices and spectra."""
_MOST_TILES = 1000
_CORRECTION = re.compile(r"mask|flat_?field|efficien|dark|gain", re.IGNORECASE)


def is_stack(field: h5py.Dataset) -> bool:
    """Tell a field of numbers with at least three dimensions, the last two an image's rows and columns."""
    shape = field.shape
    return shape is not None and len(shape) >= 3 and 0 not in shape and field.dtype.kind in "iuf"


def shows_images(path: str, field: h5py.Dataset) -> bool:
    """Tell a stack of a detector's images: not tiny matrices, and not what a detector is corrected with."""
    written = is_stack(field) and not never_written(field)
    return written and min(field.shape[-2:]) >= _SMALLEST_IMAGE and not _CORRECTION.search(path.rsplit("/", 1)[-1])


def stacked(detector: str, fields: Sequence[h5py.Dataset]) -> Frames:
    """Give the images of one field, or of several one after the other; leading dimensions are unrolled."""
    detector = encodable(detector)
    lengths = [math.prod(field.shape[:-2]) for field in fields]
    ends = np.cumsum(lengths)

    def load(number: int) -> Image:
        if not 0 <= number < int(ends[-1]):
            raise CatalogError(f"there is no image {number}, only {int(ends[-1])}", where=detector)
        part = int(np.searchsorted(ends, number, side="right"))
        within = number - (int(ends[part - 1]) if part else 0)
        return load_one(detector, fields[part], within)

    return Frames(detector=detector, count=int(ends[-1]), load=load)


def load_one(detector: str, field: h5py.Dataset, number: int) -> Image:
    """Give one image of a stack, shape (rows, columns); raises CatalogError where it cannot be read."""
    try:
        rows, columns = field.shape[-2:]
        if rows * columns > _MOST_PIXELS or inflates(field):
            raise CatalogError(f"image {number} is too large to be read", where=detector)
        place = tuple(int(at) for at in np.unravel_index(number, field.shape[:-2]))
        if _is_torn(field, place):
            raise CatalogError(f"image {number} is stored shorter than it is", where=detector)
        return image(field[place])
    except H5_ERRORS as exc:
        raise CatalogError(f"image {number} cannot be read ({reason(exc)})", where=detector) from exc


def _is_torn(field: h5py.Dataset, place: tuple[int, ...]) -> bool:
    """Tell an image of which a chunk is too short; looks at the first of its chunks alone."""
    if not field.chunks or field.is_virtual:
        return False
    lead = [(at // size * size,) for at, size in zip(place, field.chunks[:-2], strict=True)]
    tiles = [range(0, length, size) for length, size in zip(field.shape[-2:], field.chunks[-2:], strict=True)]
    corners = islice(product(*lead, *tiles), _MOST_TILES)
    return any(too_short(field, field.id.get_chunk_info_by_coord(corner)) for corner in corners)
