"""Stacks of images in HDF5 fields, read one image at a time.

Knows shapes and how much may be read at once; does not know where a stack lies or what it shows.
"""

import math
import re
from collections.abc import Sequence

import h5py
import numpy as np

from catalog_builder.errors import CatalogError
from catalog_builder.readers.attributes import H5_ERRORS
from catalog_builder.readers.links import inflates, never_written
from catalog_builder.readers.pixels import image
from catalog_builder.signals import Frames, Image

_MOST_PIXELS = 1 << 26
_SMALLEST_IMAGE = 16
"""Rows and columns; smaller ones are matrices and spectra."""
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
        return image(field[np.unravel_index(number, field.shape[:-2])])
    except H5_ERRORS as exc:
        reason = " ".join(str(exc).split())[:120]
        raise CatalogError(f"image {number} cannot be read ({reason})", where=detector) from exc
