"""A facet's values in a segment: what each document has of it, as one number.

Knows which values occur together; does not know what is found or chosen. Documents that have the same values of a facet
have the same combination of them: a document needs one number however many keywords it has, and there are few
combinations. A pair is a dataset and a combination that one of its documents has; each pair counts once where datasets
are counted.

Columns of each facet: ``facet.<name>`` (documents) the combination; ``facet.<name>.pair`` (documents), ``.dataset`` and
``.combination`` (pairs). The values, and the combinations as numbers of values, are in the meaning.
"""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catalog_builder.records import Json
from catalog_builder.search.columns import Columns, ColumnWriter, Ints, Numbered


class ValueWriter:
    """Collects the values of one facet."""

    def __init__(self) -> None:
        self._values: Numbered[str] = Numbered()
        self._combinations: Numbered[tuple[int, ...]] = Numbered()
        self._combination = array("i")

    def add(self, values: Iterable[str]) -> None:
        """Add the next document's values."""
        numbers = tuple(sorted({self._values.number(value) for value in values}))
        self._combination.append(self._combinations.number(numbers))

    def absorb(self, values: "Values", kept: NDArray[np.intp]) -> None:
        """Add some of another segment's documents, in their order."""
        combination = values.combination[kept]
        places = np.zeros(len(values.combinations), np.int32)
        for number in np.unique(combination).tolist():
            mine = (self._values.number(values.values[value]) for value in values.combinations[number])
            places[number] = self._combinations.number(tuple(sorted(mine)))
        self._combination.frombytes(places[combination].tobytes())

    def write(self, writer: ColumnWriter, name: str, datasets: Ints) -> Json:
        """Write the columns; gives the meaning of their numbers."""
        values, places = self._values.in_order()
        combinations = [sorted(places[list(each)].tolist()) for each in self._combinations.values]
        combination = np.array(self._combination, np.int32)
        coded = datasets.astype(np.int64) * max(len(combinations), 1) + combination
        pairs, pair = np.unique(coded, return_inverse=True)
        dataset, of_pair = np.divmod(pairs, max(len(combinations), 1))
        writer.arrays |= {
            f"facet.{name}": combination,
            f"facet.{name}.pair": pair.astype(np.int32),
            f"facet.{name}.dataset": dataset.astype(np.int32),
            f"facet.{name}.combination": of_pair.astype(np.int32),
        }
        return {"values": list(values), "combinations": list(combinations)}


@dataclass(frozen=True, slots=True)
class Values:
    """The values of one facet, opened for reading."""

    values: list[str]
    """Sorted."""
    combinations: list[list[int]]
    """Numbers of values that occur together."""
    combination: Ints
    """Each document's; shape (documents,)."""
    pair: Ints
    """Each document's pair of dataset and combination; shape (documents,)."""
    pair_dataset: Ints
    """Each pair's dataset, numbered in the segment; shape (pairs,)."""
    pair_combination: Ints

    @classmethod
    def of(cls, columns: Columns, name: str) -> "Values":
        """Open the values of a facet; raises KeyError."""
        meaning = columns.meaning["facets"][name]
        return cls(
            meaning["values"],
            meaning["combinations"],
            columns.array(f"facet.{name}"),
            columns.array(f"facet.{name}.pair"),
            columns.array(f"facet.{name}.dataset"),
            columns.array(f"facet.{name}.combination"),
        )
