"""The audit log: who signed in, and who changed what others may see. Lines are added and never changed.

Knows lines; does not know what made them. No token, password or cookie is ever in one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from catalog_builder.database import Database
from catalog_builder.records import Via

_LONGEST = 500
"""Characters of what somebody typed that are kept."""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A line of the log."""

    id: int
    at: datetime
    who: str
    """Name of the account; empty where nobody was signed in."""
    via: Via
    action: str
    """What was done, in a word or two: ``sign in``, ``invite``, ``revoke``, ``open``."""
    what: str
    """To whom or what: a beamtime, a name."""
    address: str
    """Where the request came from; empty for the command line."""


class Audit:
    """The audit log of a catalogue."""

    def __init__(self, database: Database, *, clock: Callable[[], datetime] = _now) -> None:
        self._database = database
        self._clock = clock

    def note(self, action: str, *, who: str = "", via: Via = "account", what: str = "", address: str = "") -> None:
        """Add a line."""
        at = int(self._clock().timestamp())
        with self._database.writing() as db:
            db.execute(
                "INSERT INTO audit (at, who, via, action, what, address) VALUES (?, ?, ?, ?, ?, ?)",
                (at, who[:_LONGEST], via, action, what[:_LONGEST], address[:_LONGEST]),
            )

    def last(self, most: int = 100, before: int | None = None) -> list[Entry]:
        """Give the newest lines, newest first; with ``before`` those older than that line."""
        limit = 1 << 62 if before is None else before
        rows = self._database.rows("SELECT * FROM audit WHERE id < ? ORDER BY id DESC LIMIT ?", (limit, most))
        return [
            Entry(
                id=row["id"],
                at=datetime.fromtimestamp(row["at"], UTC),
                who=row["who"],
                via=row["via"],
                action=row["action"],
                what=row["what"],
                address=row["address"],
            )
            for row in rows
        ]
