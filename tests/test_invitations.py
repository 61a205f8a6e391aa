from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from catalog_builder.access import Role
from catalog_builder.accounts import Accounts
from catalog_builder.carts import Carts
from catalog_builder.database import Database
from catalog_builder.errors import CatalogError
from catalog_builder.invitations import Invitations

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database(tmp_path / "state" / "catalogue.sqlite3") as opened:
        yield opened


@pytest.fixture
def accounts(database: Database, clock: Clock) -> Accounts:
    return Accounts(database, clock=clock)


@pytest.fixture
def invitations(database: Database, accounts: Accounts, clock: Clock) -> Invitations:
    return Invitations(database, accounts, clock=clock)


def test_who_redeems_an_invitation_is_a_guest_who_may_do_what_it_gives(invitations: Invitations) -> None:
    invitation, token = invitations.create("11017404", by="sam", label="Group of Müller", gives="download")

    redeemed = invitations.redeem(token, stated_name="  Lisa ")

    assert redeemed is not None
    _, guest = redeemed
    assert (guest.kind, guest.display_name, guest.groups) == ("guest", "Lisa", ())
    assert invitations.grants(guest.name) == {"11017404": {Role.READ, Role.DOWNLOAD}}
    assert [(account.name, name) for account, name, _ in invitations.guests(invitation.id)] == [(guest.name, "Lisa")]
    assert invitations.invitation(invitation.id).used == 1


def test_who_is_signed_in_already_keeps_their_account_and_gains_what_it_gives(
    invitations: Invitations, accounts: Accounts
) -> None:
    accounts.add("anna", groups=["11000001-dmgt"])
    _, read = invitations.create("11017404", by="sam", gives="read", devices=1)
    _, curate = invitations.create("11017404", by="sam", gives="curate")

    for token in (read, read, curate):  # the same device twice is one device
        assert invitations.redeem(token, stated_name="", account="anna") is not None

    assert invitations.grants("anna") == {"11017404": {Role.READ, Role.DOWNLOAD, Role.CURATE}}
    assert accounts.account("anna").groups == ("11000001-dmgt",)


def test_on_more_devices_than_it_is_for_an_invitation_lets_nobody_in(invitations: Invitations) -> None:
    _, token = invitations.create("11017404", by="sam", devices=2)

    assert [invitations.redeem(token, stated_name="x") is not None for _ in range(3)] == [True, True, False]


def test_unknown_over_and_revoked_are_the_same_answer(invitations: Invitations, clock: Clock) -> None:
    _, over = invitations.create("11017404", by="sam", days=1)
    revoked, token = invitations.create("11017404", by="sam", days=60)
    invitations.revoke(revoked.id)
    clock.now += timedelta(days=1)

    for each in (over, token, "unknown", "", "\udcff"):
        assert invitations.redeem(each, stated_name="x") is None


def test_what_an_invitation_gave_ends_with_it(invitations: Invitations, clock: Clock) -> None:
    first, one = invitations.create("11017404", by="sam", days=2)
    _, two = invitations.create("11017405", by="sam", days=1)
    redeemed = invitations.redeem(one, stated_name="")
    assert redeemed is not None
    guest = redeemed[1].name
    invitations.redeem(two, stated_name="", account=guest)
    assert set(invitations.grants(guest)) == {"11017404", "11017405"}

    clock.now += timedelta(days=1)
    assert set(invitations.grants(guest)) == {"11017404"}
    invitations.revoke(first.id)
    assert invitations.grants(guest) == {}


def test_the_token_is_kept_nowhere(invitations: Invitations, database: Database) -> None:
    _, token = invitations.create("11017404", by="sam")

    files = [database.path, *database.path.parent.glob("*-wal")]
    assert len(token) == 43
    assert not any(token.encode() in path.read_bytes() for path in files)


def test_a_guest_who_signs_in_keeps_what_they_were_invited_to_and_their_cart(
    invitations: Invitations, accounts: Accounts, database: Database
) -> None:
    accounts.add("anna")
    redeemed = invitations.redeem(invitations.create("11017404", by="sam")[1], stated_name="Anna")
    assert redeemed is not None
    guest, carts = redeemed[1].name, Carts(database)
    carts.add(guest, ["scan:11017404/gk_00001"])

    invitations.hand_over(guest, "anna")

    assert set(invitations.grants("anna")) == {"11017404"}
    assert carts.keys("anna") == ["scan:11017404/gk_00001"]
    assert accounts.find(guest) is None


def test_an_account_is_never_handed_over(invitations: Invitations, accounts: Accounts) -> None:
    accounts.add("anna")
    accounts.add("bert")
    invitations.hand_over("anna", "bert")
    assert accounts.find("anna") is not None


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"beamtime": "../x"}, "no beamtime"),
        ({"days": 0}, "cannot hold for 0 days"),
        ({"days": float("nan")}, "cannot hold for nan days"),
        ({"devices": 0}, "cannot be for 0 devices"),
        ({"gives": "reed"}, "did you mean 'read'"),
        ({"label": "a\nb"}, "not plain text"),
    ],
)
def test_what_is_out_of_bounds_is_refused(invitations: Invitations, wrong: dict[str, object], message: str) -> None:
    asked: dict[str, object] = {"beamtime": "11017404", "by": "sam"} | wrong
    with pytest.raises(CatalogError, match=message):
        invitations.create(**asked)  # type: ignore[arg-type]
    assert invitations.all() == []
