"""The numbers of a segment's documents, to compare and to sort by: a stretch for each name and unit.

Knows names, units and figures; does not know what a query asks of them. Hundreds of positioners are kept sparse: a
stretch holds the documents that have the number, and is read when somebody asks for it.

Columns: ``number.documents`` (ascending within a stretch) and ``number.values``; where each stretch begins and ends is
in the meaning, by name, then by unit (empty where none is known).
"""

from array import array
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from catalog_builder.records import Json
from catalog_builder.search.columns import Columns, ColumnWriter, Ints, Mask

Figures = NDArray[np.float64]


class NumberWriter:
    """Collects the numbers of documents."""

    def __init__(self) -> None:
        self._stretches: dict[str, dict[str, tuple[array[int], array[float]]]] = {}

    def add(self, document: int, numbers: Mapping[str, float], units: Mapping[str, str]) -> None:
        """Add a document's numbers; NaN is none."""
        for name, figure in numbers.items():
            if figure == figure:
                documents, figures = self._stretch(name, units.get(name, ""))
                documents.append(document)
                figures.append(figure)

    def _stretch(self, name: str, unit: str) -> tuple["array[int]", "array[float]"]:
        of_name = self._stretches.get(name)
        if of_name is None:
            of_name = self._stretches[name] = {}
        stretch = of_name.get(unit)
        if stretch is None:
            stretch = of_name[unit] = (array("i"), array("d"))
        return stretch

    def absorb(self, figures: "NumberColumns", alive: Mask, places: Ints) -> None:
        """Add the numbers of another segment's documents that are alive, under the numbers they get here."""
        for name in figures.names:
            for unit, documents, values in figures.stretches(name):
                chosen = alive[documents]
                mine = self._stretch(name, unit)
                mine[0].frombytes(places[documents[chosen]].tobytes())
                mine[1].frombytes(values[chosen].tobytes())

    def write(self, writer: ColumnWriter) -> Json:
        """Write the columns; gives where the stretches are."""
        at = 0
        meaning: dict[str, Json] = {}
        documents: list[Ints] = [np.empty(0, np.int32)]
        values: list[Figures] = [np.empty(0)]
        for name, of_name in self._stretches.items():
            places: dict[str, Json] = {}
            for unit, (numbers, figures) in of_name.items():
                places[unit] = [at, at + len(numbers)]
                at += len(numbers)
                documents.append(np.array(numbers, np.int32))
                values.append(np.array(figures, np.float64))
            meaning[name] = places
        writer.arrays |= {"number.documents": np.concatenate(documents), "number.values": np.concatenate(values)}
        return meaning


class NumberColumns:
    """The numbers of a segment, opened for reading."""

    def __init__(self, columns: Columns) -> None:
        self._documents: Ints = columns.array("number.documents")
        self._values: Figures = columns.array("number.values")
        self._places: Mapping[str, Mapping[str, tuple[int, int]]] = columns.meaning["numbers"]

    @property
    def names(self) -> list[str]:
        return list(self._places)

    def stretches(self, name: str) -> Iterator[tuple[str, Ints, Figures]]:
        """Give unit (empty where none is known), documents and figures of each stretch of a number."""
        for unit, (start, end) in self._places.get(name, {}).items():
            yield unit, self._documents[start:end], self._values[start:end]
