"""People who arrive from elsewhere: whom an issuer names, and the account that is theirs here.

Knows identities, names and groups that others state; does not know how they were proven.
"""

import logging
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from catalog_builder.accounts import Account, Accounts, Kind, account_name
from catalog_builder.errors import CatalogError

logger = logging.getLogger(__name__)

_ARRIVING = threading.Lock()
_GROUP = re.compile(r"[^\s\x00-\x1f,]{1,128}")
_LONGEST_NAME = 48
_LONGEST_DISPLAY = 200
_NOT_IN_NAMES = re.compile(r"[^a-z0-9._@+-]+")


class ProviderDown(CatalogError):  # noqa: N818 - what is so, as it is caught
    """A provider cannot be reached, or answers with a failure of its own."""


class NotBelieved(CatalogError):  # noqa: N818 - what is so, as it is caught
    """What came back from a provider proves nothing."""


class NotAdmitted(CatalogError):  # noqa: N818 - what is so, as it is caught
    """Somebody is who they say, and not let in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody, as an issuer knows them."""

    issuer: str
    subject: str
    """Theirs for good at that issuer, whatever their name becomes."""
    names: tuple[str, ...]
    """What they could be called here, the best first."""
    display_name: str
    groups: frozenset[str]


def groups_of(stated: object) -> frozenset[str]:
    """Give the groups a claim lists, without a leading ``/`` (Keycloak's paths); what cannot be one is left out."""
    values = stated if isinstance(stated, list) else [stated]
    groups = {value.removeprefix("/") for value in values if isinstance(value, str)}
    return frozenset(group for group in groups if _GROUP.fullmatch(group))


def account_of(accounts: Accounts, person: Person, kind: Kind) -> Account:
    """Give the account of a person, a new one for who arrives first, in the groups the issuer names now.

    The groups of other sources stay. An account that is there already is never taken for its name alone.
    """
    account = accounts.known_as(person.issuer, person.subject)
    if account is None:
        with _ARRIVING:  # five tabs at once are one person
            account = accounts.known_as(person.issuer, person.subject) or _new(accounts, person, kind)
    return put_into_groups(accounts, account, person, kind)


def put_into_groups(accounts: Accounts, account: Account, person: Person, source: str) -> Account:
    """Let an account be in the groups an issuer names, beside those of other sources; gives it as it is then."""
    accounts.set_groups(account.name, person.groups, source)
    return accounts.account(account.name)


def _new(accounts: Accounts, person: Person, kind: Kind) -> Account:
    display = "".join(c for c in person.display_name if c.isprintable())[:_LONGEST_DISPLAY]
    for name in _names(person):
        if accounts.find(name) is not None:
            continue
        try:
            added = accounts.add(name, display_name=display, kind=kind)
        except CatalogError:  # somebody else has just taken it
            continue
        accounts.remember_as(added.name, person.issuer, person.subject)
        logger.info("%s is new here, known to %s", added.name, person.issuer)
        return added
    raise NotAdmitted("there is no name left for a new account", remedy="ask the staff")


def _names(person: Person) -> Iterator[str]:
    """Give names to try: each that was stated, then the first with a number behind it."""
    stated = [name for text in person.names if (name := _plain(text))] or ["person"]
    yield from stated
    yield from (f"{stated[0]}-{number}" for number in range(2, 1000))


def _plain(text: str) -> str | None:
    name = _NOT_IN_NAMES.sub("-", text.strip().lower())[:_LONGEST_NAME].lstrip("._@+-")
    try:
        return account_name(name)
    except CatalogError:
        return None
