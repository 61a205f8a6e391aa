"""The language of queries: from what somebody typed to a bounded tree, or to a message that points at the place.

Knows words, phrases, fields, comparisons and brackets; does not know documents. Whether a query is refused
depends on its text alone.

    gk sto20          both words, each whole or as the beginning of a word
    "gk sto20"        these words next to each other
    a OR b, NOT a, -a, (a OR b) c
    sample:sto        the word in one field; sto* as the beginning of any word there
    sample:"STO 20"   a facet's value letter for letter, the same as choosing it
    energy:>15, points:11..41, positioner.chi:<=45
    date:2023-10, date:>2023-10-06, date:2023-10..2024-01
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import NoReturn

from catalog_builder.errors import CatalogError, did_you_mean
from catalog_builder.facets import FACETS, Level
from catalog_builder.search.documents import (
    FACETS_OF_DATASETS,
    TEXTS_OF_DATASETS,
    WEIGHTS,
    number_name,
)
from catalog_builder.search.text import atoms, folded

LONGEST_QUERY = 2000
DEEPEST_QUERY = 20
MOST_TERMS = 100

SHORTEST_BEGINNING = 2
"""Characters from which a plain word matches as the beginning of a longer one; with a star, one will do."""

_FACETS = frozenset(facet.name for facet in FACETS)
_EXACT = _FACETS - WEIGHTS.keys()
_ALIASES = {"scan": "name"}
_NAMED_NUMBERS = frozenset(("points", "size", "number", "exposure", "scans", "energy", "temperature", "pressure"))
_FIELD = re.compile(r"([A-Za-z_][\w.\-]*):")
_BARE_COMPARISON = re.compile(r"([A-Za-z_][\w.]*)([<>]=?)([-+.\d].*)")
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,2})?")
_DATE = re.compile(r"(\d{4})(?:-(\d{1,2}))?(?:-(\d{1,2}))?")
_CONTROLS = dict.fromkeys((*range(32), *range(127, 160)), " ")


class QueryMistake(CatalogError):  # noqa: N818 - the word people will read about
    """A query that cannot be understood; ``position`` counts its characters from 0."""

    def __init__(
        self, what: str, *, where: object = None, remedy: str | None = None, position: int | None = None
    ) -> None:
        self.position = position
        if where is None and position is not None:
            where = f"query, character {position + 1}"
        super().__init__(what, where=where, remedy=remedy)


@dataclass(frozen=True, slots=True)
class Words:
    """Atoms that must stand next to each other in one of the fields, or in any field where there are none."""

    atoms: tuple[str, ...]
    fields: tuple[str, ...] = ()
    beginning: bool = False
    """True where the last atom may be the beginning of a longer one."""
    within: bool = False
    """True where in names (``NAMES``) the first atom may also be the end of a longer one, and a single atom stand
    anywhere in one."""


@dataclass(frozen=True, slots=True)
class Value:
    """A facet's value, folded; with ``beginning`` what it begins with, with ``verbatim`` the value as it is spelt."""

    facet: str
    value: str
    beginning: bool = False
    verbatim: bool = False


@dataclass(frozen=True, slots=True)
class Between:
    """A number from ``low`` to ``high``; an end is left out where its flag says so."""

    field: str
    low: float = -math.inf
    high: float = math.inf
    without_low: bool = False
    without_high: bool = False
    unit: str | None = None
    """Unit of both ends, one of ``units.UNITS``: what is recorded in another is converted, what is recorded without
    any is not found. None compares with the figure as it is recorded."""


@dataclass(frozen=True, slots=True)
class Present:
    """Any value of a facet."""

    facet: str


@dataclass(frozen=True, slots=True)
class OfDataset:
    """What is in a dataset that has the number; a dataset's own numbers are not written into each of its scans."""

    part: Between


@dataclass(frozen=True, slots=True)
class Everything:
    """What an empty query finds."""


