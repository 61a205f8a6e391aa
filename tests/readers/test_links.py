"""HDF5 files point elsewhere in four ways; each is followed inside the beamtime's folder and nowhere else."""

import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from catalog_builder.errors import CatalogError
from catalog_builder.readers.bounds import reason
from catalog_builder.readers.complaints import Complaints
from catalog_builder.readers.links import open_inside, walk_inside


@pytest.fixture
def beamtime(tmp_path: Path) -> Path:
    """Give a beamtime's folder; beside it lies another one, with a secret."""
    inside, outside = tmp_path / "mine", tmp_path / "other"
    for folder in (inside, outside):
        folder.mkdir()
        with h5py.File(folder / "source.h5", "w") as file:
            file["data"] = np.arange(4.0)
        (folder / "raw.bin").write_bytes(np.arange(4.0).tobytes())
    return inside


def written(path: Path, name: str, item: Any) -> Path:
    with h5py.File(path, "a") as file:
        if isinstance(item, h5py.VirtualLayout):
            file.create_virtual_dataset(name, item, fillvalue=-1)
        else:
            file[name] = item
    return path


def layout(*sources: str) -> Any:
    made = h5py.VirtualLayout(shape=(len(sources), 4), dtype="f8")
    for row, source in enumerate(sources):
        made[row] = h5py.VirtualSource(source, "data", shape=(4,))
    return made


def values(path: Path, boundary: Path, name: str = "entry/data") -> Any:
    with open_inside(path, boundary) as inside:
        return inside.at(inside.root, name)[()].tolist()


def test_an_external_link_inside_is_followed(beamtime: Path) -> None:
    path = written(beamtime / "a.h5", "entry/data", h5py.ExternalLink("source.h5", "/data"))
    assert values(path, beamtime) == [0, 1, 2, 3]


@pytest.mark.parametrize("way", ["relative", "absolute", "symlink", "soft", "chain"])
def test_an_external_link_that_leads_out_is_not_followed(beamtime: Path, way: str) -> None:
    outside = beamtime.parent / "other" / "source.h5"
    (beamtime / "sneaky.h5").symlink_to(outside)
    target = {"relative": "../other/source.h5", "absolute": str(outside)}.get(way, "sneaky.h5")
    path = written(beamtime / "a.h5", "elsewhere", h5py.ExternalLink(target, "/data"))
    name = "elsewhere"
    if way == "soft":
        written(path, "entry/data", h5py.SoftLink("/elsewhere"))
        name = "entry/data"
    if way == "chain":
        path = written(beamtime / "b.h5", "entry/data", h5py.ExternalLink("a.h5", "/elsewhere"))
        name = "entry/data"
    with pytest.raises(CatalogError, match="leads out of the beamtime's folder and is not followed"):
        values(path, beamtime, name)


def test_a_virtual_dataset_reads_sources_inside(beamtime: Path) -> None:
    path = written(beamtime / "a.h5", "entry/data", layout("source.h5"))
    assert values(path, beamtime) == [[0, 1, 2, 3]]


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("../other/source.h5", "leads out of the beamtime's folder"),
        ("lost.h5", "leads to lost.h5, which is not there"),
        ("empty.h5", "holds no data"),
        ("short.h5", "is shorter than what is taken from it"),
        ("linking.h5", "leads out of the beamtime's folder"),
    ],
)
def test_a_virtual_dataset_with_a_missing_or_foreign_source_is_refused(beamtime: Path, source: str, what: str) -> None:
    with h5py.File(beamtime / "empty.h5", "w") as file:
        file.create_dataset("data", shape=(4,), dtype="f8")
    written(beamtime / "short.h5", "data", np.arange(2.0))
    written(beamtime / "linking.h5", "data", h5py.ExternalLink("../other/source.h5", "/data"))
    path = written(beamtime / "a.h5", "entry/data", layout("source.h5", source))
    with pytest.raises(CatalogError, match=what):
        values(path, beamtime)


