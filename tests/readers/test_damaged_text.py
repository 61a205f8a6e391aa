"""A damaged text file costs what is damaged: what stands before it is read as it was, and nothing hangs or prints.

Files are cut, bytes of them flipped, zeroed, and pieces put in where they do not belong: every way many times, by
a seed that a failure names.
"""

import os
import random
import time
from dataclasses import fields
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from catalog_builder.errors import CatalogError
from catalog_builder.readers import Reader, Surroundings, fio, spec
from catalog_builder.readers.growth import Bookmark
from catalog_builder.signals import Reading

FOLDER = os.environ.get("CATBUILD_REAL_DATA", "")
LONGEST = 10.0
"""Seconds a damaged file may take."""

FIO = b"""!
! Comments
!
%c
mesh om -1.0 1.0 1 chi 0 1 1 0.5
user p08user Acquisition started at Thu Feb  5 16:20:16 2026
!
%p
sample_name = DPPC monolayer
ub_matrix = [[ 7.4e-01 -7.4e-01 -3.6e-06]; [ 2.5e-06 0.009 1.04]]
hkl = ['a', "b", {"c": [1, null]}]
rois eiger4m  = [2012, 2010, 2024, 2034]
energyfmb = 15000 eV
!
%d
 Col 1 om DOUBLE
 Col 2 file STRING
 Col 3 epoch DOUBLE
 -1.0 a_1.cbf 1770304839.5
 1.0 a b 1770304840.5
! Acquisition ended at Thu Feb  5 16:20:58 2026
"""
SPEC = b"""#F align.spec
#E 1288809574
#D Wed Nov 03 13:39:34 2010
#C Interesting  User = someone
#O0 Two Theta  Theta  Sample X
#o0 tth th sx
#H0 DCM_energy  mode

#S 1  ascan  th 1 2  2 0.5
#D Wed Nov 03 13:42:03 2010
#P0 10 20 -0.5
#V0 11.4 theta
#MD key = ["a", {"b": 1}]
#@MCA %16C
#@CHANN 4 0 3 1
#@CALIB 1 2 3
#N 4 2
#L Theta  Epoch  I0  Detector
@A 1 2\\
 3 4
1 100~
50 7
@A 5 6 7 8
1.5 101.5~
51 8

#S 2  hklmesh  H 1 2 1  K 1 2 1 -1000
#N 3
#L H  K  Detector
1 1 5
1 2 6#C Wed Nov 03 13:43:00 2010.  Scan aborted after 1 points.

#S 2  mesh x 0 1 1 y 0 1 1 1
#N 2
#L x y
0 0
1 0
""".replace(b"~", b" ")  # a blank at the end of a row: it goes on in the next line


def surroundings(path: Path) -> Surroundings:
    return Surroundings(boundary=path.parent, timezone=ZoneInfo("Europe/Berlin"))


def read(reader: Reader, path: Path, content: bytes) -> list[Reading]:
    """Read damaged content, within the time; what cannot be read at all gives the scans before that."""
    path.write_bytes(content)
    scans: list[Reading] = []
    began = time.monotonic()
    try:
        if reader.recognises(content[:4096]):
            scans.extend(reader.read(path, surroundings(path)))
    except CatalogError:
        pass
    assert time.monotonic() - began < LONGEST
    for scan in scans:
        assert len({len(column.values) for column in scan.columns}) <= 1
    return scans


def same(one: object, other: object) -> bool:
    """Tell whether two readings, or parts of them, say the same, NaN for NaN."""
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return np.array_equal(one, other, equal_nan=True)
    if isinstance(one, tuple | list) and isinstance(other, tuple | list):
        return len(one) == len(other) and all(map(same, one, other))
    if hasattr(one, "__dataclass_fields__") and type(one) is type(other):
        return all(same(getattr(one, f.name), getattr(other, f.name)) for f in fields(one))  # type: ignore[arg-type]
    return one == other


def before(scans: list[Reading], content: bytes, damaged_at: int) -> list[Reading]:
    """Give the scans that were over, the line that begins the next one too, before the damage."""
    over = 0
    for place, following in enumerate(scans[1:], start=1):
        mark = Bookmark.from_text(following.bookmark or "")
        if mark is None or content.index(b"\n", mark.at) >= damaged_at:
            break
        over = place
    return scans[:over]


