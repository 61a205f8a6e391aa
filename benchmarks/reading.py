"""What reading and drawing a scan costs, format by format, beside the ingest in use at the beamline today.

Knows what is compared with what; does not know how a contender does it. Run ``python -m benchmarks.reading --help``.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks import ingest, ours, plain
from benchmarks.clock import CannotTakePartError, Run, Timing, medians
from benchmarks.corpus import Case, demo_cases, real_cases
from benchmarks.table import Plain, as_json, machine, machine_line, number, table, times
from catalog_builder.signals import Floats, Reading

PROCESS = "nxsfileinfo, a process a call"
WARM = "nxsfileinfo, in this process"
SCRIPT = "plain matplotlib"
RIVALS = (PROCESS, WARM, SCRIPT)

PARTS: Mapping[str, tuple[tuple[str, ...], Mapping[str, tuple[str, ...]]]] = {
    "read": (("read",), {PROCESS: ("metadata, process",), WARM: ("metadata, warm",)}),
    "draw": (("draw",), {SCRIPT: ("script",)}),
    "read + draw": (("read", "draw"), {PROCESS: ("attachment, process",), WARM: ("attachment, warm",)}),
    "take in": (
        ("intake",),
        {
            PROCESS: ("metadata, process", "attachment, process"),
            WARM: ("metadata, warm", "attachment, warm"),
        },
    ),
}
"""What is compared: of us, and of each rival, the sum of the named measurements. An attachment is read and drawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What was found out about one case."""

    case: Case
    timings: Mapping[str, Timing]
    reasons: Mapping[str, str]
    """Why others took no part."""

    def a_scan(self, names: Sequence[str]) -> tuple[float, float] | None:
        """Give wall and CPU seconds a scan, summed over measurements; None where one is missing.

        Metadata tell of all scans of a file together; of attachments each is of one scan.
        """
        counted = {name: "read" if name.startswith("metadata") else name for name in names}
        if not all(name in self.timings for name in (*names, *counted.values())):
            return None
        scans = {name: self.timings[count].units for name, count in counted.items()}
        return (
            sum(self.timings[name].wall / scans[name] for name in names),
            sum(self.timings[name].cpu / scans[name] for name in names),
        )


@dataclass(slots=True)
class Agreement:
    """How far what we read is what nxsfileinfo read: a proof that both did the work."""

    files: int = 0
    commands: int = 0
    columns: int = 0
    differences: list[str] = field(default_factory=list)


def main() -> int:
    """Measure, and print a table or JSON."""
    options = _options()
    rivals = not options.alone and ingest.is_there()
    if not options.alone and not rivals:
        print(ingest.MISSING, file=sys.stderr)
    facts = machine("catalog-builder", "nxstools", "numpy", "matplotlib", "h5py", "silx", "fabio")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        cases = demo_cases(root / "demo", options.scale)
        if options.data is not None:
            cases += real_cases(root / "real", options.data)
        measured, agreement = [], Agreement()
        for place, case in enumerate(cases, start=1):
            _tell(f"{place}/{len(cases)} {case.format} {case.name}")
            timings, reasons = medians(contenders(case, rivals=rivals), options.rounds)
            measured.append(Measured(case=case, timings=timings, reasons=reasons))
            if rivals:
                _compare(case, agreement)
        _tell("")
    report = reported(measured, facts, agreement if rivals else None, options)
    print(as_json(report) if options.json else as_text(report))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reading", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--scale", type=_positive, default=8, help="scans a format, of the demo (default: 8)")
    parser.add_argument("--rounds", type=_positive, default=5, help="times each thing is timed (default: 5)")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of tables")
    parser.add_argument("--alone", action="store_true", help="leave nxsfileinfo out")
    data = os.environ.get("CATBUILD_REAL_DATA")
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(data) if data else None,
        help="folder of real instrument files to read besides the demo's (default: CATBUILD_REAL_DATA)",
    )
    options = parser.parse_args()
    if options.data is not None and not options.data.is_dir():
        parser.error(f"{options.data} is not a folder; name one that holds instrument files")
    return options


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError(text)
    return value


def _tell(words: str) -> None:
    """Show on a terminal how far it is."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{words[:100]}", end="", file=sys.stderr, flush=True)


