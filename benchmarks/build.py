"""What building costs as a beamline grows: cold, with nothing to do, with one new scan; time by stage, and memory.

Knows what is measured and how it is told; does not know how stages are clocked. Run ``python -m benchmarks.build -h``.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from io import StringIO
from multiprocessing import get_context
from pathlib import Path
from statistics import median

from benchmarks.clock import Timing, Watch, medians
from benchmarks.stages import Peaks, with_clocks
from benchmarks.table import Plain, as_json, machine, machine_line, number, table
from catalog_builder import config
from catalog_builder.build import Builder, build
from catalog_builder.buildstate import BuildState
from catalog_builder.config import Settings
from catalog_builder.database import Database
from catalog_builder.demo.beamline import settings_yaml, write_beamline
from catalog_builder.demo.scale import DECADE
from catalog_builder.executors import EXECUTORS, Limits
from catalog_builder.facets import request_from
from catalog_builder.names import page_address
from catalog_builder.places import Places
from catalog_builder.remarks import Remarks
from catalog_builder.report import BuildSummary, PlainReporter
from catalog_builder.search import Searcher

IN_WORKERS = {"read": "read", "draw": "draw", "write": "write records and previews"}
IN_BUILDER = {
    "wait": "wait for workers",
    "walk": "walk folders",
    "merge": "load records, merge, plan",
    "render": "render and write pages",
    "index": "index",
    "state": "build state",
    "rest": "all else",
}
"""Stages in the order of their rows, as they are told."""

DRAWN_UP_TO = 10_000
"""Scans up to which previews are drawn where nobody says whether."""

LINEAR = 1.2
"""A figure a scan that grows by no more than this from the smallest scale to the largest is linear."""


def main() -> int:
    """Measure, and print tables or JSON."""
    options = _options()
    report: dict[str, Plain] = {"benchmark": "build", "machine": machine("catalog-builder", "matplotlib", "h5py")}
    scales: dict[str, Plain] = {}
    with tempfile.TemporaryDirectory() as temporary:
        for scale in sorted(set(options.scale or [3000])):
            place = (options.folder or Path(temporary)) / str(scale)
            scales[str(scale)] = measured(place.resolve(), scale, options)
            if options.folder is None:
                shutil.rmtree(place)
    _tell("")
    report["scales"] = scales
    if len(scales) > 1:
        report["growth"] = _growth(list(scales.values()))
    print(as_json(report) if options.json else as_text(report))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.build", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--scale", type=_positive, action="append", help="scans; may be repeated (default: 3000)")
    parser.add_argument("--rounds", type=_positive, default=3, help="times each short thing is timed (default: 3)")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of tables")
    parser.add_argument(
        "--draw", choices=["yes", "no"], help=f"draw previews, or put a white pixel (default: up to {DRAWN_UP_TO:,})"
    )
    parser.add_argument("--executor", choices=["processes", "serial"], default="processes")
    parser.add_argument(
        "--folder", type=Path, help="keep what is written here; what a catalogue there holds is not built again"
    )
    return parser.parse_args()


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError(text)
    return value


def _tell(words: str) -> None:
    """Show on a terminal how far it is."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{words[:100]}", end="", file=sys.stderr, flush=True)


def measured(place: Path, scale: int, options: argparse.Namespace) -> dict[str, Plain]:
    """Measure at one scale; each part in a process of its own, so that memory is its own too."""
    draws = scale <= DRAWN_UP_TO if options.draw is None else options.draw == "yes"
    _tell(f"{scale:,} scans: writing their files")
    found: dict[str, Plain] = {"drawn": draws, **_in_own_process(partial(written, place, scale))}
    parts: dict[str, Callable[[], dict[str, Plain]]] = {
        "cold": partial(cold, place, options.executor, draws=draws),
        "nothing": partial(nothing_to_do, place, options.rounds),
        "new scan": partial(new_scans, place, options.rounds),
    }
    if (place / "catalogue" / "build" / "status.json").exists():
        del parts["cold"]
    for name, part in parts.items():
        _tell(f"{scale:,} scans: {name}")
        found[name] = _in_own_process(part)
    return found


