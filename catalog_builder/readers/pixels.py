"""Pixel values of detectors: which are counts, and which mark a dead or masked pixel.

Knows the marks of Pilatus, Eiger and Lambda; does not know files.
"""

import numpy as np
from numpy.typing import ArrayLike

from catalog_builder.signals import Image

_MARKED_BY_MAXIMUM = frozenset({2, 4, 8})
"""Item sizes, bytes: in an 8-bit image 255 is a value like others."""


def image(values: ArrayLike) -> Image:
    """Give an image of shape (rows, columns) as float32, NaN where a pixel is dead or masked.

    Signed integers mark by negative values (Pilatus: -1 gap, -2 bad; Lambda), unsigned ones by their largest
    value (Eiger: 2³²-1, in 16 bits 2¹⁶-1); of floating point, what is not finite.
    """
    array = np.asarray(values)
    result: Image = array.astype(np.float32)
    if array.dtype.kind == "i":
        result[array < 0] = np.nan
    elif array.dtype.kind == "u" and array.dtype.itemsize in _MARKED_BY_MAXIMUM:
        result[array == np.iinfo(array.dtype).max] = np.nan
    elif array.dtype.kind == "f":
        result[~np.isfinite(result)] = np.nan
    return result
