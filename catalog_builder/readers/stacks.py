"""Stacks of images in HDF5 fields, read one image at a time.

Knows shapes, masks and how much may be read at once; does not know where a stack lies or what it shows.
"""

import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import h5py
import numpy as np
from numpy.typing import NDArray

from catalog_builder.errors import CatalogError
from catalog_builder.readers.attributes import H5_ERRORS
from catalog_builder.readers.bounds import reason
from catalog_builder.readers.fields import is_numeric, scalar
from catalog_builder.readers.links import Inside, never_written
from catalog_builder.readers.pixels import image
from catalog_builder.readers.texts import encodable
from catalog_builder.signals import Frames, Image

_MOST_PIXELS = 1 << 26
_SMALLEST_IMAGE = 16
"""Rows and columns; smaller ones are matrices and spectra."""
_CORRECTION = re.compile(r"mask|flat_?field|efficien|dark|gain|error|uncertaint", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Marks:
    """What a detector says of its own pixels (NXdetector)."""

    mask: h5py.Dataset | None = None
    """``pixel_mask``: one for all images, or one for each."""
    cutoff: float | None = None
    """``saturation_value``, counts."""
    lowest: float | None = None
    """``underload_value``, counts."""
    bits: int | None = None
    """``bit_depth_image``."""

    def fits(self, field: h5py.Dataset) -> bool:
        """Tell whether the mask, where there is one, is of the images' shape."""
        return self.mask is None or tuple(self.mask.shape[-2:]) == tuple(field.shape[-2:])


def marks_of(inside: Inside, group: h5py.Group) -> Marks:
    """Give what an NXdetector says of its pixels; Dectris writes some of it in ``detectorSpecific``."""
    cutoff = _number_at(
        inside,
        group,
        "saturation_value",
        "detectorSpecific/saturation_value",
        "detectorSpecific/countrate_correction_count_cutoff",
    )
    bits = _number_at(inside, group, "bit_depth_image")
    return Marks(
        mask=_mask_of(inside, group),
        cutoff=cutoff if cutoff is not None and cutoff > 0 else None,
        lowest=_number_at(inside, group, "underload_value"),
        bits=None if bits is None else int(bits),
    )


def _number_at(inside: Inside, group: h5py.Group, *paths: str) -> float | None:
    for path in paths:
        found = inside.find(group, path)
        if isinstance(found, h5py.Dataset) and (value := scalar(inside, found)) is not None:
            return value
    return None


def _mask_of(inside: Inside, group: h5py.Group) -> h5py.Dataset | None:
    for path in ("pixel_mask", "detectorSpecific/pixel_mask"):
        mask = inside.find(group, path)
        if isinstance(mask, h5py.Dataset) and is_numeric(mask) and not never_written(mask):
            return mask if len(mask.shape) >= 2 else None
    return None


def is_stack(field: h5py.Dataset) -> bool:
    """Tell a field of numbers with at least three dimensions, the last two an image's rows and columns."""
    shape = field.shape
    return shape is not None and len(shape) >= 3 and 0 not in shape and field.dtype.kind in "iuf"


def shows_images(path: str, field: h5py.Dataset) -> bool:
    """Tell a stack of a detector's images: not tiny matrices, and not what a detector is corrected with."""
    written = is_stack(field) and not never_written(field)
    return written and min(field.shape[-2:]) >= _SMALLEST_IMAGE and not _CORRECTION.search(path.rsplit("/", 1)[-1])


def stacked(inside: Inside, detector: str, fields: Sequence[h5py.Dataset], marks: Marks) -> Frames:
    """Give the images of one field, or of several one after the other; leading dimensions are unrolled."""
    detector = encodable(detector)
    lengths = [math.prod(field.shape[:-2]) for field in fields]
    ends = np.cumsum(lengths)
    masks: dict[int, NDArray[np.generic]] = {}

    def load(number: int) -> Image:
        if not 0 <= number < int(ends[-1]):
            raise CatalogError(f"there is no image {number}, only {int(ends[-1])}", where=detector)
        part = int(np.searchsorted(ends, number, side="right"))
        within = number - (int(ends[part - 1]) if part else 0)
        with _telling(detector, number):
            values = _image_of(inside, fields[part], within)
            return image(values, mask=mask_for(inside, marks, number, masks), lowest=marks.lowest, bits=marks.bits)

    return Frames(detector=detector, count=int(ends[-1]), load=load, cutoff=marks.cutoff)


def load_one(
    inside: Inside, detector: str, field: h5py.Dataset, number: int, marks: Marks, mask: NDArray[np.generic] | None
) -> Image:
    """Give one image of a stack, shape (rows, columns); raises CatalogError where it cannot be read."""
    with _telling(detector, number):
        fitting = mask if mask is not None and mask.shape == field.shape[-2:] else None
        return image(_image_of(inside, field, number), mask=fitting, lowest=marks.lowest, bits=marks.bits)


@contextmanager
def _telling(detector: str, number: int) -> Iterator[None]:
    """Say which image cannot be read."""
    try:
        yield
    except H5_ERRORS as exc:
        raise CatalogError(f"image {number} cannot be read ({reason(exc)})", where=detector) from exc
    except CatalogError as exc:
        raise CatalogError(f"image {number} cannot be read: {exc.what}", where=detector) from exc


def _image_of(inside: Inside, field: h5py.Dataset, number: int) -> NDArray[np.generic]:
    """Give one image of a stack, shape (rows, columns)."""
    rows, columns = field.shape[-2:]
    if rows * columns > _MOST_PIXELS:
        raise CatalogError(f"it has {rows} x {columns} pixels and is too large")
    place = np.unravel_index(number, field.shape[:-2])
    region = (*(slice(int(at), int(at) + 1) for at in place), slice(0, rows), slice(0, columns))
    return inside.read(field, region).reshape(rows, columns)


def mask_for(
    inside: Inside, marks: Marks, number: int, known: dict[int, NDArray[np.generic]]
) -> NDArray[np.generic] | None:
    """Give the mask of an image, shape (rows, columns); one for all images is read once."""
    if marks.mask is None:
        return None
    masks = math.prod(marks.mask.shape[:-2])
    at = number if number < masks else 0
    if at not in known:
        known.clear()
        if len(marks.mask.shape) == 2:
            known[at] = inside.read(marks.mask)
        else:
            known[at] = _image_of(inside, marks.mask, at)
    return known[at]
