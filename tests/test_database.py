"""The durable state: private, upgraded step by step, refused where it cannot live."""

import errno
import sqlite3
import stat
import threading
from pathlib import Path

import pytest

from catalog_builder import database
from catalog_builder.accounts import Accounts
from catalog_builder.carts import Carts
from catalog_builder.database import Database, refuse_network_file_system
from catalog_builder.errors import CatalogError
from catalog_builder.remarks import Draft, Remarks


def test_the_folder_and_the_file_are_the_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "state" / "catalogue.sqlite3"
    with Database(path) as db, db.writing() as connection:
        connection.execute("INSERT INTO account VALUES ('anna', 'Anna', NULL, 0, 'local')")
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert set(modes.values()) == {0o600}, modes


def test_a_folder_that_was_open_to_all_is_closed(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.mkdir(mode=0o755)
    Database(folder / "catalogue.sqlite3").close()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_what_was_written_is_there_again(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.sqlite3"
    with Database(path) as db, db.writing() as connection:
        connection.execute("INSERT INTO account VALUES ('anna', 'Anna', NULL, 0, 'local')")
    with Database(path) as db:
        row = db.row("SELECT display_name FROM account WHERE name = ?", ("anna",))
    assert row is not None
    assert row["display_name"] == "Anna"


def test_a_transaction_is_kept_whole_or_not_at_all(tmp_path: Path) -> None:
    class StoppedError(Exception):
        pass

    def write_half(db: Database) -> None:
        with db.writing() as connection:
            connection.execute("INSERT INTO account VALUES ('anna', 'Anna', NULL, 0, 'local')")
            raise StoppedError

    with Database(tmp_path / "catalogue.sqlite3") as db:
        with pytest.raises(StoppedError):
            write_half(db)
        assert db.rows("SELECT * FROM account") == []


def test_a_database_of_a_newer_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.sqlite3"
    Database(path).close()
    newer = sqlite3.connect(path)
    newer.execute("PRAGMA user_version = 999")
    newer.close()
    with pytest.raises(CatalogError, match="version 999"):
        Database(path)
    after = sqlite3.connect(path)
    assert after.execute("PRAGMA user_version").fetchone()[0] == 999
    after.close()


def test_an_older_database_goes_through_the_steps_it_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "catalogue.sqlite3"
    with Database(path) as db:
        first = db.version
        with db.writing() as connection:
            connection.execute("INSERT INTO account VALUES ('anna', 'Anna', NULL, 0, 'local')")
    step = """
    CREATE TABLE note (id INTEGER PRIMARY KEY, new TEXT);
    CREATE TRIGGER note_stays BEFORE DELETE ON note BEGIN
        SELECT RAISE(ABORT, 'notes stay'); SELECT 1;
    END;
    INSERT INTO note (new) SELECT name FROM account;
    """
    monkeypatch.setattr(database, "MIGRATIONS", (*database.MIGRATIONS, step))
    with Database(path) as db:
        assert db.version == first + 1
        assert [row["new"] for row in db.rows("SELECT new FROM note")] == ["anna"]


def test_a_migration_that_fails_leaves_the_database_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "catalogue.sqlite3"
    Database(path).close()
    whole = database.MIGRATIONS
    monkeypatch.setattr(database, "MIGRATIONS", (*whole, "CREATE TABLE half (id INTEGER);\nSELECT id FROM nowhere;"))
    with pytest.raises(CatalogError, match="no such table: nowhere"):
        Database(path)
    monkeypatch.setattr(database, "MIGRATIONS", whole)
    with Database(path) as db:
        assert db.rows("SELECT * FROM sqlite_master WHERE name = 'half'") == []


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.sqlite3"
    path.write_bytes(b"not a database at all " * 100)
    with pytest.raises(CatalogError, match=r"catalogue\.sqlite3: .*not a database.*backup"):
        Database(path)


def test_many_threads_write_and_read_at_once(tmp_path: Path) -> None:
    with Database(tmp_path / "catalogue.sqlite3") as db:

        def work(number: int) -> None:
            for each in range(5):
                with db.writing() as connection:
                    connection.execute("INSERT INTO account VALUES (?, '', NULL, 0, 'local')", (f"{number}-{each}",))
                db.rows("SELECT count(*) FROM account")

        threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(db.rows("SELECT name FROM account")) == 30


def test_another_process_sees_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.sqlite3"
    with Database(path) as server, Database(path) as command:
        assert server.rows("SELECT * FROM account") == []
        with command.writing() as connection:
            connection.execute("INSERT INTO account VALUES ('anna', 'Anna', NULL, 0, 'local')")
        assert len(server.rows("SELECT * FROM account")) == 1


VERSION_1 = """
CREATE TABLE account (name TEXT PRIMARY KEY, display_name TEXT NOT NULL, password TEXT, created INTEGER NOT NULL)
    WITHOUT ROWID;
CREATE TABLE membership (account TEXT NOT NULL REFERENCES account (name) ON DELETE CASCADE, name TEXT NOT NULL,
    PRIMARY KEY (account, name)) WITHOUT ROWID;
CREATE TABLE session (token BLOB PRIMARY KEY, account TEXT NOT NULL REFERENCES account (name) ON DELETE CASCADE,
    created INTEGER NOT NULL, last_seen INTEGER NOT NULL, shared_computer INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX session_of_account ON session (account);
CREATE TABLE failed_sign_in (id INTEGER PRIMARY KEY, name BLOB NOT NULL, address TEXT NOT NULL, at INTEGER NOT NULL);
CREATE INDEX failed_sign_in_from ON failed_sign_in (address, name);
CREATE INDEX failed_sign_in_at ON failed_sign_in (at);
CREATE TABLE cart_line (account TEXT NOT NULL REFERENCES account (name) ON DELETE CASCADE, key TEXT NOT NULL,
    added INTEGER NOT NULL, PRIMARY KEY (account, key)) WITHOUT ROWID;
INSERT INTO account VALUES ('anna', 'Anna', 'a hash', 1700000000);
INSERT INTO membership VALUES ('anna', '11-clbt');
INSERT INTO cart_line VALUES ('anna', 'scan:11/gk_00001', 1700000000);
PRAGMA user_version = 1;
"""
"""A database as the first version left it."""


def test_a_database_of_the_first_version_opens_keeps_its_people_and_takes_remarks(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.sqlite3"
    old = sqlite3.connect(path)
    old.executescript(VERSION_1)
    old.close()
    with Database(path) as db:
        assert db.version == len(database.MIGRATIONS) >= 2
        (account,) = Accounts(db).all()
        assert (account.name, account.groups, Carts(db).keys("anna")) == ("anna", ("11-clbt",), ["scan:11/gk_00001"])
        draft = Draft(target="scan:11/gk_00001", field="flag", new="alignment", underlying="measurement")
        assert Remarks(db).append([draft], who="anna") == Remarks(db).log()


def schema(path: Path) -> list[tuple[str, str]]:
    connection = sqlite3.connect(path)
    found = connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
    connection.close()
    return [(name, " ".join((sql or "").split()).replace("( ", "(").replace(" )", ")")) for name, sql in found]


def test_a_migrated_database_is_built_as_a_new_one(tmp_path: Path) -> None:
    old = sqlite3.connect(tmp_path / "old.sqlite3")
    old.executescript(VERSION_1)
    old.close()
    for name in ("old", "new"):
        Database(tmp_path / f"{name}.sqlite3").close()
    assert schema(tmp_path / "old.sqlite3") == schema(tmp_path / "new.sqlite3")


def test_a_copy_holds_what_was_acknowledged_and_stands_alone(tmp_path: Path) -> None:
    copy = tmp_path / "copy.sqlite3"
    with Database(tmp_path / "catalogue.sqlite3") as db:
        with db.writing() as connection:
            connection.execute("INSERT INTO account VALUES ('anna', 'Anna', NULL, 0, 'local')")
        db.copy_to(copy)
    assert [path.name for path in tmp_path.glob("copy*")] == ["copy.sqlite3"]
    with Database(copy) as db:
        assert [account.name for account in Accounts(db).all()] == ["anna"]


def test_a_database_takes_on_anothers_content_while_it_is_read(tmp_path: Path) -> None:
    with (
        Database(tmp_path / "one.sqlite3") as one,
        Database(tmp_path / "one.sqlite3") as server,
        Database(tmp_path / "two.sqlite3") as two,
    ):
        Accounts(one).add("anna")
        Accounts(two).add("ben")
        assert [account.name for account in Accounts(server).all()] == ["anna"]
        one.become(two)
        assert [account.name for account in Accounts(server).all()] == ["ben"]
        Accounts(server).add("carl")
        assert [account.name for account in Accounts(one).all()] == ["ben", "carl"]
        row = one.row("PRAGMA journal_mode")
        assert row is not None
        assert row[0] == "wal"


def test_a_full_disk_is_said_as_one_and_keeps_what_was_there(tmp_path: Path) -> None:
    def fill(db: Database) -> None:
        with db.writing() as connection:
            connection.execute("PRAGMA max_page_count = 20")
            connection.execute("INSERT INTO account VALUES ('ben', ?, NULL, 0, 'local')", ("x" * 1_000_000,))

    with Database(tmp_path / "catalogue.sqlite3") as db:
        Accounts(db).add("anna")
        with pytest.raises(OSError, match=r"the database cannot be used .*is full") as caught:
            fill(db)
        assert caught.value.errno == errno.ENOSPC
        assert [account.name for account in Accounts(db).all()] == ["anna"]


def test_opening_waits_for_nobody_who_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "catalogue.sqlite3"
    with Database(path) as one, one.writing():
        monkeypatch.setattr(database, "_WAITING_SECONDS", 0)
        with Database(path) as two:
            assert Accounts(two).all() == []


MOUNTS = """22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:40 / /gpfs/p08 rw,relatime shared:2 - gpfs p08 rw
31 30 8:2 / /gpfs/p08/local rw - xfs /dev/sdb1 rw
32 22 0:41 / /net/with\\040blank rw - nfs4 server:/export rw
"""


@pytest.mark.parametrize("path", ["/gpfs/p08/catalogue/state/catalogue.sqlite3", "/net/with blank/catalogue.sqlite3"])
def test_a_network_file_system_is_refused_by_name(path: str) -> None:
    with pytest.raises(CatalogError, match=r"network file system \((gpfs|nfs4)\).*local disk"):
        refuse_network_file_system(Path(path), MOUNTS)


@pytest.mark.parametrize("path", ["/var/lib/catalogue.sqlite3", "/gpfs/p08/local/catalogue.sqlite3", "/gpfs/p089/x"])
def test_a_local_disk_is_taken(path: str) -> None:
    refuse_network_file_system(Path(path), MOUNTS)
