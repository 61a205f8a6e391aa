"""Damaged HDF5 files cost a problem, never a hang, a print or much memory; each is read in a process of its own.

Run as a program it is that process: it reads the files of a folder and says what became of each.
"""

import io
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import h5py
import hdf5plugin
import numpy as np
import pytest

from catalog_builder.errors import CatalogError
from catalog_builder.readers import Surroundings
from catalog_builder.readers.nexus import READER

REAL = os.environ.get("CATBUILD_REAL_DATA", "")
SECONDS = 10
MEMORY = 3 << 30
"""Bytes of address space the process may have."""


@dataclass(frozen=True)
class Outcome:
    """What became of one file."""

    file: str
    result: str
    """``read``, ``refused``, the name of an exception, or the signal the process died of."""
    seconds: float = 0.0
    megabytes: float = 0.0
    """The largest the process has been so far."""
    output: str = ""


def sample(**options: Any) -> bytes:
    """Give a small scan of frames, columns, positioners and texts, its fields stored in one way."""
    stream = io.BytesIO()
    rng = np.random.default_rng(3)
    with h5py.File(stream, "w") as file:
        entry = file.create_group("entry")
        entry.attrs["NX_class"], entry.attrs["default"] = "NXentry", "data"
        entry["title"], entry["start_time"] = "a scan", "2023-05-01T10:00:00"
        detector = entry.create_group("instrument/lambda")
        detector.attrs["NX_class"] = "NXdetector"
        detector["saturation_value"] = 4095
        chunks = {} if not options else {"chunks": (2, 20, 24)}
        detector.create_dataset("data", data=rng.poisson(2, (6, 40, 48)).astype("i2"), **chunks, **options)
        detector.create_dataset("pixel_mask", data=np.zeros((40, 48), "u4"), **options)
        data = entry.create_group("data")
        data.attrs["NX_class"], data.attrs["signal"], data.attrs["axes"] = "NXdata", "counts", ["om"]
        data.create_dataset("counts", data=rng.poisson(9, 300), **options)
        data.create_dataset("om", data=np.linspace(0, 1, 300), **options)
        data["om"].attrs["units"] = "deg"
        made = h5py.VirtualLayout(shape=(2, 300), dtype="f8")
        for row in range(2):
            made[row] = h5py.VirtualSource(".", "entry/data/om", shape=(300,))
        entry.create_virtual_dataset("twice", made)
        entry["again"], entry["away"] = h5py.SoftLink("/entry/data"), h5py.ExternalLink("lost.h5", "/data")
        for number in range(30):
            entry[f"collection/m{number}"] = float(number)
    return stream.getvalue()


SAMPLES = {
    "contiguous": {},
    "gzip": {"compression": "gzip", "shuffle": True},
    "bitshuffle": dict(hdf5plugin.Bitshuffle(cname="lz4")),
}


def real_samples() -> Iterator[tuple[str, bytes]]:
    """Give the real files that are small enough to be damaged many times."""
    for path in sorted(Path(REAL).glob("instrument-files/nexus/*/*")) if REAL else ():
        if path.suffix in READER.suffixes and path.stat().st_size < 1 << 20:
            yield path.stem, path.read_bytes()


def damaged(content: bytes, seed: int) -> bytes:
    """Truncate, flip or splice, most often where HDF5 keeps its own tables: at the beginning of a file."""
    rng = random.Random(seed)
    result = bytearray(content)
    place = rng.randrange(min(len(result), rng.choice((200, 4000, len(result)))))
    kind = seed % 4
    if kind == 0:
        del result[rng.randrange(len(result)) :]
    elif kind == 1:
        for _ in range(rng.choice((1, 4, 40))):
            at = min(len(result) - 1, place + rng.randrange(200))
            result[at] ^= 1 << rng.randrange(8)
    elif kind == 2:
        source = rng.randrange(len(result))
        piece = result[source : source + rng.choice((8, 64, 512))]
        result[place : place + len(piece)] = piece
    else:
        result[place : place + 8] = rng.choice(
            (b"\xff" * 8, bytes(8), (1 << 40).to_bytes(8, "little"), rng.randbytes(8))
        )
    return bytes(result)


