"""What a reader could not understand, collected while it reads on.

Knows problems, how a place is written and how many are worth listing; does not know formats.
"""

from collections import Counter
from dataclasses import replace

from catalog_builder.records import Problem

LISTED = 20
"""Problems a scan lists one by one; more of them are counted."""


class Complaints:
    """Collects the problems of one scan, the first few in full, the rest as a number.

    A scan is in a file, or below one group of an HDF5 file (``/entry``).
    """

    def __init__(self, file: str, group: str = "") -> None:
        self._file = file
        self._group = group
        self._listed: list[Problem] = []
        self._again: Counter[str] = Counter()
        self._more = 0

    def add(self, what: str, place: str | int | None = None, *, once: bool = False) -> None:
        """Note a problem at a line number, an HDF5 path below the scan's group or, with a ``/``, below the file.

        Of one that is noted ``once`` the first place is named, and others are counted.
        """
        if once and any(problem.what == what for problem in self._listed):
            self._again[what] += 1
        elif len(self._listed) < LISTED:
            self._listed.append(Problem(where=self._where(place), what=what))
        else:
            self._more += 1

    def all(self) -> tuple[Problem, ...]:
        """Give what was noted, in order."""
        listed = tuple(self._counted(problem) for problem in self._listed)
        if not self._more:
            return listed
        return (*listed, Problem(where=self._where(None), what=f"{self._more} more problems like these"))

    def _where(self, place: str | int | None) -> str:
        """Give ``file:12`` of a line, ``file:/entry/data`` of an HDF5 path."""
        if isinstance(place, str) and not place.startswith("/"):
            place = f"{self._group}/{place}"
        place = place or self._group
        return f"{self._file}:{place}" if place else self._file

    def _counted(self, problem: Problem) -> Problem:
        again = self._again[problem.what]
        if not again:
            return problem
        return replace(problem, what=f"{problem.what} (here and in {again} more place{'s' if again > 1 else ''})")
