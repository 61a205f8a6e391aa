"""What people have chosen to take home: keys of scans and datasets, kept on the server, one cart a person.

Knows whose cart holds which keys; does not know what a key stands for or who may have it.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from catalog_builder.database import Database
from catalog_builder.errors import CatalogError
from catalog_builder.names import is_key

MOST_KEYS = 100_000
"""Keys a cart may hold."""


def _now() -> datetime:
    return datetime.now(UTC)


class Carts:
    """Everybody's cart; it outlives the session."""

    def __init__(self, database: Database, *, clock: Callable[[], datetime] = _now) -> None:
        self._database = database
        self._clock = clock

    def add(self, account: str, keys: Iterable[str]) -> int:
        """Put keys into somebody's cart; gives how many were not there yet.

        Raises CatalogError, and adds nothing, where one is not a key or the cart would be too full.
        """
        wanted = list(dict.fromkeys(keys))
        for key in wanted:
            if not is_key(key):
                raise CatalogError(
                    f"{key[:200]!r} is not a key", remedy="a key looks like scan:11017404/gk_sto20_00173"
                )
        at = int(self._clock().timestamp())
        with self._database.writing() as db:
            before = db.execute("SELECT count(*) FROM cart_line WHERE account = ?", (account,)).fetchone()[0]
            db.executemany("INSERT OR IGNORE INTO cart_line VALUES (?, ?, ?)", [(account, key, at) for key in wanted])
            after = db.execute("SELECT count(*) FROM cart_line WHERE account = ?", (account,)).fetchone()[0]
            if after > MOST_KEYS:
                raise CatalogError(
                    f"a cart holds at most {MOST_KEYS:,} scans and datasets",
                    remedy="add whole datasets in place of their scans, or take home what is in it first",
                )
        return int(after - before)

    def remove(self, account: str, keys: Iterable[str]) -> None:
        """Take keys out of somebody's cart; those that are not in it are no error."""
        with self._database.writing() as db:
            db.executemany("DELETE FROM cart_line WHERE account = ? AND key = ?", [(account, key) for key in keys])

    def clear(self, account: str) -> None:
        """Empty somebody's cart."""
        with self._database.writing() as db:
            db.execute("DELETE FROM cart_line WHERE account = ?", (account,))

    def keys(self, account: str) -> list[str]:
        """Give what is in somebody's cart, in the order it was put there."""
        rows = self._database.rows("SELECT key FROM cart_line WHERE account = ? ORDER BY added, key", (account,))
        return [row["key"] for row in rows]
