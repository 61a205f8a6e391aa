"""What cannot be made again is taken along whole, and put back whole or not at all."""

import hashlib
import io
import json
import multiprocessing
import multiprocessing.synchronize
import shutil
import stat
import subprocess
import sys
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from catalog_builder import backup, database
from catalog_builder.accounts import Accounts
from catalog_builder.backup import back_up, verified
from catalog_builder.build import build
from catalog_builder.buildstate import BuildState
from catalog_builder.carts import Carts
from catalog_builder.database import Database
from catalog_builder.errors import CatalogError
from catalog_builder.facets import SearchRequest
from catalog_builder.places import Places
from catalog_builder.records import Remark
from catalog_builder.remarks import Draft, Remarks
from catalog_builder.report import BuildSummary, reporter
from catalog_builder.search import Searcher

from .conftest import Site, fio

ON_DISK, ON_TAPE = "scan:11/here_00001", "scan:11/tape_00001"


def build_again(site: Site) -> BuildSummary:
    with reporter() as progress:
        return build(site.settings, progress)


def say(site: Site, target: str = ON_TAPE, flag: str = "alignment") -> list[Remark]:
    draft = Draft(target=target, field="flag", new=flag, underlying="measurement")
    with Database(Places(site.settings.catalogue).database) as database:
        return Remarks(database).append([draft], who="anna")


def remarks(site: Site) -> list[Remark]:
    with Database(Places(site.settings.catalogue).database) as database:
        return Remarks(database).log()


@pytest.fixture
def kept(site: Site) -> Site:
    """A catalogue of two scans, one of them on tape, with a remark, an account, a session and a cart."""
    raw = site.beamtime("11")
    for key in (ON_DISK, ON_TAPE):
        site.write(raw / f"{key.partition('/')[2]}.fio", fio())
    build_again(site)
    (raw / "tape_00001.fio").unlink()
    assert build_again(site).scans == 2
    say(site)
    with Database(Places(site.settings.catalogue).database) as database:
        Accounts(database).add("anna", groups=["11-clbt"], password_hash="a hash")
        Carts(database).add("anna", [ON_TAPE])
    build_again(site)
    return site


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def of_scan(site: Site, key: str) -> dict[str, bytes]:
    """Give the record and the previews of a scan."""
    places = Places(site.settings.catalogue)
    previews = files(places.scan_previews(key))
    return {"record": places.scan_record(key).read_bytes(), **previews}


def names(path: Path) -> list[str]:
    with tarfile.open(path) as tar:
        return tar.getnames()


def test_a_catalogue_that_was_lost_is_there_again_after_restore_and_build(kept: Site, tmp_path: Path) -> None:
    places = Places(kept.settings.catalogue)
    with Database(places.database) as db:
        token = Accounts(db).open_session("anna")
    before = {
        "tape": of_scan(kept, ON_TAPE),
        "disk": of_scan(kept, ON_DISK),
        "site": files(places.site),
        "remarks": remarks(kept),
    }
    made = back_up(kept.settings, tmp_path / "backup.tar")
    assert (made.scans, made.remarks) == (1, 1)
    shutil.rmtree(kept.settings.catalogue)

    verified(made.path).restore(kept.settings)
    assert of_scan(kept, ON_TAPE) == before["tape"]
    assert not places.scan_record(ON_DISK).exists()
    summary = build_again(kept)
    assert (summary.scans, summary.read, summary.problems) == (2, 1, ())
    after = {
        "tape": of_scan(kept, ON_TAPE),
        "disk": of_scan(kept, ON_DISK),
        "site": files(places.site),
        "remarks": remarks(kept),
    }
    assert after == before
    with BuildState(places.buildstate, read_only=True) as state:
        rows = [state.scan(key) for key in (ON_DISK, ON_TAPE)]
    assert [row and row.on_disk for row in rows] == ["disk", "tape"]
    assert Searcher(places.index).search(SearchRequest(level="scan"), None).total == 2
    with Database(places.database) as db:
        assert (Accounts(db).account("anna").groups, Accounts(db).password_hash("anna")) == (("11-clbt",), "a hash")
        assert Carts(db).keys("anna") == [ON_TAPE]
        session = Accounts(db).session(token)
        assert session is not None
        assert session.account.name == "anna"


