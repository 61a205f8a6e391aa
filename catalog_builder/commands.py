"""Scan commands, parsed: ``dscan om -1 1 40 1`` says what was moved, how far and in how many points.

Knows the macros of SPEC and of Sardana; does not know files, and nothing of what was really measured.
"""

import re
from math import isfinite, prod

from catalog_builder.records import Command, Range

_STEP_SCAN = re.compile(r"^(a|d)([2-9])?scan(ct|c)?$")
_MESH = re.compile(r"^(a|d|hkl)?mesh(ct|c)?$")
_RECIPROCAL = {"hscan": "h", "kscan": "k", "lscan": "l"}
_COUNTS = frozenset({"ct", "uct"})
_WORDS = re.compile(r"'[^']*'|\"[^\"]*\"|\S+")
_WHOLE = re.compile(r"^\+?\d{1,9}$")


def parse(text: str) -> Command:
    """Parse a scan command as SPEC writes it behind ``#S 12`` and Sardana in the first line of a scan file.

    A macro nobody knows gives its name and no ranges, and so does a known one whose arguments do not fit. Of
    ``n`` intervals come ``n + 1`` points; a mesh has the product of both. Words behind the last argument
    (Sardana's ``bidirectional``, options) are left alone. Never raises.

    Sources: SPEC standard macros (``ascan``, ``mesh``, ``hklscan``, ``loopscan`` …); sardana
    ``macroserver/macros/scan.py`` (``dscan``, ``mesh``, ``timescan``, ``fscan``, ``ascanct`` …).
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
    if macro == "hklscan":
        return _hklscan(words)
    if macro == "timescan":
        return _timescan(words)
    if macro == "loopscan":
        points = _whole(words, 0)
        return (), False, points or None, _number(words, 1)
    if macro == "fscan":
        return _fscan(words)
    if macro in _COUNTS:
        return (), False, 1, _number(words, 0)
    return None


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
    """Read Sardana's ``n t [latency]``, else SPEC's ``t [sleep]``, which runs until somebody stops it."""
    intervals, exposure = _whole(words, 0), _number(words, 1)
    if intervals and exposure:
        return (), False, intervals + 1, exposure
    return (), False, None, _number(words, 0)


def _fscan(words: list[str]) -> _Parsed | None:
    """Read Sardana's ``x=[…] t m1 'expression' m2 'expression' …``: who moves, not how far."""
    first = next((i for i, word in enumerate(words) if _number([word], 0) is not None), None)
    if first is None:
        return None
    movers = words[first + 1 :: 2]
    ranges = tuple(Range(positioner=name, start=None, stop=None, intervals=None) for name in movers)
    return ranges, False, None, _number(words, first)


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
