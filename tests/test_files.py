import os
import subprocess
import sys
import time
from pathlib import Path, PurePosixPath

import pytest

from catalog_builder.errors import CatalogError
from catalog_builder.files import (
    locked,
    open_inside,
    read_inside,
    resolved_inside,
    status_inside,
    sweep,
    write_if_changed,
)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_with_its_folders(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "page.html"
    assert write_if_changed(path, b"one")
    assert path.read_bytes() == b"one"


def test_an_equal_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    write_if_changed(path, b"one")
    before = path.stat()
    assert not write_if_changed(path, b"one")
    assert path.stat() == before


@pytest.mark.parametrize("durable", [False, True])
def test_a_file_of_the_same_length_is_replaced(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "page.html"
    write_if_changed(path, b"one")
    assert write_if_changed(path, b"two", durable=durable)
    assert path.read_bytes() == b"two"


def test_somebody_who_reads_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    write_if_changed(path, b"old page")
    with path.open("rb") as reader:
        write_if_changed(path, b"new")
        assert reader.read() == b"old page"


def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    write_if_changed(path, b"old")
    with pytest.raises(TypeError):
        write_if_changed(path, "not bytes")  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert names_in(tmp_path) == ["page.html"]


def test_a_file_that_cannot_be_put_in_place_leaves_nothing_beside_it(tmp_path: Path) -> None:
    (tmp_path / "page.html").mkdir()
    with pytest.raises(IsADirectoryError):
        write_if_changed(tmp_path / "page.html", b"new")
    assert names_in(tmp_path) == ["page.html"]
    assert names_in(tmp_path / "page.html") == []


def test_a_process_killed_while_it_writes_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    write_if_changed(path, b"old")
    program = """
import os, signal, sys
from pathlib import Path
from catalog_builder.files import write_if_changed
os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)
write_if_changed(Path(sys.argv[1]), b"new content", durable=True)
"""
    died = subprocess.run([sys.executable, "-c", program, str(path)], check=False)
    assert died.returncode == -9
    assert path.read_bytes() == b"old"


def test_the_umask_says_who_may_read_a_file(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_if_changed(tmp_path / "page.html", b"one")
    finally:
        os.umask(before)
    assert (tmp_path / "page.html").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("path", ["a/b", ".", "a/../b", "./a//b"])
def test_a_path_below_the_folder_is_resolved(tmp_path: Path, path: str) -> None:
    assert resolved_inside(tmp_path, path) == (tmp_path / path).resolve()


@pytest.mark.parametrize("path", ["..", "../x", "a/../../x", "/etc/passwd"])
def test_a_path_that_leads_out_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(CatalogError, match="leads out of the folder"):
        resolved_inside(tmp_path / "folder", path)


@pytest.mark.parametrize("path", ["a\0b", "\ud800"])
def test_what_cannot_be_a_path_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(CatalogError, match="is not a path"):
        resolved_inside(tmp_path, path)


def test_a_neighbour_whose_name_begins_alike_is_outside(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="leads out"):
        resolved_inside(tmp_path / "11017404", "../11017404-private/raw")


def test_links_are_followed_before_it_is_judged(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "out").symlink_to("/etc")
    (tmp_path / "inside" / "here").symlink_to(tmp_path / "inside" / "file")
    assert resolved_inside(tmp_path / "inside", "here") == tmp_path / "inside" / "file"
    with pytest.raises(CatalogError, match="leads out"):
        resolved_inside(tmp_path / "inside", "out/passwd")


def test_links_in_a_circle_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(CatalogError):
        resolved_inside(tmp_path / "c", "../a")


@pytest.mark.parametrize("path", ["raw/cam/a.tif", "./raw//cam/a.tif", PurePosixPath("raw/cam/a.tif")])
def test_a_file_below_is_opened_to_be_read_alone(tmp_path: Path, path: str | PurePosixPath) -> None:
    write_if_changed(tmp_path / "raw/cam/a.tif", b"image")
    handle = open_inside(tmp_path, path)
    try:
        assert os.read(handle, 10) == b"image"
        assert not os.get_inheritable(handle)
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.write(handle, b"x")
    finally:
        os.close(handle)


def test_a_folder_below_is_opened_too(tmp_path: Path) -> None:
    write_if_changed(tmp_path / "raw/a.tif", b"image")
    handle = open_inside(tmp_path, "raw")
    with os.scandir(handle) as listing:
        assert [entry.name for entry in listing] == ["a.tif"]
    os.close(handle)


BAD_PATHS = [
    ("/etc/passwd", "passwd: is an absolute path"),
    ("../x", "leads out"),
    ("raw/../../x", "leads out"),
    ("raw/..", "leads out"),
    ("link", "link: is a symbolic link; not taken"),
    ("stays", "stays: is a symbolic link; not taken"),
    ("link/passwd", "link/passwd: leads through a symbolic link; not taken"),
    ("raw/file/below", "is not on disk"),
    ("raw/nothing", "raw/nothing: is not on disk"),
    ("raw/a\0b", "is not a path"),
    ("raw/\ud800", "is not a path"),
    ("raw/" + "n" * 300, "cannot be opened"),
]


@pytest.mark.parametrize(("path", "why"), BAD_PATHS)
def test_what_does_not_plainly_lie_below_is_refused_without_the_servers_paths(
    tmp_path: Path, path: str, why: str
) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/file").write_bytes(b"")
    (tmp_path / "link").symlink_to("/etc")
    (tmp_path / "stays").symlink_to("raw/file")
    before = names_in(Path("/proc/self/fd"))
    for ask in (open_inside, status_inside, lambda folder, path: read_inside(folder, path, limit=9)):
        with pytest.raises(CatalogError, match=why) as caught:
            ask(tmp_path, path)
        assert str(tmp_path) not in str(caught.value)
        assert "/etc" not in str(caught.value)
    assert len(names_in(Path("/proc/self/fd"))) == len(before)


def test_a_folder_that_is_not_there_is_said_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=r"^11017404: cannot be opened"):
        open_inside(tmp_path / "11017404", "raw")


def test_a_fifo_is_opened_without_waiting_and_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    os.close(open_inside(tmp_path, "fifo"))
    with pytest.raises(CatalogError, match="fifo: is not a regular file"):
        read_inside(tmp_path, "fifo", limit=10)
    with pytest.raises(CatalogError, match="is not a regular file"):
        read_inside(tmp_path, ".", limit=10)


def test_a_file_is_read_up_to_its_limit_and_never_beyond(tmp_path: Path) -> None:
    (tmp_path / "note.md").write_bytes(b"12345")
    assert read_inside(tmp_path, "note.md", limit=5) == b"12345"
    with pytest.raises(CatalogError, match=r"note\.md: is larger than 4 bytes"):
        read_inside(tmp_path, "note.md", limit=4)
    os.truncate(tmp_path / "note.md", 1 << 40)
    with pytest.raises(CatalogError, match="is larger than"):
        read_inside(tmp_path, "note.md", limit=1000)


def test_what_lies_below_is_told_without_opening_it(tmp_path: Path) -> None:
    (tmp_path / "closed").write_bytes(b"12345")
    (tmp_path / "closed").chmod(0)
    assert status_inside(tmp_path, "closed").st_size == 5
    assert status_inside(tmp_path, ".").st_ino == tmp_path.stat().st_ino


def test_a_lock_is_held_by_one_at_a_time_and_let_go_of_by_the_dead(tmp_path: Path) -> None:
    program = """
import fcntl, sys
with open(sys.argv[1], "a+b") as stream:
    fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
"""
    attempt = [sys.executable, "-c", program, str(tmp_path / "lock")]
    with locked(tmp_path / "lock"):
        assert subprocess.run(attempt, check=False, capture_output=True).returncode == 1
    assert subprocess.run(attempt, check=False).returncode == 0
    with locked(tmp_path / "lock"):
        pass


def test_what_a_killed_writer_left_is_swept(tmp_path: Path) -> None:
    script = """
import os, signal, sys
from pathlib import Path
from catalog_builder import files
Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
files.write_if_changed(Path(sys.argv[1]) / "page.html", b"content")
"""
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    assert [name[:5] for name in names_in(tmp_path)] == [".new-"]
    sweep(tmp_path)
    assert names_in(tmp_path) == []


def test_what_others_may_still_be_writing_is_not_swept(tmp_path: Path) -> None:
    for name, age in ((".new-otherhost-1-aa", 0), (".new-otherhost-1-bb", 7200), ("page.html", 7200)):
        (tmp_path / name).write_bytes(b"x")
        os.utime(tmp_path / name, (time.time() - age, time.time() - age))
    sweep(tmp_path)
    sweep(tmp_path / "not there")
    assert names_in(tmp_path) == [".new-otherhost-1-aa", "page.html"]