def test_the_records_of_scans_on_disk_are_taken_when_asked_for_or_when_nothing_says_what_is_on_disk(
    kept: Site, tmp_path: Path
) -> None:
    assert back_up(kept.settings, tmp_path / "lean.tar").scans == 1
    assert back_up(kept.settings, tmp_path / "all.tar", all_records=True).scans == 2
    assert set(names(tmp_path / "lean.tar")) < set(names(tmp_path / "all.tar"))
    shutil.rmtree(Places(kept.settings.catalogue).build)
    assert back_up(kept.settings, tmp_path / "unknown.tar").scans == 2


def test_a_backup_is_the_owners_alone_and_checked_by_common_tools(kept: Site, tmp_path: Path) -> None:
    made = back_up(kept.settings, tmp_path / "backup.tar")
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o600
    with tarfile.open(made.path) as tar:
        tar.extractall(tmp_path / "by hand", filter="data")
    done = subprocess.run(["sha256sum", "--strict", "-c", "SHA256SUMS"], cwd=tmp_path / "by hand", check=False)
    assert done.returncode == 0
    assert (tmp_path / "by hand/site_config.yaml").read_bytes() == (kept.folder / "site_config.yaml").read_bytes()


def test_a_folder_gets_a_file_named_after_the_moment_and_a_file_is_not_replaced_unasked(
    kept: Site, tmp_path: Path
) -> None:
    (tmp_path / "backups").mkdir()
    made = back_up(kept.settings, tmp_path / "backups").path
    assert made.parent == tmp_path / "backups"
    assert made.name.startswith("catalogue-2")
    with pytest.raises(CatalogError, match="there is such a file already; name another, or use --force"):
        back_up(kept.settings, made)
    say(kept)
    assert back_up(kept.settings, made, replace=True).remarks == 2
    with pytest.raises(CatalogError, match="nowhere: there is no such folder"):
        back_up(kept.settings, tmp_path / "nowhere" / "backup.tar")


def test_without_a_catalogue_there_is_nothing_to_back_up(site: Site, tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="there is no catalogue yet"):
        back_up(site.settings, tmp_path / "backup.tar")
    assert not (tmp_path / "backup.tar").exists()


