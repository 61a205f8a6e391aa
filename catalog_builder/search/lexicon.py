"""The words of a segment, sorted, and which of them hold a part.

Knows atoms by number; does not know where they stand. Columns: strings ``lexicon``; ``part.codes``, the three-byte
parts that occur, ascending, a line's end counting as a byte behind each atom, and ``part.atoms`` with ``part.ends``:
the atoms that hold each.
"""

from bisect import bisect_left
from collections.abc import Sequence
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from catalog_builder.search.columns import Columns, ColumnWriter, Ints, Longs

_LAST = b"\xff"
"""Sorts after every byte of UTF-8."""
_END = b"\n"
"""Stands behind each atom where all are looked through; no atom holds it."""
_PART = 3
"""Bytes of a part."""


def write_lexicon(writer: ColumnWriter, atoms: Sequence[bytes]) -> None:
    """Write the columns of atoms, which come sorted."""
    writer.strings("lexicon", atoms)
    text = np.frombuffer(b"".join(atom + _END for atom in atoms), np.uint8).astype(np.int32)
    of_atom = np.repeat(np.arange(len(atoms), dtype=np.int32), [len(atom) + 1 for atom in atoms])
    codes = text[: max(len(text) - 2, 0)] << 16 | text[1:-1] << 8 | text[2:]
    inside = (text[: len(codes)] != _END[0]) & (text[1:-1] != _END[0])
    pairs = np.unique(codes[inside].astype(np.int64) << 32 | of_atom[: len(codes)][inside])
    code = (pairs >> 32).astype(np.int32)
    known, first = np.unique(code, return_index=True)
    writer.arrays |= {
        "part.codes": known,
        "part.ends": np.append(first, len(code)).astype(np.int64),
        "part.atoms": (pairs & 0xFFFFFFFF).astype(np.int32),
    }


class Lexicon:
    """The words of a segment, opened for reading."""

    def __init__(self, columns: Columns) -> None:
        self._atoms = columns.strings("lexicon")
        self._codes: Ints = columns.array("part.codes")
        self._ends: Longs = columns.array("part.ends")
        self._of_parts: Ints = columns.array("part.atoms")

    def __len__(self) -> int:
        return len(self._atoms)

    def __getitem__(self, number: int) -> str:
        return self._atoms[number].decode("utf-8")

    def span(self, atom: str, *, beginning: bool) -> tuple[int, int]:
        """Give the stretch with the atom, or with all that begins so."""
        sought = atom.encode("utf-8", "surrogatepass")
        first = bisect_left(self._atoms, sought)
        if beginning:
            return first, bisect_left(self._atoms, sought + _LAST, first)
        return first, first + (first < len(self._atoms) and self._atoms[first] == sought)

    def containing(self, part: str) -> Ints:
        """Give the atoms that hold the part, ascending."""
        sought = part.encode("utf-8", "surrogatepass")
        if len(sought) < _PART:
            return np.array([n for n in range(len(self)) if sought in self._atoms[n]], np.int32)
        found = self._holding_all(sought)
        if len(sought) == _PART:
            return found
        return found[np.array([sought in self._atoms[n] for n in found.tolist()], np.bool_)]

    def ending(self, part: str) -> Ints:
        """Give the atoms that end with the part, ascending."""
        sought = part.encode("utf-8", "surrogatepass")
        if len(sought) == 1:
            # An atom of this byte alone has no part of three.
            last = np.flatnonzero(self._codes & 0xFFFF == sought[0] << 8 | _END[0])
            pieces = [self._of_parts[self._ends[n] : self._ends[n + 1]] for n in last.tolist()]
            return np.sort(np.concatenate([np.arange(*self.span(part, beginning=False), dtype=np.int32), *pieces]))
        found = self._holding_all(sought + _END)
        return found[np.array([self._atoms[n].endswith(sought) for n in found.tolist()], np.bool_)]

    def _holding_all(self, line: bytes) -> Ints:
        """Give the atoms that hold all parts of a stretch, though perhaps not the stretch."""
        lists = sorted((self._holding(line[at : at + _PART]) for at in range(len(line) - _PART + 1)), key=len)
        return reduce(lambda one, other: one[are_in(one, other)], lists)

    def _holding(self, part: bytes) -> Ints:
        code = part[0] << 16 | part[1] << 8 | part[2]
        at = int(np.searchsorted(self._codes, code))
        if at == len(self._codes) or self._codes[at] != code:
            return np.empty(0, np.int32)
        return self._of_parts[self._ends[at] : self._ends[at + 1]]


def are_in(some: Ints, others: Ints) -> NDArray[np.bool_]:
    """Tell which of some numbers are among others, which ascend."""
    places = np.searchsorted(others, some)
    inside = places < len(others)
    inside[inside] = others[places[inside]] == some[inside]
    return inside
