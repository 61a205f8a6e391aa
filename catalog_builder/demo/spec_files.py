"""Scans written as SPEC files, many to a file.

Knows the header and scan lines of the standard data file (SPEC manual); does not know how scans were measured.
"""

from collections.abc import Iterable, Sequence
from zoneinfo import ZoneInfo

from catalog_builder.demo.measured import Measured
from catalog_builder.demo.physics import Floats

PER_LINE = 8
"""Positioners in an ``#O`` or ``#P`` line."""


def spec_text(name: str, scans: Sequence[Measured], zone: ZoneInfo) -> str:
    """Give a SPEC file of these scans, in order; times in it are local, ``#E`` is Unix time."""
    first = scans[0]
    begin = int(first.started.timestamp()) - 95
    parts = [head(name, begin, _ctime(first, zone), first.plan.sample.name, first.positioners)]
    for scan in scans:
        parts.append(opening(scan.plan.number, scan.plan.command, _ctime(scan, zone)) + body(scan, begin))
        if scan.plan.measured is not None:
            parts.append(f"#C {scan.ended.astimezone(zone).ctime()}.  Scan aborted after {scan.points} points.\n")
    return "".join(parts)


def head(name: str, begin: int, began: str, comment: str, positioners: Iterable[str]) -> str:
    """Give the file's header: its name, Unix time and local time, a comment, the names of all positioners."""
    lines = [f"#F {name}", f"#E {begin}", f"#D {began}", f"#C {comment}  User = p08user"]
    lines += [f"#O{row} {'  '.join(names)}" for row, names in enumerate(_rows(list(positioners)))]
    return "\n".join(lines) + "\n"


def opening(number: int, command: str, began: str) -> str:
    """Give a scan's first lines; SPEC puts two blanks between the words and drops a whole number's point."""
    words = [f"{float(word):g}" if word.replace(".", "").lstrip("-").isdigit() else word for word in command.split()]
    return f"\n#S {number}  {'  '.join(words)}\n#D {began}\n"


def body(scan: Measured, begin: int | None) -> str:
    """Give a scan's other lines; without ``begin`` (Unix time of ``Epoch`` 0) that column is left out."""
    columns = _columns(scan, begin)
    lines = [f"#T {scan.plan.exposure:g}  (Seconds)", f"#Q 0 0 {scan.positioners['om'] / 5.08:.6g}"]
    values = [f"{value:.9g}" for value in scan.positioners.values()]
    lines += [f"#P{row} {' '.join(some)}" for row, some in enumerate(_rows(values))]
    lines += [f"#N {len(columns)}", f"#L {'  '.join(columns)}"]
    table = zip(*(column.tolist() for column in columns.values()), strict=True)
    lines += [" ".join(f"{value:.10g}" for value in point) for point in table]
    return "\n".join(lines) + "\n"


def _columns(scan: Measured, begin: int | None) -> dict[str, Floats]:
    """Columns as SPEC orders them: positioners, clocks, monitors, detector last."""
    spelt = {"h": "H", "k": "K", "l": "L"}
    moved = [move.positioner for move in scan.plan.moves]
    columns = {spelt.get(name, name): scan.columns[name] for name in moved}
    if begin is not None:
        columns["Epoch"] = scan.columns["epoch"] - begin
    columns["Seconds"] = scan.columns["counting_time"]
    left = [name for name in scan.columns if name not in (*moved, "epoch", "counting_time", "timestamp", scan.signal)]
    return columns | {name: scan.columns[name] for name in (*left, scan.signal)}


def _rows(words: list[str]) -> list[list[str]]:
    return [words[start : start + PER_LINE] for start in range(0, len(words), PER_LINE)]


def _ctime(scan: Measured, zone: ZoneInfo) -> str:
    return scan.started.astimezone(zone).ctime()