def test_a_backup_that_fails_leaves_the_last_one_and_nothing_beside_it(
    kept: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "backups").mkdir()
    made = back_up(kept.settings, tmp_path / "backups/backup.tar").path
    before = made.read_bytes()

    def full(*_: object, **__: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(backup, "_add_records", full)
    with pytest.raises(OSError, match="No space left"):
        back_up(kept.settings, made, replace=True)
    assert files(tmp_path / "backups") == {"backup.tar": before}
    assert not list(Places(kept.settings.catalogue).database.parent.glob(".new-*"))


def _write_on(path: Path, stop: multiprocessing.synchronize.Event, begun: multiprocessing.synchronize.Event) -> None:
    with Database(path) as database:
        while not stop.wait(0.001):
            drafts = [
                Draft(target=f"scan:11/x_{n}", field="flag", new="alignment", underlying="measurement")
                for n in range(5)
            ]
            Remarks(database).append(drafts, who="ben")
            begun.set()


def test_a_backup_while_others_write_holds_whole_actions_and_all_that_was_acknowledged(
    kept: Site, tmp_path: Path
) -> None:
    spawn = multiprocessing.get_context("spawn")
    stop, begun = spawn.Event(), spawn.Event()
    places = Places(kept.settings.catalogue)
    writers = [spawn.Process(target=_write_on, args=(places.database, stop, begun)) for _ in range(2)]
    for writer in writers:
        writer.start()
    try:
        assert begun.wait(60)
        acknowledged, held = [], []
        for number in range(5):
            with Database(places.database) as db:
                acknowledged.append(Remarks(db).newest_id())
            held.append(back_up(kept.settings, tmp_path / f"{number}.tar").remarks)
    finally:
        stop.set()
        for writer in writers:
            writer.join(60)
    assert acknowledged == sorted(acknowledged)
    assert acknowledged[-1] > acknowledged[0]
    for number in range(5):
        shutil.rmtree(kept.settings.catalogue)
        verified(tmp_path / f"{number}.tar").restore(kept.settings)
        found = remarks(kept)
        assert len(found) == held[number] >= acknowledged[number]
        assert [one.id for one in found] == list(range(1, len(found) + 1))
        assert (len(found) - 1) % 5 == 0


def test_a_state_that_is_there_is_kept_unless_told_otherwise_and_then_kept_beside(kept: Site, tmp_path: Path) -> None:
    archive = back_up(kept.settings, tmp_path / "backup.tar").path
    say(kept, ON_DISK)
    with pytest.raises(CatalogError, match=r"catalogue\.sqlite3: there is a state already; use --force"):
        verified(archive).restore(kept.settings)
    assert len(remarks(kept)) == 2
    places = Places(kept.settings.catalogue)
    with Database(places.database) as server:
        verified(archive).restore(kept.settings, replace=True)
        assert len(Remarks(server).log()) == 1
    assert len(remarks(kept)) == 1
    beside = places.database.with_name("catalogue.sqlite3.before-restore")
    with Database(beside) as db:
        assert len(Remarks(db).log()) == 2


def test_what_is_restored_over_a_built_catalogue_is_published_anew(kept: Site, tmp_path: Path) -> None:
    archive = back_up(kept.settings, tmp_path / "backup.tar").path
    verified(archive).restore(kept.settings, replace=True)
    with BuildState(Places(kept.settings.catalogue).buildstate) as state:
        assert state.pages("11") == {}


@pytest.mark.parametrize("damage", [b"not a database at all " * 300, b""])
def test_a_damaged_database_makes_way_with_all_that_belongs_to_it(kept: Site, tmp_path: Path, damage: bytes) -> None:
    archive = back_up(kept.settings, tmp_path / "backup.tar").path
    path = Places(kept.settings.catalogue).database
    path.write_bytes(damage)
    path.with_name(path.name + "-wal").write_bytes(b"a stale log")
    verified(archive).restore(kept.settings, replace=True)
    assert len(remarks(kept)) == 1


def test_a_log_left_without_its_database_is_not_taken_for_the_restored_ones(kept: Site, tmp_path: Path) -> None:
    archive = back_up(kept.settings, tmp_path / "backup.tar").path
    path = Places(kept.settings.catalogue).database
    with Database(path):
        say(kept, ON_DISK)
        wal = path.with_name(path.name + "-wal").read_bytes()
    path.unlink()
    path.with_name(path.name + "-wal").write_bytes(wal)
    verified(archive).restore(kept.settings)
    assert len(remarks(kept)) == 1


def test_records_that_stand_are_kept_unless_told_otherwise(kept: Site, tmp_path: Path) -> None:
    archive = back_up(kept.settings, tmp_path / "backup.tar").path
    places = Places(kept.settings.catalogue)
    backed_up = places.scan_record(ON_TAPE).read_bytes()
    places.scan_record(ON_TAPE).write_bytes(b"newer")
    places.database.unlink()
    verified(archive).restore(kept.settings)
    assert places.scan_record(ON_TAPE).read_bytes() == b"newer"
    verified(archive).restore(kept.settings, replace=True)
    assert places.scan_record(ON_TAPE).read_bytes() == backed_up


def test_the_backup_of_an_older_program_is_migrated_and_of_a_newer_one_refused(
    kept: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = back_up(kept.settings, tmp_path / "backup.tar").path
    shutil.rmtree(kept.settings.catalogue)
    whole = database.MIGRATIONS
    monkeypatch.setattr(database, "MIGRATIONS", whole[:-1])
    with pytest.raises(CatalogError, match=r"backup\.tar: the database is of version"):
        verified(archive).restore(kept.settings)
    assert not Places(kept.settings.catalogue).database.exists()
    monkeypatch.setattr(database, "MIGRATIONS", (*whole, "CREATE TABLE later (id INTEGER);"))
    verified(archive).restore(kept.settings)
    with Database(Places(kept.settings.catalogue).database) as db:
        assert db.version == len(whole) + 1


# Archives that are not what they should be


def written(path: Path, content: Mapping[str, bytes], sums: bool = True) -> Path:
    """Write an archive with these members, and sums that agree."""
    lines = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in content.items())
    members = {**content, "SHA256SUMS": lines.encode()} if sums else dict(content)
    with tarfile.open(path, "w") as tar:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def members(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as tar:
        found = {}
        for member in tar.getmembers():
            stream = tar.extractfile(member)
            assert stream is not None
            found[member.name] = stream.read()
    del found["SHA256SUMS"]
    return found


def refused(path: Path, says: str, site: Site) -> None:
    """Assert that an archive is refused, and that nothing was written for it."""
    before = files(site.folder)
    with pytest.raises(CatalogError) as caught:
        verified(path).restore(site.settings)
    assert says in str(caught.value)
    assert "use " in str(caught.value)
    assert files(site.folder) == before


@pytest.fixture
def lost(kept: Site) -> tuple[Path, Site]:
    """A backup, and the site whose catalogue is gone."""
    made = back_up(kept.settings, kept.folder / "backup.tar").path
    shutil.rmtree(kept.settings.catalogue)
    return made, kept


@pytest.mark.parametrize(
    "name",
    [
        "../outside",
        "/etc/outside",
        "records/../../outside/scans/x.json",
        "records/11/scans/../../../../outside.json",
        "previews/11/../thumb.png",
        "previews/11/./thumb.png",
        "records/11/scans/deep/x.json",
        "state/other.sqlite3",
        "build/site/index.html",
        "state/catalogue.sqlite3-wal",
        "records/11/scans/x\n.json",
    ],
)
def test_a_member_outside_the_known_places_is_refused(lost: tuple[Path, Site], name: str) -> None:
    archive, site = lost
    content = {**members(archive), name: b"x"}
    refused(written(archive, content), f"{name!r} should not be there", site)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_a_member_that_is_no_plain_file_is_refused(lost: tuple[Path, Site], kind: bytes) -> None:
    archive, site = lost
    with tarfile.open(archive, "a") as tar:
        member = tarfile.TarInfo("records/11/scans/link.json")
        member.type, member.linkname = kind, "/etc/passwd"
        tar.addfile(member)
    refused(archive, "'records/11/scans/link.json' should not be there", site)


def test_a_member_that_is_there_twice_or_after_the_sums_is_refused(lost: tuple[Path, Site]) -> None:
    archive, site = lost
    with tarfile.open(archive, "a") as tar:
        member = tarfile.TarInfo("records/11/scans/more.json")
        tar.addfile(member)
    refused(archive, "'records/11/scans/more.json' should not be there", site)


def test_an_archive_without_its_database_or_manifest_is_refused(lost: tuple[Path, Site]) -> None:
    archive, site = lost
    content = members(archive)
    refused(written(archive, {**content, "MANIFEST.json": b"[]"}), "its manifest is damaged", site)
    refused(written(archive, {**content, "MANIFEST.json": b'{"format": 99}'}), "the backup is of format 99", site)
    del content["state/catalogue.sqlite3"]
    refused(written(archive, content), "it holds no database", site)
    refused(written(archive, content, sums=False), "it is cut short", site)


def test_an_archive_whose_database_is_none_is_refused_and_leaves_no_state(lost: tuple[Path, Site]) -> None:
    archive, site = lost
    written(archive, {**members(archive), "state/catalogue.sqlite3": b"no database " * 999})
    with pytest.raises(CatalogError, match="not a database"):
        verified(archive).restore(site.settings)
    assert not list(Places(site.settings.catalogue).database.parent.iterdir())


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flipped(content: bytes) -> bytes:
    place = content.index(b"SQLite format 3") + 5000
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def rubbish(content: bytes) -> bytes:
    return b"rubbish" * len(content[:1000])


@pytest.mark.parametrize(
    ("damage", "says"), [(cut, "it cannot be read"), (flipped, "is not what was backed up"), (rubbish, "read")]
)
def test_a_damaged_archive_is_refused_before_anything_is_written(
    lost: tuple[Path, Site], damage: Callable[[bytes], bytes], says: str
) -> None:
    archive, site = lost
    archive.write_bytes(damage(archive.read_bytes()))
    refused(archive, says, site)


DYING = """
import os, sys
from pathlib import Path
from catalog_builder import backup, config
real, left = backup.write_if_changed, int(sys.argv[3])
def dying(*given, **more):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), 9)
    return real(*given, **more)
backup.write_if_changed = dying
backup.verified(Path(sys.argv[1])).restore(config.load(Path(sys.argv[2])))
"""
"""Restores, and is killed when it has put back so many records and previews."""


@pytest.mark.parametrize("after", [0, 1, 3])
def test_a_restore_that_is_killed_leaves_no_state_and_can_be_run_again(lost: tuple[Path, Site], after: int) -> None:
    archive, site = lost
    places = Places(site.settings.catalogue)
    command = [sys.executable, "-c", DYING, str(archive), str(site.folder / "site_config.yaml"), str(after)]
    assert subprocess.run(command, check=False).returncode == -9
    assert len(files(places.records)) + len(files(places.previews)) == after
    assert not places.database.exists()
    assert list(places.database.parent.glob(".new-*"))
    verified(archive).restore(site.settings)
    assert len(remarks(site)) == 1
    assert not list(places.database.parent.glob(".new-*"))
    assert json.loads(places.scan_record(ON_TAPE).read_bytes())["key"] == ON_TAPE
