import shutil
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from catalog_builder.errors import CatalogError
from catalog_builder.facets import MOST_VALUES, FacetCount, SearchRequest
from catalog_builder.search import Cancelled, Document, Indexer, QueryMistake, Searcher
from catalog_builder.search import indexer as indexer_module
from catalog_builder.search.generations import index_folder

MINE = frozenset({"11000001"})


def scan(
    name: str,
    *,
    beamtime: str = "11000001",
    dataset: str = "a",
    texts: dict[str, tuple[str, ...]] | None = None,
    flags: tuple[str, ...] = ("measurement",),
    macro: tuple[str, ...] = (),
    sorts: dict[str, str | float] | None = None,
    numbers: dict[str, float] | None = None,
) -> Document:
    return Document(
        key=f"scan:{beamtime}/{name}",
        level="scan",
        beamtime=beamtime,
        dataset=f"dataset:{beamtime}/{dataset}",
        texts={"name": (name,)} if texts is None else texts,
        facets={"flag": flags, "beamtime": (beamtime,), "macro": macro},
        sorts=sorts or {},
        numbers=numbers or {},
    )


def dataset(slug: str, *, beamtime: str = "11000001", flags: tuple[str, ...] = ("measurement",)) -> Document:
    key = f"dataset:{beamtime}/{slug}"
    return Document(
        key=key,
        level="dataset",
        beamtime=beamtime,
        dataset=key,
        texts={"title": (f"set {slug}",)},
        facets={"flag": flags, "beamtime": (beamtime,)},
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def searcher_of(folder: Path, documents: Iterable[Document]) -> Searcher:
    Indexer(folder).apply(documents)
    return Searcher(folder)


def names(searcher: Searcher, request: SearchRequest, allowed: frozenset[str] | None = None) -> list[str]:
    return [hit.key.partition("/")[2] for hit in searcher.search(request, allowed).hits]


def test_words_found_whole_come_before_those_that_only_begin_so_whatever_field_they_are_in(folder: Path) -> None:
    searcher = searcher_of(
        folder,
        [
            scan("begins", texts={"name": ("sto20",), "sample": ("sto21",)}),
            scan("whole", texts={"flag": ("sto",)}),
            scan("whole_in_name", texts={"name": ("sto",)}),
        ],
    )

    request = SearchRequest(q="sto", level="scan", sort="relevance")
    assert names(searcher, request) == ["whole_in_name", "whole", "begins"]
    backwards = SearchRequest(q="sto", level="scan", sort="-relevance")
    assert names(searcher, backwards) == ["begins", "whole", "whole_in_name"]


def test_a_word_that_is_not_wanted_scores_nothing_where_it_is_there(folder: Path) -> None:
    searcher = searcher_of(
        folder,
        [
            scan("both", texts={"flag": ("sto",), "name": ("film",)}),
            scan("wanted", texts={"title": ("sto",)}),
        ],
    )

    assert names(searcher, SearchRequest(q="sto OR NOT film", level="scan", sort="relevance")) == ["wanted", "both"]


def test_missing_values_come_last_in_both_directions_and_equal_ones_in_order_of_their_keys(folder: Path) -> None:
    searcher = searcher_of(
        folder,
        [
            scan("d"),
            scan("c", sorts={"date": 2.0}),
            scan("b", sorts={"date": 2.0}),
            scan("a", sorts={"date": float("nan")}),
            scan("e", sorts={"date": 1.0}),
        ],
    )

    assert names(searcher, SearchRequest(level="scan", sort="date")) == ["e", "b", "c", "a", "d"]
    assert names(searcher, SearchRequest(level="scan", sort="-date")) == ["b", "c", "e", "a", "d"]


def test_pages_follow_each_other_over_all_segments(folder: Path) -> None:
    indexer = Indexer(folder)
    for start in range(3):
        indexer.apply(scan(f"a{n:02d}", sorts={"name": f"{n:02d}"}) for n in range(start, 30, 3))
    searcher = Searcher(folder)

    pages = [names(searcher, SearchRequest(level="scan", sort="name", page=p, per_page=7)) for p in range(1, 7)]

    assert [name for page in pages for name in page] == [f"a{n:02d}" for n in range(30)]
    assert pages[-1] == []


def test_a_dataset_is_found_only_when_one_of_its_scans_satisfies_all_together(folder: Path) -> None:
    searcher = searcher_of(
        folder,
        [
            dataset("a"),
            scan("a1", dataset="a", numbers={"energy": 10.0, "chi": 1.0}),
            scan("a2", dataset="a", numbers={"energy": 20.0, "chi": 2.0}),
        ],
    )

    assert names(searcher, SearchRequest(q="energy:>15 chi:>1")) == ["a"]
    assert names(searcher, SearchRequest(q="energy:>15 chi:<2")) == []
    assert names(searcher, SearchRequest(q="NOT energy:>15 NOT chi:<2")) == []


def test_a_dataset_whose_last_scan_was_removed_speaks_for_itself(folder: Path) -> None:
    others = [scan(f"b{n}", dataset="b") for n in range(9)]
    searcher = searcher_of(folder, [dataset("a"), scan("a1", dataset="a"), scan("a2", dataset="a"), *others])
    assert names(searcher, SearchRequest(q="NOT a1")) == ["a"]
    assert names(searcher, SearchRequest(q="set")) == []

    Indexer(folder).apply([], removals=["scan:11000001/a1", "scan:11000001/a2"])
    assert names(searcher, SearchRequest(q="set")) == ["a"]


def test_a_dataset_scores_as_the_best_of_its_scans_that_satisfy_the_query(folder: Path) -> None:
    searcher = searcher_of(
        folder,
        [
            dataset("a"),
            scan("a1", dataset="a", texts={"flag": ("sto",)}, numbers={"energy": 2.0}),
            scan("a2", dataset="a", texts={"name": ("sto",)}, numbers={"energy": 1.0}),
            dataset("b"),
            scan("b1", dataset="b", texts={"title": ("sto",)}, numbers={"energy": 2.0}),
        ],
    )

    assert names(searcher, SearchRequest(q="sto", sort="relevance")) == ["a", "b"]
    assert names(searcher, SearchRequest(q="sto energy:>1", sort="relevance")) == ["b", "a"]


def test_a_dataset_scores_as_the_best_of_its_scans_that_have_what_is_chosen(folder: Path) -> None:
    searcher = searcher_of(
        folder,
        [
            dataset("a"),
            scan("a1", dataset="a", texts={"flag": ("sto",)}),
            scan("a2", dataset="a", texts={"name": ("sto",)}, flags=("alignment",)),
            dataset("b"),
            scan("b1", dataset="b", texts={"title": ("sto",)}),
        ],
    )

    chosen = {"flag": ("measurement",)}
    assert names(searcher, SearchRequest(q="sto", sort="relevance", chosen=chosen)) == ["b", "a"]


def test_one_scan_must_have_all_that_is_chosen_and_a_dataset_counts_once_over_all_segments(folder: Path) -> None:
    indexer = Indexer(folder)
    indexer.apply([dataset("a", flags=("measurement", "alignment")), dataset("b"), scan("x", dataset="gone")])
    indexer.apply([scan("a1", dataset="a", macro=("mesh",)), scan("a2", dataset="a", flags=("alignment",))])
    indexer.apply([scan("a3", dataset="a", macro=("mesh",)), scan("b1", dataset="b", macro=("ascan",))])
    searcher = Searcher(folder)

    def result(**chosen: str) -> tuple[int, dict[str, int], dict[str, int]]:
        request = SearchRequest(chosen={name: (value,) for name, value in chosen.items()})
        answer = searcher.search(request, None)
        flags, macros = ({c.value: c.count for c in answer.facets[name] if c.count} for name in ("flag", "macro"))
        return answer.total, flags, macros

    assert result() == (2, {"measurement": 2, "alignment": 1}, {"mesh": 1, "ascan": 1})
    assert result(flag="alignment") == (1, {"measurement": 2, "alignment": 1}, {})
    assert result(flag="alignment", macro="mesh") == (0, {"measurement": 1}, {})
    assert result(flag="measurement", macro="mesh") == (1, {"measurement": 1}, {"mesh": 1, "ascan": 1})


def test_a_phrase_is_found_within_one_text_only_and_in_its_order(folder: Path) -> None:
    searcher = searcher_of(
        folder,
        [
            scan("apart", texts={"title": ("thin", "film")}),
            scan("fields", texts={"title": ("thin",), "sample": ("film",)}),
            scan("longer", texts={"title": ("thin films",)}),
            scan("reverse", texts={"title": ("film thin",)}),
            scan("right", texts={"title": ("a thin film of",)}),
        ],
    )

    assert names(searcher, SearchRequest(q='"thin film"', level="scan")) == ["right"]
    assert names(searcher, SearchRequest(q="thin_film", level="scan")) == ["longer", "right"]
    assert names(searcher, SearchRequest(q="thin film", level="scan", per_page=100)) == [
        "apart",
        "fields",
        "longer",
        "reverse",
        "right",
    ]


def test_numbers_compare_at_their_ends_and_a_quantity_goes_before_the_positioner_of_its_name(folder: Path) -> None:
    searcher = searcher_of(
        folder,
        [
            scan("both", numbers={"energy": 1.0, "positioner.energy": 9.0}),
            scan("none"),
            scan("positioner", numbers={"positioner.energy": 2.0}),
            scan("quantity", numbers={"energy": 3.0}),
        ],
    )

    def found(q: str) -> list[str]:
        return names(searcher, SearchRequest(q=q, level="scan"))

    assert found("energy:>=2") == ["positioner", "quantity"]
    assert found("energy:>2") == ["quantity"]
    assert found("energy:<=2") == ["both", "positioner"]
    assert found("energy:<2") == ["both"]
    assert found("energy:1..2") == ["both", "positioner"]
    assert found("energy:2") == ["positioner"]
    assert found("positioner.energy:>5") == ["both"]
    assert found("NOT energy:>0") == ["none"]


def test_a_dataset_matches_any_of_its_flags_and_counts_of_a_facet_ignore_its_own_choice(folder: Path) -> None:
    searcher = searcher_of(folder, [dataset("a", flags=("measurement", "alignment")), dataset("b")])

    result = searcher.search(SearchRequest(chosen={"flag": ("alignment",)}), None)

    assert [hit.key for hit in result.hits] == ["dataset:11000001/a"]
    assert result.facets["flag"] == (FacetCount(value="measurement", count=2), FacetCount(value="alignment", count=1))
    assert result.facets["beamtime"] == (FacetCount(value="11000001", count=1),)


def test_a_chosen_value_is_listed_even_where_nothing_has_it_and_long_lists_are_cut(folder: Path) -> None:
    searcher = searcher_of(folder, [dataset(f"d{n}", flags=(f"flag{n:03d}",)) for n in range(MOST_VALUES + 20)])

    result = searcher.search(SearchRequest(chosen={"flag": ("flag119", "no such")}), None)
    counts = result.facets["flag"]

    assert len(counts) == MOST_VALUES + 2
    assert counts[-2:] == (FacetCount(value="flag119", count=1), FacetCount(value="no such", count=0))
    assert result.unlisted == {"flag": 19}
    assert searcher.search(SearchRequest(), None).unlisted == {"flag": 20}
    assert searcher.search(SearchRequest(q='flag:"flag003"'), None).unlisted == {}


def test_what_the_caller_may_not_see_is_in_no_hit_total_or_count(folder: Path) -> None:
    searcher = searcher_of(
        folder, [dataset("a"), dataset("b", beamtime="11000002", flags=("secret",)), scan("x", beamtime="11000002")]
    )

    result = searcher.search(SearchRequest(), MINE)
    assert result.total == 1
    assert result.facets["flag"] == (FacetCount(value="measurement", count=1),)
    assert searcher.count(SearchRequest(level="scan"), MINE) == 0
    assert searcher.search(SearchRequest(), frozenset()).total == 0
    assert searcher.search(SearchRequest(), frozenset()).facets["flag"] == ()
    assert searcher.count(SearchRequest(), None) == 2


@pytest.mark.parametrize(
    "query",
    [
        "*a*",
        "??????*",
        "w*",
        "w0* " * 50,
        "w " * 200,
        "(" * 500 + "w" + ")" * 500,
        "NOT " * 400 + "w",
        "w" * 1_000_000,
        "w\x00\x1b[31m\x7f\u202e\ud800",
        "energy:-9e99..9e99",
        "energy:>1e999",
        "'; DROP TABLE scans; --",
        "<script>alert(1)</script>",
        '"' + "w " * 900 + '"',
    ],
)
def test_a_hostile_query_gets_an_answer_or_a_clear_mistake_and_soon(query: str, folder: Path) -> None:
    searcher = searcher_of(folder, [scan(f"w{n:04d}", numbers={"energy": n}) for n in range(300)])
    started = time.process_time()
    try:
        assert searcher.search(SearchRequest(q=query, level="scan"), None).total <= 300
    except QueryMistake as mistake:
        assert len(str(mistake)) < 300  # noqa: PT017 - either outcome is right
    assert time.process_time() - started < 0.5


def test_a_request_out_of_bounds_is_refused(folder: Path) -> None:
    searcher = Searcher(folder)
    for request in (
        SearchRequest(per_page=101),
        SearchRequest(page=0),
        SearchRequest(sort="colour"),
        SearchRequest(chosen={"colour": ("red",)}),
    ):
        with pytest.raises(CatalogError):
            searcher.search(request, None)


def test_an_index_that_does_not_exist_has_nothing_and_a_damaged_one_says_what_to_do(folder: Path) -> None:
    searcher = Searcher(folder / "index")
    assert searcher.search(SearchRequest(), None).total == 0

    index_folder(folder / "index").mkdir(parents=True)
    (index_folder(folder / "index") / "manifest.json").write_text("{}")
    with pytest.raises(CatalogError, match="build the catalogue again"):
        searcher.search(SearchRequest(), None)

    Indexer(folder / "index").apply([dataset("a")])
    assert searcher.search(SearchRequest(), None).total == 1


def test_many_threads_may_search_while_the_index_changes_and_each_sees_a_whole_generation(folder: Path) -> None:
    indexer, searcher = Indexer(folder), Searcher(folder)
    indexer.apply([scan("a0", flags=("flag0",)), scan("b0", flags=("flag0",))])

    def look(_: int) -> tuple[int, int]:
        result = searcher.search(SearchRequest(q="a0 OR b0", level="scan"), None)
        return result.total, len(result.facets["flag"])

    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(look, n) for n in range(100)]
        for n in range(1, 25):
            indexer.apply([scan("a0", flags=(f"flag{n}",)), scan("b0", flags=(f"flag{n}",))])
    assert {answer.result() for answer in answers} == {(2, 1)}


