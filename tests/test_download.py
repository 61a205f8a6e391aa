"""What a cart holds as files, and the tar they leave in."""

import contextlib
import io
import json
import os
import socket
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog_builder.buildstate import BuildState, ScanRow
from catalog_builder.download import Contents, contents, manifest, tar_length, tar_stream
from catalog_builder.errors import CatalogError
from catalog_builder.places import Places
from catalog_builder.records import Command, DataFile, Scan
from catalog_builder.recordstore import RecordStore


class Home:
    """A beamtime's folder and the catalogue's state of it."""

    def __init__(self, folder: Path, state: BuildState) -> None:
        self.beamtime = folder / "data" / "11017404"
        self.outside = folder / "outside"
        (self.beamtime / "raw").mkdir(parents=True)
        self.outside.mkdir()
        self.state = state
        self.store = RecordStore(Places(folder / "catalogue"))
        self.rows: list[ScanRow] = []

    def file(self, path: str, content: bytes = b"data\n") -> str:
        target = self.beamtime / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        os.utime(target, ns=(10**18, 1_600_000_000_123_456_789))
        return path

    def scan(self, name: str, *files: DataFile | str, dataset: str = "gk", on_disk: str = "disk") -> str:
        key = f"scan:11017404/{name}"
        listed = tuple(DataFile(path=file) if isinstance(file, str) else file for file in files)
        command = Command(text="ct", macro="ct")
        self.store.save_scan(Scan(key=key, name=name, stem=name, beamtime="11017404", command=command, files=listed))
        row = ScanRow(
            key=key, beamtime="11017404", dataset=f"dataset:11017404/{dataset}", on_disk=on_disk, size=0, files=1
        )
        self.rows.append(row)
        self.state.put_scans("11017404", self.rows)
        return key

    def contents(self, *keys: str) -> Contents:
        return contents(keys, self.state, self.store, {"11017404": self.beamtime}.get)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with BuildState(tmp_path / "build" / "buildstate.sqlite3") as state:
        yield Home(tmp_path, state)


def names(found: Contents) -> list[str]:
    return [entry.name for entry in found.files]


def left_out(found: Contents) -> dict[str, str]:
    return {left.name: left.why for left in found.left_out}


def unpacked(found: Contents) -> dict[str, bytes]:
    packed = b"".join(tar_stream(found))
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        return {member.name: stream.read() for member in tar if (stream := tar.extractfile(member))}


# Which files


def test_a_dataset_stands_for_the_files_of_its_scans(home: Home) -> None:
    home.scan("gk_00002", home.file("raw/gk_00002.fio"))
    home.scan("gk_00001", home.file("raw/gk_00001.fio"), home.file("raw/gk_00001.nxs"))
    home.scan("other", home.file("raw/other.fio"), dataset="other")
    found = home.contents("dataset:11017404/gk")
    assert names(found) == ["11017404/raw/gk_00001.fio", "11017404/raw/gk_00001.nxs", "11017404/raw/gk_00002.fio"]
    assert found.left_out == ()


def test_a_file_of_several_scans_is_taken_once(home: Home) -> None:
    path = home.file("raw/align.spec")
    keys = [home.scan(f"align.spec~{number}.1", path) for number in (1, 2)]
    found = home.contents(*keys, "dataset:11017404/gk")
    assert names(found) == ["11017404/raw/align.spec"]
    assert found.files[0].scans == tuple(keys)


def test_a_series_is_every_file_directly_in_its_folder_that_ends_so(home: Home) -> None:
    for name in ("b_2.cbf", "b_10.cbf", "b_1.cbf", "notes.txt", "deeper/c.cbf"):
        home.file(f"raw/gk/pilatus/{name}")
    key = home.scan("gk", DataFile(path="raw/gk/pilatus", suffix=".cbf", count=3))
    found = home.contents(key)
    assert names(found) == [f"11017404/raw/gk/pilatus/{name}" for name in ("b_1.cbf", "b_10.cbf", "b_2.cbf")]
    assert found.left_out == ()


