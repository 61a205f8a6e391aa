"""What documents of a segment are sorted by: one order upward and one downward for each field.

Knows the sort values of a segment and its documents in their order; does not know hits, nor other segments.

Columns of each field: ``sort.<name>`` (documents), the place of the document's value among all, -1 where it has none;
``.up`` and ``.down`` (documents), all documents in order, those without a value last, equal ones in the order of their
keys; ``.values``, sorted: texts, or numbers.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog_builder.search.columns import Columns, ColumnWriter, Ints, Numbered, renumbered

NUMERIC = frozenset(("date",))
"""Fields whose values are numbers."""


class SortWriter:
    """Collects the sort values of one field."""

    def __init__(self) -> None:
        self._values: Numbered[Any] = Numbered()
        self._places = array("i")

    def add(self, value: str | float | None) -> None:
        """Add the next document's value; NaN is none."""
        self._places.append(-1 if value is None or value != value else self._values.number(value))

    def absorb(self, order: "SortValues", kept: NDArray[np.intp]) -> None:
        """Add some of another segment's documents, in their order."""
        places = order.places[kept]
        renumber = np.full(len(order.values) + 1, -1, np.int32)
        for place in np.unique(places[places >= 0]).tolist():
            renumber[place] = self._values.number(order.value(place))
        self._places.frombytes(renumber[places].tobytes())

    def write(self, writer: ColumnWriter, name: str, rank: Ints) -> None:
        """Write the columns; ``rank`` is each document's place in the order of the keys."""
        values, order = self._values.in_order()
        places = renumbered(self._places, order)
        last = np.int32(len(values))
        up, down = np.where(places < 0, last, places), np.where(places < 0, last, last - 1 - places)
        writer.arrays |= {
            f"sort.{name}": places,
            f"sort.{name}.up": np.lexsort((rank, up)).astype(np.int32),
            f"sort.{name}.down": np.lexsort((rank, down)).astype(np.int32),
        }
        if name in NUMERIC:
            writer.arrays[f"sort.{name}.values"] = np.array(values, np.float64)
        else:
            writer.strings(f"sort.{name}.values", [value.encode("utf-8", "surrogatepass") for value in values])


@dataclass(frozen=True, slots=True)
class SortValues:
    """The sort values of one field, opened for reading."""

    numeric: bool
    values: Sequence[Any]
    """Sorted: numbers, or texts as bytes."""
    places: Ints
    """Each document's value, -1 where it has none; shape (documents,)."""
    up: Ints
    down: Ints

    @classmethod
    def of(cls, columns: Columns, name: str) -> "SortValues":
        """Open the values of a field; raises KeyError."""
        numeric = name in NUMERIC
        values: Any = columns.array(f"sort.{name}.values") if numeric else columns.strings(f"sort.{name}.values")
        return cls(
            numeric,
            values,
            columns.array(f"sort.{name}"),
            columns.array(f"sort.{name}.up"),
            columns.array(f"sort.{name}.down"),
        )

    def value(self, place: int) -> str | float:
        """Give a value by its place."""
        value = self.values[place]
        return float(value) if self.numeric else value.decode("utf-8", "surrogatepass")
