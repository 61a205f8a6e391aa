"""The name and the days that the search page asks for beside its text: how a query says them, and reads them back.

Knows ``name:`` and ``date:`` at the end of a query; does not know the rest of the language.
"""

import re
from dataclasses import dataclass
from datetime import date

from catalog_builder.errors import CatalogError
from catalog_builder.search.query import LONGEST_QUERY

FIELDS = ("name", "date_from", "date_to")
"""What the form calls them."""

_DAY = r"\d{4}-\d\d-\d\d"
_TAIL = re.compile(
    r"(?P<text>.*?)"
    r'(?P<names>(?:(?:^|\s)name:(?:[^\s"()]+|"[^\s"]+"))*)'
    rf"(?:(?:^|\s)date:(?:>=(?P<since>{_DAY})|<=(?P<until>{_DAY})|(?P<first>{_DAY})\.\.(?P<last>{_DAY})))?",
    re.DOTALL,
)
_NAME = re.compile(r'name:"?([^\s"]+)')
_OPERATOR = re.compile(r'(?:^|[\s)"])(?:AND|OR|NOT)$')
_PHRASE = re.compile(r'"[^"]*"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Clauses:
    """A query in parts."""

    text: str = ""
    name: str = ""
    """Words that the name must have, with blanks between them."""
    date_from: str = ""
    """The first day, ``2023-10-01``; empty for none."""
    date_to: str = ""
    """The last day."""

    def query(self) -> str:
        """Give the query of these parts; raises CatalogError where a day is none."""
        first, last = _day("date_from", self.date_from), _day("date_to", self.date_to)
        days = f"date:{first}..{last}" if first and last else f"date:>={first}" if first else f"date:<={last}"
        asked = [*map(_named, self.name.replace('"', " ").split()), *([days] if first or last else [])]
        text = self.text.strip()
        if asked and re.search(r"\bOR\b", _outside(text) or ""):
            text = f"({text})"  # OR binds loosest
        return " ".join(filter(None, [text, *asked]))


def clauses_of(query: str) -> Clauses:
    """Take a query apart; one whose end does not stand by itself (``a OR name:b``) is text as a whole."""
    whole = Clauses(text=query.strip())
    found = _TAIL.fullmatch(whole.text) if len(whole.text) <= LONGEST_QUERY else None
    if found is None or not _stands_alone(found["text"]):
        return whole
    parts = Clauses(
        text=_without_bracket(found["text"].strip()),
        name=" ".join(_NAME.findall(found["names"])),
        date_from=found["since"] or found["first"] or "",
        date_to=found["until"] or found["last"] or "",
    )
    try:
        is_same = parts.query() == whole.text
    except CatalogError:
        return whole
    has_more = parts != whole and clauses_of(parts.text) != Clauses(text=parts.text)  # they would count twice
    return parts if is_same and not has_more else whole


def asked(text: str, name: str, date_from: str, date_to: str) -> str:
    """Give the query of what a form sent; a name or days in the text itself count before the form's.

    Raises CatalogError where a day is none.
    """
    own = clauses_of(text)
    days = (own.date_from, own.date_to) if own.date_from or own.date_to else (date_from.strip(), date_to.strip())
    return Clauses(text=own.text, name=own.name or name, date_from=days[0], date_to=days[1]).query()


def _named(word: str) -> str:
    return f'name:"{word}"' if "(" in word or ")" in word else f"name:{word}"


def _day(field: str, text: str) -> str:
    if not text:
        return ""
    try:
        if re.fullmatch(_DAY, text) is None:
            raise ValueError(text)
        return date.fromisoformat(text).isoformat()
    except ValueError as exc:
        raise CatalogError(f"{text[:60]!r} is not a day", where=field, remedy="write it as 2023-10-06") from exc


def _stands_alone(text: str) -> bool:
    """Tell whether what follows a text is no part of its last phrase, bracket or operator."""
    return _outside(text) is not None and _OPERATOR.search(text.rstrip()) is None


def _outside(text: str) -> str | None:
    """Give what stands in no phrase and no bracket, or None where one of them is not closed."""
    kept, depth = [], 0
    for letter in _PHRASE.sub(" ", text):
        depth += letter == "("
        if depth == 0:
            kept.append(letter)
        depth -= letter == ")"
        if depth < 0 or letter == '"':
            return None
    return "".join(kept) if depth == 0 else None


def _without_bracket(text: str) -> str:
    """Take off the bracket that ``Clauses.query`` puts around a text with OR."""
    inner = text[1:-1]
    has_bracket = text.startswith("(") and text.endswith(")")
    return inner if has_bracket and re.search(r"\bOR\b", _outside(inner) or "") else text
