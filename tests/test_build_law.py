"""The law of the builder: whatever happened to the files, builds on the way leave what one clean build leaves.

Scans whose files were deleted are kept besides; those of renamed files are not.
"""

import io
import json
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from catalog_builder.build import build
from catalog_builder.facets import SearchRequest
from catalog_builder.places import Places
from catalog_builder.report import PlainReporter
from catalog_builder.search import Searcher

from .conftest import LONG_AGO, Site, fio

SPEC_SCAN = """
#S {number} ascan th 0 1 2 1
#D Sun Jan 01 00:00:0{second} 2023
#N 2
#L Theta  Detector
0 1
0.5 {counts}
1 3
"""
BEAMTIMES = ("11", "22")


class FilesComeAndGo(RuleBasedStateMachine):
    """Files of two beamtimes, changed in every way files change, and a catalogue built now and then."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        (self.folder / "data").mkdir()
        self.site = Site(self.folder)
        self.site.configured(beamtimes={"roots": ["data"], "sweep_days": 0})
        self.raw = {id: self.site.beamtime(id) for id in BEAMTIMES}
        self.clock = LONG_AGO
        self.serial = 0
        self.built: dict[Path, tuple[int, ...]] = {}
        """Scan files as they were at the last build: what a renamed file keeps."""
        self.kept: set[str] = set()
        """Keys of scans whose files were deleted after they were built."""

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.build()
            self.check()
            shutil.rmtree(self.folder)

    # what happens to files

    @rule(id=st.sampled_from(BEAMTIMES), rows=st.integers(1, 4))
    def create(self, id: str, rows: int) -> None:
        self.serial += 1
        self.write(self.raw[id] / f"gk_{self.serial:05d}.fio", self.fio_of(rows))

    @precondition(lambda self: self.files())
    @rule(data=st.data(), rows=st.integers(0, 5))
    def grow_or_truncate(self, data: st.DataObject, rows: int) -> None:
        self.write(self.one(data), self.fio_of(rows))

    @precondition(lambda self: self.files())
    @rule(data=st.data())
    def touch(self, data: st.DataObject) -> None:
        self.stamp(self.one(data))

    @precondition(lambda self: self.files())
    @rule(data=st.data(), id=st.sampled_from(BEAMTIMES))
    def rename(self, data: st.DataObject, id: str) -> None:
        old = self.one(data)
        self.serial += 1
        old.rename(self.raw[id] / f"mv_{self.serial:05d}.fio")

    @precondition(lambda self: self.files())
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        self.one(data).unlink()

    @precondition(lambda self: len(self.files()) > 1)
    @rule(data=st.data())
    def swap(self, data: st.DataObject) -> None:
        one, other = self.one(data), self.one(data)
        if one != other:
            aside = self.folder / "aside"
            one.rename(aside)
            other.rename(one)
            aside.rename(other)

    @rule(id=st.sampled_from(BEAMTIMES), scans=st.integers(1, 3), counts=st.integers(1, 9))
    def write_spec(self, id: str, scans: int, counts: int) -> None:
        written = [SPEC_SCAN.format(number=n, second=n, counts=counts) for n in range(1, scans + 1)]
        self.write(self.raw[id] / "align.dat", "#F align.dat\n#E 1672531200\n" + "".join(written))

    @precondition(lambda self: any((raw / "align.dat").exists() for raw in self.raw.values()))
    @rule(id=st.sampled_from(BEAMTIMES), counts=st.integers(1, 9))
    def append_to_spec(self, id: str, counts: int) -> None:
        path = self.raw[id] / "align.dat"
        if path.exists():
            with path.open("a") as stream:
                stream.write(SPEC_SCAN.format(number=5, second=5, counts=counts))
            self.stamp(path)

    @rule(flag=st.sampled_from(["measurement", "alignment"]), id=st.sampled_from(BEAMTIMES))
    def list_group(self, flag: str, id: str) -> None:
        self.write(self.raw[id] / f"scicat-datasets-{id}.lst", f"__command__ start {flag}\ngk_00001\ngk_00002\n")

    @rule()
    def build(self) -> None:
        summary = build(self.site.settings, PlainReporter(io.StringIO()))
        assert summary.problems == ()
        now = {path: identity(path) for path in self.files()}
        went = {path: was for path, was in self.built.items() if path not in now}
        self.kept |= {key_of(path) for path, was in went.items() if was not in now.values()}
        self.kept -= {key_of(path) for path in now}
        self.built = now

    # the law

    def check(self) -> None:
        mine = Places(self.site.settings.catalogue)
        clean = self.site.settings.model_copy(update={"catalogue": self.folder / "clean"})
        theirs = Places(clean.catalogue)
        on_disk = {key_of(path) for path in self.files()}
        records = {f"scan:{path.parts[-3]}/{path.stem}" for path in mine.records.glob("*/scans/*.json")}
        assert {key for key in records if "align.dat" not in key} == on_disk | self.kept
        for key in self.kept:
            copy(mine.scan_record(key), theirs.scan_record(key))
            copy(mine.scan_previews(key), theirs.scan_previews(key))
        for id in BEAMTIMES:  # groups of scans gone from disk are known from the record alone
            copy(mine.beamtime_record(id), theirs.beamtime_record(id))
        build(clean, PlainReporter(io.StringIO()))
        assert tree(mine.records) == tree(theirs.records)
        assert tree(mine.previews) == tree(theirs.previews)
        assert tree(mine.site) == tree(theirs.site)
        assert hits(mine) == hits(theirs)

    # small things

    def fio_of(self, rows: int) -> str:
        whole = fio(command=f"ascan om 0 1 {max(rows - 1, 1)} 1")
        head, _, _ = whole.partition("%d\n")
        lines = "".join(f" {n}.0 {n * 7 + self.serial}.0\n" for n in range(rows))
        end = "! Acquisition ended at Thu Feb  5 16:21:16 2026\n"
        return f"{head}%d\n Col 1 om DOUBLE\n Col 2 p100k_roi1 DOUBLE\n{lines}{end}"

    def files(self) -> list[Path]:
        return sorted(path for raw in self.raw.values() for path in raw.glob("*.fio"))

    def one(self, data: st.DataObject) -> Path:
        return data.draw(st.sampled_from(self.files()), label="file")

    def write(self, path: Path, content: str) -> None:
        path.write_text(content)
        self.stamp(path)

    def stamp(self, path: Path) -> None:
        self.clock += 1
        os.utime(path, (self.clock, self.clock))


def identity(path: Path) -> tuple[int, ...]:
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def key_of(path: Path) -> str:
    return f"scan:{path.parts[-3]}/{path.stem}"


def copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target)
    elif source.exists():
        shutil.copyfile(source, target)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def hits(places: Places) -> str:
    searcher = Searcher(places.index)
    answers = [searcher.search(SearchRequest(level=level, per_page=100), None) for level in ("scan", "dataset")]
    return json.dumps([[r.total, [[h.key, dict(h.fields)] for h in r.hits]] for r in answers])


WITHOUT_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)
"""Each step builds; a shorter example is not worth the minutes it takes."""


def test_builds_on_the_way_leave_what_a_clean_build_leaves() -> None:
    few = settings(max_examples=8, stateful_step_count=14, deadline=None, phases=WITHOUT_SHRINKING)
    run_state_machine_as_test(FilesComeAndGo, settings=few)


@pytest.mark.campaign
def test_many_builds_on_the_way_leave_what_a_clean_build_leaves() -> None:
    many = settings(max_examples=250, stateful_step_count=30, deadline=None, phases=WITHOUT_SHRINKING)
    run_state_machine_as_test(FilesComeAndGo, settings=many)
