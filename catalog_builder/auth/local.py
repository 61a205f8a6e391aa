"""Local accounts: a name and a password, hashed with argon2id.

Knows how passwords are hashed and checked; does not know where the hashes are kept.
"""

import threading
from collections.abc import Mapping

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from catalog_builder.accounts import Account, Accounts
from catalog_builder.errors import CatalogError

SHORTEST = 8
LONGEST = 1024
"""Characters of a password."""

_AT_ONCE = 2
"""Hashes computed at the same time: each takes 64 MiB, and a flood of sign-ins must not take them all."""


class LocalPasswords:
    """Hashes and checks passwords; the same amount of work whether or not there is such a user."""

    fields = ("name", "password")

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._turn = threading.BoundedSemaphore(_AT_ONCE)
        self._nobody: str | None = None

    def hash(self, password: str) -> str:
        """Give the argon2id hash to keep; raises CatalogError where the password is too short or too long."""
        if len(password) < SHORTEST:
            raise CatalogError("the password is too short", remedy=f"take at least {SHORTEST} characters")
        if len(password) > LONGEST:
            raise CatalogError("the password is too long", remedy=f"take at most {LONGEST} characters")
        with self._turn:
            return self._hasher.hash(password)

    def verify(self, password_hash: str | None, password: str) -> bool:
        """Tell whether a password fits a hash; without a hash it works as long and says no."""
        with self._turn:
            if self._nobody is None:
                self._nobody = self._hasher.hash("nobody")
            try:
                fits = self._hasher.verify(password_hash or self._nobody, password[:LONGEST])
            except (VerificationError, InvalidHashError):
                return False
        return fits and password_hash is not None

    def identify(self, accounts: Accounts, given: Mapping[str, str]) -> Account | None:
        """Give the account whose name and password these are, or None."""
        name = given.get("name", "")
        fits = self.verify(accounts.password_hash(name), given.get("password", ""))
        return accounts.find(name) if fits else None


LOCAL = LocalPasswords()
