"""Readers: each understands one kind of file and says in the catalogue's words what it found.

Knows formats; does not know beamtimes, previews or where results are kept.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable
from zoneinfo import ZoneInfo

from catalog_builder.registry import Registry
from catalog_builder.signals import Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a reader may know beyond the file itself."""

    boundary: Path
    """The beamtime's folder: links that lead out of it are not followed."""
    timezone: ZoneInfo
    """Of times a file writes without one."""


class Reader(Protocol):
    """Understands one kind of file."""

    name: str
    version: int
    """Raised whenever the same file would be read differently; it makes sources out of date."""
    suffixes: tuple[str, ...]
    """Lower case, with the dot; ``""`` means files without a suffix."""
    keeps_suffix: bool
    """True where a scan is named after the file's whole name (SPEC)."""

    def recognises(self, head: bytes) -> bool:
        """Tell from a file's first 4096 bytes whether it is of this kind, or one that ``read`` refuses by name."""

    def read(self, path: Path, surroundings: Surroundings) -> Iterator[Reading]:
        """Give the file's scans one by one, in order; each is valid until the next is asked for.

        What is damaged becomes a Problem of its Reading, and reading goes on behind it. Raises CatalogError
        where nothing can be understood.
        """


@runtime_checkable
class ResumingReader(Protocol):
    """A reader that can go on in a file that only grew."""

    def resume(self, path: Path, surroundings: Surroundings, bookmark: str) -> Iterator[Reading] | None:
        """Give the file's scans from the one with this ``Reading.bookmark`` on, without reading what is before it.

        None where the file is not the one the bookmark was made in, as far as can be seen without reading it all.
        """


@runtime_checkable
class EndingReader(Protocol):
    """A reader of files that say when they are at their end."""

    def has_ended(self, tail: bytes) -> bool:
        """Tell whether a file with these last bytes, a few thousand at most, is complete."""


READERS: Registry[Reader] = Registry(
    "readers",
    {
        "fio": "catalog_builder.readers.fio:READER",
        "spec": "catalog_builder.readers.spec:READER",
        "nexus": "catalog_builder.readers.nexus:READER",
    },
)
