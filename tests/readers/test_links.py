"""HDF5 files point elsewhere in four ways; each is followed inside the beamtime's folder and nowhere else."""

import os
import struct
import zlib
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np
import pytest

from catalog_builder import files
from catalog_builder.errors import CatalogError
from catalog_builder.readers import links
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


def values(path: Path, boundary: Path, name: str = "entry/data", region: Any = None) -> Any:
    with open_inside(path, boundary) as inside:
        field = inside.at(inside.root, name)
        assert isinstance(field, h5py.Dataset)
        return inside.read(field, region).tolist()


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
    assert values(path, beamtime, region=(slice(0, 1), slice(1, 3))) == [[1, 2]]
    with pytest.raises(CatalogError, match=what):
        values(path, beamtime)
    path = written(beamtime / "b.h5", "entry/data", layout(source, source))
    with pytest.raises(CatalogError, match=what):
        values(path, beamtime)


def test_what_of_a_virtual_dataset_is_lost_is_nan_and_told_on_a_walk(beamtime: Path) -> None:
    path = written(beamtime / "a.h5", "entry/data", layout("source.h5", "lost.h5"))
    complaints = Complaints("a.h5", "/entry")
    with open_inside(path, beamtime) as inside:
        (node,) = walk_inside(inside, inside.root["entry"], complaints)
        found = inside.read(node.item, gaps=True)
    assert found[0].tolist() == [0, 1, 2, 3]
    assert np.isnan(found[1]).all()
    assert [(p.where, p.what) for p in complaints.all()] == [
        ("a.h5:/entry/data", "a part of it is lost: the link leads to lost.h5, which is not there")
    ]


def test_what_lies_between_the_modules_of_a_virtual_dataset_is_nan_and_no_problem(beamtime: Path) -> None:
    made = h5py.VirtualLayout(shape=(1, 5), dtype="i4")
    made[0, :2] = h5py.VirtualSource("source.h5", "data", shape=(4,))[:2]
    made[0, 3:] = h5py.VirtualSource("source.h5", "data", shape=(4,))[2:]
    path = written(beamtime / "a.h5", "entry/data", made)
    complaints = Complaints("a.h5", "/entry")
    with open_inside(path, beamtime) as inside:
        (node,) = walk_inside(inside, inside.root["entry"], complaints)
        found = inside.read(node.item)
    assert np.array_equal(found, [[0, 1, np.nan, 2, 3]], equal_nan=True)
    assert complaints.all() == ()


