"""Text from files made fit for records, which are UTF-8.

Knows lone surrogates, which h5py makes of broken names and JSON's escapes may spell; does not know formats.
"""

import re
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, cast

from catalog_builder.readers.values import unique_names
from catalog_builder.records import Problem
from catalog_builder.signals import Column, Frames, GridMap, Reading, Spectra

_SURROGATES = re.compile(r"[\ud800-\udfff]")
_HOLDERS = (Reading, Column, GridMap, Frames, Spectra, Problem)


def encodable(text: str) -> str:
    """Give a text that UTF-8 can hold: the replacement character stands for each lone surrogate."""
    return _SURROGATES.sub("\ufffd", text)


def storable(reading: Reading) -> Reading:
    """Give the reading with every text of it encodable; columns stay told apart."""
    cleaned = cast(Reading, _cleaned(reading))
    names = unique_names([column.name for column in cleaned.columns])
    columns = zip(names, cleaned.columns, strict=True)
    return replace(cleaned, columns=tuple(replace(column, name=name) for name, column in columns))


def _cleaned(item: object) -> object:
    if isinstance(item, str):
        return encodable(item)
    if isinstance(item, _HOLDERS):
        changed: dict[str, Any] = {field.name: _cleaned(getattr(item, field.name)) for field in fields(item)}
        return replace(item, **changed)
    if isinstance(item, Mapping):
        return {_cleaned(key): _cleaned(value) for key, value in item.items()}
    if isinstance(item, tuple | list):
        return type(item)(_cleaned(value) for value in item)
    return item
