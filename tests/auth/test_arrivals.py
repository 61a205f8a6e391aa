"""The account of who arrives from elsewhere: theirs, never another's."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from catalog_builder.accounts import Accounts
from catalog_builder.auth.arrivals import Person, account_of, groups_of
from catalog_builder.database import Database


@pytest.fixture
def accounts(tmp_path: Path) -> Iterator[Accounts]:
    with Database(tmp_path / "state" / "catalogue.sqlite3") as database:
        yield Accounts(database)


def person(
    *names: str, subject: str = "1", issuer: str = "https://login.example", groups: frozenset[str] = frozenset()
) -> Person:
    return Person(issuer=issuer, subject=subject, names=names, display_name="Anna\u202e A.\n", groups=groups)


def test_who_arrives_again_has_the_same_account_whatever_they_are_called_now(accounts: Accounts) -> None:
    first = account_of(accounts, person("anna"), "oidc")
    assert (first.name, first.display_name, first.kind) == ("anna", "Anna A.", "oidc")
    assert account_of(accounts, person("anna-married"), "oidc").name == "anna"


@pytest.mark.parametrize("kind", ["local", "oidc"])
def test_an_account_is_not_taken_for_its_name(accounts: Accounts, kind: str) -> None:
    if kind == "local":
        accounts.add("anna", groups=["staff"], password_hash="x")
    else:
        account_of(accounts, person("anna", subject="before", groups=frozenset({"staff"})), "oidc")
    names = [account_of(accounts, person("Anna", subject=str(n)), "oidc").name for n in range(3)]
    assert names == ["anna-2", "anna-3", "anna-4"]
    assert accounts.account("anna-2").groups == ()
    assert accounts.account("anna").groups == ("staff",)


def test_the_same_subject_of_another_issuer_is_another_person(accounts: Accounts) -> None:
    assert account_of(accounts, person("anna"), "oidc").name == "anna"
    assert account_of(accounts, person("anna", issuer="https://evil.example"), "oidc").name == "anna-2"


@pytest.mark.parametrize(
    ("stated", "name"),
    [
        (("Ånna Öberg",), "nna-berg"),
        (("../../etc/passwd",), "etc-passwd"),
        (("<script>",), "script-"),
        (("", "anna@facility.example"), "anna@facility.example"),
        (("x" * 500,), "x" * 48),
        (("漢字",), "person"),
        ((), "person"),
    ],
)
def test_what_cannot_be_a_name_is_made_one(accounts: Accounts, stated: tuple[str, ...], name: str) -> None:
    assert account_of(accounts, person(*stated), "oidc").name == name


def test_many_at_once_are_one_person(accounts: Accounts) -> None:
    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(lambda _: account_of(accounts, person("anna"), "oidc").name, range(16)))
    assert set(names) == {"anna"}
    assert [account.name for account in accounts.all()] == ["anna"]


@pytest.mark.parametrize(
    ("stated", "groups"),
    [
        (["/11-dmgt", "staff"], {"11-dmgt", "staff"}),
        ("staff", {"staff"}),
        (["two words", "a,b", "", "/", 7, None, ["staff"], {"staff": 1}, "x" * 129, "\x00"], set()),
        (None, set()),
        ({"staff": True}, set()),
        (True, set()),
    ],
)
def test_only_what_can_be_a_group_is_one(stated: object, groups: set[str]) -> None:
    assert groups_of(stated) == groups