@dataclass(frozen=True, slots=True)
class And:
    """All of the parts."""

    parts: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Any of the parts."""

    parts: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """What the part does not find."""

    part: "Node"


Leaf = Words | Value | Present | Between
Node = Leaf | OfDataset | Everything | And | Or | Not


@dataclass(frozen=True, slots=True)
class Dialect:
    """What queries mean at one beamline."""

    zone: tzinfo = UTC
    """Whose days ``date:`` counts."""
    quantities: tuple[str, ...] = ()
    """Names of the scientific metadata it records, besides those of NUMBERS."""


def parsed(query: str, level: Level = "scan", dialect: Dialect = Dialect()) -> Node:
    """Parse a query; raises QueryMistake with the position of what is wrong or too much.

    The level does not change what is refused: it says whose name, title, size and place on disk are meant.
    """
    if len(query) > LONGEST_QUERY:
        raise QueryMistake(
            f"the query has {len(query):,} characters, at most {LONGEST_QUERY:,} are read", position=LONGEST_QUERY
        )
    return _Parser(query, level).tree()


def _all_of(parts: list[Node]) -> Node:
    telling = [part for part in parts if not isinstance(part, Everything)]
    return telling[0] if len(telling) == 1 else And(tuple(telling)) if telling else Everything()


def _any_of(parts: list[Node]) -> Node:
    telling = [part for part in parts if not isinstance(part, Everything)]
    return telling[0] if len(telling) == 1 else Or(tuple(telling)) if telling else Everything()


class _Parser:
    """Recursive descent over the text: OR binds loosest, then AND (or nothing), then NOT."""

    def __init__(self, typed: str, level: Level) -> None:
        self.typed = typed
        self.text = typed.translate(_CONTROLS)
        self.of_datasets = level == "dataset"
        self.at = 0
        self.terms = 0
        self.opened: list[int] = []

    def tree(self) -> Node:
        node = self._either()
        if self.at < len(self.text):
            self._wrong("this bracket closes nothing", self.at)
        return node

    def _wrong(self, what: str, at: int, remedy: str | None = None) -> NoReturn:
        raise QueryMistake(what, position=at, remedy=remedy)

    def _skip_blanks(self) -> None:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1

    def _keyword(self, word: str) -> bool:
        """Take the operator if it stands here as a word of its own."""
        self._skip_blanks()
        end = self.at + len(word)
        if self.text[self.at : end] != word or (end < len(self.text) and self.text[end] not in ' \t()"'):
            return False
        self.at = end
        return True

    def _at_end(self) -> bool:
        self._skip_blanks()
        return self.at >= len(self.text) or self.text[self.at] == ")"

    def _either(self) -> Node:
        if self._at_end() and not self.opened:
            return Everything()
        parts = [self._all()]
        while self._keyword("OR"):
            parts.append(self._all())
        return _any_of(parts)

    def _all(self) -> Node:
        parts = [self._one("OR", "AND")]
        while True:
            if self._keyword("AND"):
                parts.append(self._one("OR", "AND"))
                continue
            start = self.at
            if self._at_end() or self._keyword("OR"):
                self.at = start
                return _all_of(parts)
            parts.append(self._one())

    def _one(self, *misplaced: str) -> Node:
        """One word, phrase, comparison or bracket, with any number of negations before it."""
        negated = False
        while True:
            self._skip_blanks()
            start = self.at
            for word in misplaced:
                if self._keyword(word):
                    self._wrong(f"{word} stands where a word is expected", start, f'to find it write "{word.lower()}"')
            if self._keyword("NOT") or self._minus():
                negated = not negated
                continue
            break
        if self._at_end():
            self._wrong("a word is missing here", min(self.at, len(self.text)))
        node = self._bracket() if self.text[self.at] == "(" else self._term()
        return Not(node) if negated and not isinstance(node, Everything) else node

    def _minus(self) -> bool:
        """Take a minus that means NOT; one before a digit is the number's sign."""
        following = self.text[self.at + 1 : self.at + 2]
        if self.text[self.at : self.at + 1] != "-" or not (following.isalpha() or following in ('"', "(", "_")):
            return False
        self.at += 1
        return True

    def _bracket(self) -> Node:
        if len(self.opened) >= DEEPEST_QUERY:
            self._wrong(f"brackets are nested deeper than {DEEPEST_QUERY}", self.at)
        self.opened.append(self.at)
        self.at += 1
        node = self._either()
        if self.at >= len(self.text):
            self._wrong("this bracket is not closed", self.opened[-1])
        self.at += 1
        self.opened.pop()
        return node

    def _term(self) -> Node:
        self.terms += 1
        if self.terms > MOST_TERMS:
            self._wrong(f"more than {MOST_TERMS} words", self.at)
        start = self.at
        field = _FIELD.match(self.text, self.at)
        if field is not None:
            self.at = field.end()
            return self._of_field(field[1], start)
        if self.text[self.at] == '"':
            return _words(self._quoted(), (), beginning=False)
        word = self._word()
        compared = _BARE_COMPARISON.fullmatch(word)
        if compared is not None:
            return self._number(compared[1], compared[2] + compared[3], start)
        return self._plain(word, (), start)

    def _quoted(self) -> str:
        start = self.at
        end = self.text.find('"', start + 1)
        if end < 0:
            self._wrong("this quotation mark is not closed", start)
        self.at = end + 1
        return self.text[start + 1 : end]

    def _word(self) -> str:
        """Take the characters up to a blank, a quotation mark or a bracket; ``STO(111)`` is one word."""
        start, depth = self.at, 0
        while self.at < len(self.text):
            letter = self.text[self.at]
            if letter.isspace() or letter == '"' or (letter == ")" and depth == 0):
                break
            depth += (letter == "(") - (letter == ")")
            self.at += 1
        return self.text[start : self.at]

    def _of_field(self, name: str, start: int) -> Node:
        field = _ALIASES.get(folded(name), folded(name))
        at = self.at
        if self._at_end() or self.text[at : at + 1].isspace():
            self._wrong(f"{name}: has no value", at, f"write it without a blank: {name}:value")
        if self.text[at] == "(":
            self._wrong("brackets cannot follow a field", at, f"write {name}:a OR {name}:b")
        quoted = self.text[at] == '"'
        value = self._quoted() if quoted else self._word()
        if field in _FACETS and quoted:
            verbatim = self.typed[at + 1 : self.at - 1]
            return Value(self._facet(field), verbatim, verbatim=True) if value.strip() else Everything()
        if field in WEIGHTS:
            fields = self._text_fields(name, field)
            return _words(value, fields, beginning=False) if quoted else self._plain(value, fields, at)
        if field in _EXACT and not (field == "year" and (_compared(value)[0] or ".." in value)):
            return self._exact(field, value, at)
        if field == "date":
            return _date(value, at)
        if field in _NAMED_NUMBERS or _is_comparison(value):
            return self._number(name, value, at)
        known = (*WEIGHTS, *_EXACT, *_ALIASES, *_NAMED_NUMBERS, "date")
        self._wrong(
            f"no field {name!r} to look for words in",
            start,
            did_you_mean(name, known) or "words with a colon go in quotation marks",
        )

    def _text_fields(self, name: str, field: str) -> tuple[str, ...]:
        """Give where a field's words stand; ``scan:`` never means the dataset's name."""
        if field == "dataset":
            return "dataset", "dataset_title"
        if self.of_datasets and folded(name) == field:
            return TEXTS_OF_DATASETS.get(field, (field,))
        return (field,)

    def _facet(self, field: str) -> str:
        return FACETS_OF_DATASETS.get(field, field) if self.of_datasets else field

    def _number(self, name: str, value: str, at: int) -> Node:
        number = _number(number_name(name), value, at)
        own = number.field == "scans" or (number.field == "size" and self.of_datasets)
        return OfDataset(number) if own else number

    def _plain(self, word: str, fields: tuple[str, ...], at: int) -> Node:
        bare = word.rstrip("*")
        star = len(bare) < len(word)
        self._check_stars(bare, star=star, at=at)
        return _words(bare, fields, beginning=True, star=star)

    def _exact(self, field: str, word: str, at: int) -> Node:
        bare = word.rstrip("*")
        self._check_stars(bare, star=len(bare) < len(word), at=at)
        return Value(self._facet(field), folded(bare), len(bare) < len(word))

    def _check_stars(self, bare: str, *, star: bool, at: int) -> None:
        if "*" in bare:
            place = at + bare.index("*")
            self._wrong("a star can only stand at the end of a word", place, "begin*, not *middle*")
        if star and not atoms(bare):
            self._wrong("no letters or digits stand before the star", at)


