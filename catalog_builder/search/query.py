"""The language of queries: from what somebody typed to a bounded tree, or to a message that points at the place.

Knows words, phrases, fields, comparisons and brackets; does not know documents. Whether a query is refused
depends on its text and the beamline's dialect alone.

    gk sto20          both words, each whole or as the beginning of a word; of names from anywhere within
    "gk sto20"        these words next to each other
    a OR b, NOT a, -a, (a OR b) c
    sample:sto        the word in one field; sto* as the beginning of any word there
    sample:"STO 20"   a facet's value letter for letter, the same as choosing it
    energy:>15keV, points:11..41, positioner.chi:<=45, channel.roi1.max:>1e4
    date:2023-10, date:>2023-10-06, date:2023-10..2024-01, date:2023-10-06T14
    has:image, has:keyword, has:positioner.chi
"""

import re
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import NoReturn

from catalog_builder.errors import did_you_mean
from catalog_builder.facets import NUMBERS, Level
from catalog_builder.search.bounds import Measure, Typed, days_between, is_comparison, is_open, number_between
from catalog_builder.search.documents import FACETS_OF_DATASETS, HAS, MARKS, NAMES, TEXTS_OF_DATASETS, WEIGHTS
from catalog_builder.search.fields import (
    ALIASES,
    EXACT_FIELDS,
    EXTREMES,
    FACET_FIELDS,
    PREFIXES,
    base,
    kinds_of,
    known_fields,
    known_presences,
    meant_prefix,
)
from catalog_builder.search.figures import number_name
from catalog_builder.search.text import atoms, folded
from catalog_builder.search.tree import (
    And,
    Between,
    Everything,
    Node,
    Not,
    OfDataset,
    Or,
    Present,
    QueryMistake,
    Value,
    Words,
)
from catalog_builder.search.units import UNITS

LONGEST_QUERY = 2000
DEEPEST_QUERY = 20
MOST_TERMS = 100
MOST_PARTS = 500
"""Atoms of all words and phrases together: a ligature may stand for several, a name has five or six."""

SHORTEST_BEGINNING = 2
"""Characters from which a plain word matches as the beginning of a longer one; with a star, one will do."""

SHORTEST_WITHIN = 3
"""Letters and digits from which a plain word matches within names."""

_FIELD = re.compile(r"([A-Za-z_][\w.\-]*):")
_BARE_COMPARISON = re.compile(r"([A-Za-z_][\w.]*)([<>]=?[-+.\d].*)")
_UNIT_APART = re.compile(r"[ \t]+([^\s()\"]+)")
_CONTROLS = dict.fromkeys((*range(32), *range(127, 160)), " ")
_LONGEST_SHOWN = 60


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
    return _Parser(query, level, dialect).tree()


def _all_of(parts: list[Node]) -> Node:
    telling = [part for part in parts if not isinstance(part, Everything)]
    return telling[0] if len(telling) == 1 else And(tuple(telling)) if telling else Everything()


def _any_of(parts: list[Node]) -> Node:
    telling = [part for part in parts if not isinstance(part, Everything)]
    return telling[0] if len(telling) == 1 else Or(tuple(telling)) if telling else Everything()


