"""What a reader could not understand, collected while it reads on.

Knows problems and how many are worth listing; does not know formats.
"""

from catalog_builder.records import Problem

LISTED = 20
"""Problems a scan lists one by one; more of them are counted."""


class Complaints:
    """Collects the problems of one scan; the first few in full, the rest as a number."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._listed: list[Problem] = []
        self._more = 0

    def add(self, what: str, place: str | int | None = None) -> None:
        """Note a problem at a line number or an HDF5 path of the file."""
        if len(self._listed) < LISTED:
            where = self._file if place is None else f"{self._file}:{place}"
            self._listed.append(Problem(where=where, what=what))
        else:
            self._more += 1

    def all(self) -> tuple[Problem, ...]:
        """Give what was noted, in order."""
        if not self._more:
            return tuple(self._listed)
        return (*self._listed, Problem(where=self._file, what=f"{self._more} more problems like these"))