def test_frames_that_are_gone_are_counted(home: Home) -> None:
    home.file("raw/gk/pilatus/a.cbf")
    key = home.scan("gk", DataFile(path="raw/gk/pilatus", suffix=".cbf", count=3))
    assert left_out(home.contents(key)) == {"11017404/raw/gk/pilatus/*.cbf": "2 of 3 files are not on disk"}


def test_what_is_on_tape_is_named_and_never_touched(home: Home) -> None:
    home.file("raw/gk_00001.fio")
    key = home.scan("gk_00001", "raw/gk_00001.fio", on_disk="tape")
    found = home.contents(key)
    assert found.files == ()
    assert left_out(found) == {"11017404/raw/gk_00001.fio": "is on tape"}
    assert [entry.name for entry in found.records] == ["records/11017404/gk_00001.json"]


def test_what_vanished_is_named(home: Home) -> None:
    found = home.contents(home.scan("gk", "raw/gk.fio"))
    assert left_out(found) == {"11017404/raw/gk.fio": "is not on disk"}


def test_a_key_nobody_knows_is_named(home: Home) -> None:
    found = home.contents("scan:11017404/never", "dataset:11017404/never")
    assert left_out(found) == {
        "dataset:11017404/never": "is not in the catalogue",
        "scan:11017404/never": "is not in the catalogue",
    }


def test_without_the_beamtimes_folder_everything_is_left_out(home: Home) -> None:
    key = home.scan("gk", home.file("raw/gk.fio"))
    found = contents([key], home.state, home.store, lambda _: None)
    assert left_out(found) == {"11017404/raw/gk.fio": "the beamtime's folder is not on disk"}


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("raw/link", "is a symbolic link; not taken"),
        ("../../outside/secret", "leads out of the folder"),
        ("raw/../../../outside/secret", "leads out of the folder"),
        ("raw/folder/secret", "leads through a symbolic link; not taken"),
        ("/etc/passwd", "is an absolute path; not taken"),
    ],
)
def test_nothing_outside_the_beamtimes_folder_is_taken(home: Home, path: str, why: str) -> None:
    secret = home.outside / "secret"
    secret.write_text("secret")
    (home.beamtime / "raw" / "link").symlink_to(secret)
    (home.beamtime / "raw" / "folder").symlink_to(home.outside)
    found = home.contents(home.scan("gk", path))
    assert found.files == ()
    assert left_out(found) == {f"11017404/{path}": why}


def test_links_are_refused_by_name_wherever_they_lead(home: Home) -> None:
    (home.outside / "secret.cbf").write_text("secret")
    home.file("raw/real.bin", b"real")
    home.file("raw/gk/a.cbf")
    (home.beamtime / "raw/gk/b.cbf").symlink_to(home.outside / "secret.cbf")
    (home.beamtime / "raw/gk/c.cbf").symlink_to("../real.bin")
    (home.beamtime / "raw/again").symlink_to("gk")
    listed = [DataFile(path=f"raw/{folder}", suffix=".cbf", count=3) for folder in ("gk", "again")]
    found = home.contents(home.scan("gk", *listed))
    assert names(found) == ["11017404/raw/gk/a.cbf"]
    assert left_out(found) == dict.fromkeys(
        ("11017404/raw/again", "11017404/raw/gk/b.cbf", "11017404/raw/gk/c.cbf"), "is a symbolic link; not taken"
    )


@contextlib.contextmanager
def swapping(folder: Path, link: Path) -> Iterator[None]:
    """Let another process swap a folder and a link without a pause."""
    program = """
import ctypes, os, sys
swap = ctypes.CDLL(None).renameat2
print(flush=True)
while os.getppid() == int(sys.argv[3]):
    swap(-100, os.fsencode(sys.argv[1]), -100, os.fsencode(sys.argv[2]), 2)
"""
    command = [sys.executable, "-c", program, str(folder), str(link), str(os.getpid())]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        try:
            yield
        finally:
            other.kill()