def test_pages_one_after_the_other_are_the_whole_order_however_the_segments_lie(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexer_module, "LARGEST_SEGMENT", 7)
    random = Random(5)
    drawn = [
        scan(
            f"a{n:03}",
            sorts={} if n % 11 == 0 else {"date": float(random.randrange(20)), "name": f"n{random.randrange(30):02}"},
            numbers={} if n % 5 == 0 else {"positioner.chi": float(random.randrange(9))},
        )
        for n in range(100)
    ]
    searcher = searcher_of(folder, drawn)

    def value(document: Document, name: str) -> str | float | None:
        return document.sorts.get(name, document.numbers.get(name))

    for name in ("date", "name", "positioner.chi"):
        there = sorted((d for d in drawn if value(d, name) is not None), key=lambda d: d.key)
        missing = sorted(d.key.partition("/")[2] for d in drawn if value(d, name) is None)
        for sign in ("", "-"):
            there.sort(key=lambda d: value(d, name) or 0, reverse=bool(sign))
            expected = [d.key.partition("/")[2] for d in there] + missing
            there.sort(key=lambda d: d.key)
            for per_page in (1, 7, 30):
                pages = [
                    names(searcher, SearchRequest(level="scan", sort=f"{sign}{name}", page=page, per_page=per_page))
                    for page in range(1, 100 // per_page + 2)
                ]
                assert [one for page in pages for one in page] == expected
            rows = searcher.rows(SearchRequest(level="scan", sort=f"{sign}{name}", page=3, per_page=2), None)
            assert [hit.key.partition("/")[2] for hit in rows] == expected


def test_where_nothing_is_found_it_is_said_what_there_would_be_without_each_part(folder: Path) -> None:
    searcher = searcher_of(
        folder,
        [
            scan("film1", flags=("alignment",)),
            scan("film2", flags=("alignment",)),
            scan("film3", beamtime="22000002"),
            scan("other", macro=("mesh",)),
        ],
    )

    request = SearchRequest(q="film", level="scan", chosen={"flag": ("measurement",), "macro": ("mesh", "ascan")})
    assert searcher.search(request, MINE).without == {"q": 1}
    request = SearchRequest(q="film", level="scan", chosen={"flag": ("measurement",)})
    assert searcher.search(request, MINE).without == {"flag": 2, "q": 1}
    assert searcher.search(SearchRequest(q="film", level="scan"), MINE).without == {}
    assert searcher.search(SearchRequest(q="secret"), frozenset()).without == {}


def test_only_the_facets_asked_for_are_counted(folder: Path) -> None:
    searcher = searcher_of(folder, [scan("a1")])

    assert list(searcher.search(SearchRequest(level="scan", counted=("flag",)), None).facets) == ["flag"]
    assert searcher.search(SearchRequest(level="scan", counted=()), None).facets == {}
    with pytest.raises(CatalogError, match="no facet 'colour'"):
        searcher.search(SearchRequest(counted=("colour",)), None)


def test_months_are_listed_whole_and_in_order(folder: Path) -> None:
    months = [f"{year}-{month:02}" for year in range(2010, 2022) for month in range(1, 13)]
    drawn = [replace(scan(f"a{n}"), facets={"month": (month,)}) for n, month in enumerate(reversed(months))]

    result = searcher_of(folder, drawn).search(SearchRequest(level="scan", counted=("month",)), None)

    assert [count.value for count in result.facets["month"]] == months
    assert result.unlisted == {}


def test_a_search_that_is_given_up_stops(folder: Path) -> None:
    searcher = searcher_of(folder, [scan("a1")])
    asked = 0

    def cancelled() -> bool:
        nonlocal asked
        asked += 1
        return asked > 1

    with pytest.raises(Cancelled):
        searcher.search(SearchRequest(q="a1 OR a2", level="scan"), None, cancelled)
    assert asked == 2


def test_an_index_that_vanishes_leaves_what_is_open_answering(folder: Path) -> None:
    searcher = searcher_of(folder / "index", [scan("a1")])
    assert names(searcher, SearchRequest(level="scan")) == ["a1"]

    shutil.rmtree(folder / "index")

    assert names(searcher, SearchRequest(level="scan")) == ["a1"]
    Indexer(folder / "index").apply([scan("a2")])
    assert names(searcher, SearchRequest(level="scan")) == ["a2"]


def test_segments_of_which_the_caller_sees_nothing_are_not_looked_into(folder: Path) -> None:
    indexer, searcher = Indexer(folder), Searcher(folder)
    indexer.apply([scan("mine_1", numbers={"points": 5.0}), dataset("a")])
    indexer.apply([scan("theirs_1", beamtime="11000002", numbers={"points": 5.0}), dataset("a", beamtime="11000002")])

    for query in ("theirs", "points:>1", "mine OR NOT theirs", "scans:>0", "heirs_1"):
        for level in ("scan", "dataset"):
            searcher.search(SearchRequest(q=query, level=level, sort="relevance"), MINE)
    mine, theirs = searcher._current().views
    assert mine.held.evaluator._leaves
    assert not theirs.held.evaluator._leaves
    assert names(searcher, SearchRequest(q="theirs OR mine", level="scan")) == ["mine_1", "theirs_1"]
