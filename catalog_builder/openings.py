"""From which day on beamtimes are open to everybody; until then they are under embargo.

Knows days and who set them; does not know beamtimes, nor what being open means.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from catalog_builder.database import Database
from catalog_builder.errors import CatalogError
from catalog_builder.names import is_segment


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """A beamtime's day."""

    beamtime: str
    day: datetime
    """First moment at which it is open, UTC-aware."""
    by: str
    """Who said so."""
    at: datetime


def first_moment(day: str, zone: str) -> datetime:
    """Give the moment a day such as ``2027-03-31`` begins at in a zone; raises CatalogError where it is no day."""
    try:
        return datetime.combine(date.fromisoformat(day.strip()), time(), ZoneInfo(zone)).astimezone(UTC)
    except (ValueError, OverflowError) as exc:
        raise CatalogError(f"{day[:40]!r} is no day", remedy="write it as 2027-03-31") from exc


class OpeningDays:
    """The days on which beamtimes open."""

    def __init__(self, database: Database, *, clock: Callable[[], datetime] = _now) -> None:
        self._database = database
        self._clock = clock

    def open(self, beamtime: str, by: str, day: datetime | None = None) -> Opening:
        """Open a beamtime from a day on, at once without one; raises CatalogError where the id cannot be one."""
        if not is_segment(beamtime):
            raise CatalogError(f"{beamtime[:60]!r} is no beamtime", remedy="name it by its id, such as 11017404")
        now = self._clock()
        opening = Opening(beamtime=beamtime, day=day or now, by=by, at=now)
        with self._database.writing() as db:
            db.execute(
                "INSERT OR REPLACE INTO opening VALUES (?, ?, ?, ?)",
                (beamtime, int(opening.day.timestamp()), by, int(now.timestamp())),
            )
        return opening

    def close(self, beamtime: str) -> bool:
        """Close a beamtime to all that no group or invitation lets in; tells whether it was to open or open."""
        with self._database.writing() as db:
            return db.execute("DELETE FROM opening WHERE beamtime = ?", (beamtime,)).rowcount > 0

    def all(self) -> list[Opening]:
        """Give all openings, past and to come, by beamtime."""
        rows = self._database.rows("SELECT beamtime, day, by_whom, at FROM opening ORDER BY beamtime")
        return [
            Opening(
                beamtime=row["beamtime"],
                day=datetime.fromtimestamp(row["day"], UTC),
                by=row["by_whom"],
                at=datetime.fromtimestamp(row["at"], UTC),
            )
            for row in rows
        ]
