"""Accounts, sessions and failed sign-ins, with a clock that the test moves."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from catalog_builder.accounts import (
    FAILURES_PER_ADDRESS,
    FAILURES_PER_INVITED_ADDRESS,
    FAILURES_PER_NAME,
    GUESSES_PER_NAME,
    Accounts,
)
from catalog_builder.auth import METHODS, Method
from catalog_builder.auth.local import LocalPasswords
from catalog_builder.database import Database
from catalog_builder.errors import CatalogError


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 2, 5, 16, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, **by: float) -> None:
        self.now += timedelta(**by)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database(tmp_path / "catalogue.sqlite3") as database:
        yield database


@pytest.fixture
def accounts(database: Database, clock: Clock) -> Accounts:
    return Accounts(database, clock=clock)


@pytest.fixture(scope="module")
def passwords() -> LocalPasswords:
    return LocalPasswords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


def test_an_account_keeps_its_name_display_name_and_groups(accounts: Accounts) -> None:
    accounts.add("Anna ", display_name="Anna A.", groups=["staff", "11017404-dmgt", "staff"])
    account = accounts.account("anna")
    assert (account.name, account.display_name, account.groups) == ("anna", "Anna A.", ("11017404-dmgt", "staff"))
    assert accounts.find("ANNA") == account
    assert accounts.all() == [account]


def test_a_name_is_given_once(accounts: Accounts) -> None:
    accounts.add("anna")
    with pytest.raises(CatalogError, match="already"):
        accounts.add("ANNA")


@pytest.mark.parametrize("name", ["", "a b", "-anna", "a/b", "ü", "x" * 65, "anna\n"])
def test_a_name_that_is_none_is_refused(accounts: Accounts, name: str) -> None:
    if name == "anna\n":
        assert accounts.add(name).name == "anna"
        return
    with pytest.raises(CatalogError, match="cannot be a user's name"):
        accounts.add(name)


def test_a_mistyped_name_gets_a_suggestion(accounts: Accounts) -> None:
    accounts.add("anna")
    with pytest.raises(CatalogError, match="did you mean 'anna'"):
        accounts.remove("ana")


def test_new_groups_count_from_the_next_request_on(accounts: Accounts) -> None:
    accounts.add("anna", groups=["old"])
    token = accounts.open_session("anna")
    accounts.set_groups("anna", ["new"])
    session = accounts.session(token)
    assert session is not None
    assert session.account.groups == ("new",)


def test_a_removed_person_is_out_at_once(accounts: Accounts) -> None:
    accounts.add("anna")
    token = accounts.open_session("anna")
    accounts.remove("anna")
    assert accounts.session(token) is None
    assert accounts.find("anna") is None


# Sessions


def test_29_days_of_daily_use_sign_nobody_out_and_30_idle_days_do(accounts: Accounts, clock: Clock) -> None:
    accounts.add("anna")
    token = accounts.open_session("anna")
    for _ in range(60):
        clock.move(days=29)
        assert accounts.session(token) is not None
    clock.move(days=30)
    assert accounts.session(token) is None


def test_on_a_shared_computer_a_session_ends_after_12_hours_whatever_is_done(accounts: Accounts, clock: Clock) -> None:
    accounts.add("anna")
    token = accounts.open_session("anna", shared_computer=True)
    for _ in range(11):
        clock.move(hours=1)
        assert accounts.session(token) is not None
    clock.move(hours=1)
    assert accounts.session(token) is None


def test_a_session_in_use_is_written_once_in_a_few_minutes(
    accounts: Accounts, database: Database, clock: Clock
) -> None:
    accounts.add("anna")
    token = accounts.open_session("anna")

    def seen() -> int:
        row = database.row("SELECT last_seen FROM session")
        assert row is not None
        return int(row["last_seen"])

    begun = seen()
    clock.move(minutes=4)
    accounts.session(token)
    assert seen() == begun
    clock.move(minutes=2)
    accounts.session(token)
    assert seen() == begun + 360


def test_the_database_holds_no_token(accounts: Accounts, database: Database) -> None:
    accounts.add("anna")
    token = accounts.open_session("anna")
    stored = [bytes(row["token"]) for row in database.rows("SELECT token FROM session")]
    assert len(stored) == 1
    assert token.encode() not in stored[0]
    assert len(stored[0]) == 32


def test_a_closed_session_is_over_and_others_go_on(accounts: Accounts) -> None:
    accounts.add("anna")
    first, second = accounts.open_session("anna"), accounts.open_session("anna")
    accounts.close_session(first)
    assert accounts.session(first) is None
    assert accounts.session(second) is not None


def test_signing_out_everywhere_ends_all_sessions_of_one_person(accounts: Accounts) -> None:
    accounts.add("anna")
    accounts.add("bert")
    annas = [accounts.open_session("anna") for _ in range(3)]
    berts = accounts.open_session("bert")
    assert accounts.sign_out_everywhere("anna") == 3
    assert [accounts.session(token) for token in annas] == [None] * 3
    assert accounts.session(berts) is not None


def test_a_new_password_ends_the_sessions_begun_with_the_old_one(accounts: Accounts) -> None:
    accounts.add("anna", password_hash="old")
    token = accounts.open_session("anna")
    accounts.set_password_hash("anna", "new")
    assert accounts.session(token) is None
    assert accounts.password_hash("anna") == "new"


def test_expired_sessions_do_not_pile_up(accounts: Accounts, database: Database, clock: Clock) -> None:
    accounts.add("anna")
    accounts.open_session("anna")
    accounts.open_session("anna", shared_computer=True)
    clock.move(days=31)
    accounts.open_session("anna")
    assert len(database.rows("SELECT * FROM session")) == 1


# Guesses


def test_after_ten_failures_an_address_waits_and_the_wait_ends(accounts: Accounts, clock: Clock) -> None:
    for _ in range(FAILURES_PER_NAME):
        assert accounts.begin_attempt("anna", "10.0.0.1") is None
        clock.move(minutes=1)
    wait = accounts.begin_attempt("anna", "10.0.0.1")
    assert wait == timedelta(minutes=5)
    clock.move(minutes=5)
    assert accounts.begin_attempt("anna", "10.0.0.1") is None


def test_failures_of_one_do_not_lock_out_others(accounts: Accounts) -> None:
    for _ in range(FAILURES_PER_NAME):
        accounts.begin_attempt("anna", "10.0.0.1")
    assert accounts.begin_attempt("anna", "10.0.0.1") is not None
    assert accounts.begin_attempt("bert", "10.0.0.1") is None
    assert accounts.begin_attempt("anna", "10.0.0.2") is None


def test_many_names_from_one_address_are_too_many_too(accounts: Accounts) -> None:
    for number in range(FAILURES_PER_ADDRESS):
        assert accounts.begin_attempt(f"name{number}", "10.0.0.1") is None
    assert accounts.begin_attempt("anna", "10.0.0.1") is not None


def test_guesses_of_one_name_from_many_addresses_are_too_many_for_an_hour(accounts: Accounts, clock: Clock) -> None:
    accounts.add("anna")
    token = accounts.open_session("anna")
    for number in range(GUESSES_PER_NAME):
        assert accounts.begin_attempt("anna", f"10.0.0.{number % 6}") is None
        clock.move(minutes=1)
    assert accounts.begin_attempt("Anna ", "10.0.1.1") == timedelta(minutes=10)
    assert accounts.begin_attempt("bert", "10.0.1.1") is None
    assert accounts.session(token) is not None
    clock.move(minutes=10)
    assert accounts.begin_attempt("anna", "10.0.1.1") is None
    assert accounts.begin_attempt("anna", "10.0.1.2") == timedelta(minutes=1)


def test_what_was_refused_does_not_count_as_a_guess(accounts: Accounts, clock: Clock) -> None:
    for _ in range(200):
        accounts.begin_attempt("anna", "10.0.0.1")
    assert accounts.begin_attempt("anna", "10.0.0.2") is None


def test_a_sign_in_forgives_what_was_mistyped_before(accounts: Accounts) -> None:
    for _ in range(FAILURES_PER_NAME):
        accounts.begin_attempt("anna", "10.0.0.1")
    accounts.forgive_attempts("Anna", "10.0.0.1")
    assert accounts.begin_attempt("anna", "10.0.0.1") is None


def test_what_was_typed_as_a_name_is_not_kept(accounts: Accounts, database: Database) -> None:
    accounts.begin_attempt("my-secret-password", "10.0.0.1")
    kept = [bytes(row["name"]) for row in database.rows("SELECT name FROM failed_sign_in")]
    assert len(kept) == 1
    assert b"secret" not in kept[0]


# Passwords


def test_the_right_password_signs_in_and_nothing_else(accounts: Accounts, passwords: LocalPasswords) -> None:
    accounts.add("anna", password_hash=passwords.hash("correct horse"))
    accounts.add("guest")
    anna = accounts.account("anna")
    assert passwords.identify(accounts, {"name": "Anna", "password": "correct horse"}) == anna
    for name, password in [("anna", "wrong horse"), ("anna", ""), ("guest", ""), ("guest", "nobody"), ("x", "nobody")]:
        assert passwords.identify(accounts, {"name": name, "password": password}) is None
    assert passwords.identify(accounts, {}) is None


def test_a_hash_is_argon2id_and_differs_each_time(passwords: LocalPasswords) -> None:
    first, second = passwords.hash("correct horse"), passwords.hash("correct horse")
    assert first.startswith("$argon2id$")
    assert first != second


@pytest.mark.parametrize("password", ["", "1234567", "x" * 1025])
def test_a_password_too_short_or_too_long_is_refused(passwords: LocalPasswords, password: str) -> None:
    with pytest.raises(CatalogError, match=r"too (short|long)"):
        passwords.hash(password)


def test_a_name_nobody_has_costs_the_same_work(accounts: Accounts) -> None:
    class Counting(PasswordHasher):
        verified = 0

        def verify(self, hash: str | bytes, password: str | bytes) -> bool:  # type: ignore[override]
            Counting.verified += 1
            return super().verify(hash, password)

    passwords = LocalPasswords(Counting(time_cost=1, memory_cost=8, parallelism=1))
    accounts.add("anna", password_hash=passwords.hash("correct horse"))
    for name in ("anna", "nobody-at-all"):
        Counting.verified = 0
        passwords.identify(accounts, {"name": name, "password": "wrong horse"})
        assert Counting.verified == 1


@pytest.mark.parametrize("method", [way for name in METHODS if isinstance(way := METHODS.get(name), Method)])
def test_every_form_refuses_to_be_empty(accounts: Accounts, method: Method) -> None:
    assert method.identify(accounts, {}) is None


def test_redemptions_that_fail_hold_up_their_address_and_no_sign_in(accounts: Accounts, clock: Clock) -> None:
    for _ in range(FAILURES_PER_INVITED_ADDRESS):
        assert accounts.begin_redemption("10.0.0.1") is None
        clock.move(seconds=1)
    assert accounts.begin_redemption("10.0.0.1") == timedelta(minutes=15, seconds=-FAILURES_PER_INVITED_ADDRESS)
    assert accounts.begin_redemption("10.0.0.2") is None
    for _ in range(FAILURES_PER_NAME):
        assert accounts.begin_attempt("anna", "10.0.0.1") is None
    clock.move(minutes=15)
    assert accounts.begin_redemption("10.0.0.1") is None


def test_a_good_invitation_takes_back_its_own_attempt_and_no_other(accounts: Accounts) -> None:
    for _ in range(FAILURES_PER_INVITED_ADDRESS - 1):
        assert accounts.begin_redemption("10.0.0.1") is None
    for _ in range(3):
        assert accounts.begin_redemption("10.0.0.1") is None
        accounts.forgive_redemption("10.0.0.1")
    assert accounts.begin_redemption("10.0.0.1") is None
    assert accounts.begin_redemption("10.0.0.1") is not None


def test_a_new_password_may_keep_the_session_it_was_chosen_in(accounts: Accounts) -> None:
    accounts.add("anna")
    here, there = accounts.open_session("anna"), accounts.open_session("anna")
    assert accounts.sessions("Anna") == 2
    accounts.set_password_hash("anna", "new", keep=here)
    assert accounts.session(here) is not None
    assert accounts.session(there) is None
    assert accounts.sessions("anna") == 1


def test_sessions_that_are_over_are_not_counted(accounts: Accounts, clock: Clock) -> None:
    accounts.add("anna")
    accounts.open_session("anna", shared_computer=True)
    clock.move(hours=12)
    accounts.open_session("anna")
    assert accounts.sessions("anna") == 1


def test_groups_are_told_with_where_they_come_from(accounts: Accounts) -> None:
    accounts.add("anna", groups=["b", "a"])
    accounts.set_groups("anna", ["a", "c"], "house")
    assert accounts.groups_by_source("anna") == [("a", "house"), ("a", "local"), ("b", "local"), ("c", "house")]