def test_a_folder_swapped_for_a_link_meanwhile_gives_nothing_of_what_the_link_leads_to(home: Home) -> None:
    own = home.file("raw/gk/cam/a.tif", b"own")
    for name in ("a.tif", "secret.tif"):
        (home.outside / name).write_bytes(b"SECRET")
    link = home.beamtime / "raw/swap"
    link.symlink_to(home.outside)
    key = home.scan("gk", DataFile(path="raw/gk/cam", suffix=".tif", count=1), own)
    taken = b""
    with swapping(home.beamtime / "raw/gk/cam", link):
        for _ in range(60):
            found = home.contents(key)
            assert "11017404/raw/gk/cam/secret.tif" not in {*names(found), *left_out(found)}
            with contextlib.suppress(CatalogError):
                for block in tar_stream(found):
                    taken += block
    assert b"own" in taken
    assert b"SECRET" not in taken


def test_a_folder_swapped_for_a_link_to_the_same_files_breaks_the_stream(home: Home) -> None:
    found = home.contents(home.scan("gk", home.file("raw/gk/a.fio")))
    (home.beamtime / "raw/gk").rename(home.outside / "gk")
    (home.beamtime / "raw/gk").symlink_to(home.outside / "gk")
    with pytest.raises(CatalogError, match=r"11017404/raw/gk/a\.fio: .* leads through a symbolic link"):
        b"".join(tar_stream(found))


def test_what_says_why_names_no_folder_of_the_server(home: Home) -> None:
    (home.beamtime / "raw/link").symlink_to(home.outside)
    found = home.contents(home.scan("gk", "raw/link", "raw/link/a", "raw/no", "raw/" + "n" * 300, "raw/\0", "../x"))
    assert len(found.left_out) == 6
    assert not any(str(home.outside.parent) in left.why for left in found.left_out)


def test_fifos_sockets_and_folders_are_refused_by_name(home: Home) -> None:
    os.mkfifo(home.beamtime / "raw/fifo")
    (home.beamtime / "raw/folder").mkdir()
    with socket.socket(socket.AF_UNIX) as unix:
        before = Path.cwd()
        os.chdir(home.beamtime / "raw")
        unix.bind("socket")
        os.chdir(before)
    found = home.contents(home.scan("gk", "raw/fifo", "raw/folder", "raw/socket"))
    assert found.files == ()
    assert set(left_out(found).values()) == {"is not a regular file"}
    assert len(found.left_out) == 3


def test_a_damaged_record_costs_itself_alone(home: Home) -> None:
    good = home.scan("good", home.file("raw/good.fio"))
    bad = home.scan("bad", home.file("raw/bad.fio"))
    home.store.places.scan_record(bad).write_text("{")
    found = home.contents(good, bad)
    assert names(found) == ["11017404/raw/good.fio"]
    assert left_out(found) == {bad: "its record cannot be read"}


# The tar

LONG = "raw/" + "/".join(["n" * 100] * 3) + "/ende.fio"
ODD = ("raw/gk 1.fio", "raw/Überblick ö.fio", LONG, "raw/empty.fio")


def test_the_tar_holds_manifest_records_and_files_in_this_order_and_has_the_length_it_said(home: Home) -> None:
    for number, path in enumerate(ODD):
        home.file(path, b"" if "empty" in path else os.urandom(700 * number + 1))
    home.scan("gk_00001", *ODD)
    found = home.contents("dataset:11017404/gk")
    packed = b"".join(tar_stream(found))
    assert len(packed) == tar_length(found)
    assert len(packed) % tarfile.RECORDSIZE == 0
    files = unpacked(found)
    assert list(files)[:2] == ["MANIFEST.json", "records/11017404/gk_00001.json"]
    assert list(files)[2:] == sorted(f"11017404/{path}" for path in ODD)
    assert all(files[f"11017404/{path}"] == (home.beamtime / path).read_bytes() for path in ODD)
    assert json.loads(files["records/11017404/gk_00001.json"])["key"] == "scan:11017404/gk_00001"


def test_the_manifest_says_what_is_inside_and_what_is_not(home: Home) -> None:
    home.scan("gk_00001", home.file("raw/gk_00001.fio", b"12345"))
    home.scan("gk_00002", "raw/gk_00002.fio", on_disk="tape")
    listing = json.loads(manifest(home.contents("dataset:11017404/gk")))
    assert listing["files"] == [
        {
            "path": "11017404/raw/gk_00001.fio",
            "size": 5,
            "modified": 1_600_000_000,
            "scans": ["scan:11017404/gk_00001"],
        }
    ]
    assert listing["left_out"] == [{"path": "11017404/raw/gk_00002.fio", "why": "is on tape"}]


