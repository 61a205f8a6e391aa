"""Words of text files as numbers, lists and matrices: read as data, never evaluated.

Knows how numbers are spelt; does not know which file or column a word stands in.
"""

import json
import math
import re
from array import array
from collections import Counter

import numpy as np

from catalog_builder.records import Json
from catalog_builder.signals import Floats

_STARTS = frozenset("0123456789+-.")
_FORTRAN = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)[dD][+-]?\d+")
_NUMERIC_LIST = re.compile(r"[\[\](),;\s\d.eE+\-]*(?:nan[\[\](),;\s\d.eE+\-]*)*")
_PARTS = re.compile(r"[\[\]()]|nan|[^\[\](),;\s]+")
_ABSENT = frozenset({"nan", "+nan", "-nan", "none", "null", "<no-data>", "n/a"})
_TRUTHS = {"true": True, "false": False}
_DEEPEST = 8
_LONGEST = 100_000
"""Characters; a longer list stays the text it is."""


def number(word: str) -> float | None:
    """Give the finite number a word spells (``1.0``, ``9.97774e+07``, Fortran's ``1D3``), or None."""
    word = word.strip()
    if word[:1] not in _STARTS or "_" in word:
        return None
    try:
        result = float(word)
    except ValueError:
        if not _FORTRAN.fullmatch(word):
            return None
        result = float(word.replace("D", "e").replace("d", "e"))
    return result if math.isfinite(result) else None


def absent(word: str) -> bool:
    """Tell whether a word stands for a value that is not there (``None``, ``<no-data>``)."""
    return word.lower() in _ABSENT


def value(text: str) -> Json:
    """Give a parameter's value: a float, a bool, None (``None``, ``nan``), a list or matrix, or the text.

    Lists are JSON (``[1, 2]``, ``["a"]``, Python's ``['a']``), matrices numpy's print as Sardana writes it,
    ``[[ 0.8 -0.8]; [ 0.02  0.009]]``.
    """
    text = text.strip()
    if (single := number(text)) is not None:
        return single
    folded = text.lower()
    if folded in _ABSENT:
        return None
    if folded in _TRUTHS:
        return _TRUTHS[folded]
    if text[:1] in ("[", "(", "{") and len(text) <= _LONGEST:
        return _structure(text)
    return text


def _structure(text: str) -> Json:
    if _NUMERIC_LIST.fullmatch(text):
        nested = _nested(_PARTS.findall(text))
        return text if nested is None else nested
    for spelling in (text, text.replace("'", '"')):
        try:
            parsed: Json = json.loads(spelling, parse_constant=lambda _: None, parse_int=float)
            return _finite(parsed)
        except (ValueError, RecursionError):
            continue
    return text


def _finite(parsed: Json) -> Json:
    if isinstance(parsed, float) and not math.isfinite(parsed):
        return None
    if isinstance(parsed, list):
        return [_finite(item) for item in parsed]
    if isinstance(parsed, dict):
        return {key: _finite(item) for key, item in parsed.items()}
    return parsed


def _nested(parts: list[str]) -> list[Json] | None:
    """Build nested lists from brackets and numbers; None where they do not fit together."""
    outer: list[Json] = []
    stack = [outer]
    for part in parts:
        if part in "[(":
            inner: list[Json] = []
            stack[-1].append(inner)
            stack.append(inner)
            if len(stack) > _DEEPEST:
                return None
        elif part in "])":
            if len(stack) == 1:
                return None
            stack.pop()
        elif part == "nan":
            stack[-1].append(None)
        elif (single := number(part)) is not None:
            stack[-1].append(single)
        else:
            return None
    whole = outer[0] if len(outer) == 1 and len(stack) == 1 else None
    return whole if isinstance(whole, list) else None


class Table:
    """Rows of words becoming columns of numbers."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._cells = array("d")

    def append(self, words: list[str]) -> list[int]:
        """Add a row, cut or filled with NaN to the table's width; gives the places of words that are no numbers.

        ``True`` and ``False`` count 1 and 0; a word for an absent value (``<no-data>``) is NaN and no fault.
        """
        words = words[: self._width]
        bad: list[int] = []
        whole = len(self._cells)
        try:
            if "_" in "".join(words):
                raise ValueError("Python would read 1_0 as ten")
            self._cells.extend(map(float, words))
        except ValueError:
            del self._cells[whole:]
            for at, word in enumerate(words):
                self._cells.append(_cell(word))
                if math.isnan(self._cells[-1]) and not absent(word):
                    bad.append(at)
        if len(words) < self._width:
            self._cells.extend([math.nan] * (self._width - len(words)))
        return bad

    def columns(self) -> list[Floats]:
        """Give the columns, each of shape (rows,), contiguous; infinite values are NaN, they are no readings."""
        if not self._width:
            return []
        cells = np.array(self._cells, dtype=np.float64).reshape(-1, self._width)
        cells[~np.isfinite(cells)] = np.nan
        return [np.ascontiguousarray(column) for column in cells.T]


def _cell(word: str) -> float:
    truth = _TRUTHS.get(word.lower())
    if truth is not None:
        return float(truth)
    found = number(word)
    return math.nan if found is None else found


def usual_width(rows: list[list[str]], expected: int) -> int:
    """Give the number of values a row: the expected one where any row has it, else the one most rows share.

    One row alone, or rows of ever different lengths, prove nothing: then it is the expected one.
    """
    widths = Counter(map(len, rows))
    if expected in widths or not widths:
        return expected
    width, rows_of_it = max(widths.items(), key=lambda item: (item[1], item[0]))
    return width if rows_of_it > 1 else expected


def fitted_labels(labels: list[str], width: int) -> list[str]:
    """Name ``width`` columns of rows that have more or fewer values than there are labels.

    The first is the scanned one in every format. With labels to spare nobody can tell which value is missing,
    so the others are called after their place (``column 2``) rather than by a name that may be wrong.
    """
    if width == len(labels):
        return labels
    kept = labels if width > len(labels) else labels[:1]
    return [*kept, *(f"column {at + 1}" for at in range(len(kept), width))]


def unique_names(names: list[str]) -> list[str]:
    """Tell columns of the same name apart: ``I0``, ``I0 (2)``."""
    result: list[str] = []
    taken = set(names)
    seen: set[str] = set()
    orders: dict[str, int] = {}
    for name in names:
        told, order = name, orders.get(name, 1)
        while told in seen or (order > 1 and told in taken):
            order += 1
            told = f"{name} ({order})"
        orders[name] = order
        seen.add(told)
        result.append(told)
    return result