def outcomes(folder: Path) -> list[Outcome]:
    """Read the files of a folder in processes; after one that dies the next goes on behind the file that did it."""
    waiting = sorted(path.name for path in folder.iterdir())
    found: list[Outcome] = []
    while waiting:
        listed = folder.parent / "listed.json"
        listed.write_text(json.dumps([str(folder), waiting]), encoding="utf-8")
        report = folder.parent / "report.jsonl"
        report.unlink(missing_ok=True)
        done = subprocess.run(
            [sys.executable, __file__, str(listed), str(report)],
            capture_output=True,
            timeout=SECONDS * (len(waiting) + 3),
            check=False,
        )
        lines = report.read_text(encoding="utf-8").splitlines() if report.exists() else []
        told = [Outcome(**json.loads(line)) for line in lines]
        found += told
        waiting = waiting[len(told) :]
        output = (done.stdout + done.stderr).decode(errors="replace")
        if done.returncode or output:
            name = waiting.pop(0) if waiting else "the end"
            reason = f"died of {signal.Signals(-done.returncode).name}" if done.returncode < 0 else "printed"
            found.append(Outcome(name, reason, output=output[-2000:]))
    return found


def read_all(listed: Path, report: Path) -> None:
    """Read the listed files with all their frames, a line in the report for each."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    folder, names = json.loads(listed.read_text(encoding="utf-8"))
    with report.open("w", encoding="utf-8", buffering=1) as stream:
        for name in names:
            began = time.monotonic()
            signal.alarm(SECONDS)
            result = _result(Path(folder) / name)
            signal.alarm(0)
            size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            line = {"file": name, "result": result, "seconds": time.monotonic() - began, "megabytes": size}
            stream.write(json.dumps(line) + "\n")


def _result(path: Path) -> str:
    surroundings = Surroundings(boundary=path.parent, timezone=ZoneInfo("UTC"))
    try:
        for reading in READER.read(path, surroundings):
            for frames in reading.frames:
                for number in range(min(frames.count, 3)):
                    try:
                        frames.load(number)
                    except CatalogError:
                        continue
    except CatalogError:
        return "refused"
    except BaseException as exc:  # noqa: BLE001
        return f"{type(exc).__name__}: {exc}"
    return "read"


def written(folder: Path, samples: dict[str, bytes], count: int) -> Path:
    folder.mkdir()
    names = sorted(samples)
    for seed in range(count):
        name = names[seed // 4 % len(names)]
        (folder / f"{seed:05d}-{name}.h5").write_bytes(damaged(samples[name], seed))
    return folder


def check(found: list[Outcome], expected: int) -> None:
    """Expect each file read or refused; a process that dies in HDF5 itself is named, and rare."""
    assert len([one for one in found if one.file != "the end"]) == expected
    assert [one for one in found if one.output] == []
    died = [one for one in found if one.result == "died of SIGSEGV"]
    assert len(died) <= expected // 100, died
    assert [one for one in found if one not in died and one.result not in ("read", "refused")] == []
    assert max(one.seconds for one in found) < SECONDS
    assert max(one.megabytes for one in found) < 2000


@pytest.mark.parametrize("kind", SAMPLES)
def test_the_whole_samples_are_read_without_a_word(kind: str, tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "whole.h5").write_bytes(sample(**SAMPLES[kind]))
    (outcome,) = outcomes(tmp_path / "files")
    assert (outcome.result, outcome.output) == ("read", "")


def test_damaged_samples_are_read_or_refused(tmp_path: Path) -> None:
    samples = {kind: sample(**options) for kind, options in SAMPLES.items()}
    check(outcomes(written(tmp_path / "files", samples, 120)), 120)


@pytest.mark.campaign
def test_many_damaged_files_real_ones_too_are_read_or_refused(tmp_path: Path) -> None:
    samples = {kind: sample(**options) for kind, options in SAMPLES.items()} | dict(real_samples())
    found = outcomes(written(tmp_path / "files", samples, 700))
    check(found, 700)
    slowest, largest = max(one.seconds for one in found), max(one.megabytes for one in found)
    kinds = {kind: sum(one.result == kind for one in found) for kind in {one.result for one in found}}
    sys.stdout.write(f"{kinds}, slowest {slowest:.2f} s, largest {largest:.0f} MB\n")


if __name__ == "__main__":
    read_all(Path(sys.argv[1]), Path(sys.argv[2]))
