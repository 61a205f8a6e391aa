"""The catalogue as the server asks it: which beamtimes there are, who may see them, what they hold.

Knows records, build state and access together; does not know HTTP or pages.
"""

import json
import logging
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from catalog_builder import access
from catalog_builder.access import Caller, Openings, Reason, Role
from catalog_builder.accounts import Account, Accounts
from catalog_builder.audit import Audit
from catalog_builder.buildstate import BuildState, ScanRow
from catalog_builder.carts import Carts
from catalog_builder.config import Settings
from catalog_builder.database import Database
from catalog_builder.discover import beamtime_folders
from catalog_builder.download import Contents, contents
from catalog_builder.errors import CatalogError
from catalog_builder.facets import Hit, SearchRequest, SearchResult, Suggestion, SuggestRequest
from catalog_builder.invitations import Invitations
from catalog_builder.logins import Logins
from catalog_builder.merge import folded_on_disk
from catalog_builder.names import is_key, is_segment, page_address, readable, split_key
from catalog_builder.openings import OpeningDays
from catalog_builder.places import Places
from catalog_builder.records import Beamtime, OnDisk
from catalog_builder.recordstore import RecordStore
from catalog_builder.render import BeamtimeCard, CartLine, Renderer
from catalog_builder.search import Cancel, QueryMistake, never
from catalog_builder.search.opening import searcher_of

logger = logging.getLogger(__name__)

_EARLIEST = datetime.min.replace(tzinfo=UTC)

_Stamp = tuple[int, int, int]