def contenders(case: Case, *, rivals: bool) -> dict[str, Run]:
    """Give what is timed on a case, by the names that ``PARTS`` has."""
    runs: dict[str, Run] = {
        "read": partial(ours.read, case),
        "draw": partial(ours.draw, case),
        "intake": partial(ours.intake, case),
        "script": partial(plain.draw, case),
    }
    if rivals:
        runs |= {
            "metadata, process": partial(ingest.command_line, "metadata", case),
            "metadata, warm": partial(ingest.in_process, "metadata", case),
            "attachment, process": partial(ingest.command_line, "attachment", case),
            "attachment, warm": partial(ingest.in_process, "attachment", case),
        }
    return runs


def _compare(case: Case, agreement: Agreement) -> None:
    """Hold a file's command and columns against what nxsfileinfo tells of them."""
    science = ingest.told(case)
    if not science:
        return
    try:
        readings = list(ours.readings(case))
    except CannotTakePartError:
        return
    if len(readings) != 1:
        return
    agreement.files += 1
    command = science.get("ScanCommand")
    if command is not None:
        _count(agreement, "commands", command == readings[0].command, f"{case.name}: command {command!r}")
    told = science.get("data")
    for name, own in _columns(readings[0]).items():
        values = told.get(name) if isinstance(told, dict) else None
        values = values.get("value") if isinstance(values, dict) else values
        if isinstance(values, list) and all(isinstance(value, (int, float)) for value in values):
            same = np.array_equal(np.array(values, dtype=np.float64), own, equal_nan=True)
            _count(agreement, "columns", same, f"{case.name}: column {name}")


def _columns(reading: Reading) -> dict[str, Floats]:
    """Give the values of all columns by name; a map's axes once, as a file has them, not point by point."""
    columns = {column.name: column.values for column in reading.columns}
    if reading.map is not None:
        columns |= {axis.name: axis.values for axis in (reading.map.x, reading.map.y)}
    return columns


def _count(agreement: Agreement, what: str, same: bool, where: str) -> None:
    if same:
        setattr(agreement, what, getattr(agreement, what) + 1)
    else:
        agreement.differences.append(where)


def reported(
    measured: Sequence[Measured], facts: Mapping[str, Plain], agreement: Agreement | None, options: argparse.Namespace
) -> dict[str, Plain]:
    """Put all that was found out into one object: times in ms a scan, ratios as theirs by ours."""
    formats: dict[str, Plain] = {}
    for format in dict.fromkeys(each.case.format for each in measured):
        of_format = [each for each in measured if each.case.format == format]
        formats[format] = _format_report(of_format, rivals=agreement is not None)
    report: dict[str, Plain] = {
        "benchmark": "reading",
        "machine": facts,
        "scale": options.scale,
        "rounds": options.rounds,
        "formats": formats,
    }
    if agreement is not None:
        report["agreement"] = {
            "files": agreement.files,
            "equal_commands": agreement.commands,
            "equal_columns": agreement.columns,
            "differences": agreement.differences,
        }
    return report


def _format_report(measured: Sequence[Measured], *, rivals: bool) -> dict[str, Plain]:
    parts: dict[str, Plain] = {}
    for part, (own, others) in PARTS.items():
        times_of: dict[str, Plain] = {"ours": _mean([found for each in measured if (found := each.a_scan(own))])}
        for rival, names in others.items():
            if rivals or rival == SCRIPT:
                times_of[rival] = _beside(measured, own, names)
        parts[part] = times_of
    return {
        "files": len(measured),
        "scans": sum(each.timings["read"].units for each in measured if "read" in each.timings),
        "parts": parts,
        "left_out": {
            name: list(reasons)
            for name in dict.fromkeys(name for each in measured for name in each.reasons)
            if (reasons := [f"{m.case.name}: {m.reasons[name]}" for m in measured if name in m.reasons])
        },
    }


