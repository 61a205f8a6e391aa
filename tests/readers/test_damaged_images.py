"""Images cut short, flipped and spliced cost a refusal in plain words: no hang, no crash, no memory, no output.

Each damage is drawn from a seed. Batches run in a process of their own with a limit to its memory, so that what
would take the machine down fails one test. Real files are added where ``CATBUILD_REAL_DATA`` names a folder.
"""

import io
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fabio.cbfimage import CbfImage
from fabio.edfimage import EdfImage
from fabio.tifimage import TifImage
from PIL import Image as Pillow

REAL = os.environ.get("CATBUILD_REAL_DATA", "")
LIMIT = 2 << 30
"""Bytes of address space of a batch."""

BATCH = textwrap.dedent(
    """
    import resource, sys, time
    from pathlib import Path
    from zoneinfo import ZoneInfo

    from catalog_builder.errors import CatalogError
    from catalog_builder.readers import Surroundings
    from catalog_builder.readers.images import frames_in

    folder, limit = Path(sys.argv[1]), int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    surroundings = Surroundings(boundary=folder, timezone=ZoneInfo("UTC"))
    read = refused = 0
    slowest = 0.0
    for one in sorted(folder.iterdir()):
        began = time.monotonic()
        frames = frames_in(one, "det", surroundings)
        assert frames is not None
        for number in sorted({0, frames.count // 2, frames.count - 1}):
            try:
                image = frames.load(number)
                assert image.ndim == 2 and image.size
                read += 1
            except CatalogError as fault:
                assert "\\n" not in str(fault) and str(folder) not in str(fault), str(fault)
                refused += 1
        slowest = max(slowest, time.monotonic() - began)
    sys.exit(0 if slowest < 10 and read + refused else f"slowest {slowest}, read {read}, refused {refused}")
    """
)


def picture() -> Any:
    data = np.random.default_rng(7).integers(0, 3000, (60, 80), dtype=np.int32)
    data[0, :3] = -2
    return data


def by_fabio(folder: Path, kind: Any, name: str, frames: int = 1) -> bytes:
    image = kind(data=picture())
    for _ in range(frames - 1):
        image.append_frame(data=picture())
    image.write(str(folder / name))
    return (folder / name).read_bytes()


def pages() -> bytes:
    out = io.BytesIO()
    page = Pillow.fromarray(picture())
    page.save(out, "TIFF", save_all=True, append_images=[page, page])
    return out.getvalue()


def sound(folder: Path) -> list[tuple[str, bytes]]:
    """Give whole images: those made here, and real ones of bearable size where there are some."""
    made = [
        (".cbf", by_fabio(folder, CbfImage, "a.cbf")),
        (".tif", by_fabio(folder, TifImage, "a.tif")),
        (".edf", by_fabio(folder, EdfImage, "a.edf", 3)),
        (".tif", pages()),
    ]
    real = sorted(Path(REAL, "instrument-files", "images").rglob("*.*")) if REAL else []
    return made + [
        (path.suffix, path.read_bytes()) for path in real if path.is_file() and path.stat().st_size < 1_100_000
    ]


def damaged(content: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """Cut, flip or splice; half of the damage lies in the first kilobyte, where the sizes stand."""
    place = int(rng.integers(0, min(len(content), 1024) if rng.random() < 0.5 else len(content)))
    way = rng.integers(0, 5)
    if way == 0:
        return content[:place]
    if way == 1:
        flipped = bytearray(content)
        for at in rng.integers(0, min(len(content), 1024), int(rng.integers(1, 20))):
            flipped[at] ^= 1 << int(rng.integers(0, 8))
        return bytes(flipped)
    if way == 2:
        return content[:place] + other[int(rng.integers(0, len(other))) :]
    if way == 3:  # a number grows by digits, or becomes another
        end = min(place + int(rng.integers(1, 9)), len(content))
        return content[:place] + bytes(rng.integers(48, 58, end - place, dtype=np.uint8)) + content[end:]
    return content[:place] + b"\xff" * int(rng.integers(1, 9)) + content[place + 4 :]


def run(folder: Path, count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    (folder / "sound").mkdir()
    whole = sound(folder / "sound")
    (folder / "batch").mkdir()
    for number in range(count):
        suffix, content = whole[number % len(whole)]
        one = folder / "batch" / f"{number:04d}"
        one.mkdir()
        (one / f"a{suffix}").write_bytes(damaged(content, whole[int(rng.integers(len(whole)))][1], rng))
    done = subprocess.run(
        [sys.executable, "-c", BATCH, str(folder / "batch"), str(LIMIT)],
        capture_output=True,
        text=True,
        timeout=60 + count,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_damaged_images_are_read_or_refused_and_nothing_else(tmp_path: Path) -> None:
    run(tmp_path, 60, seed=1)


@pytest.mark.campaign
@pytest.mark.parametrize("seed", range(10, 16))
def test_a_hundred_damaged_images_are_read_or_refused_and_nothing_else(tmp_path: Path, seed: int) -> None:
    run(tmp_path, 100, seed)


def test_a_whole_image_passes_the_same_way(tmp_path: Path) -> None:
    for number, (suffix, content) in enumerate(sound(tmp_path)):
        one = tmp_path / "batch" / str(number)
        one.mkdir(parents=True)
        (one / f"a{suffix}").write_bytes(content)
    refuse_nothing = BATCH.replace("refused += 1", "raise")
    done = subprocess.run(
        [sys.executable, "-c", refuse_nothing, str(tmp_path / "batch"), str(LIMIT)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
