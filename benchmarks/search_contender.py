"""What every contender of the search benchmark must do: build an index, answer the same question, take an update.

Knows the shape of the work; does not know any engine.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from benchmarks.search_queries import Question
from catalog_builder.records import Json
from catalog_builder.search import Document


@dataclass(frozen=True, slots=True)
class Answer:
    """What a question brings."""

    total: int
    rows: Sequence[Mapping[str, Json]]
    """Of the page asked for, as ``Hit.fields`` holds them."""
    facets: Mapping[str, Sequence[tuple[str, int]]]
    """By facet, at most MOST_VALUES values, the most frequent first; what is chosen of a facet does not count in it.

    A value chosen may be listed besides."""


class Open(Protocol):
    """An index that is open for questions."""

    def ask(self, question: Question, allowed: frozenset[str] | None, scans: int) -> Answer:
        """Answer from the newest state; None sees all. ``scans`` tells how deep a page lies."""

    def get_ready(self) -> None:
        """Get ready for updates, as somebody who stands by for them does."""

    def update(self, document: Document) -> None:
        """Replace a scan's document and commit."""

    def close(self) -> None:
        """Let go of all that is held."""


class Contender(Protocol):
    """An engine."""

    name: str
    packages: tuple[str, ...]
    most: int | None
    """Scans up to which it is asked; None has no limit."""

    def build(self, folder: Path, documents: Iterable[Document]) -> int:
        """Index the documents in a folder that is there and empty; gives how many were taken."""

    def open(self, folder: Path) -> Open:
        """Open what was built."""
