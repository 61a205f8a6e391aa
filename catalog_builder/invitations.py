"""Invitations: links that let people without any account see one beamtime.

Knows tokens (as hashes), whom they let do what, until when and on how many devices; does not know pages, nor what is in
a beamtime. Who redeems one signed in gains what it gives; who does so signed out becomes a guest.
"""

import hashlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, get_args

from catalog_builder.access import CURATING, READING, TAKING_HOME, Role
from catalog_builder.accounts import Account, Accounts
from catalog_builder.database import Connection, Database, Row
from catalog_builder.errors import CatalogError, did_you_mean
from catalog_builder.names import is_segment

Gives = Literal["read", "download", "curate"]
"""What an invitation lets people do, each with what stands before it."""

ROLES: Mapping[Gives, frozenset[Role]] = {"read": READING, "download": TAKING_HOME, "curate": CURATING}

LONGEST_LABEL = 200
MOST_DEVICES = 1000
LONGEST_DAYS = 3660
_LONGEST_NAME = 100


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """A link that was given out."""

    id: int
    beamtime: str
    label: str
    """Whom it is for, as its maker wrote it."""
    gives: Gives
    devices: int
    """Browsers that may redeem it."""
    used: int
    """Browsers that have."""
    created: datetime
    by: str
    expires: datetime
    revoked: datetime | None

    def holds(self, now: datetime) -> bool:
        """Tell whether it lets anybody do anything now."""
        return self.revoked is None and now < self.expires

    def state(self, now: datetime) -> str:
        """Say how it stands: ``open``, ``used up`` (who is in stays in), ``over`` or ``revoked``."""
        if self.revoked is not None:
            return "revoked"
        if now >= self.expires:
            return "over"
        return "used up" if self.used >= self.devices else "open"