def _in_own_process(part: Callable[[], dict[str, Plain]]) -> dict[str, Plain]:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(part).result()


# The parts


def written(place: Path, scale: int) -> dict[str, Plain]:
    """Write the beamtimes, their files as old as they say; what is there is left."""
    begun = time.perf_counter()
    if not (place / config.FILE_NAME).exists():
        place.mkdir(parents=True, exist_ok=True)
        beamline = write_beamline(place / "data", scans=scale)
        (place / config.FILE_NAME).write_text(settings_yaml(beamline, place / "catalogue"), encoding="utf-8")
    files, folders = _walked(_settings(place), stats=False)
    return {"write_s": time.perf_counter() - begun, "scans": scale, "files": files, "folders": folders}


def _settings(place: Path, executor: str = "processes") -> Settings:
    return config.load(place / config.FILE_NAME).model_copy(update={"executor": executor})


def _now() -> datetime:
    """Give a moment at which the decade of beamtimes is over."""
    return max(datetime.now(UTC), DECADE[1] + timedelta(days=60))


def cold(place: Path, executor: str, *, draws: bool) -> dict[str, Plain]:
    """Build the whole catalogue."""
    split = with_clocks(draws=draws)
    settings = _settings(place, executor)
    begun = time.perf_counter()
    with Peaks() as peaks:
        summary = _built(settings)
    seconds = time.perf_counter() - begun
    return {
        "wall_s": seconds,
        "executor": executor,
        "workers": settings.workers or os.cpu_count() or 1,
        "scans": summary.scans,
        "datasets": summary.datasets,
        "pages": summary.pages_written,
        "scans_per_s": summary.scans / seconds,
        "stages_s": split.told(),
        "builder_mb": peaks.builder,
        "worker_mb": max(peaks.workers.values(), default=0.0),
    }


def _built(settings: Settings) -> BuildSummary:
    return build(settings, PlainReporter(StringIO()), now=_now())


def nothing_to_do(place: Path, rounds: int) -> dict[str, Plain]:
    """Build again where nothing changed, beside a walk that only lists folders and looks at each file."""
    settings = _settings(place)
    _built(settings)  # what an earlier run of the benchmark left to be looked at again
    swept = settings.model_copy(update={"beamtimes": settings.beamtimes.model_copy(update={"sweep_days": 0.0})})
    timings, _ = medians(
        {
            "bare walk": partial(_walk_timed, settings),
            "everyday": partial(_build_timed, settings),
            "full sweep": partial(_build_timed, swept),
        },
        rounds,
    )
    found: dict[str, Plain] = {name: _beside(timing, timings["bare walk"]) for name, timing in timings.items()}
    with Peaks() as peaks:
        found["builder_mb"] = peaks.builder
    return found


def _beside(timing: Timing, walk: Timing) -> dict[str, Plain]:
    return {"wall_s": timing.wall, "cpu_s": timing.cpu, "ratio": timing.wall / walk.wall}


def _walk_timed(settings: Settings, watch: Watch) -> int:
    with watch.running():
        files, _ = _walked(settings, stats=True)
    return files


def _walked(settings: Settings, *, stats: bool) -> tuple[int, int]:
    """List every folder below the roots, and look at each file; gives how many there are of both."""
    files, folders, waiting = 0, 0, list(map(str, settings.beamtimes.roots))
    while waiting:
        folders += 1
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                    continue
                files += 1
                if stats:
                    entry.stat()
    return files, folders


def _build_timed(settings: Settings, watch: Watch) -> int:
    with watch.running():
        summary = _built(settings)
    if summary.read or summary.pages_written:
        raise AssertionError(f"there was something to do: {summary}")
    return summary.current


