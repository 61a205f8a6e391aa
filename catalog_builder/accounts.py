"""People with an account, the sessions they are signed in with, and the guesses that failed.

Knows names, groups and when a session ends; does not know passwords (it keeps their hashes), pages or cookies.
"""

import hashlib
import re
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from catalog_builder.database import Connection, Database, Row
from catalog_builder.errors import CatalogError, did_you_mean

Clock = Callable[[], datetime]

Kind = Literal["local", "guest", "oidc", "proxy"]
"""How somebody first came: by a password, an invitation, a login elsewhere, a trusted proxy."""

LOCAL_GROUPS = "local"
"""Source of the groups that staff put somebody into; other sources are ways in, by name."""

TOUCHED_EVERY = timedelta(minutes=5)
"""How exactly ``last_seen`` is kept: a session in use costs one write in this time."""

FAILURES_COUNT_FOR = timedelta(minutes=15)
FAILURES_PER_NAME = 10
"""Failed sign-ins of one name from one address before that address has to wait."""
FAILURES_PER_ADDRESS = 100
"""Failed sign-ins of all names from one address: people behind one gateway share it."""

FAILURES_PER_INVITED_ADDRESS = 20
"""Invitations that opened nothing, from one address, before it has to wait; sign-ins there are not held up."""

GUESSES_COUNT_FOR = timedelta(hours=1)
GUESSES_PER_NAME = 50
"""Failed sign-ins of one name from all addresses together; who is signed in already stays so."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}")
_GROUP = re.compile(r"[^\s\x00-\x1f,]{1,128}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Somebody who may sign in."""

    name: str
    """Lower case; what is typed at sign-in."""
    display_name: str
    groups: tuple[str, ...]
    """Sorted; of all sources together."""
    created: datetime
    kind: Kind = "local"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Somebody signed in on one browser."""

    account: Account
    created: datetime
    last_seen: datetime
    """To within ``TOUCHED_EVERY``."""
    expires: datetime
    """When it ends if nothing more happens."""
    shared_computer: bool


def _now() -> datetime:
    return datetime.now(UTC)


def account_name(text: str) -> str:
    """Give the name as it is kept: trimmed, lower case; raises CatalogError where it cannot be one."""
    name = text.strip().lower()
    if not _NAME.fullmatch(name):
        raise CatalogError(
            f"{text!r} cannot be a user's name", remedy="use up to 64 letters, digits and . _ - @ +, beginning plainly"
        )
    return name


class Accounts:
    """The accounts, sessions and failed sign-ins of a catalogue.

    Parameters
    ----------
    idle
        How long a session lives unused.
    shared
        How long a session on a shared computer lives, used or not.
    clock
        Tells the time, UTC-aware.
    """

    def __init__(
        self,
        database: Database,
        *,
        idle: timedelta = timedelta(days=30),
        shared: timedelta = timedelta(hours=12),
        clock: Clock = _now,
    ) -> None:
        self._database = database
        self._idle = idle
        self._shared = shared
        self._clock = clock

    # People

    def add(
        self,
        name: str,
        *,
        display_name: str = "",
        groups: Iterable[str] = (),
        password_hash: str | None = None,
        kind: Kind = "local",
    ) -> Account:
        """Add somebody; without a password's hash they cannot sign in by password.

        Raises CatalogError where the name is taken or a name is not well formed.
        """
        name, groups = account_name(name), _checked_groups(groups)
        with self._database.writing() as db:
            added = db.execute(
                "INSERT OR IGNORE INTO account VALUES (?, ?, ?, ?, ?)",
                (name, display_name.strip() or name, password_hash, self._seconds(), kind),
            )
            if not added.rowcount:
                raise CatalogError(f"there is a user {name!r} already", remedy="choose another name")
            _put_groups(db, name, groups, LOCAL_GROUPS)
        return self.account(name)

    def remove(self, name: str) -> None:
        """Remove somebody with their sessions and cart; raises CatalogError where there is no such user."""
        with self._database.writing() as db:
            removed = db.execute("DELETE FROM account WHERE name = ?", (name.strip().lower(),)).rowcount
        if not removed:
            raise self._unknown(name)

    def all(self) -> list[Account]:
        """Give everybody, by name."""
        groups: dict[str, list[str]] = {}
        for row in self._database.rows("SELECT DISTINCT account, name FROM membership ORDER BY account, name"):
            groups.setdefault(row["account"], []).append(row["name"])
        rows = self._database.rows("SELECT name, display_name, created, kind FROM account ORDER BY name")
        return [_account(row, groups.get(row["name"], ())) for row in rows]

    def find(self, name: str) -> Account | None:
        """Give the account of that name, or None."""
        name = name.strip().lower()
        row = self._database.row("SELECT name, display_name, created, kind FROM account WHERE name = ?", (name,))
        return None if row is None else _account(row, self._groups(name))

    def account(self, name: str) -> Account:
        """Give the account of that name; raises CatalogError where there is none."""
        found = self.find(name)
        if found is None:
            raise self._unknown(name)
        return found

    def set_groups(self, name: str, groups: Iterable[str], source: str = LOCAL_GROUPS) -> None:
        """Let a source put somebody into exactly these groups, from the next request on; other sources' stay."""
        name, groups = self.account(name).name, _checked_groups(groups)
        with self._database.writing() as db:
            db.execute("DELETE FROM membership WHERE account = ? AND source = ?", (name, source))
            _put_groups(db, name, groups, source)

    def groups_by_source(self, name: str) -> list[tuple[str, str]]:
        """Give the groups somebody is in, each with the source that says so, in order."""
        rows = self._database.rows(
            "SELECT name, source FROM membership WHERE account = ? ORDER BY name, source", (name.strip().lower(),)
        )
        return [(row["name"], row["source"]) for row in rows]

    def known_as(self, issuer: str, subject: str) -> Account | None:
        """Give the account of somebody whom an issuer knows by a subject, or None."""
        row = self._database.row("SELECT account FROM identity WHERE issuer = ? AND subject = ?", (issuer, subject))
        return None if row is None else self.find(row["account"])

    def remember_as(self, name: str, issuer: str, subject: str) -> None:
        """Let an account be that of whom an issuer knows by a subject; raises CatalogError where that is another's."""
        with self._database.writing() as db:
            db.execute("INSERT OR IGNORE INTO identity VALUES (?, ?, ?)", (issuer, subject, account_name(name)))
        known = self.known_as(issuer, subject)
        if known is None or known.name != account_name(name):
            raise CatalogError("this login belongs to another account", remedy="sign out first")

    def set_password_hash(self, name: str, password_hash: str | None, *, keep: str = "") -> None:
        """Keep a new password's hash, and end all sessions begun with the old one but that of the token ``keep``."""
        name = self.account(name).name
        with self._database.writing() as db:
            db.execute("UPDATE account SET password = ? WHERE name = ?", (password_hash, name))
            db.execute("DELETE FROM session WHERE account = ? AND token <> ?", (name, _digest(keep)))

    def password_hash(self, name: str) -> str | None:
        """Give the hash of somebody's password; None where there is no such user or no password."""
        row = self._database.row("SELECT password FROM account WHERE name = ?", (name.strip().lower(),))
        return None if row is None else row["password"]

    # Sessions

    def open_session(self, name: str, *, shared_computer: bool = False) -> str:
        """Begin a session and give its token: 32 random bytes as 43 characters, kept here only as a hash."""
        token, now = secrets.token_urlsafe(32), self._seconds()
        with self._database.writing() as db:
            self._forget_expired(db)
            db.execute(
                "INSERT INTO session VALUES (?, ?, ?, ?, ?)",
                (_digest(token), account_name(name), now, now, shared_computer),
            )
        return token

    def session(self, token: str) -> Session | None:
        """Give the session of a token and remember that it was seen; None where it is unknown or over."""
        row = self._database.row(
            "SELECT s.created AS begun, last_seen, shared_computer, name, display_name, a.created AS created, kind "
            "FROM session s JOIN account a ON a.name = s.account WHERE token = ?",
            (_digest(token),),
        )
        if row is None:
            return None
        now = self._clock()
        session = self._session(row)
        if now >= session.expires:
            return None
        if now - session.last_seen >= TOUCHED_EVERY:
            with self._database.writing() as db:
                db.execute("UPDATE session SET last_seen = ? WHERE token = ?", (self._seconds(), _digest(token)))
        return session

    def close_session(self, token: str) -> None:
        """End one session; unknown tokens are no error."""
        with self._database.writing() as db:
            db.execute("DELETE FROM session WHERE token = ?", (_digest(token),))

    def sessions(self, name: str) -> int:
        """Give on how many browsers somebody is signed in."""
        with self._database.writing() as db:
            self._forget_expired(db)
            row = db.execute("SELECT count(*) FROM session WHERE account = ?", (name.strip().lower(),)).fetchone()
        return int(row[0])

    def sign_out_everywhere(self, name: str) -> int:
        """End all sessions of somebody; gives how many there were."""
        with self._database.writing() as db:
            return db.execute("DELETE FROM session WHERE account = ?", (name.strip().lower(),)).rowcount

    # Guesses

    def begin_attempt(self, name: str, address: str) -> timedelta | None:
        """Count an attempt to sign in; gives how long to wait where there were too many, else None.

        The attempt counts as failed from the start, so that many at once gain nothing; ``forgive_attempts``
        takes it back. The name is kept as a hash: people type passwords where the name belongs.
        """
        now, who = self._seconds(), _digest(name.strip().lower())
        with self._database.writing() as db:
            db.execute("DELETE FROM failed_sign_in WHERE at <= ?", (now - _seconds(GUESSES_COUNT_FOR),))
            wait = max(
                _wait(db, now, "address = ? AND name = ?", (address, who), FAILURES_PER_NAME, FAILURES_COUNT_FOR),
                _wait(db, now, "address = ?", (address,), FAILURES_PER_ADDRESS, FAILURES_COUNT_FOR),
                _wait(db, now, "name = ?", (who,), GUESSES_PER_NAME, GUESSES_COUNT_FOR),
            )
            if wait:
                return timedelta(seconds=wait)
            db.execute("INSERT INTO failed_sign_in (name, address, at) VALUES (?, ?, ?)", (who, address, now))
        return None

    def forgive_attempts(self, name: str, address: str) -> None:
        """Forget the failed attempts of a name from an address, for it has signed in."""
        with self._database.writing() as db:
            db.execute(
                "DELETE FROM failed_sign_in WHERE address = ? AND name = ?", (address, _digest(name.strip().lower()))
            )

    def begin_redemption(self, address: str) -> timedelta | None:
        """Count an attempt to redeem an invitation, as ``begin_attempt`` does: the same table, a queue of its own."""
        now, where = self._seconds(), _redeeming(address)
        with self._database.writing() as db:
            db.execute("DELETE FROM failed_sign_in WHERE at <= ?", (now - _seconds(GUESSES_COUNT_FOR),))
            wait = _wait(db, now, "address = ?", (where,), FAILURES_PER_INVITED_ADDRESS, FAILURES_COUNT_FOR)
            if wait:
                return timedelta(seconds=wait)
            db.execute("INSERT INTO failed_sign_in (name, address, at) VALUES (?, ?, ?)", (b"", where, now))
        return None

    def forgive_redemption(self, address: str) -> None:
        """Take back one attempt to redeem: it was good. The failed ones stay, or each good link would buy guesses."""
        with self._database.writing() as db:
            db.execute(
                "DELETE FROM failed_sign_in WHERE id = (SELECT max(id) FROM failed_sign_in WHERE address = ?)",
                (_redeeming(address),),
            )

    def _session(self, row: Row) -> Session:
        created, seen, shared = _time(row["begun"]), _time(row["last_seen"]), bool(row["shared_computer"])
        return Session(
            account=_account(row, self._groups(row["name"])),
            created=created,
            last_seen=seen,
            expires=created + self._shared if shared else seen + self._idle,
            shared_computer=shared,
        )

    def _forget_expired(self, db: Connection) -> None:
        now = self._clock()
        db.execute("DELETE FROM session WHERE last_seen <= ?", (int((now - self._idle).timestamp()),))
        db.execute(
            "DELETE FROM session WHERE shared_computer AND created <= ?", (int((now - self._shared).timestamp()),)
        )

    def _groups(self, name: str) -> list[str]:
        rows = self._database.rows("SELECT DISTINCT name FROM membership WHERE account = ? ORDER BY name", (name,))
        return [row["name"] for row in rows]

    def _seconds(self) -> int:
        return int(self._clock().timestamp())

    def _unknown(self, name: str) -> CatalogError:
        return CatalogError(f"there is no user {name!r}", remedy=did_you_mean(name, (a.name for a in self.all())))


