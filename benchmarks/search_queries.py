"""The 40 queries of the search benchmark, as every contender can be asked them, and who may see what.

Knows what is asked and how it is typed here; does not know how others spell it.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

COUNTED = ("flag", "keyword", "sample", "beamtime", "detector", "macro")
"""The facets every query counts."""
PER_PAGE = 50
MOST_VALUES = 100

Sort = Literal["relevance", "date", "-date"]


@dataclass(frozen=True, slots=True)
class Words:
    """Words that stand next to each other in one text; the last one may be but a beginning."""

    words: tuple[str, ...]
    field: str | None = None
    """None looks into all fields."""
    beginning: bool = False
    typed: bool = False
    """As people type: here also found inside names, elsewhere as a beginning; so answers differ."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number from ``low`` to ``high``, both included; None is open."""

    name: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Days:
    """From the start of one day to the end of another, UTC."""

    first: str
    last: str

    @property
    def seconds(self) -> tuple[float, float]:
        """Since 1970; the second one is the last that counts."""
        start, end = (datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() for day in (self.first, self.last))
        return start, end + 86399


@dataclass(frozen=True, slots=True)
class AnyOf:
    """One of them at least."""

    parts: tuple[Words, ...]


@dataclass(frozen=True, slots=True)
class Without:
    """What does not have it."""

    part: Words


Clause = Words | Number | Days | AnyOf | Without


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One query: all of its clauses, a choice of facets, an order and a page."""

    kind: str
    clauses: tuple[Clause, ...] = ()
    chosen: dict[str, tuple[str, ...]] = field(default_factory=dict)
    sort: Sort = "-date"
    depth: float = 0.0
    """How far into a tenth of all scans the page lies; 0 is the first page."""

    def page(self, scans: int) -> int:
        """Give the page where there are so many scans, from 1."""
        return 1 + int(self.depth * scans / 10 / PER_PAGE)

    @property
    def is_said_alike(self) -> bool:
        """True where every contender finds the same."""
        return not any(isinstance(clause, Words) and clause.typed for clause in self.clauses)

    @property
    def text(self) -> str:
        """How it is typed here."""
        return " ".join(_typed(clause) for clause in self.clauses)


def _typed(clause: Clause) -> str:
    if isinstance(clause, Words):
        prefix = "" if clause.field is None else f"{clause.field}:"
        words = " ".join(clause.words)
        if clause.typed:
            return words
        return f"{prefix}{words}*" if clause.beginning else f'{prefix}"{words}"'
    if isinstance(clause, AnyOf):
        return f"({' OR '.join(_typed(part) for part in clause.parts)})"
    if isinstance(clause, Without):
        return f"NOT {_typed(clause.part)}"
    if isinstance(clause, Days):
        return f"date:{clause.first}..{clause.last}"
    if clause.low is None:
        return f"{clause.name}:<={clause.high:g}"
    return (
        f"{clause.name}:>={clause.low:g}" if clause.high is None else f"{clause.name}:{clause.low:g}..{clause.high:g}"
    )


def _word(text: str, field: str | None = None) -> Words:
    return Words((text,), field)


def _phrase(text: str, field: str | None = None) -> Words:
    return Words(tuple(text.split()), field)


def _begin(text: str, field: str | None = None) -> Words:
    return Words((text,), field, beginning=True)


def _ask(
    kind: str, *clauses: Clause, sort: Sort = "relevance", depth: float = 0.0, **chosen: tuple[str, ...]
) -> Question:
    return Question(kind=kind, clauses=clauses, chosen=chosen, sort=sort, depth=depth)


def _as_typed(text: str) -> Question:
    return _ask("as typed", *(Words((word,), typed=True) for word in text.split()))


QUESTIONS: tuple[Question, ...] = (
    _ask("words", _word("lsmo")),
    _ask("words", _word("lsmo"), _word("reflectivity")),
    _ask("words", _word("dspc", "title"), _word("kinetics")),
    _ask("words", AnyOf((_word("timescan"), _word("mesh"), _word("hklscan")))),
    _ask("words", _word("nanoparticles"), Without(_word("alignment"))),
    _ask("words", _word("strain"), _word("growth"), _word("sapphire")),
    _as_typed("sto"),
    _as_typed("reflec lsmo"),
    _as_typed("anneal kinet"),
    _as_typed("omega"),
    _ask("phrases", _phrase("rocking curve")),
    _ask("phrases", _phrase("phase transitions")),
    _ask("phrases", _phrase("specular reflectivity of lsmo", "title")),
    _ask("phrases", _phrase("beam damage"), _phrase("on water")),
    _ask("broad words", _word("alignment")),
    _ask("broad words", _word("measurement")),
    _ask("broad words", _word("dscan", "command")),
    _ask("broad words", _word("interfaces"), _word("nm")),
    _ask("prefixes", _begin("re")),
    _ask("prefixes", _begin("ali")),
    _ask("prefixes", _begin("l", "title")),
    _ask("prefixes", _begin("nano"), _begin("wat")),
    _ask("prefixes", _begin("1103")),
    _ask("ranges", Number("energy", 15000, 18500), sort="-date"),
    _ask("ranges", Number("points", low=200), sort="-date"),
    _ask("ranges", Number("positioner.om", low=45), sort="-date"),
    _ask("ranges", Days("2021-03-01", "2021-12-31"), sort="-date"),
    _ask("ranges", Number("positioner.tt", -1, 1), Number("exposure", high=1), sort="-date"),
    _ask("ranges", _word("reflectivity"), Days("2019-01-01", "2023-06-30"), Number("energy", 17000, 26000)),
    _ask("facets only", sort="-date"),
    _ask("facets only", flag=("measurement",), sort="-date"),
    _ask("facets only", flag=("alignment",), macro=("dscan", "ascan"), sort="-date"),
    _ask("facets only", keyword=("XRR", "in situ"), detector=("lambda", "p100k"), sort="-date"),
    _ask("facets only", flag=("measurement", "calibration"), keyword=("GID",), macro=("mesh",), sort="-date"),
    _ask("sorted by date", _word("lsmo"), sort="-date"),
    _ask("sorted by date", _word("alignment"), sort="date"),
    _ask("sorted by date", _begin("re"), Number("points", low=100), sort="-date"),
    _ask("deep pages", sort="-date", depth=0.8),
    _ask("deep pages", _word("measurement"), depth=0.4),
    _ask("deep pages", _begin("ali"), sort="date", depth=0.3),
)


def a_tenth(beamtimes: Sequence[str], number: int) -> frozenset[str]:
    """Give the beamtimes that whoever asks the question of this number may see: others for each question."""
    return frozenset(random.Random(number).sample(list(beamtimes), max(1, len(beamtimes) // 10)))
