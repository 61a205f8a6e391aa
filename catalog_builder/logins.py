"""Logins under way: people who went to sign in elsewhere and are expected back, for ten minutes, once.

Knows what must fit when they come back; does not know the provider, addresses or cookies.
"""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from catalog_builder.database import Database, Row

HOLDS_FOR = timedelta(minutes=10)
MOST = 20_000
"""Logins under way that are kept; more push out the oldest."""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Somebody on the way to a provider and back."""

    provider: str
    """The issuer they were sent to."""
    nonce: str
    """What the ID token must repeat."""
    verifier: str
    """The secret behind PKCE's challenge (RFC 7636)."""
    going_to: str
    """Address of this site they wanted."""
    shared_computer: bool
    links: str | None
    """Name of the account that asked to be linked with who comes back; None for an ordinary sign-in."""


class Logins:
    """The logins under way of a catalogue.

    Each is known by its state, which travels by the provider, and belongs to the browser that holds its token, which
    does not: a state alone, as somebody else could send it, is worth nothing. Both are kept as hashes.
    """

    def __init__(self, database: Database, *, clock: Callable[[], datetime] = _now) -> None:
        self._database = database
        self._clock = clock

    def begin(
        self, provider: str, *, going_to: str, shared_computer: bool = False, links: str | None = None
    ) -> tuple[Login, str, str]:
        """Begin a login; gives it, its state and its browser's token."""
        state, browser = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        login = Login(
            provider=provider,
            nonce=secrets.token_urlsafe(32),
            verifier=secrets.token_urlsafe(48),
            going_to=going_to,
            shared_computer=shared_computer,
            links=links,
        )
        now = int(self._clock().timestamp())
        with self._database.writing() as db:
            db.execute("DELETE FROM login WHERE at <= ?", (self._oldest(),))
            db.execute(
                "INSERT INTO login (state, browser, provider, nonce, verifier, going_to, shared_computer, links, at) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    _digest(state),
                    _digest(browser),
                    provider,
                    login.nonce,
                    login.verifier,
                    going_to,
                    shared_computer,
                    links,
                    now,
                ),
            )
            db.execute(
                "DELETE FROM login WHERE state IN (SELECT state FROM login ORDER BY at DESC LIMIT -1 OFFSET ?)", (MOST,)
            )
        return login, state, browser

    def finish(self, state: str, browser: str) -> Login | None:
        """Give the login of who comes back, and let it be the last time.

        None where it is unknown, over, another browser's, or was finished before.
        """
        with self._database.writing() as db:
            row = db.execute(
                "SELECT * FROM login WHERE state = ? AND browser = ? AND at > ? AND verifier != ''",
                (_digest(state), _digest(browser), self._oldest()),
            ).fetchone()
            if row is None:
                return None
            db.execute("UPDATE login SET nonce = '', verifier = '' WHERE state = ?", (_digest(state),))
        return _login(row)

    def was_going_to(self, state: str, browser: str) -> str | None:
        """Give where a browser wanted to go by a login it has finished or not; None where it has no such login."""
        row = self._database.row(
            "SELECT going_to FROM login WHERE state = ? AND browser = ?", (_digest(state), _digest(browser))
        )
        return None if row is None else row["going_to"]

    def _oldest(self) -> int:
        return int((self._clock() - HOLDS_FOR).timestamp())


def _login(row: Row) -> Login:
    return Login(
        provider=row["provider"],
        nonce=row["nonce"],
        verifier=row["verifier"],
        going_to=row["going_to"],
        shared_computer=bool(row["shared_computer"]),
        links=row["links"],
    )


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