def test_a_virtual_dataset_made_of_itself_is_refused(beamtime: Path) -> None:
    made = h5py.VirtualLayout(shape=(4,), dtype="f8")
    made[:] = h5py.VirtualSource(".", "data", shape=(4,))
    path = written(beamtime / "a.h5", "data", made)
    with pytest.raises(CatalogError, match="go round in a circle"):
        values(path, beamtime, "data")


@pytest.mark.parametrize(
    ("raw", "what"),
    [("../other/raw.bin", "lie outside of the beamtime's folder"), ("lost.bin", "are not there")],
)
def test_external_storage_is_read_inside_and_refused_elsewhere(beamtime: Path, raw: str, what: str) -> None:
    with h5py.File(beamtime / "a.h5", "w") as file:
        file.create_dataset("near", shape=(4,), dtype="f8", external=[("raw.bin", 0, 32)])
        file.create_dataset("far", shape=(4,), dtype="f8", external=[(raw, 0, 32)])
    assert values(beamtime / "a.h5", beamtime, "near") == [0, 1, 2, 3]
    with pytest.raises(CatalogError, match=what):
        values(beamtime / "a.h5", beamtime, "far")


def test_a_walk_goes_on_behind_what_it_must_not_follow_and_round_no_circle(beamtime: Path) -> None:
    path = written(beamtime / "a.h5", "entry/out", h5py.ExternalLink("../other/source.h5", "/data"))
    written(path, "entry/dangling", h5py.SoftLink("/nowhere"))
    written(path, "entry/round", h5py.SoftLink("round"))
    written(path, "entry/up", h5py.SoftLink("/entry"))
    written(path, "entry/values", np.arange(3))
    complaints = Complaints("a.h5", "/entry")
    with open_inside(path, beamtime) as inside:
        met = [node.path for node in walk_inside(inside, inside.root["entry"], complaints)]
    assert met == ["values"]
    places = sorted(problem.where for problem in complaints.all())
    assert places == ["a.h5:/entry/dangling", "a.h5:/entry/out", "a.h5:/entry/round"]


def test_soft_links_to_nothing_are_named_one_by_one(beamtime: Path) -> None:
    path = written(beamtime / "a.h5", "one", h5py.SoftLink("/nowhere"))
    written(path, "two", h5py.SoftLink("/elsewhere"))
    complaints = Complaints("a.h5")
    with open_inside(path, beamtime) as inside:
        assert list(walk_inside(inside, inside.root, complaints)) == []
    assert [(p.where, p.what) for p in complaints.all()] == [
        ("a.h5:/one", "there is nothing of that name"),
        ("a.h5:/two", "there is nothing of that name"),
    ]


def test_a_fifo_a_link_names_is_not_opened(beamtime: Path) -> None:
    os.mkfifo(beamtime / "pipe.h5")
    path = written(beamtime / "a.h5", "entry/data", h5py.ExternalLink("pipe.h5", "/data"))
    with pytest.raises(CatalogError, match="is not there"):
        values(path, beamtime)


def test_a_file_that_is_itself_a_link_out_is_not_opened(beamtime: Path) -> None:
    (beamtime / "a.h5").symlink_to(beamtime.parent / "other" / "source.h5")
    with pytest.raises(CatalogError) as caught:
        open_inside(beamtime / "a.h5", beamtime)
    assert str(caught.value) == "a.h5: leads out of the beamtime's folder and is not read"
    (beamtime / "b.h5").symlink_to("source.h5")
    assert values(beamtime / "b.h5", beamtime, "data") == [0, 1, 2, 3]


def test_links_that_branch_out_are_given_up(beamtime: Path) -> None:
    with h5py.File(beamtime / "a.h5", "w") as file:
        file["L7/L7"] = file.create_group("L7")
        for level in range(7):
            file[f"L{level}"] = file[f"L7/L{level}"] = h5py.SoftLink("/".join([f"L{level + 1}"] * 40))
    for name in ("L0", "L7/" * 200):
        with pytest.raises(CatalogError, match="more than 100 steps"):
            values(beamtime / "a.h5", beamtime, name)


