"""Searches against going through the documents one by one, and against an index of the allowed documents alone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import cycle, product
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog_builder.errors import CatalogError
from catalog_builder.facets import Level, SearchRequest, SearchResult, Suggestion, SuggestRequest
from catalog_builder.search import Document, Indexer, Searcher
from catalog_builder.search import indexer as indexer_module
from catalog_builder.search.documents import NAMES, WEIGHTS
from catalog_builder.search.text import atoms, indexed_atoms
from catalog_builder.search.tree import QueryMistake

from .drawn import (
    ALLOWED,
    CHOSEN,
    COMMITS,
    DIALECT,
    DOCUMENTS,
    LEVELS,
    NOTHING_CHOSEN,
    REQUESTS,
    SIZES,
    SORTS,
    SUGGESTED,
    Commit,
    Sizes,
    committed,
    several,
)
from .naive import Meaning, Plain

# -- queries whose meaning is told without the parser --------------------------------------------------------------


@dataclass(frozen=True)
class Query:
    """A query as it is typed, and what it means for one document."""

    text: str
    holds: Callable[[Document], bool]
    score: Callable[[Document], float] = lambda _: 0.0

    @property
    def meaning(self) -> Meaning:
        return Meaning(lambda document, _: self.holds(document), self.score, asks=bool(self.text))


def texts_of(document: Document, field: str | None) -> list[tuple[str, str]]:
    return [(name, text) for name, texts in document.texts.items() if field in (None, name) for text in texts]


def neighbours_score(document: Document, field: str | None, wanted: list[str], *, beginning: bool) -> float:
    """Score the best field in which the words stand next to each other; 8 more where the last is whole."""
    best = 0.0
    for name, text in texts_of(document, field):
        there = [*indexed_atoms(text)]
        for at in range(len(there) - len(wanted) + 1):
            *first, last = there[at : at + len(wanted)]
            if first == wanted[:-1] and (last == wanted[-1] or (beginning and last.startswith(wanted[-1]))):
                best = max(best, WEIGHTS[name] + (8 if last == wanted[-1] else 0))
    return best


def middle_score(document: Document, field: str | None, part: str) -> float:
    texts = [text for name, text in texts_of(document, field) if name in NAMES]
    return 0.5 if any(part in atom for text in texts for atom in indexed_atoms(text)) else 0.0


def scored(text: str, score: Callable[[Document], float]) -> Query:
    return Query(text, lambda document: score(document) > 0, score)


def word_query(word: str, field: str | None, star: bool) -> Query:
    wanted = atoms(word)
    beginning = star or len("".join(wanted)) >= 2
    prefix = "" if field is None else f"{field}:"

    def score(document: Document) -> float:
        straight = neighbours_score(document, field, wanted, beginning=beginning)
        is_part = len(wanted) == 1 and len(wanted[0]) >= 3 and word[0].isalnum() and not star
        return straight or (middle_score(document, field, wanted[0]) if is_part else 0.0)

    return scored(f"{prefix}{word}{'*' if star else ''}", score)


def phrase_query(words: Sequence[str]) -> Query:
    return scored(f'"{" ".join(words)}"', lambda document: neighbours_score(document, None, [*words], beginning=False))


_SIGNS: Mapping[str, Callable[[float, float], bool]] = {
    ">": lambda value, limit: value > limit,
    ">=": lambda value, limit: value >= limit,
    "<": lambda value, limit: value < limit,
    "<=": lambda value, limit: value <= limit,
}


def number_of(document: Document, name: str) -> tuple[float, str] | None:
    for each in (name, f"positioner.{name}"):
        value = document.numbers.get(each)
        if value is not None and value == value:
            return value, document.units.get(each, "")
    return None


def number_query(name: str, sign: str, limit: float) -> Query:
    def holds(document: Document) -> bool:
        number = number_of(document, name)
        return number is not None and _SIGNS[sign](number[0], limit)

    return Query(f"{name}:{sign}{limit}", holds)


def energy_query(sign: str, kiloelectronvolts: float) -> Query:
    sizes = {"eV": 1000.0, "keV": 1.0}

    def holds(document: Document) -> bool:
        number = number_of(document, "energy")
        if number is None or number[1] not in sizes:
            return False
        return _SIGNS[sign](number[0], kiloelectronvolts * sizes[number[1]])

    return Query(f"energy:{sign}{kiloelectronvolts}keV", holds)


def value_query(facet: str, value: str) -> Query:
    return Query(f'{facet}:"{value}"', lambda document: value in document.facets.get(facet, ()))


def both(one: Query, two: Query) -> Query:
    return Query(
        f"({one.text} {two.text})",
        lambda document: one.holds(document) and two.holds(document),
        lambda document: one.score(document) + two.score(document),
    )


def either(one: Query, two: Query) -> Query:
    return Query(
        f"({one.text} OR {two.text})",
        lambda document: one.holds(document) or two.holds(document),
        lambda document: one.score(document) + two.score(document),
    )


def neither(one: Query) -> Query:
    return Query(f"NOT {one.text}", lambda document: not one.holds(document))


_WORDS_ALONE = st.builds(
    word_query,
    st.sampled_from(("sto", "sto20", "st", "s", "film", "gk_sto", "-0.5", "0.5", "grosse", "00173", "111", "0907")),
    st.sampled_from([None, "command", "sample", "keyword"]),
    st.booleans(),
)
_LEAVES = st.one_of(
    _WORDS_ALONE,
    _WORDS_ALONE,
    _WORDS_ALONE,
    st.sampled_from([("sto", "film"), ("film", "sto20"), ("gk", "sto", "film")]).map(phrase_query),
    st.builds(
        number_query,
        st.sampled_from(["chi", "points", "channel.roi1.max"]),
        st.sampled_from([*_SIGNS]),
        st.sampled_from([1.0, 41.0, 45.0]),
    ),
    st.builds(energy_query, st.sampled_from([*_SIGNS]), st.sampled_from([15.0, 15.1])),
    st.builds(value_query, st.just("macro"), st.sampled_from(["ascan", "mesh"])),
    st.builds(value_query, st.just("sample"), st.sampled_from(["LaB6", "lab6", "LaB6 film"])),
    st.sampled_from(["preview", "peak"]).map(
        lambda mark: Query(f"has:{mark}", lambda document: mark in document.facets.get("has", ()))
    ),
    st.sampled_from(["keyword", "detector"]).map(
        lambda facet: Query(f"has:{facet}", lambda document: bool(document.facets.get(facet)))
    ),
)

_TREES = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(st.builds(both, inner, inner), st.builds(either, inner, inner), st.builds(neither, inner)),
    max_leaves=5,
)
QUERIES = st.one_of(st.just(Query("", lambda _: True)), _WORDS_ALONE, _WORDS_ALONE, _LEAVES, _TREES, _TREES)
CASES = st.builds(
    SearchRequest,
    level=LEVELS,
    chosen=st.one_of(NOTHING_CHOSEN, NOTHING_CHOSEN, CHOSEN),
    sort=SORTS | st.sampled_from(("relevance", "-relevance")),
    page=st.sampled_from((1, 1, 1, 2)),
    per_page=st.sampled_from((100, 100, 2)),
)


def plainly(result: SearchResult) -> SearchResult:
    return replace(result, took_ms=0.0)


def index(folder: Path, drawn: list[Document]) -> Searcher:
    indexer = Indexer(folder)
    indexer.apply(drawn[: len(drawn) // 2])
    indexer.apply(drawn[len(drawn) // 2 :])
    return Searcher(folder, DIALECT)


@settings(max_examples=25, deadline=None)
@given(
    drawn=DOCUMENTS, asked=st.lists(st.tuples(CASES, QUERIES), min_size=4, max_size=12), allowed=ALLOWED, sizes=SIZES
)
def test_hits_totals_order_and_facets_are_those_of_going_through_all_documents(
    drawn: list[Document], asked: list[tuple[SearchRequest, Query]], allowed: frozenset[str] | None, sizes: Sizes
) -> None:
    with sizes.set(), TemporaryDirectory() as folder:
        searcher, plain = index(Path(folder), drawn), Plain(drawn, allowed, most_values=sizes.most_values)
        for case, query in asked:
            request = replace(case, q=query.text)
            assert plainly(searcher.search(request, allowed)) == plain.search(request, query.meaning)


_LEVELS: tuple[Level, ...] = ("scan", "dataset")
_SWEPT = (
    *(
        word_query(word, field, star)
        for word in ("sto", "film", "s", "grosse", "0.5", "0907", "fil")
        for field in (None, "sample", "comment")
        for star in (False, True)
    ),
    either(word_query("sto", None, False), word_query("film", "flag", False)),
    both(word_query("s", None, True), neither(word_query("film", None, False))),
    phrase_query(("sto", "film")),
    *(number_query(name, sign, 1.0) for name in ("chi", "points") for sign in _SIGNS),
    *(energy_query(sign, 15.0) for sign in _SIGNS),
)


_BOXES = (None, "keyword", "on_disk")
_ORDERS = ("-name", "date", "-energy", "-sample", "points", "-date", "title", "-state", "size", "-flag", "pi")


def check_each_kind(seed: int, allowed: frozenset[str] | None, sizes: Sizes) -> None:
    drawn, by_words = several([], 70, seed), "-relevance" if seed % 3 == 0 else "relevance"
    with sizes.set(), TemporaryDirectory() as folder:
        searcher, plain = index(Path(folder), [*drawn]), Plain(drawn, allowed, most_values=sizes.most_values)
        for query, order in zip(_SWEPT, cycle(_ORDERS), strict=False):
            for level in _LEVELS:
                whole = SearchRequest(q=query.text, level=level, sort=by_words, per_page=100, counted=())
                part = replace(whole, sort=order, page=1 + seed % 2, per_page=5, counted=("keyword",))
                for request in (whole, part):
                    answer = plainly(searcher.search(request, allowed))
                    assert answer == plain.search(request, query.meaning), query.text
        for text, facet, level in product(("", "la", "al", "g", "20", "dataset:", "sample:f"), _BOXES, _LEVELS):
            typed = SuggestRequest(text=text, facet=facet, search=SearchRequest(level=level), most=20)
            assert searcher.suggest(typed, allowed) == plain.suggest(typed), typed


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 2**32), allowed=ALLOWED, sizes=SIZES)
def test_each_kind_of_query_finds_and_orders_what_going_through_many_documents_does(
    seed: int, allowed: frozenset[str] | None, sizes: Sizes
) -> None:
    check_each_kind(seed, allowed, sizes)


@pytest.mark.campaign
@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 2**32), allowed=ALLOWED, sizes=SIZES)
def test_each_kind_of_query_finds_and_orders_what_going_through_many_more_documents_does(
    seed: int, allowed: frozenset[str] | None, sizes: Sizes
) -> None:
    check_each_kind(seed, allowed, sizes)


@settings(max_examples=30, deadline=None)
@given(
    drawn=DOCUMENTS,
    case=CASES,
    query=QUERIES,
    allowed=ALLOWED,
    facet=st.sampled_from(["flag", "sample", "macro", "on_disk"]),
)
def test_a_value_counts_what_choosing_it_finds_and_choosing_it_finds_what_asking_for_it_does(
    drawn: list[Document], case: SearchRequest, query: Query, allowed: frozenset[str] | None, facet: str
) -> None:
    with Sizes().set(), TemporaryDirectory() as folder:
        searcher = index(Path(folder), drawn)
        others = {name: values for name, values in case.chosen.items() if name != facet}

        def answer(q: str, chosen: Mapping[str, tuple[str, ...]]) -> SearchResult:
            request = SearchRequest(q=q, level=case.level, chosen=chosen, sort="name", per_page=100)
            return searcher.search(request, allowed)

        for counted in answer(query.text, case.chosen).facets[facet]:
            chosen = answer(query.text, {**others, facet: (counted.value,)})
            assert chosen.total == counted.count
            if '"' not in counted.value:
                asked = answer(f'{query.text} {facet}:"{counted.value}"', others)
                assert (asked.total, asked.hits) == (chosen.total, chosen.hits)


# -- any text, any commits -----------------------------------------------------------------------------------------

Outcome = SearchResult | tuple[Suggestion, ...] | list[str] | tuple[str, str, int | None]


def outcome(ask: Callable[[], SearchResult | tuple[Suggestion, ...] | list[str]]) -> Outcome:
    """Give an answer, or what is said instead of one and the place it points at."""
    try:
        answer = ask()
    except CatalogError as exc:
        return type(exc).__name__, str(exc), exc.position if isinstance(exc, QueryMistake) else None
    return plainly(answer) if isinstance(answer, SearchResult) else answer


@dataclass(frozen=True)
class Story:
    """Commits, and what is asked after each."""

    commits: list[Commit]
    requests: list[SearchRequest]
    suggested: SuggestRequest
    allowed: frozenset[str] | None
    sizes: Sizes


STORIES = st.builds(
    Story,
    commits=st.lists(COMMITS, min_size=1, max_size=3),
    requests=st.lists(REQUESTS, min_size=2, max_size=10),
    suggested=SUGGESTED,
    allowed=ALLOWED,
    sizes=SIZES,
)


def outcomes(searcher: Searcher, story: Story, allowed: frozenset[str] | None) -> list[Outcome]:
    def rows(request: SearchRequest) -> list[str]:
        return [hit.key for hit in searcher.rows(request, allowed)]

    asked = [outcome(partial(searcher.search, request, allowed)) for request in story.requests]
    listed = [outcome(partial(rows, request)) for request in story.requests]
    return [*asked, *listed, outcome(partial(searcher.suggest, story.suggested, allowed))]


def expected(plain: Plain, story: Story) -> list[Outcome]:
    asked = [outcome(partial(plain.search, request)) for request in story.requests]
    listed = [outcome(partial(plain.keys, request)) for request in story.requests]
    return [*asked, *listed, outcome(partial(plain.suggest, story.suggested))]


def check(story: Story) -> None:
    """Ask a searcher that was open all the time and a new one after each commit, then an index of what is allowed."""
    with story.sizes.set(), TemporaryDirectory() as name:
        folder, known = Path(name) / "index", dict[str, Document]()
        indexer, opened = Indexer(folder), Searcher(folder, DIALECT)
        for commit in story.commits:
            indexer = committed(folder, indexer, commit)
            known = commit.told(known)
            told = expected(Plain(known.values(), story.allowed, DIALECT, story.sizes.most_values), story)
            assert outcomes(opened, story, story.allowed) == told
            assert outcomes(Searcher(folder, DIALECT), story, story.allowed) == told
        alone = Path(name) / "alone"
        Indexer(alone).apply(d for d in known.values() if story.allowed is None or d.beamtime in story.allowed)
        assert outcomes(Searcher(alone, DIALECT), story, None) == told


@settings(max_examples=30, deadline=None)
@given(story=STORIES)
def test_whatever_is_typed_after_whatever_commits_the_answer_is_that_of_the_allowed_documents_alone(
    story: Story,
) -> None:
    check(story)


@pytest.mark.campaign
@settings(max_examples=2_000, deadline=None)
@given(story=STORIES)
def test_in_many_stories_the_answer_is_that_of_the_allowed_documents_alone(story: Story) -> None:
    check(story)


def test_words_read_from_the_postings_and_from_the_column_of_tokens_are_the_same(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = [
        Document(
            key=f"scan:11000001/a{n}",
            level="scan",
            beamtime="11000001",
            dataset="dataset:11000001/a",
            texts={field: (f"common {field} w{n % 7}",) for field in list(WEIGHTS)[: n % 5]},
        )
        for n in range(60)
    ]
    folder = tmp_path_factory.mktemp("index")
    monkeypatch.setattr(indexer_module, "LARGEST_SEGMENT", 25)
    Indexer(folder).apply(drawn)

    def keys(rare: int) -> list[list[str]]:
        with monkeypatch.context() as patch:
            patch.setattr("catalog_builder.search.evaluation._RARE", rare)
            searcher = Searcher(folder)
            requests = [
                SearchRequest(q=q, level="scan", sort="relevance", per_page=100) for q in ("w3", "name:w3", "common")
            ]
            return [[hit.key for hit in searcher.search(request, None).hits] for request in requests]

    assert keys(0) == keys(10_000)
