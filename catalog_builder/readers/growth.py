"""Where reading may go on in a text file that only grew.

Knows places in a file and how to tell that the bytes before them are still the same; does not know formats.
"""

import json
import os
from dataclasses import asdict, dataclass, fields
from hashlib import blake2b
from typing import BinaryIO

_LOOKED_AT = 4096
"""Bytes at the file's beginning, and before the place, that must be the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bookmark:
    """A place in a file, and what a reader must know to go on there."""

    at: int
    """Bytes before the place."""
    line: int
    """Of the place, from 1."""
    header_at: int
    header_line: int
    seen: str
    """What the reader counted before the place, in its own words."""
    head: str = ""
    before: str = ""
    """Digests of the file's first bytes and of those before the place."""

    @classmethod
    def from_text(cls, text: str) -> "Bookmark | None":
        """Give the bookmark a text holds, or None where it holds none."""
        try:
            found = json.loads(text)
            mark = cls(**found)
        except (ValueError, TypeError, RecursionError):
            return None
        sound = all(isinstance(getattr(mark, field.name), field.type) for field in fields(cls) if callable(field.type))
        return mark if sound and 0 <= mark.header_at <= mark.at else None

    def text(self) -> str:
        """Give the bookmark as a line of JSON."""
        return json.dumps(asdict(self), separators=(",", ":"))

    def signed(self, stream: BinaryIO) -> "Bookmark":
        """Give the bookmark with the digests of the open file; where the file is read does not change."""
        head, before = _digests(stream, self.at)
        return Bookmark(**{**asdict(self), "head": head, "before": before})

    def fits(self, stream: BinaryIO) -> bool:
        """Tell whether the open file still holds the same bytes where they were looked at; raises OSError."""
        return os.fstat(stream.fileno()).st_size > self.at and _digests(stream, self.at) == (self.head, self.before)


def _digests(stream: BinaryIO, at: int) -> tuple[str, str]:
    looked_at = min(at, _LOOKED_AT)
    number = stream.fileno()
    return _digest(os.pread(number, looked_at, 0)), _digest(os.pread(number, looked_at, at - looked_at))


def _digest(content: bytes) -> str:
    return blake2b(content, digest_size=9).hexdigest()


class Numbers:
    """The numbers of scans in the order they came, written short where they follow each other."""

    def __init__(self, text: str = "") -> None:
        self._runs: list[list[int]] = []
        self._counts: dict[int, int] = {}
        for run in text.split():
            first, _, last = run.partition("-")
            for number in range(int(first), int(last or first) + 1):
                self.add(number)

    def add(self, number: int) -> int:
        """Add a number; gives how often it came by now."""
        if self._runs and number == self._runs[-1][1] + 1:
            self._runs[-1][1] = number
        else:
            self._runs.append([number, number])
        self._counts[number] = self._counts.get(number, 0) + 1
        return self._counts[number]

    def text(self, longest: int) -> str | None:
        """Give ``1-288 289``, or None where it has more than ``longest`` runs."""
        if len(self._runs) > longest:
            return None
        return " ".join(f"{first}-{last}" if last > first else f"{first}" for first, last in self._runs)