def mutated(content: bytes, chance: random.Random) -> tuple[bytes, int]:
    """Give damaged content, and where the damage begins."""
    at = chance.randrange(len(content))
    length = min(chance.choice([1, 2, 8, 100, 4096]), len(content) - at)
    kind = chance.choice(["cut", "flip", "insert", "replace", "zeros", "drop"])
    if kind == "cut":
        return content[:at], at
    if kind == "flip":
        length = min(length, 8)
        piece = bytes(byte ^ (1 << chance.randrange(8)) for byte in content[at : at + length])
        return content[:at] + piece + content[at + length :], at
    if kind == "zeros":
        return content[:at] + bytes(length) + content[at + length :], at
    if kind == "drop":
        return content[:at] + content[at + length :], at
    start = chance.randrange(len(content))
    piece = content[start : start + length] * chance.choice([1, 1, 3])
    return content[:at] + piece + content[at + (length if kind == "replace" else 0) :], at


def endure(reader: Reader, folder: Path, content: bytes, seed: int, times: int) -> int:
    """Damage content in many ways; gives how many scans stood before the damages.

    Raises AssertionError naming the seed where more than the damaged is lost.
    """
    path = folder / "damaged.dat"
    whole, compared = read(reader, path, content), 0
    for turn in range(times):
        damaged, at = mutated(content, random.Random(f"{seed}.{turn}"))
        good = before(whole, content, at)
        scans = read(reader, path, damaged)
        told = f"seed {seed}.{turn}: damage at byte {at}"
        assert len(scans) >= len(good), told
        assert all(same(one, other) for one, other in zip(scans, good, strict=False)), told
        if reader is spec.READER and whole[-1].bookmark is not None:
            list(spec.READER.resume(path, surroundings(path), whole[-1].bookmark) or ())
        compared += len(good)
    return compared


def real(reader: Reader) -> list[Path]:
    """Give the real files the reader knows."""
    if not FOLDER:
        return []
    found = (p for p in sorted(Path(FOLDER).rglob("*")) if p.is_file() and p.suffix in reader.suffixes)
    return [path for path in found if reader.recognises(path.read_bytes()[:4096])]


SAMPLES: list[tuple[Reader, bytes]] = [(fio.READER, FIO), (spec.READER, SPEC)]


@pytest.mark.parametrize(("reader", "content"), SAMPLES, ids=["fio", "spec"])
def test_a_file_may_end_at_every_byte(
    reader: Reader, content: bytes, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    whole = read(reader, tmp_path / "whole.dat", content)
    assert not whole[0].problems
    for end in range(len(content)):
        scans = read(reader, tmp_path / "whole.dat", content[:end])
        good = before(whole, content, end)
        assert same(scans[: len(good)], good), f"cut at byte {end}"
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("reader", "content"), SAMPLES, ids=["fio", "spec"])
def test_a_damage_costs_no_scan_before_it(
    reader: Reader, content: bytes, seed: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    compared = endure(reader, tmp_path, content, seed, 150)
    assert compared > 20 if reader is spec.READER else compared == 0  # a .fio holds one scan
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("size", [100_000, 5_000_000])
@pytest.mark.parametrize("piece", [b"1 ", b"#", b"\\\n", b"@A 1\\\n", b"[", b"#S 1\n", b"%p\n", b"Col 1 a\n", b"\0"])
def test_a_piece_without_end_neither_hangs_nor_fails(
    piece: bytes, size: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    filling = piece * (min(size, 40_000 * len(piece) if b"\n" in piece else size) // len(piece))
    for reader, content in SAMPLES:
        middle = content.index(b"\n", len(content) // 2) + 1
        read(reader, tmp_path / "filled.dat", content[:middle] + filling + content[middle:])
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(not FOLDER, reason="CATBUILD_REAL_DATA names no folder with real instrument files")
@pytest.mark.parametrize("reader", [fio.READER, spec.READER], ids=["fio", "spec"])
def test_a_damage_of_real_files_costs_no_scan_before_it(
    reader: Reader, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for seed, path in enumerate(real(reader)):
        if path.stat().st_size < 50_000:
            endure(reader, tmp_path, path.read_bytes(), seed, 4)
    assert capfd.readouterr() == ("", "")


@pytest.mark.campaign
@pytest.mark.skipif(not FOLDER, reason="CATBUILD_REAL_DATA names no folder with real instrument files")
@pytest.mark.parametrize("seed", range(7))
def test_seven_hundred_damages_of_real_files_cost_no_scan_before_them(
    seed: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    files: list[tuple[Reader, Path]] = [(reader, path) for reader in (fio.READER, spec.READER) for path in real(reader)]
    chance = random.Random(seed)
    compared = 0
    for turn in range(20):
        reader, path = chance.choice(files)
        compared += endure(reader, tmp_path, path.read_bytes(), 1000 * seed + turn, 5)
    assert compared > 100
    assert capfd.readouterr() == ("", "")
