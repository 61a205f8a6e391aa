"""Tantivy by its Python face: aggregations over fast fields, order by a fast field, a term set as access mask.

Knows schema and queries of the package ``tantivy``; does not know what it is compared with.
"""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import tantivy
from tantivy import FieldType, Occur, Order, Query

from benchmarks.search_contender import Answer
from benchmarks.search_queries import (
    COUNTED,
    MOST_VALUES,
    PER_PAGE,
    AnyOf,
    Clause,
    Days,
    Number,
    Question,
    Without,
    Words,
)
from catalog_builder.search import Document

_TEXTS = ("title", "sample", "command")
"""Fields that are asked for by name; ``text`` holds the words of all fields."""
_NUMBERS = ("date", "energy", "points", "exposure", "size", "number")
"""Numbers with a field of their own; others are in the JSON field ``others``."""
_HEAP = 256_000_000
_ANALYSER = "words"
_MOST_VALUES_OF_A_SEGMENT = 1_000_000
"""So that counts are exact."""


class Tantivy:
    """Tantivy."""

    name = "tantivy"
    packages: tuple[str, ...] = ("tantivy",)
    most: int | None = None

    def build(self, folder: Path, documents: Iterable[Document]) -> int:
        index = _with_analyser(tantivy.Index(_schema(), path=str(folder)))
        writer = index.writer(_HEAP)
        count = 0
        for document in documents:
            if document.level == "scan":
                writer.add_document(_document(document))
                count += 1
        writer.commit()
        writer.wait_merging_threads()
        return count

    def open(self, folder: Path) -> "OpenTantivy":
        return OpenTantivy(folder)


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("key", tokenizer_name="raw", index_option="basic")
    builder.add_text_field("text", tokenizer_name=_ANALYSER)
    for name in _TEXTS:
        builder.add_text_field(f"in_{name}", tokenizer_name=_ANALYSER)
    for name in COUNTED:
        builder.add_text_field(name, fast=True, tokenizer_name="raw", index_option="basic")
    for name in _NUMBERS:
        builder.add_float_field(name, indexed=True, fast=True)
    builder.add_json_field("others", fast=True, tokenizer_name="raw", index_option="basic")
    builder.add_bytes_field("row", stored=True)
    return builder.build()


def _with_analyser(index: tantivy.Index) -> tantivy.Index:
    lower = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple()).filter(tantivy.Filter.lowercase())
    index.register_tokenizer(_ANALYSER, lower.filter(tantivy.Filter.ascii_fold()).build())
    return index


def _document(document: Document) -> tantivy.Document:
    made = tantivy.Document()
    made.add_text("key", document.key)
    for texts in document.texts.values():
        for text in texts:
            made.add_text("text", text)
    for name in _TEXTS:
        for text in document.texts.get(name, ()):
            made.add_text(f"in_{name}", text)
    for name in COUNTED:
        for text in document.facets.get(name, ()):
            made.add_text(name, text)
    for name in _NUMBERS:
        if name in document.numbers:
            made.add_float(name, document.numbers[name])
    made.add_json("others", {_flat(name): value for name, value in document.numbers.items() if name not in _NUMBERS})
    made.add_bytes("row", json.dumps(dict(document.fields)).encode())
    return made


def _flat(name: str) -> str:
    return name.replace(".", "_")