def test_the_same_contents_give_the_same_bytes_owned_by_nobody(home: Home) -> None:
    key = home.scan("gk", home.file("raw/b.fio"), home.file("raw/a.fio"))
    first = b"".join(tar_stream(home.contents(key)))
    assert b"".join(tar_stream(home.contents(key))) == first
    with tarfile.open(fileobj=io.BytesIO(first)) as tar:
        members = tar.getmembers()
    assert {(m.uid, m.gid, m.uname, m.gname, m.mode, int(m.mtime) == m.mtime) for m in members} == {
        (0, 0, "", "", 0o644, True)
    }


def test_gnu_tar_unpacks_it(home: Home, tmp_path: Path) -> None:
    for path in ODD:
        home.file(path)
    packed = b"".join(tar_stream(home.contents(home.scan("gk", *ODD))))
    target = tmp_path / "unpacked"
    target.mkdir()
    subprocess.run(["tar", "-x", "-C", target], input=packed, check=True)
    assert all((target / "11017404" / path).read_bytes() == b"data\n" for path in ODD)


def test_a_file_name_that_is_no_unicode_survives(home: Home) -> None:
    name = os.fsdecode(b"raw/gk/latin-\xfc.cbf")
    home.file(name)
    found = home.contents(home.scan("gk", DataFile(path="raw/gk", suffix=".cbf", count=1)))
    assert unpacked(found)[f"11017404/{name}"] == b"data\n"
    assert len(b"".join(tar_stream(found))) == tar_length(found)


def test_an_empty_cart_is_a_tar_with_a_manifest_alone(home: Home) -> None:
    assert list(unpacked(home.contents())) == ["MANIFEST.json"]


def test_bytes_come_in_blocks_of_about_a_mebibyte(home: Home) -> None:
    key = home.scan("gk", home.file("raw/large.nxs", bytes(5 << 20)), home.file("raw/small.fio"))
    blocks = [len(block) for block in tar_stream(home.contents(key))]
    assert max(blocks) <= 2 << 20
    assert all(block >= 1 << 20 for block in blocks[:-1])


def test_a_file_over_8_gib_has_its_size_in_the_header(home: Home) -> None:
    key = home.scan("gk", home.file("raw/sparse.h5", b""))
    os.truncate(home.beamtime / "raw/sparse.h5", 9 << 30)
    found = home.contents(key)
    stream = tar_stream(found)
    assert b" size=9663676416\n" in next(stream)
    assert tar_length(found) > 9 << 30


def rewritten(path: Path) -> None:
    path.write_bytes(b"DATA\n")


def replaced_with_the_same_time(path: Path) -> None:
    status = path.stat()
    other = path.with_name("other")
    other.write_bytes(b"DATA\n")
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(path)


def grown(path: Path) -> None:
    with path.open("ab") as stream:
        stream.write(b"more")


def swapped_for_a_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/passwd")


def swapped_for_a_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    "change", [rewritten, replaced_with_the_same_time, grown, swapped_for_a_link, swapped_for_a_fifo, Path.unlink]
)
def test_a_file_that_changed_since_breaks_the_stream(home: Home, change: object) -> None:
    assert callable(change)
    found = home.contents(home.scan("gk", home.file("raw/gk.fio")))
    change(home.beamtime / "raw/gk.fio")
    with pytest.raises(CatalogError, match=r"11017404/raw/gk\.fio"):
        b"".join(tar_stream(found))


def test_a_file_that_changes_while_it_is_sent_breaks_the_stream(home: Home) -> None:
    found = home.contents(home.scan("gk", home.file("raw/large.nxs", bytes(4 << 20))))
    stream = tar_stream(found)
    got = len(next(stream))
    with (home.beamtime / "raw/large.nxs").open("r+b") as file:
        file.seek(3 << 20)
        file.write(b"mixed")
    with pytest.raises(CatalogError, match="changed"):
        got += sum(len(block) for block in stream)
    assert got < tar_length(found)