class Invitations:
    """The invitations of a catalogue and who redeemed them."""

    def __init__(self, database: Database, accounts: Accounts, *, clock: Callable[[], datetime] = _now) -> None:
        self._database = database
        self._accounts = accounts
        self._clock = clock

    def create(
        self, beamtime: str, *, by: str, label: str = "", gives: str = "read", days: float = 30, devices: int = 5
    ) -> tuple[Invitation, str]:
        """Make an invitation; gives it and its token, which is kept here only as a hash.

        Raises CatalogError where a value is out of bounds.
        """
        if not is_segment(beamtime):
            raise CatalogError(f"{beamtime[:60]!r} is no beamtime", remedy="name it by its id, such as 11017404")
        if not 0 < days <= LONGEST_DAYS:
            raise CatalogError(f"an invitation cannot hold for {days:g} days", remedy=f"choose up to {LONGEST_DAYS}")
        if not 1 <= devices <= MOST_DEVICES:
            raise CatalogError(f"an invitation cannot be for {devices} devices", remedy=f"choose 1 to {MOST_DEVICES}")
        if len(label) > LONGEST_LABEL or not label.isprintable():
            raise CatalogError("the label is too long or not plain text", remedy=f"write up to {LONGEST_LABEL} letters")
        token, now = secrets.token_urlsafe(32), self._clock()
        with self._database.writing() as db:
            id = db.execute(
                "INSERT INTO invitation (token, beamtime, label, gives, devices, created, by_whom, expires) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    _digest(token),
                    beamtime,
                    label.strip(),
                    _gives(gives),
                    devices,
                    _seconds(now),
                    by,
                    _seconds(now + timedelta(days=days)),
                ),
            ).lastrowid
        return self.invitation(id or 0), token

    def invitation(self, id: int) -> Invitation:
        """Give an invitation by its number; raises CatalogError where there is none."""
        row = self._database.row(f"{_SELECT} WHERE i.id = ?", (id,))
        if row is None:
            raise CatalogError(f"there is no invitation {id}", remedy="list them with: catbuild invite list")
        return _invitation(row)

    def of_beamtime(self, beamtime: str) -> list[Invitation]:
        """Give the invitations to a beamtime, newest first."""
        return [
            _invitation(row)
            for row in self._database.rows(f"{_SELECT} WHERE i.beamtime = ? ORDER BY i.id DESC", (beamtime,))
        ]

    def all(self) -> list[Invitation]:
        """Give all invitations, newest first."""
        return [_invitation(row) for row in self._database.rows(f"{_SELECT} ORDER BY i.id DESC")]

    def held_by(self, account: str) -> list[Invitation]:
        """Give the invitations somebody redeemed that hold now, newest first."""
        sql = f"{_SELECT} JOIN redemption r ON r.invitation = i.id WHERE r.account = ? ORDER BY i.id DESC"
        found = [_invitation(row) for row in self._database.rows(sql, (account,))]
        return [invitation for invitation in found if invitation.holds(self._clock())]

    def revoke(self, id: int) -> Invitation:
        """End an invitation: whoever is in by it alone is out at their next request; raises CatalogError as above."""
        self.invitation(id)
        with self._database.writing() as db:
            db.execute("UPDATE invitation SET revoked = ? WHERE id = ? AND revoked IS NULL", (self._seconds(), id))
        return self.invitation(id)

    def redeem(self, token: str, *, stated_name: str, account: str | None = None) -> tuple[Invitation, Account] | None:
        """Let somebody in; gives the invitation and who they are now: the account given, else a new guest.

        None where the token is unknown, revoked, over, or used on as many devices as it may be: who guesses learns
        nothing. A name somebody states is nobody's proof.
        """
        now = self._clock()
        with self._database.writing() as db:
            row = db.execute(f"{_SELECT} WHERE i.token = ?", (_digest(token),)).fetchone()
            if row is None or not _invitation(row).holds(now):
                return None
            known = account is not None and _redeemed(db, row["id"], account)
            if not known and row["used"] >= row["devices"]:
                return None
            name = account or _new_guest(db, stated_name.strip()[:_LONGEST_NAME], _seconds(now))
            db.execute(
                "INSERT OR IGNORE INTO redemption (invitation, account, stated_name, at) VALUES (?, ?, ?, ?)",
                (row["id"], name, stated_name.strip()[:_LONGEST_NAME], _seconds(now)),
            )
        return self.invitation(row["id"]), self._accounts.account(name)

    def grants(self, account: str) -> dict[str, frozenset[Role]]:
        """Give, by beamtime, what invitations that hold now let somebody do."""
        rows = self._database.rows(
            "SELECT i.beamtime, i.gives FROM redemption r JOIN invitation i ON i.id = r.invitation "
            "WHERE r.account = ? AND i.revoked IS NULL AND i.expires > ?",
            (account, self._seconds()),
        )
        found: dict[str, frozenset[Role]] = {}
        for row in rows:
            found[row["beamtime"]] = found.get(row["beamtime"], frozenset()) | ROLES[row["gives"]]
        return found

    def guests(self, id: int) -> list[tuple[Account, str, datetime]]:
        """Give who redeemed an invitation, the name each stated, and when."""
        rows = self._database.rows(
            "SELECT account, stated_name, at FROM redemption WHERE invitation = ? ORDER BY at, account", (id,)
        )
        return [
            (self._accounts.account(row["account"]), row["stated_name"], datetime.fromtimestamp(row["at"], UTC))
            for row in rows
        ]

    def hand_over(self, guest: str, account: str) -> None:
        """Let an account have what a guest was invited to and chose: the same person has signed in another way."""
        with self._database.writing() as db:
            db.execute("UPDATE OR IGNORE redemption SET account = ? WHERE account = ?", (account, guest))
            db.execute("UPDATE OR IGNORE cart_line SET account = ? WHERE account = ?", (account, guest))
            db.execute("DELETE FROM account WHERE name = ? AND kind = 'guest'", (guest,))

    def _seconds(self) -> int:
        return _seconds(self._clock())


_SELECT = "SELECT i.*, (SELECT count(*) FROM redemption r WHERE r.invitation = i.id) AS used FROM invitation i"


def _new_guest(db: Connection, stated_name: str, now: int) -> str:
    name = f"guest-{secrets.token_hex(6)}"
    db.execute("INSERT INTO account VALUES (?, ?, NULL, ?, 'guest')", (name, stated_name or "Guest", now))
    return name


def _redeemed(db: Connection, invitation: int, account: str) -> bool:
    sql = "SELECT 1 FROM redemption WHERE invitation = ? AND account = ?"
    return db.execute(sql, (invitation, account)).fetchone() is not None


def _gives(word: str) -> Gives:
    for known in get_args(Gives):
        if word == known:
            return "curate" if known == "curate" else "download" if known == "download" else "read"
    raise CatalogError(f"an invitation cannot give {word[:60]!r}", remedy=did_you_mean(word[:60], get_args(Gives)))


def _invitation(row: Row) -> Invitation:
    return Invitation(
        id=row["id"],
        beamtime=row["beamtime"],
        label=row["label"],
        gives=row["gives"],
        devices=row["devices"],
        used=row["used"],
        created=datetime.fromtimestamp(row["created"], UTC),
        by=row["by_whom"],
        expires=datetime.fromtimestamp(row["expires"], UTC),
        revoked=None if row["revoked"] is None else datetime.fromtimestamp(row["revoked"], UTC),
    )


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _seconds(time: datetime) -> int:
    return int(time.timestamp())
