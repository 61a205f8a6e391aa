"""How a scan's state is judged, and what a reading becomes."""

import numpy as np
import pytest

from catalog_builder.commands import parse
from catalog_builder.discover import FoundFile, FoundSeries, Source
from catalog_builder.facts import STALE_SECONDS, scan_record, scan_state
from catalog_builder.readers import READERS
from catalog_builder.records import Channel, Problem, ScanState
from catalog_builder.signals import Column, Frames, Reading

FRESH, OLD = 1.0, STALE_SECONDS + 1.0


@pytest.mark.parametrize(
    ("said", "planned", "measured", "age", "state"),
    [
        ("complete", 41, 41, OLD, "complete"),
        ("complete", 41, 37, OLD, "aborted"),
        ("complete", None, 37, OLD, "complete"),
        ("complete", 41, 0, OLD, "aborted"),
        ("aborted", 41, 41, OLD, "aborted"),
        ("running", 41, 37, FRESH, "running"),
        ("running", 41, 41, FRESH, "running"),
        ("running", 41, 37, OLD, "aborted"),
        ("running", 41, 41, OLD, "complete"),
        ("running", None, 5, OLD, "aborted"),
        ("unknown", 41, 41, OLD, "complete"),
        ("unknown", 41, 2, FRESH, "running"),
        ("unknown", 41, 2, OLD, "aborted"),
        ("unknown", None, 2, FRESH, "unknown"),
        ("unknown", None, 41, OLD, "unknown"),
    ],
)
def test_a_scans_state(said: ScanState, planned: int | None, measured: int, age: float, state: ScanState) -> None:
    assert scan_state(said, planned, measured, age) == state


def source(path: str = "night2/gk_00173.fio") -> Source:
    files = (FoundFile(path=f"raw/{path}", size=10, mtime_ns=1_700_000_000_123_456_789, inode=1),)
    series = FoundSeries(
        path="raw/night2/gk_00173/p100k", suffix=".cbf", count=3, size=30, first_ns=1, last_ns=2, detector="p100k"
    )
    return Source(beamtime="1", path=path, readers=("fio",), files=files, series=(series,))


def test_a_record_carries_name_number_figures_files_and_where_its_problems_are() -> None:
    reading = Reading(
        command="ascan om 0 1 2 1",
        columns=(Column(name="om", values=np.array([0.0, np.nan, 1.0])),),
        problems=(Problem(where="gk_00173.fio:7", what="one value is missing"),),
        state="complete",
    )
    scan = scan_record(source(), READERS.get("fio"), reading, parse(reading.command), raw="raw", age=OLD)
    assert (scan.key, scan.stem, scan.number) == ("scan:1/night2~gk_00173", "night2~gk", 173)
    assert scan.channels == (Channel(name="om", finite=2, minimum=0.0, maximum=1.0, mean=0.5),)
    assert [(file.path, file.suffix, file.count) for file in scan.files] == [
        ("raw/night2/gk_00173.fio", "", 1),
        ("raw/night2/gk_00173/p100k", ".cbf", 3),
    ]
    assert scan.detectors == ("p100k",)
    assert scan.problems[0].where == "1/raw/night2/gk_00173.fio:7"
    assert (scan.points, scan.state) == (3, "complete")


def test_a_column_without_a_finite_value_has_no_figures() -> None:
    reading = Reading(columns=(Column(name="om", values=np.array([np.nan, np.inf])),))
    scan = scan_record(source(), READERS.get("fio"), reading, parse(""), raw="raw", age=OLD)
    assert scan.channels == (Channel(name="om"),)


def test_detectors_are_known_by_their_frames_their_folder_and_their_roi_channels() -> None:
    columns = tuple(
        Column(name=name, values=np.zeros(1)) for name in ("eiger4m_roi1", "eiger4m_roi2", "roi1_sum", "om")
    )
    frames = Frames(detector="lambda (m1 of 3)", count=1, load=lambda _: np.zeros((1, 1), dtype=np.float32))
    reading = Reading(columns=columns, frames=(frames,))
    scan = scan_record(source(), READERS.get("fio"), reading, parse(""), raw="raw", age=OLD)
    assert scan.detectors == ("eiger4m", "lambda", "p100k")
