"""Logins under way: once, for ten minutes, in the browser they were begun in."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from catalog_builder import logins as logins_module
from catalog_builder.database import Database
from catalog_builder.logins import Logins

ISSUER = "https://login.example"


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database(tmp_path / "state" / "catalogue.sqlite3") as database:
        yield database


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def logins(database: Database, clock: Clock) -> Logins:
    return Logins(database, clock=clock)


def test_who_comes_back_finds_what_was_kept_once(logins: Logins) -> None:
    login, state, browser = logins.begin(ISSUER, going_to="/search?q=a", shared_computer=True, links="anna")
    assert logins.finish(state, browser) == login
    assert (login.provider, login.going_to, login.shared_computer, login.links) == (
        ISSUER,
        "/search?q=a",
        True,
        "anna",
    )
    assert logins.finish(state, browser) is None
    assert logins.was_going_to(state, browser) == "/search?q=a"


def test_another_browser_gets_nothing_and_uses_nothing_up(logins: Logins) -> None:
    login, state, browser = logins.begin(ISSUER, going_to="/cart")
    _, _, other = logins.begin(ISSUER, going_to="/")
    assert logins.finish(state, other) is None
    assert logins.was_going_to(state, other) is None
    assert logins.finish("x", browser) is None
    assert logins.finish(state, browser) == login


def test_it_holds_for_ten_minutes(logins: Logins, clock: Clock) -> None:
    login, state, browser = logins.begin(ISSUER, going_to="/")
    _, late, in_vain = logins.begin(ISSUER, going_to="/")
    clock.now += timedelta(minutes=9, seconds=59)
    assert logins.finish(state, browser) == login
    clock.now += timedelta(seconds=1)
    assert logins.finish(late, in_vain) is None


def test_what_is_over_is_forgotten_and_a_flood_pushes_out_the_oldest(
    logins: Logins, clock: Clock, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    logins.begin(ISSUER, going_to="/")
    clock.now += timedelta(minutes=10)
    monkeypatch.setattr(logins_module, "MOST", 3)
    for number in range(5):
        clock.now += timedelta(seconds=1)
        logins.begin(ISSUER, going_to=f"/{number}")
    rows = database.rows("SELECT going_to FROM login ORDER BY at")
    assert [row["going_to"] for row in rows] == ["/2", "/3", "/4"]


def test_neither_state_nor_browser_is_kept_as_it_is(logins: Logins, database: Database) -> None:
    _, state, browser = logins.begin(ISSUER, going_to="/")
    assert logins.finish(state, browser) is not None
    (row,) = database.rows("SELECT * FROM login")
    kept = [str(value) for value in tuple(row)]
    assert not any(secret in value for secret in (state, browser) for value in kept)
    assert (row["nonce"], row["verifier"]) == ("", "")
