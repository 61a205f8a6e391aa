"""The record files: what a scan or beamtime was when it was read, one JSON file each.

Knows how records become JSON and back, whatever format number a file carries; does not know how they were read.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from catalog_builder.errors import CatalogError
from catalog_builder.files import sweep, write_if_changed
from catalog_builder.places import Places
from catalog_builder.records import FORMAT, Beamtime, Json, Scan

SCANS: TypeAdapter[Scan] = TypeAdapter(Scan)
BEAMTIMES: TypeAdapter[Beamtime] = TypeAdapter(Beamtime)

_TODAY = f'{{"format":{FORMAT},'.encode()
"""How a file of today's format begins: it is parsed in one go, at half the time and memory."""

UPGRADERS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""From a format number to what turns a file of that format into one of the next."""

Record = TypeVar("Record", Scan, Beamtime)


class RecordStore:
    """The ``records/`` folder of a catalogue."""

    def __init__(self, places: Places) -> None:
        self.places = places

    def save_scan(self, scan: Scan) -> bool:
        """Write a scan's record unless it stands there already; tells whether it wrote."""
        return write_if_changed(self.places.scan_record(scan.key), record_bytes(SCANS, scan), durable=True)

    def save_beamtime(self, beamtime: Beamtime) -> bool:
        """Write a beamtime's record unless it stands there already; tells whether it wrote."""
        return write_if_changed(
            self.places.beamtime_record(beamtime.id), record_bytes(BEAMTIMES, beamtime), durable=True
        )

    def remove_scan(self, key: str) -> None:
        """Remove a scan's record and previews: its file is on disk and no longer holds it."""
        self.places.scan_record(key).unlink(missing_ok=True)
        shutil.rmtree(self.places.scan_previews(key), ignore_errors=True)

    def scan(self, key: str) -> Scan:
        """Load a scan; raises CatalogError where its record is missing or damaged."""
        return loaded(SCANS, self.places.scan_record(key))

    def scans(self) -> Iterator[Scan]:
        """Load all scans of all beamtimes, by name; raises CatalogError at a damaged record."""
        for id in self.beamtime_ids():
            for name in self.scan_names(id):
                yield self.scan(f"scan:{id}/{name}")

    def beamtime(self, id: str) -> Beamtime:
        """Load a beamtime; raises CatalogError where its record is missing or damaged."""
        return loaded(BEAMTIMES, self.places.beamtime_record(id))

    def beamtime_ids(self) -> list[str]:
        """Give the ids of all beamtimes that have a record, sorted."""
        return sorted(path.parent.name for path in self.places.records.glob("*/beamtime.json"))

    def scan_names(self, beamtime: str) -> list[str]:
        """Give the names of all scans of a beamtime that have a record, sorted."""
        try:
            with os.scandir(self.places.scan_records(beamtime)) as entries:
                return sorted(e.name[: -len(".json")] for e in entries if e.name.endswith(".json"))
        except FileNotFoundError:
            return []

    def kept_keys(self, beamtime: str) -> set[str]:
        """Give the keys of a beamtime's scans that have a record and a folder of previews, which may be empty."""
        try:
            drawn = {path.name for path in os.scandir(self.places.previews / beamtime)}
        except FileNotFoundError:
            return set()
        return {f"scan:{beamtime}/{name}" for name in drawn.intersection(self.scan_names(beamtime))}

    def scan_stamps(self, beamtime: str) -> list[tuple[str, int, int, int]]:
        """Give name, size, time (ns) and inode of all record files of a beamtime, by name; sweeps leftovers."""
        folder = self.places.scan_records(beamtime)
        sweep(folder)
        try:
            with os.scandir(folder) as entries:
                found = [(e.name, e.stat()) for e in entries if e.name.endswith(".json")]
        except FileNotFoundError:
            return []
        return sorted((name[: -len(".json")], at.st_size, at.st_mtime_ns, at.st_ino) for name, at in found)


def record_bytes(adapter: TypeAdapter[Record], record: Record) -> bytes:
    """Give a record's file: compact JSON with its format number, the same bytes for the same record."""
    document = {"format": FORMAT, **adapter.dump_python(record, mode="json", exclude_defaults=True)}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def loaded(adapter: TypeAdapter[Record], path: Path) -> Record:
    """Load a record file, upgraded to today's format.

    Raises CatalogError where it is missing, damaged, or of a format newer than this program.
    """
    try:
        content = path.read_bytes()
        if content.startswith(_TODAY):
            return adapter.validate_json(content)
        document = json.loads(content)
        number = document.pop("format")
        if number > FORMAT:
            raise CatalogError(
                f"the record is of format {number}, this program knows {FORMAT}",
                where=path,
                remedy="use the newer catalog-builder that wrote it",
            )
        for step in range(number, FORMAT):
            document = UPGRADERS[step](document)
        return adapter.validate_python(document)
    except FileNotFoundError as exc:
        raise CatalogError("there is no such record", where=path) from exc
    except (ValueError, KeyError, AttributeError, TypeError, ValidationError) as exc:
        remedy = "delete it and build again if the raw data are on disk; if not, take it from a backup"
        raise CatalogError("the record is damaged", where=path, remedy=remedy) from exc


def public_json(record: Scan | Beamtime) -> dict[str, Json]:
    """Give a record as plain JSON values, defaults included."""
    adapter: TypeAdapter[Any] = SCANS if isinstance(record, Scan) else BEAMTIMES
    document: dict[str, Json] = adapter.dump_python(record, mode="json")
    return document