def _words(text: str, fields: tuple[str, ...], *, beginning: bool, star: bool = False) -> Node:
    """Make a leaf of a word or phrase; text without letters and digits (``&``) asks for nothing."""
    found = tuple(atoms(text))
    if not found:
        return Everything()
    open_ended = beginning and text[-1:].isalnum() and (star or len("".join(found)) >= SHORTEST_BEGINNING)
    return Words(found, fields, open_ended)


def _is_comparison(value: str) -> bool:
    return value[:1] in ("<", ">", "=") or _NUMBER.fullmatch(value) is not None or ".." in value


def _compared(value: str) -> tuple[str, str]:
    sign = next((s for s in (">=", "<=", ">", "<", "=") if value.startswith(s)), "")
    return sign, value.removeprefix(sign)


def _number(field: str, value: str, at: int) -> Between:
    """Read ``>1.5``, ``<=3``, ``11..41`` or ``15``, which means all that is 15 when rounded as it is typed."""

    def span(text: str) -> tuple[float, float]:
        return _rounded(text, at)

    sign, bare = _compared(value)
    if not sign and ".." in bare:
        low, _, high = bare.partition("..")
        return Between(field, _one_number(low, at) if low else -math.inf, _one_number(high, at) if high else math.inf)
    if sign in ("", "="):
        low_end, high_end = span(bare)
        return Between(field, low_end, high_end)
    limit = _one_number(bare, at)
    return _beyond(field, sign, limit, limit)