@pytest.mark.parametrize("seed", range(6))
def test_a_virtual_dataset_is_put_together_as_hdf5_does(beamtime: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    frames, rows, columns = int(rng.integers(4, 9)), int(rng.integers(3, 7)), int(rng.integers(3, 7))
    made = h5py.VirtualLayout(shape=(2 * frames, rows, columns), dtype="i4")
    for part in range(2):  # two writers in turns, as of a detector with two receivers
        with h5py.File(beamtime / f"part{part}.h5", "w") as file:
            content = rng.integers(0, 99, (frames, rows, columns), dtype="i4")
            file.create_dataset("data", data=content, chunks=(1, rows, 2), compression="gzip", shuffle=True)
        source = h5py.VirtualSource(f"part{part}.h5", "data", shape=(frames, rows, columns))
        if seed % 2:
            made[part::2] = source
        else:
            made[part * frames : (part + 1) * frames, : rows - 1, 1:] = source[:, 1:, : columns - 1]
            made[part * frames : (part + 1) * frames, rows - 1] = source[:, 0]
            made[part * frames : (part + 1) * frames, : rows - 1, 0] = source[:, 1:, columns - 1]
    path = written(beamtime / "a.h5", "entry/data", made)
    with h5py.File(path) as file:
        theirs = file["entry/data"][()]
    assert values(path, beamtime) == theirs.tolist()
    at = int(rng.integers(0, 2 * frames))
    region = (slice(at, at + 1), slice(1, rows), slice(0, columns - 1))
    assert values(path, beamtime, region=region) == theirs[region].tolist()


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


def test_a_source_that_is_still_being_written_is_read_beside_its_writer(beamtime: Path) -> None:
    with h5py.File(beamtime / "b.h5", "w", libver="latest") as file:
        file["data"] = np.arange(4.0)
        file.swmr_mode = True
        file.flush()
        (beamtime / "source.h5").write_bytes((beamtime / "b.h5").read_bytes())
    path = written(beamtime / "a.h5", "entry/data", layout("source.h5"))
    assert values(path, beamtime) == [[0, 1, 2, 3]]


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


def _lz4_blocks(total: int, pieces: list[bytes], block: int = 8192) -> bytes:
    """Give a chunk as bitshuffle/LZ4 stores it: the size and the block's size, then blocks behind their lengths."""
    return struct.pack(">QI", total, block) + b"".join(struct.pack(">I", len(piece)) + piece for piece in pieces)


SHORT: dict[str, tuple[Any, bytes]] = {
    "gzip": ({"compression": "gzip"}, zlib.compress(bytes(16))),
    "gzip, a bomb": ({"compression": "gzip"}, zlib.compress(bytes(1 << 24))),
    "gzip, cut short": ({"compression": "gzip"}, zlib.compress(bytes(8000))[:-6]),
    "shuffled": ({"compression": "gzip", "shuffle": True}, zlib.compress(bytes(7999))),
    "checksummed": ({"compression": "gzip", "fletcher32": True}, zlib.compress(bytes(16)) + bytes(4)),
    "lzf": ({"compression": "lzf"}, b"\x0f" + bytes(16)),
    "bitshuffle": (hdf5plugin.Bitshuffle(cname="lz4"), _lz4_blocks(16, [b"\xf0\x01" + bytes(16)])),
    "bitshuffle, behind its end": (hdf5plugin.Bitshuffle(cname="lz4"), _lz4_blocks(8000, []) + b"\0\0\xff\xff"),
    "lz4": (hdf5plugin.LZ4(), _lz4_blocks(16, [bytes(16)], 16)),
    "blosc": (hdf5plugin.Blosc(), struct.pack("<BBBBIII", 2, 1, 0, 8, 16, 16, 32) + bytes(16)),
    "zstd": (hdf5plugin.Zstd(), struct.pack("<IBB", 0xFD2FB528, 0x20, 16) + b"\x81\0\0" + bytes(16)),
    "a filter nobody knows here": (hdf5plugin.Zfp(), bytes(16)),
}


@pytest.mark.parametrize("kind", SHORT)
@pytest.mark.parametrize("virtual", [False, True])
def test_a_compressed_chunk_that_inflates_to_less_or_more_is_refused(beamtime: Path, kind: str, virtual: bool) -> None:
    options, content = SHORT[kind]
    with h5py.File(beamtime / "a.h5", "w") as file:
        field = file.create_dataset("short", shape=(2000,), dtype="f8", chunks=(1000,), **options)
        field[:1000] = np.arange(1000.0)
        field.id.write_direct_chunk((1000,), content, 0)
    path, name = beamtime / "a.h5", "short"
    if virtual:
        path, name = written(beamtime / "b.h5", "data", _taking(path, "short")), "data"
    with pytest.raises(CatalogError, match=r"stored shorter than they are|by a filter .* that is not read"):
        values(path, beamtime, name)
    if "nobody" not in kind:
        assert values(path, beamtime, name, (slice(997, 999),)) == [997, 998]


@pytest.mark.parametrize(
    "options",
    [
        {"compression": "gzip"},
        {"compression": "gzip", "shuffle": True, "fletcher32": True},
        {"compression": "lzf", "shuffle": True},
        {"fletcher32": True},
        {},
        hdf5plugin.Bitshuffle(cname="lz4"),
        hdf5plugin.Bitshuffle(cname="zstd"),
        hdf5plugin.Bitshuffle(cname="none"),
        hdf5plugin.LZ4(),
        hdf5plugin.Blosc(),
        hdf5plugin.Zstd(),
        hdf5plugin.BZip2(),
    ],
    ids=str,
)
@pytest.mark.parametrize("dtype", ["<u2", ">i4", "f4", "f8"])
def test_every_usual_compression_is_read(beamtime: Path, options: Any, dtype: str) -> None:
    rng = np.random.default_rng(1)
    content = rng.poisson(3, (7, 45, 61)).astype(dtype)
    with h5py.File(beamtime / "a.h5", "w") as file:
        file.create_dataset("data", data=content, chunks=(2, 32, 40), **options)
    assert values(beamtime / "a.h5", beamtime, "data") == content.tolist()
    region = (slice(3, 4), slice(0, 45), slice(30, 61))
    assert values(beamtime / "a.h5", beamtime, "data", region) == content[region].tolist()


def test_a_field_of_chunks_too_large_or_too_many_is_refused_and_told_how_to_mend(beamtime: Path) -> None:
    with h5py.File(beamtime / "a.h5", "w") as file:
        large = file.create_dataset("large", shape=(1 << 26,), dtype="f8", chunks=(1 << 26,), compression="gzip")
        large.id.write_direct_chunk((0,), zlib.compress(bytes(16)))
        many = file.create_dataset("many", shape=(1 << 20,), dtype="f8", chunks=(1,), compression="gzip")
        many[:2] = 1
    with pytest.raises(CatalogError, match=r"inflate to 512 MB each.*h5repack"):
        values(beamtime / "a.h5", beamtime, "large")
    with pytest.raises(CatalogError, match=r"in 1048576 chunks, too many.*h5repack"):
        values(beamtime / "a.h5", beamtime, "many")


@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_link_put_in_a_files_place_after_it_was_checked_is_not_followed(
    beamtime: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    (beamtime / "sub").mkdir()
    (beamtime / "sub" / "source.h5").write_bytes((beamtime / "source.h5").read_bytes())
    path = written(beamtime / "a.h5", "entry/data", h5py.ExternalLink("sub/source.h5", "/data"))
    assert values(path, beamtime) == [0, 1, 2, 3]
    resolve = files.resolved_inside

    def resolve_and_swap(folder: Path, name: Path) -> Path:
        target = resolve(folder, name)
        if what == "file":
            target.unlink()
            target.symlink_to(beamtime.parent / "other" / "source.h5")
        else:
            target.parent.rename(beamtime / "away")
            target.parent.symlink_to(beamtime.parent / "other")
        return target

    monkeypatch.setattr(links, "resolved_inside", resolve_and_swap)
    with pytest.raises(CatalogError, match="symbolic link; not taken"):
        values(path, beamtime)


def _taking(path: Path, name: str) -> Any:
    with h5py.File(path) as file:
        shape = file[name].shape
    made = h5py.VirtualLayout(shape=shape, dtype="f8")
    made[:] = h5py.VirtualSource(path.name, name, shape=shape)
    return made


def test_the_words_of_a_library_are_told_without_the_folders_of_this_machine(beamtime: Path) -> None:
    said = f"unable to open file: name = '{beamtime}/my data/a.h5', errno = 13, at {beamtime}/x.h5 or 3/4"
    assert reason(OSError(said)) == "unable to open file: name = 'a.h5', errno = 13, at x.h5 or 3/4"
