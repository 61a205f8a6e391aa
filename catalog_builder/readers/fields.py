"""Fields and attributes of HDF5 files as text, numbers and units.

Knows h5py's types; does not know NeXus.
"""

import math
import re

import h5py
import numpy as np

from catalog_builder.errors import CatalogError
from catalog_builder.readers.attributes import H5_ERRORS, attribute, text_of
from catalog_builder.readers.bounds import reason
from catalog_builder.readers.links import Inside, never_written
from catalog_builder.readers.storage import told_length
from catalog_builder.signals import Floats

_LONGEST_TEXT = 1 << 16
MOST_VALUES = 1 << 24
"""Of a field that is read as a whole."""
_NUMBERED = re.compile(r"(data|actuator|trajectory)_\d{1,3}(_\d+)?")


def text(inside: Inside, field: h5py.Dataset | None) -> str | None:
    """Give a field's single text, or None where it holds none, or nothing but blanks."""
    if not isinstance(field, h5py.Dataset):
        return None
    try:
        if field.size != 1 or field.dtype.kind not in "OSU" or field.dtype.itemsize > _LONGEST_TEXT:
            return None
        if field.dtype.kind == "O" and told_length(field) > _LONGEST_TEXT:
            return None
        value = np.asarray(inside.read(field), dtype=object).ravel()[0]
    except (*H5_ERRORS, CatalogError):
        return None
    found = text_of(value)[:_LONGEST_TEXT] if isinstance(value, bytes | str) else ""
    return found or None


def is_numeric(field: h5py.Dataset) -> bool:
    """Tell integers, floats and truth values."""
    try:
        return bool(field.dtype.kind in "iufb")
    except H5_ERRORS:
        return False


def scalar(inside: Inside, field: h5py.Dataset) -> float | None:
    """Give a field's single finite number, or None."""
    if not is_numeric(field) or field.size != 1 or never_written(field):
        return None
    try:
        value = float(inside.read(field).ravel()[0])
    except (*H5_ERRORS, CatalogError):
        return None
    return value if math.isfinite(value) else None


def numbers(inside: Inside, field: h5py.Dataset) -> Floats:
    """Give a field's numbers as floats of its own shape; NaN for infinite ones, and for those in lost files.

    Raises CatalogError where they cannot be read: a field of more than 16 million values is no curve and no map.
    """
    if field.size > MOST_VALUES:
        raise CatalogError(f"has {field.size} values, too many for a curve or a map, and is not read")
    try:
        values = inside.read(field, gaps=True).astype(np.float64)
    except H5_ERRORS as exc:
        raise CatalogError(f"cannot be read ({reason(exc)})") from exc
    values[~np.isfinite(values)] = np.nan
    return values


def called(name: str, field: h5py.Dataset) -> str:
    """Give a field's name, or what a numbered one is said to hold (SOLEIL: ``data_01``, ``@alias``, ``@long_name``)."""
    if not _NUMBERED.fullmatch(name):
        return name
    return next(iter((*attribute(field, "alias"), *attribute(field, "long_name"))), "") or name


def unit(field: h5py.Dataset) -> str | None:
    """Give ``@units``; blanks and NeXus' own placeholders (``NX_ANGLE``) are none."""
    found = next(iter(attribute(field, "units")), "")
    return None if not found or found.startswith("NX_") else found
