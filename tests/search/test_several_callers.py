"""One searcher, asked by several callers in turn: what it keeps for one never shows in another's answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog_builder.errors import CatalogError
from catalog_builder.facets import SearchRequest, SuggestRequest
from catalog_builder.search import Document, Indexer, Searcher

from .drawn import ALLOWED, COMMITS, DIALECT, LEVELS, REQUESTS, SIZES, SORTS, SUGGESTED, Commit, Sizes, committed
from .naive import Plain

Caller = frozenset[str] | None


def understood(request: SearchRequest) -> bool:
    return not isinstance(told(lambda: Plain((), None, DIALECT).keys(request)), str)


@dataclass(frozen=True)
class Question:
    """What every caller asks."""

    request: SearchRequest
    suggested: SuggestRequest


QUESTIONS = st.builds(Question, REQUESTS, SUGGESTED)
_FORMS = ("{}", "{}*", '"{}"', "name:{}", "sample:{}*", "NOT {}", "{} OR command:{}")
_OF_WORDS = [form.replace("{}", word) for word in ("sto", "film", "111", "o_111", "k_sto2", "1-09") for form in _FORMS]
_OF_NUMBERS = [
    f"{name}:{sign}{amount}"
    for name, amount in (("energy", "15"), ("energy", "15keV"), ("chi", "1"), ("positioner.chi", "1"))
    for sign in (">", ">=", "<", "<=")
]
KINDRED = st.lists(
    st.builds(
        Question,
        st.builds(SearchRequest, q=st.sampled_from([*_OF_WORDS, *_OF_NUMBERS]), level=LEVELS, sort=SORTS),
        SUGGESTED,
    ),
    min_size=4,
    max_size=8,
)
"""Questions whose words and numbers differ in little: what is kept for one must not answer another."""

CALLERS = st.lists(ALLOWED, min_size=2, max_size=5, unique=True)


def told(ask: Callable[[], Any]) -> Any:
    """Give an answer, or what is said instead of one."""
    try:
        return ask()
    except CatalogError as exc:
        return str(exc)


def answered(searcher: Searcher, asked: Question, allowed: Caller) -> list[Any]:
    """Give answer, total, all rows and suggestions."""
    request = asked.request
    return [
        told(lambda: replace(searcher.search(request, allowed), took_ms=0.0)),
        told(lambda: searcher.count(request, allowed)),
        told(lambda: [hit.key for hit in searcher.rows(request, allowed)]),
        told(lambda: searcher.suggest(asked.suggested, allowed)),
    ]


def expected(plain: Plain, asked: Question) -> list[Any]:
    return [
        told(lambda: plain.search(asked.request)),
        told(lambda: len(plain.keys(asked.request))),
        told(partial(plain.keys, asked.request)),
        told(partial(plain.suggest, asked.suggested)),
    ]


def check(
    commits: Sequence[Commit], callers: Sequence[Caller], asked: Sequence[Question], sizes: Sizes, kept: tuple[int, int]
) -> None:
    """Let every caller ask each question after each commit, all of one searcher that keeps little."""
    with sizes.set(), pytest.MonkeyPatch.context() as patch, TemporaryDirectory() as folder:
        patch.setattr("catalog_builder.search.searcher._SIGHTS", kept[0])
        patch.setattr("catalog_builder.search.evaluation._CACHE_BYTES", kept[1])
        indexer, searcher, known = Indexer(Path(folder)), Searcher(Path(folder), DIALECT), dict[str, Document]()
        for commit in commits:
            indexer = committed(Path(folder), indexer, commit)
            known = commit.told(known)
            plain = {caller: Plain(known.values(), caller, DIALECT, sizes.most_values) for caller in callers}
            for question in asked:
                for caller in callers:
                    assert answered(searcher, question, caller) == expected(plain[caller], question)


COMMITTED = st.lists(COMMITS, min_size=1, max_size=3)
ASKED = st.lists(QUESTIONS, min_size=1, max_size=3) | KINDRED
KEPT = st.sampled_from(((32, 4_000_000), (1, 1200), (2, 4_000_000)))
"""Callers whose sight is kept, and bytes of words and numbers that are kept of a segment."""


@settings(max_examples=20, deadline=None)
@given(commits=COMMITTED, callers=CALLERS, asked=ASKED, sizes=SIZES, kept=KEPT)
def test_callers_that_ask_one_searcher_in_turn_each_get_their_own_answer(
    commits: list[Commit], callers: list[Caller], asked: list[Question], sizes: Sizes, kept: tuple[int, int]
) -> None:
    check(commits, callers, asked, sizes, kept)


@pytest.mark.campaign
@settings(max_examples=1_500, deadline=None)
@given(commits=COMMITTED, callers=CALLERS, asked=ASKED, sizes=SIZES, kept=KEPT)
def test_many_callers_that_ask_one_searcher_in_turn_each_get_their_own_answer(
    commits: list[Commit], callers: list[Caller], asked: list[Question], sizes: Sizes, kept: tuple[int, int]
) -> None:
    check(commits, callers, asked, sizes, kept)


@settings(max_examples=20, deadline=None)
@given(
    commits=st.tuples(COMMITS, COMMITS),
    request_=REQUESTS.filter(understood),
    allowed=ALLOWED,
    sizes=SIZES,
)
def test_rows_that_are_being_read_stay_those_of_the_generation_they_began_with(
    commits: tuple[Commit, Commit], request_: SearchRequest, allowed: Caller, sizes: Sizes
) -> None:
    with sizes.set(), TemporaryDirectory() as name:
        folder = Path(name)
        indexer, searcher = committed(folder, Indexer(folder), commits[0]), Searcher(folder, DIALECT)
        known = commits[0].told({})
        before = searcher.rows(request_, allowed)
        committed(folder, indexer, commits[1])
        later = [hit.key for hit in searcher.rows(request_, allowed)]

        assert [hit.key for hit in before] == Plain(known.values(), allowed, DIALECT).keys(request_)
        assert later == Plain(commits[1].told(known).values(), allowed, DIALECT).keys(request_)
