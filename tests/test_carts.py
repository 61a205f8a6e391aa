"""Carts: one a person, of keys alone, outliving sessions."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog_builder import carts as carts_module
from catalog_builder.accounts import Accounts
from catalog_builder.carts import Carts
from catalog_builder.database import Database
from catalog_builder.errors import CatalogError
from catalog_builder.names import is_key


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database(tmp_path / "catalogue.sqlite3") as database:
        for name in ("anna", "bert"):
            Accounts(database).add(name)
        yield database


@pytest.fixture
def carts(database: Database) -> Carts:
    return Carts(database)


def test_a_cart_holds_what_was_put_there_once(carts: Carts) -> None:
    assert carts.add("anna", ["scan:11017404/a_00001", "dataset:11017404/a", "scan:11017404/a_00001"]) == 2
    assert carts.add("anna", ["scan:11017404/a_00001"]) == 0
    assert sorted(carts.keys("anna")) == ["dataset:11017404/a", "scan:11017404/a_00001"]


def test_carts_of_two_people_have_nothing_in_common(carts: Carts) -> None:
    carts.add("anna", ["scan:11017404/a_00001"])
    carts.clear("bert")
    carts.remove("bert", ["scan:11017404/a_00001"])
    assert carts.keys("anna") == ["scan:11017404/a_00001"]
    assert carts.keys("bert") == []


def test_what_is_taken_out_is_gone_and_the_rest_stays(carts: Carts) -> None:
    carts.add("anna", ["scan:11017404/a_00001", "scan:11017404/a_00002"])
    carts.remove("anna", ["scan:11017404/a_00001", "scan:11017404/never_there"])
    assert carts.keys("anna") == ["scan:11017404/a_00002"]
    carts.clear("anna")
    assert carts.keys("anna") == []


def test_a_cart_survives_signing_out_and_a_restart(tmp_path: Path, carts: Carts) -> None:
    carts.add("anna", ["scan:11017404/a_00001"])
    with Database(tmp_path / "catalogue.sqlite3") as again:
        Accounts(again).sign_out_everywhere("anna")
        assert Carts(again).keys("anna") == ["scan:11017404/a_00001"]


def test_whoever_gets_the_name_of_a_removed_person_gets_no_cart(database: Database, carts: Carts) -> None:
    carts.add("anna", ["scan:11017404/a_00001"])
    Accounts(database).remove("anna")
    Accounts(database).add("anna")
    assert carts.keys("anna") == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "scan:",
        "scan:1",
        "scan:1/",
        "scan:/x",
        "beamtime:1/x",
        "scan:1/x/y",
        "scan:1/x\n",
        "scan:1/ü",
        "scan:1/" + "x" * 121,
        "scan:../a",
        "scan:1/..",
    ],
)
def test_what_is_not_a_key_is_refused_and_nothing_is_added(carts: Carts, text: str) -> None:
    assert not is_key(text)
    with pytest.raises(CatalogError, match="not a key"):
        carts.add("anna", ["scan:11017404/a_00001", text])
    assert carts.keys("anna") == []


@pytest.mark.parametrize(
    "text", ["scan:11017404/feosto230127.dat~289.1", "dataset:11017404/a=20b", "scan:1/night2~x=7E"]
)
def test_every_name_the_catalogue_makes_is_a_key(text: str) -> None:
    assert is_key(text)


def test_a_cart_too_full_says_so_and_stays_as_it_was(carts: Carts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carts_module, "MOST_KEYS", 3)
    carts.add("anna", ["scan:1/a", "scan:1/b"])
    with pytest.raises(CatalogError, match="at most 3"):
        carts.add("anna", ["scan:1/c", "scan:1/d"])
    assert carts.keys("anna") == ["scan:1/a", "scan:1/b"]


def test_a_cart_may_hold_tens_of_thousands(carts: Carts) -> None:
    keys = [f"scan:11017404/a_{number:05}" for number in range(20_000)]
    assert carts.add("anna", keys) == 20_000
    assert len(carts.keys("anna")) == 20_000
