"""Ways in: each finds out who somebody is, from what they give at sign-in.

Knows the ways by name; does not know sessions, cookies or what anybody may see.
"""

from collections.abc import Mapping
from typing import Protocol

from catalog_builder.accounts import Account, Accounts
from catalog_builder.registry import Registry


class Method(Protocol):
    """One way in, by what somebody fills into a form."""

    fields: tuple[str, ...]
    """Names of the form's fields it wants."""

    def identify(self, accounts: Accounts, given: Mapping[str, str]) -> Account | None:
        """Give the account of who filled in the form, or None where it does not prove who they are."""


METHODS: Registry[Method] = Registry("auth", {"local": "catalog_builder.auth.local:LOCAL"})
