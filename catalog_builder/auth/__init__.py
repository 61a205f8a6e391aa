"""Ways in: each finds out who somebody is, from a form, from a provider elsewhere, or from what a proxy says.

Knows the ways by name; does not know sessions, cookies or what anybody may see.
"""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from catalog_builder.accounts import Account, Accounts
from catalog_builder.auth.arrivals import Person
from catalog_builder.config import Settings
from catalog_builder.logins import Login
from catalog_builder.registry import Registry

CALLBACK = "/sign-in/oidc/callback"
"""Path of this site that a provider sends people back to."""


@runtime_checkable
class Method(Protocol):
    """One way in, by what somebody fills into a form."""

    fields: tuple[str, ...]
    """Names of the form's fields it wants."""

    def identify(self, accounts: Accounts, given: Mapping[str, str]) -> Account | None:
        """Give the account of who filled in the form, or None where it does not prove who they are."""


class Provider(Protocol):
    """A site elsewhere that people are sent to and come back from with a code."""

    issuer: str
    label: str
    """What people know it as."""

    def address(self, login: Login, state: str) -> str:
        """Give the address to send somebody to; raises ProviderDown."""

    def refuse_other_issuer(self, stated: str | None) -> None:
        """Raise NotBelieved where who sends somebody back says it is another, or hides who it is."""

    def person(self, login: Login, code: str) -> Person:
        """Give who came back with a code; raises ProviderDown, NotBelieved or NotAdmitted."""


@runtime_checkable
class Elsewhere(Protocol):
    """One way in, through a provider."""

    def provider(self, settings: Settings) -> Provider:
        """Give the provider the settings name; raises CatalogError where they cannot be used."""


class Vouching(Protocol):
    """What a proxy in front says of each request."""

    def person(self, headers: list[tuple[bytes, bytes]]) -> Person | None:
        """Give who asks, by a request's headers as they came; None where nobody is named who can be believed."""


@runtime_checkable
class InFront(Protocol):
    """One way in, through a proxy in front that knows people."""

    def vouching(self, settings: Settings) -> Vouching:
        """Give what reads its headers; raises CatalogError where the settings cannot be used."""


METHODS: Registry[Method | Elsewhere | InFront] = Registry(
    "auth",
    {
        "local": "catalog_builder.auth.local:LOCAL",
        "oidc": "catalog_builder.auth.oidc:OIDC",
        "proxy": "catalog_builder.auth.proxy:PROXY",
    },
    noun="way to sign in",
)