class _Parser:
    """Recursive descent over the text: OR binds loosest, then AND (or nothing), then NOT."""

    def __init__(self, typed: str, level: Level, dialect: Dialect) -> None:
        self.typed = typed
        self.text = typed.translate(_CONTROLS)
        self.of_datasets = level == "dataset"
        self.dialect = dialect
        self.quantities = tuple(map(number_name, dialect.quantities))
        self.at = 0
        self.terms = 0
        self.parts = 0
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
            return self._words(self._quoted(), (), start, beginning=False)
        word = self._word()
        compared = _BARE_COMPARISON.fullmatch(word)
        if compared is not None:
            value = Typed(compared[2], start + len(compared[1]))
            return self._measured(compared[1], self._with_unit_apart(compared[1], value), start)
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
        """Read what stands behind a colon; the field decides what it may be."""
        at = self.at
        if self._at_end() or self.text[at : at + 1].isspace():
            self._wrong(f"{_shown(name)}: has no value", at, f"write it without a blank: {_shown(name)}:value")
        if self.text[at] == "(":
            self._wrong("brackets cannot follow a field", at, f"write {_shown(name)}:a OR {_shown(name)}:b")
        if self.text[at] == '"':
            return self._of_phrase(name, self._quoted(), at + 1, start)
        value = Typed(self._word(), at)
        field = ALIASES.get(folded(name), folded(name))
        if field in WEIGHTS:
            return self._plain(value.text, self._text_fields(name, field), at)
        if field in EXACT_FIELDS and not (field in ("year", "month") and is_open(value.text)):
            return self._exact(field, value.text, at)
        return self._measured(name, self._with_unit_apart(name, value), start)

    def _of_phrase(self, name: str, phrase: str, at: int, start: int) -> Node:
        field = ALIASES.get(folded(name), folded(name))
        if field in FACET_FIELDS:
            verbatim = self.typed[at : at + len(phrase)]
            return Value(self._facet(field), verbatim, verbatim=True) if phrase.strip() else Everything()
        if field in WEIGHTS:
            return self._words(phrase, self._text_fields(name, field), at, beginning=False)
        return self._measured(name, Typed(phrase, at).after(0), start)

    def _measured(self, name: str, value: Typed, start: int) -> Node:
        """Read what is compared: a date, a number, or that there is one at all."""
        field = folded(name)
        if field == "has":
            return self._presence(value)
        if field in ("date", "month"):
            return days_between("date", value, self.dialect.zone)
        if field == "year" or self._is_number(field) or is_comparison(value.text):
            return self._of_level(number_between(self._measure(name, start), value))
        self._wrong(
            f"no field {_shown(name)!r} to look for words in",
            start,
            did_you_mean(name[:_LONGEST_SHOWN], known_fields(self.quantities))
            or "words with a colon go in quotation marks",
        )

    def _is_number(self, field: str) -> bool:
        """Tell whether a name can only be a number's."""
        return base(field) in (*NUMBERS, *self.quantities) or field.partition(".")[0] in PREFIXES

    def _measure(self, name: str, start: int) -> Measure:
        """Give the number a name stands for: ``quantity.humidity`` and ``humidity.mean`` are ``humidity``."""
        field = number_name(name)
        prefix, _, rest = field.partition(".")
        if (meant := meant_prefix(field)) is not None:
            self._wrong(f"no field {_shown(name)!r}", start, f"did you mean {_shown(meant)!r}?")
        if prefix in PREFIXES and not rest:
            self._wrong(f"{_shown(name)}: names no {prefix}", start, f"write {prefix}.name")
        if prefix == "channel" and field.rpartition(".")[2] not in EXTREMES:
            self._wrong(f"{_shown(name)!r} is many numbers", start, f"write {_shown(field)}.max, .min or .mean")
        field = rest if prefix == "quantity" else field
        if field.endswith(".mean") and field.removesuffix(".mean") in (*NUMBERS, *self.quantities):
            field = field.removesuffix(".mean")
        return Measure(field, _shown(name), kinds_of(field))

    def _of_level(self, number: Between) -> Node:
        own = number.field == "scans" or (number.field == "size" and self.of_datasets)
        return OfDataset(number) if own else number

    def _with_unit_apart(self, name: str, value: Typed) -> Typed:
        """Take the unit of a number along that a blank parts from it: ``energy:>15 keV``.

        Only where the field is one whose unit is known, so that no word is mistaken for one.
        """
        apart = _UNIT_APART.match(self.text, self.at)
        kinds = kinds_of(folded(name)) or ()
        if apart is None or UNITS.get(apart[1], ("",))[0] not in kinds or not value.text[-1:].isdigit():
            return value
        self.at = apart.end()
        return Typed(self.text[value.at : self.at], value.at)

    def _presence(self, value: Typed) -> Node:
        """Read what ``has:`` asks for: a mark, any value of a facet, a number whatever it is."""
        name = folded(value.text)
        if name in MARKS:
            return Value(HAS, name)
        if name in FACET_FIELDS:
            return Present(self._facet(name))
        if name == "date":
            return Between("date")
        if self._is_number(name) or meant_prefix(name) is not None:
            return self._of_level(Between(self._measure(value.text, value.at).field))
        known = known_presences(self.quantities)
        remedy = did_you_mean(name[:_LONGEST_SHOWN], known) or f"write has:positioner.{_shown(name)} for a positioner"
        self._wrong(f"nothing is known as {_shown(value.text)!r} to have", value.at, remedy)

    def _text_fields(self, name: str, field: str) -> tuple[str, ...]:
        """Give where a field's words stand; ``scan:`` never means the dataset's name."""
        if field == "dataset":
            return "dataset", "dataset_title"
        if self.of_datasets and folded(name) == field:
            return TEXTS_OF_DATASETS.get(field, (field,))
        return (field,)

    def _facet(self, field: str) -> str:
        return FACETS_OF_DATASETS.get(field, field) if self.of_datasets else field

    def _plain(self, word: str, fields: tuple[str, ...], at: int) -> Node:
        bare = word.rstrip("*")
        star = len(bare) < len(word)
        self._check_stars(bare, star=star, at=at)
        return self._words(bare, fields, at, beginning=True, star=star)

    def _exact(self, field: str, word: str, at: int) -> Node:
        bare = word.rstrip("*")
        self._check_stars(bare, star=len(bare) < len(word), at=at)
        return Value(self._facet(field), folded(bare), len(bare) < len(word))

    def _check_stars(self, bare: str, *, star: bool, at: int) -> None:
        if "*" in bare:
            remedy = "the middle of a name is found without one" if bare.startswith("*") else "write begin*"
            self._wrong("a star can only stand at the end of a word", at + bare.index("*"), remedy)
        if star and not atoms(bare):
            self._wrong("no letters or digits stand before the star", at)

    def _words(self, text: str, fields: tuple[str, ...], at: int, *, beginning: bool, star: bool = False) -> Node:
        """Make a leaf of a word or phrase; text without letters and digits (``&``) asks for nothing."""
        found = tuple(atoms(text))
        if not found:
            return Everything()
        self.parts += len(found)
        if self.parts > MOST_PARTS:
            self._wrong(f"the words have more than {MOST_PARTS} parts", at, "ask for fewer at a time")
        open_ended = beginning and text[-1:].isalnum() and (star or len("".join(found)) >= SHORTEST_BEGINNING)
        counted = sum(letter.isalnum() for atom in found for letter in atom)
        within = open_ended and not star and text[:1].isalnum() and counted >= SHORTEST_WITHIN
        return Words(found, fields, open_ended, within and (not fields or not NAMES.isdisjoint(fields)))


def _shown(text: str) -> str:
    """Cut what was typed to what a message can hold."""
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
