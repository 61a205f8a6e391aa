"""Where reading may go on in a text file that only grew.

Knows places in a file and how to tell that all bytes before them are still the same; does not know formats.
"""

import json
import os
from dataclasses import asdict, dataclass, fields
from hashlib import blake2b
from typing import BinaryIO

_STEP = 1 << 20
"""Bytes digested at once."""


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
    before: str
    """Digest of all bytes before the place."""

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

    def upheld(self, stream: BinaryIO) -> "Digest | None":
        """Give the digest of the bytes before the place, where they are still the same and more follow, else None.

        Reads the open file up to the place; raises OSError.
        """
        if os.fstat(stream.fileno()).st_size <= self.at:
            return None
        digest, left = Digest(), self.at
        stream.seek(0)
        while left and (content := stream.read(min(left, _STEP))):
            digest.waiting.append(content)
            digest.take_in()
            left -= len(content)
        return digest if not left and digest.text() == self.before else None


class Digest:
    """The digest of a file from its beginning to where it was read.

    Pieces wait in ``waiting`` to be put together, as digesting every line costs a tenth of reading it; who appends
    to it calls ``take_in`` before they are too many.
    """

    def __init__(self) -> None:
        self.waiting: list[bytes] = []
        self._digest = blake2b(digest_size=16)

    def text(self) -> str:
        """Give the digest of all that came so far."""
        self.take_in()
        return self._digest.hexdigest()

    def take_in(self) -> None:
        """Digest what waits."""
        self._digest.update(b"".join(self.waiting))
        self.waiting.clear()


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