class OpenTantivy:
    """An index, and its writer once there are updates."""

    def __init__(self, folder: Path) -> None:
        self._index = _with_analyser(tantivy.Index.open(str(folder)))
        self._index.config_reader("manual")
        self._index.reload()
        self._schema = self._index.schema
        self._writer: tantivy.IndexWriter | None = None

    def ask(self, question: Question, allowed: frozenset[str] | None, scans: int) -> Answer:
        if self._writer is not None:
            self._index.reload()
        searcher = self._index.searcher()
        must = [self._clause(clause) for clause in question.clauses if not isinstance(clause, Without)]
        never = [self._words(clause.part) for clause in question.clauses if isinstance(clause, Without)]
        if allowed is not None:
            may = Query.term_set_query(self._schema, "beamtime", sorted(allowed))
            must.append(Query.const_score_query(may, 0.0))
        query = self._query(must, never, question.chosen)
        ordered = question.sort.removeprefix("-") if question.sort != "relevance" else None
        found = searcher.search(
            query,
            limit=PER_PAGE,
            offset=(question.page(scans) - 1) * PER_PAGE,
            order_by_field=ordered,
            order=Order.Asc if question.sort == "date" else Order.Desc,
        )
        rows = [json.loads(bytes(searcher.doc(address)["row"][0])) for _, address in found.hits]
        names = [name for name in COUNTED if name not in question.chosen]
        facets = _counted(searcher, query, names)
        for name in question.chosen:
            others = {other: values for other, values in question.chosen.items() if other != name}
            facets |= _counted(searcher, self._query(must, never, others), [name])
        return Answer(int(found.count), rows, facets)  # type: ignore[attr-defined]

    def _query(self, must: list[Query], never: list[Query], chosen: Mapping[str, tuple[str, ...]]) -> Query:
        of_facets = [
            Query.const_score_query(Query.term_set_query(self._schema, name, list(values)), 0.0)
            for name, values in chosen.items()
        ]
        parts = [(Occur.Must, part) for part in (*must, *of_facets)] or [(Occur.Must, Query.all_query())]
        return Query.boolean_query([*parts, *((Occur.MustNot, part) for part in never)])

    def _clause(self, clause: Clause) -> Query:
        if isinstance(clause, Words):
            return self._words(clause)
        if isinstance(clause, AnyOf):
            return Query.boolean_query([(Occur.Should, self._words(part)) for part in clause.parts])
        if isinstance(clause, Days):
            low, high = clause.seconds
            return Query.range_query(self._schema, "date", FieldType.Float, low, high)
        if isinstance(clause, Number):
            return self._number(clause)
        raise TypeError(clause)

    def _words(self, clause: Words) -> Query:
        name = "text" if clause.field is None else f"in_{clause.field}"
        words: list[str | tuple[int, str]] = list(clause.words)
        if clause.beginning or clause.typed:
            # phrase_prefix_query stops at 50 words, and its limit cannot be set from Python
            return Query.regex_query(self._schema, name, f"{re.escape(clause.words[0])}.*")
        if len(words) == 1:
            return Query.term_query(self._schema, name, clause.words[0], index_option="freq")
        return Query.phrase_query(self._schema, name, words)

    def _number(self, clause: Number) -> Query:
        if clause.name in _NUMBERS:
            return Query.range_query(
                self._schema,
                clause.name,
                FieldType.Float,
                None if clause.low is None else float(clause.low),
                None if clause.high is None else float(clause.high),
            )
        low, high = ("*" if each is None else str(float(each)) for each in (clause.low, clause.high))
        return self._index.parse_query(f"others.{_flat(clause.name)}:[{low} TO {high}]", ["text"])

    def get_ready(self) -> None:
        self._writer = self._index.writer(_HEAP)

    def update(self, document: Document) -> None:
        if self._writer is None:
            raise AssertionError("not ready for updates")
        self._writer.delete_documents_by_term("key", document.key)
        self._writer.add_document(_document(document))
        self._writer.commit()

    def close(self) -> None:
        if self._writer is not None:
            self._writer.wait_merging_threads()
        del self._index, self._writer


def _counted(searcher: tantivy.Searcher, query: Query, names: Iterable[str]) -> dict[str, list[tuple[str, int]]]:
    """Count facets in one call, by the order of ours: most first, then by value."""
    terms: dict[str, Any] = {
        name: {"terms": {"field": name, "size": MOST_VALUES, "segment_size": _MOST_VALUES_OF_A_SEGMENT}}
        for name in names
    }
    if not terms:
        return {}
    found = searcher.aggregate(query, terms)
    return {name: [(each["key"], each["doc_count"]) for each in found[name]["buckets"]] for name in terms}
