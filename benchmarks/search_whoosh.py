"""Stock Whoosh: its own query parser, its ``groupedby`` facets, a filter query as access mask.

Knows Whoosh's schema and searcher; does not know what it is compared with.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from whoosh.analysis import CharsetFilter, LowercaseFilter, RegexTokenizer
from whoosh.fields import ID, KEYWORD, NUMERIC, STORED, TEXT, Schema
from whoosh.index import Index, create_in, open_dir
from whoosh.qparser import QueryParser
from whoosh.query import And, Every, Or, Query, Term
from whoosh.sorting import Count, FieldFacet
from whoosh.support.charset import accent_map

from benchmarks.search_contender import Answer
from benchmarks.search_queries import COUNTED, PER_PAGE, AnyOf, Clause, Days, Question, Without, Words
from catalog_builder.search import Document

_TEXTS = ("title", "sample", "command")
_NUMBERS = ("date", "energy", "points", "exposure", "positioner.om", "positioner.tt")
"""What the queries ask for, for it is slow at indexing numbers; others index all."""
_MULTIPLE = ("keyword", "detector")


class StockWhoosh:
    """Whoosh as it comes."""

    name = "whoosh"
    packages: tuple[str, ...] = ("Whoosh-Reloaded",)
    most: int | None = 30_000

    def build(self, folder: Path, documents: Iterable[Document]) -> int:
        writer = create_in(str(folder), _schema()).writer(limitmb=256)
        count = 0
        for document in documents:
            if document.level == "scan":
                writer.add_document(**_fields(document))
                count += 1
        writer.commit()
        return count

    def open(self, folder: Path) -> "OpenWhoosh":
        return OpenWhoosh(open_dir(str(folder)))


def _schema() -> Schema:
    analyser = RegexTokenizer(r"[^\W_]+") | LowercaseFilter() | CharsetFilter(accent_map)
    texts = {f"in_{name}": TEXT(analyzer=analyser) for name in _TEXTS}
    numbers = {_flat(name): NUMERIC(float) for name in _NUMBERS} | {"date": NUMERIC(int, bits=64, sortable=True)}
    facets = {name: KEYWORD(commas=True) if name in _MULTIPLE else ID(sortable=True) for name in COUNTED}
    return Schema(key=ID(unique=True), text=TEXT(analyzer=analyser), row=STORED, **texts, **numbers, **facets)


def _flat(name: str) -> str:
    return name.replace(".", "_")


def _fields(document: Document) -> dict[str, Any]:
    texts = [text for each in document.texts.values() for text in each]
    fields: dict[str, Any] = {"key": document.key, "text": " ¦ ".join(texts), "row": json.dumps(dict(document.fields))}
    fields |= {f"in_{name}": " ¦ ".join(document.texts.get(name, ())) for name in _TEXTS}
    fields |= {_flat(name): document.numbers[name] for name in _NUMBERS if name in document.numbers}
    fields |= {"date": int(document.numbers["date"])} if "date" in document.numbers else {}
    fields |= {name: ",".join(document.facets[name]) for name in COUNTED if document.facets.get(name)}
    return fields


class OpenWhoosh:
    """An index and its newest searcher."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._searcher = index.searcher()
        self._parser = QueryParser("text", index.schema)

    def ask(self, question: Question, allowed: frozenset[str] | None, scans: int) -> Answer:
        self._searcher = self._searcher.refresh()
        text = " ".join(map(_typed, question.clauses))
        query = self._parser.parse(text) if text else Every()
        mask = None if allowed is None else Or([Term("beamtime", id) for id in sorted(allowed)])
        names = [name for name in COUNTED if name not in question.chosen]
        found = self._searcher.search_page(
            _chosen(query, question.chosen),
            question.page(scans),
            pagelen=PER_PAGE,
            filter=mask,
            sortedby=None if question.sort == "relevance" else question.sort.removeprefix("-"),
            reverse=question.sort == "-date",
            groupedby={name: _facet(name) for name in names},
        )
        facets = {name: _counted(found.results.groups(name)) for name in names}
        for name in question.chosen:
            others = {other: values for other, values in question.chosen.items() if other != name}
            without = self._searcher.search(
                _chosen(query, others), limit=1, filter=mask, groupedby={name: _facet(name)}
            )
            facets[name] = _counted(without.groups(name))
        is_past_the_end = found.pagenum < question.page(scans)  # then it gives the last page
        return Answer(len(found), [] if is_past_the_end else [json.loads(hit["row"]) for hit in found], facets)

    def get_ready(self) -> None:
        pass

    def update(self, document: Document) -> None:
        writer = self._index.writer()
        writer.update_document(**_fields(document))
        writer.commit()

    def close(self) -> None:
        self._searcher.close()
        self._index.close()


def _facet(name: str) -> FieldFacet:
    return FieldFacet(name, allow_overlap=name in _MULTIPLE, maptype=Count)


def _counted(groups: Mapping[str | None, int]) -> list[tuple[str, int]]:
    found = [(value, count) for value, count in groups.items() if value]
    return sorted(found, key=lambda pair: (-pair[1], pair[0]))[:100]


def _chosen(query: Query, chosen: Mapping[str, tuple[str, ...]]) -> Query:
    return And([query, *(Or([Term(name, value) for value in values]) for name, values in chosen.items())])


def _typed(clause: Clause) -> str:
    """Spell a clause in Whoosh's language."""
    if isinstance(clause, Words):
        prefix = "" if clause.field is None else f"in_{clause.field}:"
        words = " ".join(clause.words)
        return f"{prefix}{words}*" if clause.beginning or clause.typed else f'{prefix}"{words}"'
    if isinstance(clause, AnyOf):
        return f"({' OR '.join(map(_typed, clause.parts))})"
    if isinstance(clause, Without):
        return f"NOT {_typed(clause.part)}"
    low, high = clause.seconds if isinstance(clause, Days) else (clause.low, clause.high)
    name = "date" if isinstance(clause, Days) else _flat(clause.name)
    limits = ["" if limit is None else f"{limit:g}" if abs(limit) < 1e6 else f"{limit:.0f}" for limit in (low, high)]
    return f"{name}:[{' TO '.join(limits).strip()}]"
