"""What search costs as a beamline grows, beside Tantivy, SQLite FTS5 and stock Whoosh on the same documents.

Knows in which order parts run and how figures are told; does not know engines. Run ``python -m benchmarks.search -h``.
"""

import argparse
import math
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

from benchmarks.search_documents import beamtime_ids
from benchmarks.search_parts import (
    Times,
    answers,
    built,
    cold,
    differences,
    first,
    packages,
    taking_part,
    updated,
    warm,
)
from benchmarks.search_queries import QUESTIONS
from benchmarks.table import Plain, as_json, machine, machine_line, number, table, times

T = TypeVar("T")

STATES = {
    "cold": "each query of an index opened for it, its files dropped from the page cache; opening counts",
    "warm": "rounds of all queries after a first one",
    "updated": "the first query after one changed scan was committed",
}
"""In which each query is timed, and what that is."""

KINDS = ("all", *dict.fromkeys(question.kind for question in QUESTIONS))
FIRST_MS = 200.0
VISIBLE_MS = 100.0
DOCUMENTS_PER_S = 1000.0
SLOWER_THAN_TANTIVY = 1.0
FASTER_THAN_FTS5 = 20.0
"""The aims, at 300,000 scans."""

Found = dict[str, Any]


def main() -> int:
    """Measure, and print tables or JSON; 1 where answers disagree."""
    options = _options()
    report: Found = {"benchmark": "search", "machine": machine(*packages()), "sqlite": sqlite3.sqlite_version}
    scales: Found = {}
    run: Run = _here if options.one_process else _in_own_process
    with tempfile.TemporaryDirectory() as temporary:
        for scans in sorted(set(options.scale or [3000])):
            place = ((options.folder or Path(temporary)) / str(scans)).resolve()
            place.mkdir(parents=True, exist_ok=True)
            scales[str(scans)] = measured(place, scans, options.rounds, run)
    _tell("")
    report["scales"] = scales
    print(as_json(report) if options.json else as_text(report))
    return 1 if any(found["agreement"]["differences"] for found in scales.values()) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--scale", type=_positive, action="append", help="scans; may be repeated (default: 3000)")
    parser.add_argument("--rounds", type=_positive, default=5, help="times each query is asked warm (default: 5)")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of tables")
    parser.add_argument("--folder", type=Path, help="keep indexes here; what was built here before is used again")
    parser.add_argument("--one-process", action="store_true", help="faster to start, but memory then says nothing")
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


Run = Callable[[Callable[[], Any]], Any]
"""Runs a part and gives what it gives."""


def _in_own_process(part: Callable[[], T]) -> T:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(part).result()


def _here(part: Callable[[], T]) -> T:
    return part()


def measured(place: Path, scans: int, rounds: int, run: Run) -> Found:
    """Build and check all contenders, then time one after the other."""
    names = taking_part(scans)
    builds, told = {}, {}
    for name in names:
        _tell(f"{scans:,} scans: {name}, build")
        builds[name] = run(partial(built, name, place, scans))
    for name in names:
        _tell(f"{scans:,} scans: {name}, check")
        told[name] = run(partial(answers, name, place, scans))
    differing = [f"{name}: {words}" for name in names[1:] for words in differences(told["ours"], told[name])]
    for words in differing:
        print(f"ours and {words} differ", file=sys.stderr)
    compared = 2 * sum(question.is_said_alike for question in QUESTIONS)
    totals = [(alone.total, tenth.total) for alone, tenth in zip(*2 * [iter(told["ours"])], strict=True)]
    found = {name: {"build": builds[name], **_timed(name, place, scans, rounds, run)} for name in names}
    return {
        "scans": scans,
        "beamtimes": len(beamtime_ids(scans)),
        "agreement": {"queries": compared, "with": names[1:], "differences": differing},
        "totals": totals,
        "contenders": found,
        "ratios": _ratios(found),
    }


def _timed(name: str, place: Path, scans: int, rounds: int, run: Run) -> Found:
    parts = {"warm": partial(warm, name, place, scans, rounds), "updated": partial(updated, name, place, scans, rounds)}
    _tell(f"{scans:,} scans: {name}, first")
    opening = [run(partial(first, name, place, scans)) for _ in range(min(rounds, 3))]
    found: dict[str, Found] = {}
    for state, part in parts.items():
        _tell(f"{scans:,} scans: {name}, {state}")
        found[state] = run(part)
    _tell(f"{scans:,} scans: {name}, cold")
    times_of = {"cold": run(partial(cold, name, place, scans))}
    times_of |= {state: each.pop("times") for state, each in found.items()}
    return {
        "first_ms": median(opening),
        "ms": {state: percentiles(times_of[state]) for state in STATES},
        "ms_a_query": {state: [median(each) for each in times_of[state]] for state in STATES},
        "visible_ms": {"p50": found["updated"]["visible_median_ms"], "p95": percentile(found["updated"]["visible_ms"])},
        "searching": found["warm"],
    }