def new_scans(place: Path, rounds: int) -> dict[str, Plain]:
    """Add scans to the largest and to the smallest beamtime, one by one, and wait for page and hit of each.

    A builder that stands ready, as ``watch`` has one, looks at the beamtime as soon as the file is closed: what a
    settle time adds is not counted. Then once more by the command, from its start.
    """
    settings = _settings(place)
    places, limits = Places(settings.catalogue), Limits(workers=settings.workers or os.cpu_count() or 1)
    found: dict[str, Plain] = {}
    with (
        Peaks() as peaks,
        BuildState(places.buildstate) as state,
        Database(places.database) as database,
        EXECUTORS.get(settings.executor).opened(limits) as crew,
    ):
        builder = Builder(settings, state, Remarks(database), crew, PlainReporter(StringIO()))
        builder.run((), _now())
        searcher = Searcher(places.index)
        sizes = sorted((scans, id) for id, (scans, _) in state.counts_by_beamtime().items() if _moulds(settings, id))
        for what, (scans, id) in {"largest": sizes[-1], "smallest": sizes[0]}.items():
            seconds = [
                _until_found(settings, searcher, id, lambda id=id: builder.run((id,), _now()))  # type: ignore[misc]
                for _ in range(rounds + 1)
            ]
            found[what] = {"scans": scans, "first_s": seconds[0], "next_s": median(seconds[1:])}
        id = sizes[-1][1]
        found["command"] = {
            "scans": sizes[-1][0],
            "wall_s": _until_found(settings, searcher, id, partial(_called, place, id)),
        }
        found["builder_mb"] = peaks.builder
    return found


def _moulds(settings: Settings, id: str) -> list[Path]:
    (root,) = settings.beamtimes.roots
    return sorted(root.glob(f"*/data/{id}/{settings.beamtimes.raw}/*_00001.fio"))


def _until_found(settings: Settings, searcher: Searcher, id: str, bring: Callable[[], object]) -> float:
    """Give the seconds from a new file's end until its page stands and a search finds it."""
    mould = _moulds(settings, id)[0]
    name = f"new{time.time_ns()}_00001"
    mould.with_name(f"{name}.fio").write_bytes(mould.read_bytes())
    begun = time.perf_counter()
    bring()
    key = f"scan:{id}/{name}"
    page = Places(settings.catalogue).site / page_address(key).strip("/") / "index.html"
    hits = searcher.search(request_from([("q", name.partition("_")[0]), ("level", "scan")]), None).hits
    seconds = time.perf_counter() - begun
    if not page.exists() or [hit.key for hit in hits] != [key]:
        raise AssertionError(f"{key} is not in the catalogue: {hits}")
    return seconds


def _called(place: Path, id: str) -> None:
    call = [sys.executable, "-c", "from catalog_builder.cli import main; main()", "build", "--beamtime", id]
    done = subprocess.run(call, cwd=place, capture_output=True, text=True, check=False)
    if done.returncode > 1:
        raise AssertionError(done.stderr)


# Told


def _growth(found: Sequence[Plain]) -> dict[str, Plain]:
    """Give what each figure a scan, and the memory, of the largest scale is to that of the smallest."""
    least, most = _mapping(found[0]), _mapping(found[-1])
    more = _number(most["scans"]) / _number(least["scans"])
    growth: dict[str, Plain] = {"scans": more}
    if least["drawn"] == most["drawn"] and "cold" in least and "cold" in most:
        growth["cold, a scan"] = _cold_seconds(most) / _cold_seconds(least) / more
        growth["memory"] = _number(_mapping(most["cold"])["builder_mb"]) / _number(
            _mapping(least["cold"])["builder_mb"]
        )
    for name in ("bare walk", "everyday", "full sweep"):
        seconds = [_number(_mapping(_mapping(each["nothing"])[name])["wall_s"]) for each in (least, most)]
        growth[f"{name}, a scan"] = seconds[1] / seconds[0] / more
    return growth


def _cold_seconds(found: Mapping[str, Plain]) -> float:
    return _number(_mapping(found["cold"])["wall_s"])


