"""Columns of one segment on disk: one file of arrays, memory-mapped, and one JSON file of what their numbers mean.

Knows arrays, dictionaries of values and strings; does not know what a document is.
"""

import json
from array import array
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from catalog_builder.records import Json

Ints = NDArray[np.int32]
Longs = NDArray[np.int64]
Mask = NDArray[np.bool_]

_ALIGNMENT = 64
_ARRAYS = "columns.bin"
_MEANING = "columns.json"

V = TypeVar("V", bound=Hashable)


class Numbered(Generic[V]):
    """Values and the numbers they were given, in order of arrival."""

    def __init__(self) -> None:
        self.values: list[V] = []
        self._numbers: dict[V, int] = {}

    def __len__(self) -> int:
        return len(self.values)

    def number(self, value: V) -> int:
        """Give the value's number; a new value gets the next one."""
        known = self._numbers.get(value)
        if known is None:
            known = self._numbers[value] = len(self.values)
            self.values.append(value)
        return known

    def find(self, value: V) -> int | None:
        """Give the value's number; None where it has none."""
        return self._numbers.get(value)

    def in_order(self) -> tuple[list[V], Ints]:
        """Give the values sorted, and the array that leads from old numbers to places among them."""
        values: list[Any] = self.values
        order = sorted(range(len(values)), key=values.__getitem__)
        places = np.empty(len(values), np.int32)
        places[order] = np.arange(len(values), dtype=np.int32)
        return [values[i] for i in order], places


def renumbered(numbers: "array[int]", places: Ints) -> Ints:
    """Replace numbers by places; a negative number stays as it is."""
    old = np.frombuffer(numbers, np.int32) if numbers else np.empty(0, np.int32)
    if not len(places):
        return old.copy()
    return np.where(old < 0, old, places[np.maximum(old, 0)]).astype(np.int32, copy=False)


class ColumnWriter:
    """Collects the arrays and meanings of a segment and writes both files at the end."""

    def __init__(self) -> None:
        self.arrays: dict[str, NDArray[Any]] = {}
        self.meaning: dict[str, Json] = {}

    def strings(self, name: str, texts: Sequence[bytes]) -> None:
        """Keep texts that are looked up one by one."""
        ends = np.cumsum([0, *map(len, texts)], dtype=np.int64)
        self.arrays[f"{name}.ends"] = ends
        self.arrays[f"{name}.text"] = np.frombuffer(b"".join(texts), np.uint8)

    def write(self, folder: Path) -> None:
        """Write both files; the folder exists."""
        directory: dict[str, Json] = {}
        with (folder / _ARRAYS).open("wb") as stream:
            for name, values in self.arrays.items():
                stream.write(b"\0" * (-stream.tell() % _ALIGNMENT))
                directory[name] = [values.dtype.str, stream.tell(), len(values)]
                stream.write(np.ascontiguousarray(values).data)
        text = json.dumps({"arrays": directory, "meaning": self.meaning}, ensure_ascii=True)
        (folder / _MEANING).write_text(text, encoding="ascii")


class Columns:
    """The columns of a segment, opened for reading; arrays are views of the mapped file."""

    def __init__(self, folder: Path) -> None:
        """Map the file; raises OSError or ValueError where a file is missing or damaged."""
        self._directory: Mapping[str, tuple[str, int, int]]
        self.meaning: Mapping[str, Any]
        self._directory, self.meaning = _read_meaning(folder / _MEANING)
        path = folder / _ARRAYS
        self._bytes: NDArray[np.uint8] = (
            np.memmap(path, np.uint8, mode="r") if path.stat().st_size else np.empty(0, np.uint8)
        )
        for kind, offset, count in self._directory.values():
            if offset + count * np.dtype(kind).itemsize > len(self._bytes):
                raise ValueError(f"{path} ends early")

    def array(self, name: str) -> NDArray[Any]:
        """Give an array by name; raises KeyError."""
        kind, offset, count = self._directory[name]
        size = count * np.dtype(kind).itemsize
        return np.asarray(self._bytes[offset : offset + size]).view(kind)

    def strings(self, name: str) -> "Strings":
        return Strings(self.array(f"{name}.ends"), self.array(f"{name}.text"))


def _read_meaning(path: Path) -> tuple[dict[str, tuple[str, int, int]], dict[str, Any]]:
    """Read what a directory file says; raises OSError, or ValueError where it is damaged."""
    try:
        content = json.loads(path.read_text(encoding="ascii"))
        directory = {name: (kind, int(offset), int(count)) for name, (kind, offset, count) in content["arrays"].items()}
        return directory, dict(content["meaning"])
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise ValueError(f"{path} is damaged") from exc


class Strings:
    """Texts in a column: a document's, by its number, or those of a list."""

    def __init__(self, ends: Longs, text: NDArray[np.uint8]) -> None:
        self.ends = ends
        self.text = text
        self._buffer = memoryview(text)  # type: ignore[arg-type]

    def __len__(self) -> int:
        return len(self.ends) - 1

    def __getitem__(self, number: int) -> bytes:
        return bytes(self._buffer[self.ends[number] : self.ends[number + 1]])