def _beyond(field: str, sign: str, first: float, last: float) -> Between:
    """Compare with what runs from first to last: after it, from its start, before it, up to its end."""
    ends: dict[str, Callable[[], Between]] = {
        ">": lambda: Between(field, low=last, without_low=True),
        ">=": lambda: Between(field, low=first),
        "<": lambda: Between(field, high=first, without_high=True),
        "<=": lambda: Between(field, high=last),
    }
    return ends[sign]()


def _one_number(text: str, at: int) -> float:
    if _NUMBER.fullmatch(text) is None:
        raise QueryMistake(
            f"{text!r} is not a number", position=at, remedy="units are not understood; write energy:>15"
        )
    return float(text)


def _rounded(text: str, at: int) -> tuple[float, float]:
    value = _one_number(text, at)
    mantissa, _, exponent = text.lower().partition("e")
    digits = len(mantissa.partition(".")[2])
    half = 0.5 * 10.0 ** (int(exponent or 0) - digits)
    return value - half, value + half


def _date(value: str, at: int) -> Between:
    """Read ``2023``, ``2023-10``, ``2023-10-06``, with a comparison or as a range; days are those of UTC."""
    sign, bare = _compared(value)
    if not sign and ".." in bare:
        low, _, high = bare.partition("..")
        start = _days(low, at)[0] if low else -math.inf
        if not high:
            return Between("date", low=start)
        return Between("date", low=start, high=_days(high, at)[1], without_high=True)
    first, after = _days(bare, at)
    if sign in ("", "="):
        return Between("date", low=first, high=after, without_high=True)
    if sign == ">":
        return Between("date", low=after)
    if sign == "<=":
        return Between("date", high=after, without_high=True)
    return _beyond("date", sign, first, first)


def _days(text: str, at: int) -> tuple[float, float]:
    """Give the first second of a year, month or day, and the first one after it."""
    match = _DATE.fullmatch(text)
    try:
        if match is None:
            raise ValueError(text)
        year, month, day = int(match[1]), int(match[2] or 1), int(match[3] or 1)
        first = datetime(year, month, day, tzinfo=UTC)
        if match[3]:
            after = first + timedelta(days=1)
        elif match[2]:
            after = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
        else:
            after = datetime(year + 1, 1, 1, tzinfo=UTC)
    except (ValueError, OverflowError) as exc:
        raise QueryMistake(f"{text!r} is not a date", position=at, remedy="write date:2023-10 or 2023-10-06") from exc
    return first.timestamp(), after.timestamp()
