"""Where each kept thing of a catalogue lies.

Knows folders and file names; reads and writes nothing.
"""

from dataclasses import dataclass
from pathlib import Path

from catalog_builder.names import split_key


@dataclass(frozen=True, slots=True)
class Places:
    """The folders below ``catalogue``: ``state/ records/ previews/ build/``."""

    catalogue: Path

    @property
    def database(self) -> Path:
        """Accounts, sessions, carts: the one file that must be backed up."""
        return self.catalogue / "state" / "catalogue.sqlite3"

    @property
    def records(self) -> Path:
        return self.catalogue / "records"

    @property
    def previews(self) -> Path:
        return self.catalogue / "previews"

    @property
    def build(self) -> Path:
        return self.catalogue / "build"

    @property
    def site(self) -> Path:
        """Rendered pages, laid out as their addresses."""
        return self.build / "site"

    @property
    def index(self) -> Path:
        return self.build / "index"

    @property
    def buildstate(self) -> Path:
        return self.build / "buildstate.sqlite3"

    @property
    def lock(self) -> Path:
        return self.build / "builder.lock"

    @property
    def watch_lock(self) -> Path:
        """Held by the one watch there may be, whose process it names."""
        return self.build / "watch.lock"

    @property
    def status(self) -> Path:
        """What the last build said, as JSON."""
        return self.build / "status.json"

    def beamtime_record(self, beamtime: str) -> Path:
        return self.records / beamtime / "beamtime.json"

    def scan_records(self, beamtime: str) -> Path:
        """Folder of a beamtime's scan records, one ``<name>.json`` each."""
        return self.records / beamtime / "scans"

    def scan_record(self, key: str) -> Path:
        _, beamtime, name = split_key(key)
        return self.scan_records(beamtime) / f"{name}.json"

    def scan_previews(self, key: str) -> Path:
        """Folder of a scan's ``preview.png``, ``thumb.png``, ``curve.json``."""
        _, beamtime, name = split_key(key)
        return self.previews / beamtime / name
