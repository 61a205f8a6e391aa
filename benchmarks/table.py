"""What all benchmarks print: the machine, a table of ratios for people, one JSON object for machines.

Knows plain text; does not know what was measured.
"""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

Plain = str | float | int | bool | None | Mapping[str, "Plain"] | Sequence["Plain"]


def machine(*packages: str) -> dict[str, Plain]:
    """Give what the figures depend on: processors, Python, load when it began, versions of packages."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "packages": {name: package_version(name) for name in packages},
    }


def package_version(name: str) -> str | None:
    """Give the version of an installed package; None where it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def machine_line(facts: Mapping[str, Plain]) -> str:
    """Tell in one line where the figures come from."""
    packages = facts["packages"]
    named = (
        [f"{name} {found or 'missing'}" for name, found in packages.items()] if isinstance(packages, Mapping) else []
    )
    words = (f"{facts['cores']} cores of {facts['processor']}", f"load {facts['load']}", f"Python {facts['python']}")
    return ", ".join((*words, *named))


def number(value: float) -> str:
    """Give a figure with three digits that count: ``0.123``, ``12.3``, ``1230``."""
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def times(theirs: float, ours: float) -> str:
    """Give how many times ours theirs is: ``40 x``, ``0.8 x``; nothing where ours took no time to speak of."""
    if ours <= 0:
        return ""
    ratio = theirs / ours
    return f"{ratio:.0f} x" if ratio >= 10 else f"{ratio:.1f} x"


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Give a table, the first column to the left, the others to the right."""
    cells = [list(headings), *(list(row) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(headings))]
    lines = [_line(row, widths) for row in cells]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = zip(row, widths, strict=True)
    return "  ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]).rstrip()


def as_json(report: Mapping[str, Plain]) -> str:
    """Give the report as one JSON object."""
    return json.dumps(report, indent=2, allow_nan=False)
