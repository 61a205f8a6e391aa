"""A query said back in plain words, so that people see what was understood.

Knows the tree of a query; does not know what was typed, nor what was found.
"""

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo

from catalog_builder.facets import FACETS
from catalog_builder.search.documents import FACETS_OF_DATASETS, HAS, MARKS
from catalog_builder.search.fields import kinds_of
from catalog_builder.search.tree import And, Between, Everything, Node, Not, OfDataset, Or, Present, Value, Words

_OF_DATASETS = {column: facet for facet, column in FACETS_OF_DATASETS.items()}
_LABELS = {facet.name: facet.label if facet.label.isupper() else facet.label.lower() for facet in FACETS}


def said(node: Node, zone: tzinfo = UTC) -> str:
    """Say what a query asks for: ``“gk” and sample begins with “sto” and energy from 15 to 18 keV``.

    ``zone`` is the one whose days the query was read with; an empty query is ``everything``.
    """
    match node:
        case Everything():
            return "everything"
        case And(parts):
            return " and ".join(_bracketed(part, Or, zone) for part in parts)
        case Or(parts):
            return " or ".join(_bracketed(part, And, zone) for part in parts)
        case Not(part):
            return _negated(_bracketed(part, (And, Or), zone))
        case OfDataset(part):
            text = said(part, zone)
            return f"the dataset {text}" if text.startswith("has ") else f"the dataset’s {text}"
        case Words():
            return _words(node)
        case Value():
            return _value(node)
        case Present(facet):
            return f"has any {_label(facet)}"
        case Between():
            return _dates(node, zone) if node.field == "date" else _number(node)


def _bracketed(node: Node, kinds: type[Node] | tuple[type[Node], ...], zone: tzinfo) -> str:
    text = said(node, zone)
    return f"({text})" if isinstance(node, kinds) else text


def _negated(text: str) -> str:
    """Turn ``has a comment`` and ``has any keyword`` into ``has no …``; all else gets ``not`` before it."""
    verb, _, rest = text.partition(" ")
    return f"has no {rest.removeprefix('any ').removeprefix('a ')}" if verb == "has" else f"not {text}"


def _label(facet: str) -> str:
    name = _OF_DATASETS.get(facet, facet)
    return _LABELS.get(name, name)


def _words(node: Words) -> str:
    quoted = f"“{' '.join(node.atoms)}”"
    if not node.fields:
        return quoted if node.beginning else f"exactly {quoted}"
    name = _label(node.fields[0])
    if node.within:
        return f"{name} contains {quoted}"
    return f"{name} {'begins with' if node.beginning else 'has exactly'} {quoted}"


def _value(node: Value) -> str:
    if node.facet == HAS:
        return f"has {MARKS.get(node.value, node.value)}"
    verb = "begins with" if node.beginning else "is exactly" if node.verbatim else "is"
    return f"{_label(node.facet)} {verb} “{node.value}”"


def _number(node: Between) -> str:
    if kinds_of(node.field) == () and node.high - node.low == 1 and node.low % 1 == 0.5:
        return f"{node.field} {node.low + 0.5:.0f}"  # a count, typed as one number
    unit = f" {node.unit}" if node.unit else ""
    low, high = (f"{end:.12g}" for end in (node.low, node.high))
    return _span(node, node.field, low, high, unit)


def _span(node: Between, name: str, low: str, high: str, unit: str = "") -> str:
    if math.isinf(node.low) and math.isinf(node.high):
        return f"has any {name}"
    if math.isinf(node.high):
        return f"{name} {'above' if node.without_low else 'at least'} {low}{unit}"
    if math.isinf(node.low):
        return f"{name} {'below' if node.without_high else 'at most'} {high}{unit}"
    return f"{name} {low}{unit}" if low == high else f"{name} from {low} to {high}{unit}"


def _dates(node: Between, zone: tzinfo) -> str:
    """Say days as days, the last one included; where something else is meant, minutes too."""
    if math.isinf(node.low) and math.isinf(node.high):
        return "has any date"
    ends = [_local(end, zone) for end in (node.low, node.high) if not math.isinf(end)]
    whole = all((end.hour, end.minute) == (0, 0) for end in ends)
    spelt: Callable[[datetime], str] = _day if whole else _minute
    if math.isinf(node.high):
        return f"date from {spelt(ends[0])} on"
    if math.isinf(node.low):
        return f"date before {spelt(ends[-1])}"
    last = ends[1] - timedelta(days=1) if whole else ends[1]
    first = spelt(ends[0])
    return f"date {first}" if whole and spelt(last) == first else f"date from {first} to {spelt(last)}"


def _local(seconds: float, zone: tzinfo) -> datetime:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)).astimezone(zone)


def _day(time: datetime) -> str:
    return f"{time.year:04d}-{time.month:02d}-{time.day:02d}"


def _minute(time: datetime) -> str:
    return f"{_day(time)} {time.hour:02d}:{time.minute:02d}"
