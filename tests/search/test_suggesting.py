from pathlib import Path

import pytest

from catalog_builder.facets import SearchRequest, Suggestion, SuggestRequest
from catalog_builder.search import Document, Indexer, Searcher

MINE = frozenset({"11000001"})


def scan(name: str, *, beamtime: str = "11000001", dataset: str = "gk_sto20", **facets: str) -> Document:
    values = {facet: tuple(value.split("|")) for facet, value in facets.items()}
    return Document(
        key=f"scan:{beamtime}/{name}",
        level="scan",
        beamtime=beamtime,
        dataset=f"dataset:{beamtime}/{dataset}",
        texts={"name": (name,), "dataset": (dataset,), **values},
        facets={"beamtime": (beamtime,), **values},
    )


@pytest.fixture
def searcher(tmp_path: Path) -> Searcher:
    Indexer(tmp_path).apply(
        [
            scan("a1", sample="LaB6 film", keyword="XRR|GID", positioner="Størrelse"),
            scan("a2", sample="LaB6 film", keyword="XRR"),
            scan("a3", sample="thin LaB6", dataset="lab6_ref"),
            scan("a4", sample="NaClab", keyword='so "called"'),
            scan("b1", beamtime="22000002", sample="LaB6 secret", dataset="lab6_secret"),
        ]
    )
    return Searcher(tmp_path)


def found(searcher: Searcher, text: str, facet: str | None = None, q: str = "", most: int = 10) -> list[Suggestion]:
    request = SuggestRequest(text=text, facet=facet, search=SearchRequest(q=q, level="scan"), most=most)
    return list(searcher.suggest(request, MINE))


def test_values_that_begin_so_come_first_then_words_in_them_then_the_rest_and_none_of_others(
    searcher: Searcher,
) -> None:
    assert [(one.facet, one.value, one.count) for one in found(searcher, "LAB")] == [
        ("sample", "LaB6 film", 2),
        ("dataset", "lab6_ref", 1),
        ("sample", "thin LaB6", 1),
        ("sample", "NaClab", 1),
    ]


def test_a_suggestion_is_written_as_what_asks_for_it(searcher: Searcher) -> None:
    film, thin = found(searcher, "lab6", "sample")
    assert (film.query, thin.query) == ('sample:"LaB6 film"', 'sample:"thin LaB6"')
    for one in (film, thin, *found(searcher, "called", "keyword"), *found(searcher, "lab6_ref")):
        request = SearchRequest(q=one.query, level="scan")
        assert searcher.search(request, MINE).total == one.count


def test_what_is_asked_already_is_counted_in(searcher: Searcher) -> None:
    assert [(one.value, one.count) for one in found(searcher, "", "sample", q="keyword:gid")] == [("LaB6 film", 1)]
    assert found(searcher, "lab", "sample", q="nowhere") == []


def test_after_a_field_and_a_colon_its_values_are_suggested(searcher: Searcher) -> None:
    assert [one.value for one in found(searcher, "keyword:x")] == ["XRR"]
    assert [one.value for one in found(searcher, 'sample:"lab6 f')] == ["LaB6 film"]
    assert found(searcher, "nothing:x") == []


def test_fields_are_suggested_by_their_beginning(searcher: Searcher) -> None:
    fields = [(one.value, one.query) for one in found(searcher, "posi") if one.facet == "field"]
    assert fields == [("positioner", "positioner:")]


def test_accents_and_case_do_not_matter_and_no_more_come_than_asked_for(searcher: Searcher) -> None:
    assert [one.value for one in found(searcher, "STØRR", "positioner")] == ["Størrelse"]
    assert len(found(searcher, "a", most=2)) == 2
    assert found(searcher, "") == []
    assert found(searcher, "x" * 100_000) == []