def _account(row: Row, groups: Iterable[str]) -> Account:
    return Account(
        name=row["name"],
        display_name=row["display_name"],
        groups=tuple(groups),
        created=_time(row["created"]),
        kind=row["kind"],
    )


def _checked_groups(groups: Iterable[str]) -> list[str]:
    wanted = sorted(set(groups))
    for group in wanted:
        if not _GROUP.fullmatch(group):
            raise CatalogError(f"{group!r} cannot be a group's name", remedy="write it without blanks and commas")
    return wanted


def _put_groups(db: Connection, name: str, groups: Iterable[str], source: str) -> None:
    db.executemany("INSERT INTO membership VALUES (?, ?, ?)", [(name, group, source) for group in groups])


def _wait(
    db: Connection, now: int, where: str, parameters: tuple[str | bytes, ...], most: int, count_for: timedelta
) -> int:
    """Give the seconds until so few failures count that another attempt is free; 0 where it is free now."""
    row = db.execute(
        f"SELECT at FROM failed_sign_in WHERE {where} ORDER BY at DESC LIMIT 1 OFFSET ?",  # noqa: S608 - our words
        (*parameters, most - 1),
    ).fetchone()
    return 0 if row is None else max(0, int(row["at"]) + _seconds(count_for) - now)


def _redeeming(address: str) -> str:
    return f"invited from {address}"


def _seconds(time: timedelta) -> int:
    return int(time.total_seconds())


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
