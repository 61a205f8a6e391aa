"""Pixel values of detectors: which are counts, and which mark a dead or masked pixel.

Knows the marks of Pilatus, Eiger and Lambda; does not know files.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from catalog_builder.signals import Image

_MARKED_BY_MAXIMUM = frozenset({2, 4, 8})
"""Item sizes, bytes: in an 8-bit image 255 is a value like others."""
_OVERFLOW = 2**32 - 1
"""Eiger's mark in images of 32 bits; programs carry it over into wider and into floating types."""


def image(
    values: ArrayLike, *, mask: NDArray[np.generic] | None = None, lowest: float | None = None, bits: int | None = None
) -> Image:
    """Give an image of shape (rows, columns) as float32, NaN where a pixel is dead or masked.

    Signed integers mark by negative values (Pilatus: -1 gap, -2 bad; Lambda; Eiger's 2³²-1 in 32 bits), unsigned
    ones by their largest value (Eiger: 2³²-1, in 16 bits 2¹⁶-1), wider ones by 2³²-1 too; of floating point, what
    is not finite, and 2³²-1. A saturated pixel is a value, unless it is the type's largest.

    Parameters
    ----------
    mask
        NXdetector ``pixel_mask``, shape (rows, columns): a pixel with any bit set is not to be used.
    lowest
        NXdetector ``underload_value``: less than this is no reading. Where a detector says so, negative values
        from there on are readings (a dark image was subtracted).
    bits
        Dectris' ``bit_depth_image``: the mark is the largest value of so many bits, whatever the type.
    """
    array = np.asarray(values)
    result: Image = array.astype(np.float32)
    for bad in _marks(array, lowest, bits):
        result[bad] = np.nan
    if mask is not None:
        result[mask != 0] = np.nan
    return result


def _marks(array: NDArray[Any], lowest: float | None, bits: int | None) -> list[NDArray[np.bool_]]:
    kind, width = array.dtype.kind, array.dtype.itemsize
    marks = []
    if lowest is not None and kind in "iuf":
        marks.append(array < lowest)
    elif kind == "i":
        marks.append(array < 0)
    if kind == "u" and width in _MARKED_BY_MAXIMUM:
        marks.append(array == np.iinfo(array.dtype).max)
    if kind in "iu" and width == 8:
        marks.append(array == _OVERFLOW)
    if kind == "f":
        marks.append(~np.isfinite(array) | (array == array.dtype.type(_OVERFLOW)))
    if bits in (16, 32) and kind in "iu" and width * 8 > bits:
        marks.append(array == 2**bits - 1)
    return marks