def as_text(report: Mapping[str, Plain]) -> str:
    """Give the report as people read it."""
    lines = [machine_line(_mapping(report["machine"]))]
    for found in _mapping(report["scales"]).values():
        lines += ["", *_scale_lines(_mapping(found))]
    if "growth" in report:
        growth = dict(_mapping(report["growth"]))
        lines += ["", f"Growth with {number(_number(growth.pop('scans')))} times the scans (1 is linear):"]
        rows = [(name, f"{_number(value):.2f}", _verdict(name, _number(value))) for name, value in growth.items()]
        lines.append(table(("", "times", ""), rows))
    return "\n".join(lines)


def _verdict(name: str, value: float) -> str:
    if name == "memory":
        return ""
    return "linear" if value <= LINEAR else f"more than {LINEAR:g}"


def _scale_lines(found: Mapping[str, Plain]) -> Iterator[str]:
    yield f"{found['scans']:,} scans in {found['files']:,} files, written in {number(_number(found['write_s']))} s"
    yield (
        "Previews are drawn."
        if found["drawn"]
        else "Previews are not drawn: every file is read, and a white pixel written in place of each picture."
    )
    if "cold" in found:
        yield from _cold_lines(_mapping(found["cold"]))
    yield from _nothing_lines(_mapping(found["nothing"]), _number(found["scans"]))
    yield from _new_lines(_mapping(found["new scan"]))


def _cold_lines(cold: Mapping[str, Plain]) -> Iterator[str]:
    scans, stages = _number(cold["scans"]), _mapping(cold["stages_s"])
    yield (
        f"Cold: {number(_number(cold['scans_per_s']))} scans/s by {cold['executor']} with {cold['workers']} workers, "
        f"{number(_number(cold['wall_s']))} s; {cold['datasets']:,} datasets, {cold['pages']:,} files of pages; "
        f"most memory {number(_number(cold['builder_mb']))} MB in the builder, "
        f"{number(_number(cold['worker_mb']))} MB in a worker"
    )
    rows = []
    for where, names in (("workers", IN_WORKERS), ("builder", IN_BUILDER)):
        for name, words in names.items():
            seconds = _number(stages.get(name, 0.0))
            rows.append((f"{where}: {words}", number(seconds), number(1000 * seconds / scans)))
    yield table(("", "s", "ms a scan"), rows)


def _nothing_lines(found: Mapping[str, Plain], scans: float) -> Iterator[str]:
    rows = []
    for name, words in (
        ("bare walk", "bare os.scandir and stat of the same tree"),
        ("everyday", "build, nothing to do (ended beamtimes rest)"),
        ("full sweep", "build, nothing to do, every folder and page looked at (sweep_days 0)"),
    ):
        timing = _mapping(found[name])
        seconds, ratio = _number(timing["wall_s"]), _number(timing["ratio"])
        rows.append((words, number(1000 * seconds), number(1e6 * seconds / scans), f"{number(ratio)} x"))
    yield table(("Nothing to do", "ms", "µs a scan", "of the walk"), rows)
    yield f"most memory {number(_number(found['builder_mb']))} MB"


def _new_lines(found: Mapping[str, Plain]) -> Iterator[str]:
    rows = []
    for name in ("largest", "smallest"):
        one = _mapping(found[name])
        beamtime = f"{name} beamtime, {one['scans']:,} scans"
        rows.append((f"{beamtime}, builder ready: the first", number(1000 * _number(one["first_s"]))))
        rows.append((f"{beamtime}, builder ready: others", number(1000 * _number(one["next_s"]))))
    command = _mapping(found["command"])
    rows.append(("largest beamtime, by catbuild build --beamtime", number(1000 * _number(command["wall_s"]))))
    yield table(("One new scan, from file closed to page and hit", "ms"), rows)
    yield f"most memory {number(_number(found['builder_mb']))} MB"


def _mapping(value: Plain) -> Mapping[str, Plain]:
    if not isinstance(value, Mapping):
        raise TypeError(value)
    return value


def _number(value: Plain) -> float:
    if not isinstance(value, int | float):
        raise TypeError(value)
    return float(value)


if __name__ == "__main__":
    sys.exit(main())
