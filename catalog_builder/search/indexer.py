"""Writing the index: a commit is a new segment or several, documents marked dead, and one switch of the manifest.

Knows commits and when to merge; does not know queries, nor who holds the lock: one process writes at a time.
"""

import logging
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from catalog_builder.search.columns import Ints, Mask
from catalog_builder.search.documents import Document
from catalog_builder.search.generations import (
    Damaged,
    Generation,
    Part,
    index_folder,
    read_dead,
    read_generation,
    remove_other_formats,
    tidy,
    write_dead,
    write_generation,
)
from catalog_builder.search.segments import Segment, SegmentWriter, digest

LARGEST_SEGMENT = 25_000
"""Documents a segment may have: what is held in memory while writing."""

MERGED_IN_PASSING = 1_000
"""Documents that are merged within a commit; more only by ``merge``."""

_FAN = 8
"""Segments of about one size before they are merged."""

_log = logging.getLogger(__name__)


class Indexer:
    """Writes the index in a folder. Only one may be at work at a time.

    A folder without an index, with a damaged one or with one of another format is started afresh;
    ``needs_all`` then is True until ``finish`` says that everything was added.
    """

    def __init__(self, folder: Path) -> None:
        self._root = folder
        self._folder = index_folder(folder)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._open: dict[str, Segment] = {}
        self._dead: dict[str, Ints] = {}
        self._serial = 0
        self._generation = Generation(number=-1)
        self._refresh()

    def _refresh(self) -> None:
        """Take up what another process committed since; starts afresh where nothing can be read."""
        try:
            current = read_generation(self._folder)
            if current.number == self._generation.number:
                return
            self._open = {part.segment: self._opened(part) for part in current.parts}
            self._dead = {part.dead: read_dead(self._folder, part) for part in current.parts if part.dead is not None}
            self._generation = current
        except (Damaged, OSError, ValueError, KeyError) as exc:
            if self._generation.number == 0 and not self._generation.parts:
                return
            _log.info("the search index is started afresh: %s", exc)
            self._generation = Generation(number=_number_after(self._folder))
            self._open, self._dead = {}, {}

    @property
    def needs_all(self) -> bool:
        """True where documents that have not changed must be added too."""
        self._refresh()
        return not self._generation.complete

    def __len__(self) -> int:
        self._refresh()
        return sum(part.alive for part in self._generation.parts)

    def __contains__(self, key: object) -> bool:
        self._refresh()
        return isinstance(key, str) and any(
            self._alive(part)[number] for part in self._generation.parts for number in self._opened(part).find([key])
        )

    def finish(self) -> None:
        """Say that everything was added once, and merge small segments; an index of an older format then goes."""
        self.merge()
        if not self._generation.complete:
            self._switch(self._generation.parts, complete=True)
            remove_other_formats(self._root)

    def apply(self, updates: Iterable[Document], removals: Iterable[str] = ()) -> None:
        """Add or replace documents and remove others by key, all in one step.

        A key that comes twice leaves its last document; a key that is both removed and updated stays.
        Updates may be a stream: at most LARGEST_SEGMENT documents are held in memory.
        """
        self._refresh()
        with self._leaving_nothing_half():
            parts = self._without(self._generation.parts, removals)
            self._commit(self._with_updates(parts, updates))

    def replace_beamtime(self, beamtime: str, documents: Iterable[Document]) -> None:
        """Make these the documents of a beamtime, in one step; those that have not changed are left alone."""
        self._refresh()
        before = self._of_beamtime(beamtime)
        seen: set[str] = set()

        def changed() -> Iterator[Document]:
            for document in documents:
                again = document.key in seen
                seen.add(document.key)
                if again or before.get(document.key) != digest(document):
                    before.pop(document.key, None)
                    yield document

        with self._leaving_nothing_half():
            parts = self._with_updates(self._generation.parts, changed())
            self._commit(self._without(parts, before.keys() - seen))

    def remove_beamtime(self, beamtime: str) -> None:
        """Remove all documents of a beamtime."""
        self.replace_beamtime(beamtime, ())

    def beamtimes(self) -> frozenset[str]:
        """Give the ids of the beamtimes that have documents."""
        self._refresh()
        found: set[str] = set()
        for part in self._generation.parts:
            segment = self._opened(part)
            found |= {segment.beamtimes[n] for n in np.unique(segment.beamtime[self._alive(part)]).tolist()}
        return frozenset(found)

    def merge(self) -> None:
        """Merge small segments until few of each size are left; what searches see stays the same."""
        self._refresh()
        with self._leaving_nothing_half():
            while group := _to_merge(self._generation.parts, LARGEST_SEGMENT):
                self._merge(group)

    @contextmanager
    def _leaving_nothing_half(self) -> Iterator[None]:
        """Remove what a commit that fails has written: on a full disk it would be in the way of the next one."""
        try:
            yield
        except OSError:
            with suppress(OSError):
                tidy(self._folder, self._generation)
            raise

    def _of_beamtime(self, beamtime: str) -> dict[str, int]:
        """Give the digests of a beamtime's documents by key."""
        found: dict[str, int] = {}
        for part in self._generation.parts:
            segment = self._opened(part)
            if beamtime in segment.beamtimes:
                mine = self._alive(part) & (segment.beamtime == segment.beamtimes.index(beamtime))
                found |= {segment.key(n): int(segment.digests[n]) for n in np.flatnonzero(mine).tolist()}
        return found

    def _with_updates(self, parts: tuple[Part, ...], updates: Iterable[Document]) -> tuple[Part, ...]:
        writer = SegmentWriter()
        keys: list[str] = []
        for document in updates:
            writer.add(document)
            keys.append(document.key)
            if writer.count >= LARGEST_SEGMENT:
                parts = (*self._without(parts, keys), self._written(writer))
                writer, keys = SegmentWriter(), []
        if not writer.count:
            return parts
        return (*self._without(parts, keys), self._written(writer))

    def _written(self, writer: SegmentWriter) -> Part:
        name = self._new_name("segment")
        writer.write(self._folder / name)
        part = Part(segment=name, count=writer.count)
        return self._killed(part, writer.replaced)

    def _without(self, parts: tuple[Part, ...], keys: Iterable[str]) -> tuple[Part, ...]:
        doomed = list(keys)
        if not doomed:
            return parts
        return tuple(self._killed(part, self._opened(part).find(doomed)) for part in parts)

    def _killed(self, part: Part, numbers: list[int]) -> Part:
        before = self._dead_of(part)
        dead = np.union1d(before, np.array(numbers, np.int32)).astype(np.int32)
        if len(dead) == len(before):
            return part
        name = self._new_name("dead")
        write_dead(self._folder, name, dead)
        self._dead[name] = dead
        return replace(part, dead=name, dead_count=len(dead))

    def _commit(self, parts: tuple[Part, ...]) -> None:
        if parts == self._generation.parts:
            return
        self._switch(parts)
        try:
            while group := _to_merge(self._generation.parts, MERGED_IN_PASSING):
                self._merge(group)
        except OSError as exc:  # what was asked is done; small segments can wait
            _log.warning("small segments of the search index are merged another time: %s", exc)
            with suppress(OSError):
                tidy(self._folder, self._generation)

    def _merge(self, group: frozenset[str]) -> None:
        writer = SegmentWriter()
        for part in self._generation.parts:
            if part.segment in group:
                writer.absorb(self._opened(part), self._alive(part))
        merged = (self._written(writer),) if writer.count else ()
        self._switch((*(p for p in self._generation.parts if p.segment not in group), *merged))

    def _switch(self, parts: tuple[Part, ...], *, complete: bool | None = None) -> None:
        before = self._generation
        generation = Generation(
            number=before.number + 1,
            parts=tuple(part for part in parts if part.alive),
            complete=before.complete if complete is None else complete,
        )
        write_generation(self._folder, generation)
        self._generation = generation
        self._serial = 0
        kept = {part.segment for part in generation.parts}
        listed = {part.dead for part in generation.parts}
        self._open = {name: segment for name, segment in self._open.items() if name in kept}
        self._dead = {name: dead for name, dead in self._dead.items() if name in listed}
        tidy(self._folder, generation)

    def _new_name(self, kind: str) -> str:
        # Drawn by lot, too: whoever has a segment open of an index that was deleted must not take a new one for it.
        self._serial += 1
        return f"{kind}-{self._generation.number + 1:08d}-{self._serial}-{secrets.token_hex(8)}"

    def _opened(self, part: Part) -> Segment:
        segment = self._open.get(part.segment)
        if segment is None:
            segment = self._open[part.segment] = Segment(self._folder / part.segment)
        return segment

    def _dead_of(self, part: Part) -> Ints:
        if part.dead is None:
            return np.empty(0, np.int32)
        if part.dead not in self._dead:
            self._dead[part.dead] = read_dead(self._folder, part)
        return self._dead[part.dead]

    def _alive(self, part: Part) -> Mask:
        alive = np.ones(part.count, np.bool_)
        alive[self._dead_of(part)] = False
        return alive


def _to_merge(parts: tuple[Part, ...], most: int) -> frozenset[str] | None:
    """Choose segments to become one of at most so many documents; None where all is well.

    Smallest first, once there are _FAN within a factor of _FAN of each other or enough to fill one; then one whose
    documents are mostly dead, alone.
    """
    small = sorted((part for part in parts if part.alive * 2 <= LARGEST_SEGMENT), key=lambda p: (p.alive, p.segment))
    for start, least in enumerate(small):
        group: list[Part] = []
        total, full = 0, False
        for part in small[start:]:
            if part.alive > max(least.alive, 1) * _FAN:
                break
            if total + part.alive > most:
                full = len(group) > 1 and total * 2 >= most
                break
            group.append(part)
            total += part.alive
        if full or len(group) >= _FAN:
            return frozenset(part.segment for part in group)
    hollow = [part for part in parts if part.alive * 2 < part.count and part.alive <= most]
    return frozenset((hollow[0].segment,)) if hollow else None


def _number_after(folder: Path) -> int:
    """Give a generation number above all that left files here, so that no name is used twice."""
    numbers = [path.name.split("-")[1] for path in folder.iterdir() if path.name.count("-") == 3]
    return max((int(number) for number in numbers if number.isdigit()), default=0)
