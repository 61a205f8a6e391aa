"""What an ingest left beside a scan: metadata (``<scan>.scan.json``) and a picture (``<scan>.attachment.json``).

Knows how ``nxsfileinfo metadata`` and ``nxsfileinfo attachment`` (PyPI ``nxstools``) write; does not know where the
files lie. Who may see a scan is never taken from them.
"""

import base64
import binascii
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

from catalog_builder.errors import CatalogError
from catalog_builder.records import Json

METADATA_SUFFIX = ".scan.json"
ATTACHMENT_SUFFIX = ".attachment.json"
SUFFIXES = (METADATA_SUFFIX, ATTACHMENT_SUFFIX)
"""Behind the stem of the scan they are about."""

_ABOUT_A_VALUE = frozenset(
    {"value", "source", "source_name", "source_type", "strategy", "type", "shape", "unit", "units"}
)
_DEEPEST = 12
_MOST_VALUES = 2000
_LONGEST_TEXT = 10_000
_MOST_TEXT = 1 << 20
"""Bytes of all that one file adds, as JSON."""
_Leaf = tuple[str, Json, str | None]
"""Name, value and unit."""
_PICTURE = re.compile(r"data:image/(?:png|jpe?g);base64,\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingested:
    """What the metadata add to what a scan's own files say."""

    title: str | None = None
    command: str = ""
    parameters: Mapping[str, Json] = field(default_factory=dict)
    """Scientific metadata by name, groups joined by dots (``sample.temperature``)."""
    units: Mapping[str, str] = field(default_factory=dict)
    """Of the parameters, where known."""
    left_out: int = 0
    """Values beyond the first two thousand, and those that 1 MiB of text had no place for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A picture of a scan."""

    caption: str
    content: bytes
    """PNG or JPEG as the file has it; nobody has looked at it yet."""


def metadata(text: str) -> Ingested:
    """Read a ``*.scan.json``: a tree whose leaves are values, or objects with ``value`` and ``unit``.

    Raises CatalogError where it is no JSON object.
    """
    document = _object(text)
    found = document.get("scientificMetadata")
    title = _text(document.get("description"))
    leaves = _leaves(found if isinstance(found, dict) else {}, "", 0)
    first = list(islice(leaves, _MOST_VALUES))
    kept = list(_fitting(first, _MOST_TEXT - len(json.dumps(title))))
    command = next((value for name, value, _ in kept if name == "ScanCommand" and isinstance(value, str)), "")
    return Ingested(
        title=title,
        command=command,
        parameters={name: value for name, value, _ in kept},
        units={name: unit for name, _, unit in kept if unit},
        left_out=len(first) - len(kept) + sum(1 for _ in leaves),
    )


def attachment(text: str) -> Attachment:
    """Read an ``*.attachment.json``: ``thumbnail`` is a picture in a ``data:`` address.

    Raises CatalogError where it holds none.
    """
    document = _object(text)
    address = document.get("thumbnail")
    begins = _PICTURE.match(address) if isinstance(address, str) else None
    if begins is None or not isinstance(address, str):
        raise CatalogError("holds no picture: its 'thumbnail' is no PNG or JPEG in a data: address")
    try:
        content = base64.b64decode(address[begins.end() :], validate=True)
    except (binascii.Error, ValueError) as exc:
        raise CatalogError(f"holds a damaged picture ({exc})") from exc
    return Attachment(caption=_text(document.get("caption")) or "attached picture", content=content)


def _object(text: str) -> dict[str, Json]:
    try:
        document = json.loads(text, parse_constant=lambda _: None)
    except (ValueError, RecursionError) as exc:
        raise CatalogError(f"is not valid JSON: {str(exc) or 'nested too deeply'}") from exc
    if not isinstance(document, dict):
        raise CatalogError("holds no JSON object")
    return document


def _fitting(leaves: Iterable[_Leaf], room: int) -> Iterator[_Leaf]:
    """Give the leaves there is room for, in bytes; one too long leaves its room to those behind it."""
    for leaf in leaves:
        size = len(json.dumps(leaf))
        if size <= room:
            room -= size
            yield leaf


def _leaves(group: Mapping[str, Json], above: str, depth: int) -> Iterator[_Leaf]:
    """Give name, value and unit of everything below a group; ``value`` goes by the name of what it is in."""
    for key, item in group.items():
        name = above if key == "value" and above else f"{above}.{key}".lstrip(".")
        if not isinstance(item, dict):
            yield name, _plain(item, depth), None
        elif "value" in item and not isinstance(item["value"], dict) and item.keys() <= _ABOUT_A_VALUE:
            yield name, _plain(item["value"], depth), _text(item.get("unit")) or _text(item.get("units"))
        elif depth < _DEEPEST:
            yield from _leaves(item, name, depth + 1)


def _plain(value: Json, depth: int) -> Json:
    """Give a value fit for a record: no number beyond a float's range, nothing without end."""
    if isinstance(value, str):
        return _text(value) or ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        number = _float(value)
        return number if math.isfinite(number) else None
    if depth > _DEEPEST:
        return None
    if isinstance(value, list):
        return [_plain(item, depth + 1) for item in value[:_MOST_VALUES]]
    return {key: _plain(item, depth + 1) for key, item in value.items()} if isinstance(value, dict) else value


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _text(value: Json) -> str | None:
    text = value.strip() if isinstance(value, str) else ""
    return text[:_LONGEST_TEXT].encode("utf-8", "replace").decode() or None
