"""Scan commands, parsed: ``dscan om -1 1 40 1`` says what was moved, how far and in how many points.

Knows the macros of SPEC and of Sardana; does not know files, and nothing of what was really measured.
"""

import re
from math import isfinite, prod

from catalog_builder.records import Command, Range

_STEP_SCAN = re.compile(r"^(a|d)([2-9])?scan(ct|c)?$")
_MESH = re.compile(r"^(a|d|hkl)?mesh(ct|c)?$")
_RECIPROCAL = {"hscan": "h", "kscan": "k", "lscan": "l"}
_REGIONS = re.compile(r"^r([23])?scan$")
_COUNTS = frozenset({"ct", "uct"})
_WORDS = re.compile(r"'[^']*'|\"[^\"]*\"|\S+")
_WHOLE = re.compile(r"^\+?\d{1,9}$")


def parse(text: str) -> Command:
    """Parse a scan command as SPEC writes it behind ``#S 12`` and Sardana in the first line of a scan file.

    A macro nobody knows gives its name and no ranges, and so does a known one whose arguments do not fit. Of
    ``n`` intervals come ``n + 1`` points; a mesh has the product of both. Words behind the last argument
    (Sardana's ``bidirectional``, options) are left alone. Never raises.

    Points are given only where they are sure: a wrong number of them makes a whole scan an aborted one.

    Sources: SPEC standard macros (``ascan``, ``mesh``, ``hklscan``, ``loopscan`` …); sardana
    ``macroserver/macros/scan.py`` (``dscan``, ``mesh``, ``timescan``, ``fscan``, ``ascanct``, ``rscan`` …);
    BLISS standard scans (``amesh``, ``loopscan``); GDA user guide, "Scanning" (``scan x 0 10 1``); the USAXS
    instrument's ``uascan`` at the APS.
    """
    text = text.strip()
    name = re.split(r"[\s(]", text, maxsplit=1)[0]
    arguments = _WORDS.findall(text[len(name) :])
    macro = name.lower()
    parsed = _parsed(macro, arguments)
    return Command(text=text, macro=name) if parsed is None else _command(text, name, *parsed)


_Parsed = tuple[tuple[Range, ...], bool, int | None, float | None]
"""Ranges, relative, points, exposure."""


def _command(
    text: str, macro: str, ranges: tuple[Range, ...], relative: bool, points: int | None, exposure: float | None
) -> Command:
    return Command(text=text, macro=macro, ranges=ranges, relative=relative, points=points, exposure=exposure)


def _parsed(macro: str, words: list[str]) -> _Parsed | None:
    if step := _STEP_SCAN.match(macro):
        return _together(words, int(step[2] or 1), relative=step[1] == "d", ramp=step[3] == "c")
    if macro == "lup":
        return _together(words, 1, relative=True, ramp=False)
    if macro in ("amultiscan", "dmultiscan"):
        return _together(words, _leading_moves(words), relative=macro[0] == "d", ramp=False)
    if mesh := _MESH.match(macro):
        return _mesh(words, relative=mesh[1] == "d")
    if macro in _RECIPROCAL:
        return _together([_RECIPROCAL[macro], *words], 1, relative=False, ramp=False)
    if regions := _REGIONS.match(macro):
        return _who_moves(words[: int(regions[1] or 1)])
    if macro in _COUNTS:
        return (), False, 1, _number(words, 0)
    special = _SPECIAL.get(macro)
    return special(words) if special else None


def _together(words: list[str], count: int, *, relative: bool, ramp: bool) -> _Parsed | None:
    """Read ``m1 a b m2 a b … n t``: positioners that move together; a ramp (``ascanc``) has no ``n``."""
    moves = [_move(words[3 * i : 3 * i + 3]) for i in range(count)]
    if not all(moves):
        return None
    rest = words[3 * count :]
    intervals = None if ramp else _whole(rest, 0)
    exposure = _number(rest, 0) if ramp else _number(rest, 1) if intervals is not None else None
    ranges = tuple(Range(positioner=m[0], start=m[1], stop=m[2], intervals=intervals) for m in moves if m)
    return ranges, relative, None if intervals is None else intervals + 1, exposure


def _leading_moves(words: list[str]) -> int:
    count = 0
    while _move(words[3 * count : 3 * count + 3]) and _number(words, 3 * count) is None:
        count += 1
    return max(count, 1)


def _mesh(words: list[str], *, relative: bool) -> _Parsed | None:
    """Read ``fast a b n slow a b n t``."""
    ranges = []
    for part in (words[0:4], words[4:8]):
        move, intervals = _move(part[:3]), _whole(part, 3)
        if move is None or intervals is None:
            return None
        ranges.append(Range(positioner=move[0], start=move[1], stop=move[2], intervals=intervals))
    points = prod((r.intervals or 0) + 1 for r in ranges)
    return tuple(ranges), relative, points, _number(words, 8)


def _hklscan(words: list[str]) -> _Parsed | None:
    """Read ``h1 h2 k1 k2 l1 l2 n t``."""
    ends = [_number(words, i) for i in range(6)]
    if None in ends:
        return None
    intervals = _whole(words, 6)
    ranges = tuple(
        Range(positioner=index, start=ends[2 * i], stop=ends[2 * i + 1], intervals=intervals)
        for i, index in enumerate("hkl")
    )
    exposure = None if intervals is None else _number(words, 7)
    return ranges, False, None if intervals is None else intervals + 1, exposure


