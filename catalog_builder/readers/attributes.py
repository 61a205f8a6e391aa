"""Attributes of HDF5 objects as text, and the errors of reading them.

Knows h5py's many types for one text; does not know fields or links.
"""

import h5py
import numpy as np

H5_ERRORS = (
    OSError,
    RuntimeError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    NotImplementedError,
    OverflowError,
    MemoryError,
)
"""What h5py raises on damaged files; it has no exception of its own."""

_LARGEST = 1 << 18
"""Bytes of an attribute that is looked at; of texts without a fixed length, what refers to them."""
_MOST_TEXTS = 64


def attribute(item: h5py.Group | h5py.Dataset, name: str) -> tuple[str, ...]:
    """Give an attribute as texts: one for a scalar, several for an array, none where it is missing."""
    try:
        if not h5py.h5a.exists(item.id, name.encode("utf-8", "surrogateescape")):
            return ()
        found = h5py.h5a.open(item.id, name.encode("utf-8", "surrogateescape"))
        if found.get_storage_size() > _LARGEST:
            return ()
        if found.dtype.subdtype is None and found.shape is not None:
            value = np.empty(found.shape, found.dtype)
            found.read(value)
        else:
            value = item.attrs.get(name)
        return tuple(text_of(one) for one in np.asarray(value, dtype=object).ravel()[:_MOST_TEXTS])
    except H5_ERRORS:
        return ()


def text_of(value: object) -> str:
    """Give a value from an HDF5 file as text; bytes are UTF-8, else latin-1."""
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8").strip().strip("\0")
        except UnicodeDecodeError:
            return value.decode("latin-1").strip().strip("\0")
    return str(value).strip().strip("\0")


def nexus_class(group: h5py.Group | h5py.Dataset) -> str:
    """Give ``@NX_class``, or an empty text."""
    return next(iter(attribute(group, "NX_class")), "")