class Catalogue:
    """Everything the server keeps open; used by many threads at once."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.places = Places(settings.catalogue)
        self.store = RecordStore(self.places)
        self._records = str(self.places.records)  # joined as text: each search looks at every beamtime's record
        self.database = Database(self.places.database)
        self.accounts = Accounts(
            self.database,
            idle=timedelta(days=settings.auth.idle_days),
            shared=timedelta(hours=settings.auth.shared_computer_hours),
        )
        self.carts = Carts(self.database)
        self.invitations = Invitations(self.database, self.accounts)
        self.opening_days = OpeningDays(self.database)
        self.audit = Audit(self.database)
        self.logins = Logins(self.database)
        self.renderer = Renderer(settings)
        self.searcher = searcher_of(settings)
        self._beamtimes: dict[str, tuple[_Stamp, Beamtime | None]] = {}
        self._counts: tuple[tuple[_Stamp | None, _Stamp | None], dict[str, tuple[int, int]]] = ((None, None), {})
        self._counting = threading.Lock()

    def close(self) -> None:
        """Close what is open."""
        self.database.close()

    # Who may see what

    def beamtime(self, id: str) -> Beamtime | None:
        """Give a beamtime as its record says now, or None where there is none that can be read."""
        if not is_segment(id):
            return None
        stamp = _stamp(Path(f"{self._records}/{id}/beamtime.json"))
        if stamp is None:
            self._beamtimes.pop(id, None)
            return None
        known = self._beamtimes.get(id)
        if known is None or known[0] != stamp:
            known = stamp, self._loaded(id)
            self._beamtimes[id] = known
        return known[1]

    def _loaded(self, id: str) -> Beamtime | None:
        try:
            beamtime = self.store.beamtime(id)
        except CatalogError as exc:
            logger.warning("a beamtime is not shown: %s", exc)
            return None
        return beamtime if beamtime.id == id else None

    def caller_of(self, account: Account) -> Caller | None:
        """Give somebody with all that lets them in now; None for a guest whose invitations hold no more."""
        invited = self.invitations.grants(account.name)
        if account.kind == "guest" and not invited:
            return None
        return Caller(name=account.name, groups=frozenset(account.groups), invited=invited)

    def openings(self) -> Openings:
        """Give which beamtimes are open to everybody now, and which will be."""
        days = {opening.beamtime: opening.day for opening in self.opening_days.all()}
        return Openings(days=days, now=datetime.now(UTC))

    def is_open(self, id: str | None = None) -> bool:
        """Tell whether a beamtime is open to everybody; without one, whether any is."""
        openings = self.openings()
        return any(openings.is_open(each) for each in (openings.days if id is None else (id,)))

    def may(self, caller: Caller, role: Role, id: str) -> bool:
        """Tell whether the caller may do this with a beamtime; no, where there is no such beamtime."""
        beamtime = self.beamtime(id)
        return beamtime is not None and access.may(caller, role, beamtime, self.settings.groups, self.openings())

    def reasons(self, caller: Caller, id: str) -> tuple[Reason, ...]:
        """Give all that lets the caller do something with a beamtime; nothing where there is no such beamtime."""
        beamtime = self.beamtime(id)
        if beamtime is None:
            return ()
        return access.reasons(caller, beamtime, self.settings.groups, self.openings())

    def visible(self, caller: Caller) -> list[Beamtime]:
        """Give the beamtimes the caller may read, newest first."""
        known = self._all()
        allowed = access.readable(caller, known, self.settings.groups, self.openings())
        return sorted(
            (beamtime for beamtime in known if beamtime.id in allowed),
            key=lambda b: (b.start or (datetime(b.year, 1, 1, tzinfo=UTC) if b.year else _EARLIEST), b.id),
            reverse=True,
        )

    def visible_ids(self, caller: Caller) -> frozenset[str]:
        """Give the ids of the beamtimes the caller may read."""
        return access.readable(caller, self._all(), self.settings.groups, self.openings())

    def _all(self) -> list[Beamtime]:
        try:
            with os.scandir(self._records) as entries:
                ids = [entry.name for entry in entries]
        except FileNotFoundError:
            return []
        return [beamtime for id in ids if (beamtime := self.beamtime(id)) is not None]

    def is_staff(self, caller: Caller) -> bool:
        """Tell whether the caller may see what concerns no single beamtime."""
        return caller.name is not None and not caller.groups.isdisjoint(self.settings.groups.staff)

    # What the build knows

    @contextmanager
    def build_state(self) -> Iterator[BuildState | None]:
        """Give the build's memory as it is now, or None where nothing has been built."""
        try:
            state = BuildState(self.places.buildstate, read_only=True)
        except CatalogError as exc:
            logger.info("no build state: %s", exc)
            yield None
            return
        with state:
            yield state

    def counts(self) -> Mapping[str, tuple[int, int]]:
        """Give the number of scans and of datasets of each beamtime, counted again when a build has written."""
        path = self.places.buildstate
        stamps = (_stamp(path), _stamp(path.with_name(f"{path.name}-wal")))
        with self._counting:
            if self._counts[0] != stamps or stamps[0] is None:
                with self.build_state() as state:
                    self._counts = stamps, {} if state is None else state.counts_by_beamtime()
            return self._counts[1]

    def cards(self, caller: Caller) -> list[BeamtimeCard]:
        """Give the beamtimes the caller may read with what they hold, newest first."""
        counts = self.counts()
        return [
            BeamtimeCard(beamtime=beamtime, scans=scans, datasets=datasets)
            for beamtime in self.visible(caller)
            for scans, datasets in [counts.get(beamtime.id, (0, 0))]
        ]

    def report(self, caller: Caller) -> dict[str, Any]:
        """Give what the last build said, of what the caller may see; empty where there was none.

        Who is not staff learns the counts and problems of the beamtimes they may read, and nothing else.
        """
        try:
            told: dict[str, Any] = json.loads(self.places.status.read_bytes())
        except (OSError, ValueError):
            return {}
        if self.is_staff(caller):
            return told
        allowed = self.visible_ids(caller)
        counts = [self.counts().get(id, (0, 0)) for id in allowed]
        problems = [problem for problem in told.get("problems", ()) if problem.get("beamtime") in allowed]
        summary = {
            "scans": sum(scans for scans, _ in counts),
            "datasets": sum(datasets for _, datasets in counts),
            "problems": len(problems),
        }
        newer = {id: paths for id, paths in told.get("newer_on_disk", {}).items() if id in allowed}
        return {"built": told.get("built"), "summary": summary, "problems": problems, "newer_on_disk": newer}

    # Search

    def search(self, caller: Caller, request: SearchRequest, cancelled: Cancel = never) -> SearchResult:
        """Search what the caller may read.

        Raises QueryMistake where the question cannot be understood, Cancelled once ``cancelled()`` is true.
        """
        with _questions_alone():
            return self.searcher.search(request, self.visible_ids(caller), cancelled)

    def rows(self, caller: Caller, request: SearchRequest, cancelled: Cancel = never) -> Iterator[Hit]:
        """Give all that is found, in order; raises QueryMistake with the first of them."""
        with _questions_alone():
            yield from self.searcher.rows(request, self.visible_ids(caller), cancelled)

    def suggest(self, caller: Caller, asked: SuggestRequest) -> tuple[Suggestion, ...]:
        """Suggest words of what the caller may read; raises QueryMistake where the search cannot be understood."""
        with _questions_alone():
            return self.searcher.suggest(asked, self.visible_ids(caller))

    # Carts

    def known_keys(self, caller: Caller, keys: Iterable[str]) -> dict[str, list[ScanRow]]:
        """Give the scans behind each key that the caller may read and that is there; others are not in it."""
        found: dict[str, list[ScanRow]] = {}
        readable: dict[str, bool] = {}
        with self.build_state() as state:
            for key in keys:
                if state is None or not is_key(key):
                    continue
                beamtime = split_key(key)[1]
                if beamtime not in readable:
                    readable[beamtime] = self.may(caller, Role.READ, beamtime)
                rows = _rows_of(state, key) if readable[beamtime] else []
                if rows:
                    found[key] = rows
        return found

    def cart_lines(self, caller: Caller) -> list[CartLine]:
        """Give what is in the caller's cart, of what they may still read."""
        keys = self.carts.keys(caller.name) if caller.name else []
        return [_cart_line(key, rows) for key, rows in self.known_keys(caller, keys).items()]

    def cart_contents(self, caller: Caller) -> Contents:
        """Give the files of the caller's cart, of what they may take home."""
        keys = [line.key for line in self.cart_lines(caller) if self.may(caller, Role.DOWNLOAD, line.beamtime)]
        folders = self._folders() if keys else {}
        with self.build_state() as state:
            if state is None:
                return Contents(records=(), files=(), left_out=())
            return contents(keys, state, self.store, folders.get)

    def _folders(self) -> Mapping[str, Path]:
        try:
            return beamtime_folders(self.settings.beamtimes)
        except CatalogError as exc:
            logger.warning("no raw data can be taken home now: %s", exc)
            return {}


@contextmanager
def _questions_alone() -> Iterator[None]:
    """Let mistakes of the question through; what is wrong with the index is a failure of the server."""
    try:
        yield
    except QueryMistake:
        raise
    except CatalogError as exc:
        raise RuntimeError(str(exc)) from exc


def _rows_of(state: BuildState, key: str) -> list[ScanRow]:
    if key.startswith("dataset:"):
        return state.scans_of(key)
    row = state.scan(key)
    return [] if row is None else [row]


def _cart_line(key: str, rows: list[ScanRow]) -> CartLine:
    _, beamtime, name = split_key(key)
    return CartLine(
        key=key,
        title=readable(name),
        address=page_address(key),
        beamtime=beamtime,
        files=sum(row.files for row in rows),
        size=sum(row.size for row in rows),
        on_disk=folded_on_disk(cast(OnDisk, row.on_disk) for row in rows),
    )


def _stamp(path: Path) -> _Stamp | None:
    """Give what changes when a file is replaced or written, or None where it is not there."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