def test_virtual_datasets_nested_so_that_they_branch_out_are_refused_and_others_are_read(beamtime: Path) -> None:
    with h5py.File(beamtime / "a.h5", "w", libver="latest") as file:
        file["V7"] = np.arange(60.0)
        for level in range(7):
            made = h5py.VirtualLayout(shape=(60,), dtype="f8")
            for at in range(60):
                made[at] = h5py.VirtualSource(".", f"V{level + 1}", shape=(60,))[at]
            file.create_virtual_dataset(f"V{level}", made)
    assert values(beamtime / "a.h5", beamtime, "V5") == list(range(60))
    with pytest.raises(CatalogError, match="nested too deeply to be read"):
        values(beamtime / "a.h5", beamtime, "V0")


def test_virtual_datasets_that_take_all_of_another_many_times_are_refused(beamtime: Path) -> None:
    with h5py.File(beamtime / "a.h5", "w", libver="latest") as file:
        file["V3"] = np.arange(9.0)
        for level in range(3):
            made = h5py.VirtualLayout(shape=(9,), dtype="f8")
            for _ in range(3):
                made[:] = h5py.VirtualSource(".", f"V{level + 1}", shape=(9,))
                made[0:8] = h5py.VirtualSource(".", f"V{level + 1}", shape=(9,))[0:8]
            file.create_virtual_dataset(f"V{level}", made)
    with pytest.raises(CatalogError, match="lie over each other too often"):
        values(beamtime / "a.h5", beamtime, "V0")


def test_a_source_that_hdf5_opens_only_beside_its_writer_is_refused(beamtime: Path) -> None:
    with h5py.File(beamtime / "b.h5", "w", libver="latest") as file:
        file["data"] = np.arange(4.0)
        file.swmr_mode = True
        file.flush()
        (beamtime / "source.h5").write_bytes((beamtime / "b.h5").read_bytes())
    path = written(beamtime / "a.h5", "entry/data", layout("source.h5"))
    with pytest.raises(CatalogError, match=r"its source source\.h5 is still being written"):
        values(path, beamtime)


@pytest.mark.parametrize("mask", [0xFFFFFFFF, 1])
def test_a_chunk_stored_shorter_than_it_is_would_give_what_else_was_in_memory(beamtime: Path, mask: int) -> None:
    with h5py.File(beamtime / "a.h5", "w") as file:
        field = file.create_dataset("short", shape=(1000,), dtype="f8", chunks=(1000,), compression="gzip")
        field.id.write_direct_chunk((0,), bytes(16), mask)
        field = file.create_dataset("plain", shape=(1000,), dtype="f8", chunks=(1000,), compression="gzip")
        field.id.write_direct_chunk((0,), bytes(8000), mask)
        file.create_dataset("nothing", shape=(1000,), dtype="f8", chunks=(10,), compression="gzip")
    assert set(values(beamtime / "a.h5", beamtime, "plain")) == {0.0}
    with pytest.raises(CatalogError, match="its chunks are stored shorter than they are"):
        values(beamtime / "a.h5", beamtime, "short")
    path = written(beamtime / "b.h5", "data", _taking(beamtime / "a.h5", "short"))
    with pytest.raises(CatalogError, match="its chunks are stored shorter than they are"):
        values(path, beamtime, "data")


def _taking(path: Path, name: str) -> Any:
    made = h5py.VirtualLayout(shape=(1000,), dtype="f8")
    made[:] = h5py.VirtualSource(path.name, name, shape=(1000,))
    return made


def test_the_words_of_a_library_are_told_without_the_folders_of_this_machine(beamtime: Path) -> None:
    said = f"unable to open file: name = '{beamtime}/my data/a.h5', errno = 13, at {beamtime}/x.h5 or 3/4"
    assert reason(OSError(said)) == "unable to open file: name = 'a.h5', errno = 13, at x.h5 or 3/4"