def _timescan(words: list[str]) -> _Parsed:
    """Read Sardana's ``n t [latency]``, else SPEC's ``t [sleep]``, which runs until somebody stops it.

    With two words it is Sardana's where the time has a decimal point: it writes every time as a float
    (``timescan 9 1.0``), SPEC what was typed (``timescan 1 2``); else nobody can tell.
    """
    intervals, exposure = _whole(words, 0), _number(words, 1)
    if intervals and exposure:
        sure = len(words) > 2 or "." in words[1]
        return (), False, intervals + 1 if sure else None, exposure if sure else None
    return (), False, None, _number(words, 0)


def _loopscan(words: list[str]) -> _Parsed:
    """Read SPEC's and BLISS' ``n t [sleep]``: here ``n`` are points."""
    return (), False, _whole(words, 0) or None, _number(words, 1)


def _two_theta(words: list[str]) -> _Parsed | None:
    """Read SPEC's ``th2th a b n t``: ``tth`` relative to where it stands, ``th`` half as far."""
    return _together(["tth", *words], 1, relative=True, ramp=False)


def _uascan(words: list[str]) -> _Parsed | None:
    """Read ``ar start centre stop …``: its steps grow with the distance from the centre, so only the ends are told."""
    start, stop = _number(words, 1), _number(words, 3)
    if start is None or stop is None:
        return None
    return (Range(positioner=words[0], start=start, stop=stop, intervals=None),), False, None, None


def _gda_scan(words: list[str]) -> _Parsed | None:
    """Read GDA's ``x start stop step [y start stop step …] [y start [step]] [detector [time]]``.

    A name with three numbers is one more dimension, inside the one before it: the last one is the fast one. A
    step that does not fit between its ends leaves the number of points open.
    """
    ranges: list[Range] = []
    exposure = None
    for name, numbers in _named_numbers(words):
        if len(numbers) > 2:
            ranges.append(Range(positioner=name, start=numbers[0], stop=numbers[1], intervals=_intervals(*numbers[:3])))
        elif ranges and len(numbers) == 1:
            exposure = exposure or numbers[0]
    if not ranges or len(_named_numbers(words)[0][1]) != 3:
        return None
    counts = [r.intervals for r in ranges]
    known = [count + 1 for count in counts if count is not None]
    return tuple(reversed(ranges)), False, prod(known) if len(known) == len(counts) else None, exposure


def _named_numbers(words: list[str]) -> list[tuple[str, list[float]]]:
    """Give each name with the numbers behind it; one behind no name is left out."""
    named: list[tuple[str, list[float]]] = []
    for word in words:
        found = _number([word], 0)
        if found is None:
            named.append((word, []))
        elif named:
            named[-1][1].append(found)
    return named


def _intervals(start: float, stop: float, step: float) -> int | None:
    """Give the number of steps between two ends; None where they do not fit a whole number of times."""
    steps = abs((stop - start) / step) if step else 0.0
    return round(steps) if 0.5 < steps < 1e9 and abs(steps - round(steps)) < 1e-3 else None


def _who_moves(names: list[str]) -> _Parsed | None:
    """Read who moves in Sardana's ``rscan``, whose other arguments changed places with its version 3.2."""
    if not names or any(_number([name], 0) is not None for name in names):
        return None
    return tuple(Range(positioner=name, start=None, stop=None, intervals=None) for name in names), False, None, None


def _fscan(words: list[str]) -> _Parsed | None:
    """Read Sardana's ``x=[…] t m1 'expression' m2 'expression' …``: who moves, not how far."""
    first = next((i for i, word in enumerate(words) if _number([word], 0) is not None), None)
    if first is None:
        return None
    movers = words[first + 1 :: 2]
    ranges = tuple(Range(positioner=name, start=None, stop=None, intervals=None) for name in movers)
    return ranges, False, None, _number(words, first)


_SPECIAL = {
    "hklscan": _hklscan,
    "timescan": _timescan,
    "loopscan": _loopscan,
    "fscan": _fscan,
    "th2th": _two_theta,
    "uascan": _uascan,
    "scan": _gda_scan,
}


def _move(words: list[str]) -> tuple[str, float, float] | None:
    start, stop = _number(words, 1), _number(words, 2)
    return None if start is None or stop is None else (words[0], start, stop)


def _number(words: list[str], index: int) -> float | None:
    try:
        value = float(words[index])
    except (IndexError, ValueError):
        return None
    return value if isfinite(value) else None


def _whole(words: list[str], index: int) -> int | None:
    return int(words[index]) if index < len(words) and _WHOLE.match(words[index]) else None


def main_ranges(command: Command) -> tuple[Range, ...]:
    """Give the ranges a curve or map of the scan is drawn over, fast first; empty where nothing moves.

    Of positioners that move together the first that moves at all stands for them; for ``hklscan`` the one of
    h, k, l that moves most.
    """
    macro = command.macro.lower()
    if _MESH.match(macro):
        return command.ranges
    moving = [r for r in command.ranges if r.start != r.stop or r.start is None]
    if macro == "hklscan":
        moving.sort(key=lambda r: abs((r.stop or 0.0) - (r.start or 0.0)), reverse=True)
    return tuple(moving[:1])
