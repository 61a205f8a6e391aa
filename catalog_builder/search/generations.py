"""Which segments make up the index: the manifest, switched in one step, and the documents that no longer count.

Knows segment names, their dead documents and damage; does not know documents or queries. A generation is one
manifest. Segments are folders that never change, and dead documents are listed in a file of their own for each
generation that kills some, so that whoever reads sees one generation as a whole, and a commit that is killed leaves the
one before it.
"""

import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from catalog_builder.files import write_if_changed
from catalog_builder.search.columns import Ints

FORMAT = 3
"""Number of the index's format: analysis, columns, fields. Another one is built anew, in a folder of its own, while
programs that know the old one go on reading it."""

_MANIFEST = "manifest.json"
_FOLDER = "format-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A segment in a generation."""

    segment: str
    """Name of its folder."""
    count: int
    dead: str | None = None
    """File that lists its dead documents; None where there are none."""
    dead_count: int = 0

    @property
    def alive(self) -> int:
        """Documents that count."""
        return self.count - self.dead_count


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """What the index consists of at one time."""

    number: int = 0
    parts: tuple[Part, ...] = ()
    complete: bool = False
    """False from a fresh start until everything was added once."""


class Damaged(Exception):  # noqa: N818 - an answer, not a fault of somebody
    """The folder holds no index that can be read: none, a damaged one, or one of another format."""


def index_folder(folder: Path) -> Path:
    """Give the folder of an index of this format."""
    return folder / f"{_FOLDER}{FORMAT}"


def remove_other_formats(folder: Path) -> None:
    """Remove indexes of other formats; whoever has one open goes on reading it."""
    for path in _entries(folder):
        if path != index_folder(folder):
            _remove(path)


def manifest_path(folder: Path) -> Path:
    """Give the file whose replacement is a commit."""
    return folder / _MANIFEST


def read_generation(folder: Path) -> Generation:
    """Read the manifest; raises Damaged."""
    try:
        content = json.loads(manifest_path(folder).read_bytes())
        if content["format"] != FORMAT:
            raise Damaged(f"the search index has format {content['format']}, not {FORMAT}")
        parts = tuple(Part(**part) for part in content["parts"])
        return Generation(number=int(content["number"]), parts=parts, complete=bool(content["complete"]))
    except FileNotFoundError as exc:
        raise Damaged("there is no search index yet") from exc
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise Damaged("the search index is damaged") from exc


def write_generation(folder: Path, generation: Generation) -> None:
    """Switch to a generation, in one step.

    Nothing is forced onto the disk: the index is made again from the records where a power cut damaged it.
    """
    parts = [
        {"segment": p.segment, "count": p.count, "dead": p.dead, "dead_count": p.dead_count} for p in generation.parts
    ]
    content = {
        "format": FORMAT,
        "number": generation.number,
        "complete": generation.complete,
        "parts": parts,
    }
    write_if_changed(manifest_path(folder), json.dumps(content, indent=1).encode("ascii"))


def read_dead(folder: Path, part: Part) -> Ints:
    """Read the numbers of a part's dead documents; raises OSError or ValueError."""
    if part.dead is None:
        return np.empty(0, np.int32)
    dead = np.fromfile(folder / part.dead, np.int32)
    if len(dead) != part.dead_count or np.any((dead < 0) | (dead >= part.count)):
        raise ValueError(f"{folder / part.dead} is damaged")
    return dead


def write_dead(folder: Path, name: str, dead: Ints) -> None:
    """Write the numbers of dead documents under a name no other generation uses."""
    dead.astype(np.int32).tofile(folder / name)


def tidy(folder: Path, generation: Generation) -> None:
    """Remove what the generation does not hold: segments merged away, and what a killed commit left.

    Whoever still reads an older generation keeps the files it has open.
    """
    needed = {_MANIFEST, *(part.segment for part in generation.parts)}
    needed |= {part.dead for part in generation.parts if part.dead is not None}
    for path in _entries(folder):
        if path.name not in needed:
            _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _entries(folder: Path) -> Iterable[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else ()