def _beside(measured: Sequence[Measured], own: Sequence[str], names: Sequence[str]) -> dict[str, Plain]:
    """Give a rival's times and how many times ours they are, over the files that both could do."""
    both = [(us, them) for each in measured if (us := each.a_scan(own)) and (them := each.a_scan(names))]
    if not both:
        return _mean([])
    ours_of = [sum(us[clock] for us, _ in both) for clock in (0, 1)]
    theirs = [sum(them[clock] for _, them in both) for clock in (0, 1)]
    return _mean([them for _, them in both]) | {
        "wall_ratio": theirs[0] / ours_of[0],
        "cpu_ratio": theirs[1] / ours_of[1] if ours_of[1] else None,
    }


def _mean(found: Sequence[tuple[float, float]]) -> dict[str, Plain]:
    """Give ms a scan, each file counting once; without any file nothing."""
    if not found:
        return {"files": 0}
    return {
        "files": len(found),
        "wall_ms": 1000 * sum(wall for wall, _ in found) / len(found),
        "cpu_ms": 1000 * sum(cpu for _, cpu in found) / len(found),
    }


def as_text(report: Mapping[str, Plain]) -> str:
    """Give the report as people read it."""
    machine_facts, formats = _mapping(report["machine"]), _mapping(report["formats"])
    lines = [
        f"Reading and drawing, ms a scan: medians of {report['rounds']} rounds in turn, one thread",
        machine_line(machine_facts),
    ]
    for format, found in formats.items():
        lines += ["", *_format_lines(format, _mapping(found))]
    lines += [
        "",
        "N x: their time by ours, over the files that both could do. An attachment is one picture in one size;",
    ]
    lines.append(
        "we draw in both sizes. Taking in is compared with metadata and attachment together. To read images is to find"
    )
    lines.append("them: their pixels are loaded when they are drawn.")
    if "agreement" in report:
        lines += ["", *_agreement_lines(_mapping(report["agreement"]))]
    return "\n".join(lines)


def _format_lines(format: str, found: Mapping[str, Plain]) -> Iterator[str]:
    parts = {part: _mapping(times_of) for part, times_of in _mapping(found["parts"]).items()}
    rivals = [rival for rival in RIVALS if any(rival in times_of for times_of in parts.values())]
    rows = []
    for part, times_of in parts.items():
        for clock, word in (("wall", "wall"), ("cpu", "CPU")):
            rows.append([f"{part}, {word}", *(_cell(times_of, name, clock, found) for name in ("ours", *rivals))])
    yield f"{format}: {found['files']} files, {found['scans']} scans"
    yield table(("", "ours", *rivals), rows)
    for name, reasons in _mapping(found["left_out"]).items():
        if isinstance(reasons, list):
            yield f"  {name}: {len(reasons)} of {found['files']} files take no part, as {reasons[0]}"


def _cell(times_of: Mapping[str, Plain], name: str, clock: str, found: Mapping[str, Plain]) -> str:
    if name not in times_of:
        return ""
    times_here = _mapping(times_of[name])
    value, ratio = times_here.get(f"{clock}_ms"), times_here.get(f"{clock}_ratio")
    if not isinstance(value, float):
        return "nothing to do" if name in ("ours", SCRIPT) else "cannot read"
    return f"{number(value)}  ({times(ratio, 1.0)})" if isinstance(ratio, float) else number(value)


def _agreement_lines(agreement: Mapping[str, Plain]) -> Iterator[str]:
    yield (
        f"Both read the same: {agreement['files']} files compared, {agreement['equal_commands']} commands and "
        f"{agreement['equal_columns']} columns equal"
    )
    differences = agreement["differences"]
    for difference in differences if isinstance(differences, list) else ():
        yield f"  different: {difference}"


def _mapping(value: Plain) -> Mapping[str, Plain]:
    if not isinstance(value, Mapping):
        raise TypeError(value)
    return value


if __name__ == "__main__":
    sys.exit(main())