def percentiles(taken: Times) -> dict[str, dict[str, float]]:
    """Give p50 and p95 over all and for each kind of query."""
    by_kind: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for question, each in zip(QUESTIONS, taken, strict=True):
        by_kind["all"] += each
        by_kind[question.kind] += each
    return {kind: {"p50": median(each), "p95": percentile(each)} for kind, each in by_kind.items()}


def percentile(values: Sequence[float], share: float = 0.95) -> float:
    """Give the value that so large a share of all does not exceed; of few the largest."""
    return sorted(values)[math.ceil(share * len(values)) - 1]


def _ratios(found: Mapping[str, Found]) -> Found:
    """Give for each state and peer the peer's p95 by ours: above 1 we are faster."""
    ours = found["ours"]["ms"]
    return {
        state: {
            name: {kind: each["ms"][state][kind]["p95"] / ours[state][kind]["p95"] for kind in KINDS}
            for name, each in found.items()
            if name != "ours"
        }
        for state in STATES
    }


# Told


def as_text(report: Mapping[str, Any]) -> str:
    """Give the report as people read it."""
    facts: Mapping[str, Plain] = report["machine"]
    lines = [f"{machine_line(facts)}, SQLite {report['sqlite']}"]
    for found in report["scales"].values():
        lines += ["", *_scale_lines(found)]
    return "\n".join(lines)


def _scale_lines(found: Found) -> Iterator[str]:
    names = list(found["contenders"])
    agreement = found["agreement"]
    yield f"{found['scans']:,} scans in {found['beamtimes']} beamtimes; {len(QUESTIONS)} queries, each with six facets"
    yield (
        f"Agreement with {', '.join(agreement['with'])}: {agreement['queries']} answers compared (all and a tenth of "
        f"the beamtimes), {len(agreement['differences'])} differences"
    )
    yield from agreement["differences"]
    for state, words in STATES.items():
        yield ""
        yield f"{state}: {words}; ms, p50 / p95, and the other's p95 by ours"
        yield _state_table(found, names, state)
    yield ""
    yield _cost_table(found["contenders"])
    yield ""
    yield "Aims, set for 300,000 scans:"
    yield from _aim_lines(found)


def _state_table(found: Found, names: Sequence[str], state: str) -> str:
    rows = []
    for kind in KINDS:
        cells = [found["contenders"][name]["ms"][state][kind] for name in names]
        figures = [f"{number(cell['p50'])} / {number(cell['p95'])}" for cell in cells]
        ratios = [times(cell["p95"], cells[0]["p95"]) for cell in cells[1:]]
        rows.append((kind, *figures, *ratios))
    return table(("", *names, *(f"{name}/ours" for name in names[1:])), rows)


def _cost_table(contenders: Mapping[str, Found]) -> str:
    def row(words: str, figure: Callable[[Found], float]) -> tuple[str, ...]:
        return (words, *(number(figure(each)) for each in contenders.values()))

    rows = (
        row("first query after opening, ms", lambda c: c["first_ms"]),
        row("update to visible, ms, p50", lambda c: c["visible_ms"]["p50"]),
        row("update to visible, ms, p95", lambda c: c["visible_ms"]["p95"]),
        row("build, documents/s", lambda c: c["build"]["documents_per_s"]),
        row("build, most memory, MB", lambda c: c["build"]["peak_mb"]),
        row("searching, most memory, MB", lambda c: c["searching"]["peak_mb"]),
        row("  of it not of files, at the end", lambda c: c["searching"]["anonymous_mb"]),
        row("  before the index was opened", lambda c: c["searching"]["before_mb"]),
        row("index on disk, MB", lambda c: c["build"]["size_mb"]),
        row("warm rounds", lambda c: c["searching"]["rounds"]),
    )
    return table(("", *contenders), rows)


def _aim_lines(found: Found) -> Iterator[str]:
    """Say of each aim whether it was reached."""
    ours = found["contenders"]["ours"]
    for state in STATES:
        ratios = found["ratios"][state]
        if "tantivy" in ratios:
            yield _aim(f"{state}: p95 no slower than Tantivy", ratios["tantivy"]["all"], SLOWER_THAN_TANTIVY)
        yield _aim(f"{state}: p95 20 times faster than FTS5", ratios["fts5"]["all"], FASTER_THAN_FTS5)
    yield _aim("first query in 200 ms", ours["first_ms"], FIRST_MS, most=True)
    yield _aim("update visible in 100 ms", ours["visible_ms"]["p95"], VISIBLE_MS, most=True)
    yield _aim("build 1,000 documents/s", ours["build"]["documents_per_s"], DOCUMENTS_PER_S)


def _aim(words: str, value: float, aim: float, *, most: bool = False) -> str:
    is_reached = value <= aim if most else value >= aim
    unit = " ms" if most else " documents/s" if aim == DOCUMENTS_PER_S else " x"
    return f"{'reached' if is_reached else 'missed '}  {words}: {number(value)}{unit}"


if __name__ == "__main__":
    sys.exit(main())
