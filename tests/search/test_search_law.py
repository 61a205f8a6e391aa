"""Searches against a plain evaluation of the same query, and against an index of the allowed documents alone."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog_builder.facets import FACETS, SearchRequest, SearchResult
from catalog_builder.search import Document, Indexer, Searcher
from catalog_builder.search import indexer as indexer_module
from catalog_builder.search.documents import WEIGHTS
from catalog_builder.search.text import atoms, indexed_atoms

BEAMTIMES = ("11000001", "11000002", "11000003")
WORDS = ("sto", "sto20", "st", "s", "film", "gk_sto", "-0.5", "0.5", "Größe", "00173", "111")


@dataclass(frozen=True)
class Query:
    """A query as it is typed, and what it means for one document."""

    text: str
    holds: Callable[[Document], bool]


def texts_of(document: Document, field: str | None) -> Iterable[str]:
    return (text for name, texts in document.texts.items() if field in (None, name) for text in texts)


def has_neighbours(document: Document, field: str | None, wanted: list[str], *, beginning: bool) -> bool:
    for text in texts_of(document, field):
        there = [*indexed_atoms(text)]
        for at in range(len(there) - len(wanted) + 1):
            *first, last = there[at : at + len(wanted)]
            if first == wanted[:-1] and (last == wanted[-1] or (beginning and last.startswith(wanted[-1]))):
                return True
    return False


def word_query(word: str, field: str | None, star: bool) -> Query:
    wanted = atoms(word)
    beginning = star or len("".join(wanted)) >= 2
    prefix = "" if field is None else f"{field}:"
    return Query(
        f"{prefix}{word}{'*' if star else ''}",
        lambda document: has_neighbours(document, field, wanted, beginning=beginning),
    )


def number_query(name: str, sign: str, limit: float) -> Query:
    compare: dict[str, Callable[[float], bool]] = {
        ">": lambda value: value > limit,
        ">=": lambda value: value >= limit,
        "<": lambda value: value < limit,
        "<=": lambda value: value <= limit,
    }

    def holds(document: Document) -> bool:
        value = document.numbers.get(name, document.numbers.get(f"positioner.{name}"))
        return value is not None and compare[sign](value)

    return Query(f"{name}:{sign}{limit}", holds)


def both(one: Query, two: Query) -> Query:
    return Query(f"({one.text} {two.text})", lambda document: one.holds(document) and two.holds(document))


def either(one: Query, two: Query) -> Query:
    return Query(f"({one.text} OR {two.text})", lambda document: one.holds(document) or two.holds(document))


def neither(one: Query) -> Query:
    return Query(f"NOT {one.text}", lambda document: not one.holds(document))


_LEAVES = st.one_of(
    st.builds(word_query, st.sampled_from(WORDS), st.sampled_from([None, "command", "sample"]), st.booleans()),
    st.sampled_from([("sto", "film"), ("film", "sto20"), ("gk", "sto", "film")]).map(
        lambda words: Query(
            f'"{" ".join(words)}"',
            lambda document: has_neighbours(document, None, list(words), beginning=False),
        )
    ),
    st.builds(
        number_query,
        st.sampled_from(["chi", "energy"]),
        st.sampled_from([">", ">=", "<", "<="]),
        st.sampled_from([1.0, 2.0]),
    ),
    st.sampled_from(["ascan", "mesh"]).map(
        lambda value: Query(f"macro:{value}", lambda document: value in document.facets.get("macro", ()))
    ),
    st.sampled_from(["LaB6", "lab6", "LaB6 film"]).map(
        lambda value: Query(f'sample:"{value}"', lambda document: value in document.facets["sample"])
    ),
)

QUERIES = st.one_of(
    st.just(Query("", lambda _: True)),
    st.recursive(
        _LEAVES,
        lambda inner: st.one_of(
            st.builds(both, inner, inner), st.builds(either, inner, inner), st.builds(neither, inner)
        ),
        max_leaves=5,
    ),
)


def document(random: Random) -> Document:
    beamtime, slug, name = random.choice(BEAMTIMES), random.choice("ab"), random.choice(["", "1", "2", "3", "4"])
    dataset = f"dataset:{beamtime}/{slug}"

    def text() -> str:
        return " ".join(random.choices(WORDS, k=random.randint(0, 3)))

    on_disk = random.choice(["disk", "tape"])
    sorts: dict[str, str | float] = {"date": random.choice([1.0, 2.0, 3.0]), "sample": random.choice("xyz")}
    numbers = ("energy", "chi", "positioner.chi")
    return Document(
        key=f"scan:{beamtime}/{slug}{name}" if name else dataset,
        level="scan" if name else "dataset",
        beamtime=beamtime,
        dataset=dataset,
        texts={field: (text(), text()) for field in ("title", "name", "sample", "command") if random.random() < 0.6},
        facets={
            "beamtime": (beamtime,),
            "flag": random.choice([(), ("measurement",), ("measurement", "alignment")]),
            "sample": random.choice([(), ("LaB6",), ("lab6", "LaB6 film"), ("LaB6", "LaB6 film")]),
            "macro": random.choice([(), ("ascan",), ("mesh",)]),
            "on_disk": (on_disk,),
            "dataset.on_disk": random.choice([(on_disk,), (on_disk, "part")]),
        },
        sorts={field: value for field, value in sorts.items() if random.random() < 0.8},
        numbers={field: random.choice([1.0, 2.0, 3.0]) for field in numbers if random.random() < 0.6},
    )


def documents(seed: int) -> list[Document]:
    """Make some datasets and scans; a key may come again, and then the last one counts."""
    random = Random(seed)
    return [document(random) for _ in range(random.choice([0, 5, 20, 40]))]


DOCUMENTS = st.integers(0, 2**32).map(documents)
REQUESTS = st.builds(
    lambda level, sort, chosen, page, per_page: SearchRequest(
        level=level, sort=sort, chosen=chosen, page=page, per_page=per_page
    ),
    st.sampled_from(["scan", "dataset"]),
    st.sampled_from(["date", "-date", "sample", "-sample", "name"]),
    st.fixed_dictionaries(
        {},
        optional={
            "flag": st.sampled_from([("measurement",), ("alignment", "measurement"), ("unknown",)]),
            "on_disk": st.sampled_from([("tape",), ("part",), ("part", "tape")]),
            "sample": st.sampled_from([("LaB6",), ("lab6",)]),
        },
    ),
    st.integers(1, 3),
    st.sampled_from([2, 100]),
)
ALLOWED = st.one_of(st.none(), st.frozensets(st.sampled_from(BEAMTIMES)))

Answer = tuple[int, list[str], dict[str, list[tuple[str, int]]]]


def answer_of(result: SearchResult) -> Answer:
    counts = {name: [(c.value, c.count) for c in counts] for name, counts in result.facets.items()}
    return result.total, [hit.key for hit in result.hits], counts


def with_query(request: SearchRequest, query: Query) -> SearchRequest:
    return SearchRequest(
        q=query.text,
        level=request.level,
        chosen=request.chosen,
        sort=request.sort,
        page=request.page,
        per_page=request.per_page,
    )


def plain_answer(drawn: list[Document], request: SearchRequest, query: Query, allowed: frozenset[str] | None) -> Answer:
    """Answer by going through all documents one by one."""
    latest = {document.key: document for document in drawn}
    visible = [d for d in latest.values() if allowed is None or d.beamtime in allowed]
    scans = [d for d in visible if d.level == "scan"]
    speaking = {d.key: [d] for d in scans}
    if request.level == "dataset":
        datasets = [d for d in visible if d.level == "dataset"]
        speaking = {d.key: [scan for scan in scans if scan.dataset == d.key] or [d] for d in datasets}

    def values(document: Document, facet: str) -> tuple[str, ...]:
        column = "dataset.on_disk" if (facet, request.level) == ("on_disk", "dataset") else facet
        return document.facets.get(column, ())

    def found(chosen: Mapping[str, tuple[str, ...]]) -> set[str]:
        """Give the hits: those for which one document speaks that has it all."""

        def fits(document: Document) -> bool:
            return all(set(wanted) & set(values(document, name)) for name, wanted in chosen.items())

        return {key for key, mine in speaking.items() if any(query.holds(d) and fits(d) for d in mine)}

    hits = [latest[key] for key in sorted(found(request.chosen))]
    name = request.sort.removeprefix("-")
    present = [d for d in hits if name in d.sorts]
    present.sort(key=lambda d: d.sorts[name], reverse=request.sort.startswith("-"))
    ordered = [d.key for d in present] + [d.key for d in hits if name not in d.sorts]
    counts = {}
    for facet in FACETS:
        there = sorted({v for mine in speaking.values() for d in mine for v in values(d, facet.name)})
        totals = {value: len(found({**request.chosen, facet.name: (value,)})) for value in there}
        listed = sorted(((v, n) for v, n in totals.items() if n), key=lambda pair: (-pair[1], pair[0]))
        chosen = request.chosen.get(facet.name, ())
        counts[facet.name] = listed + [(v, 0) for v in sorted(chosen) if not totals.get(v)]
    start = (request.page - 1) * request.per_page
    return len(hits), ordered[start : start + request.per_page], counts


@settings(max_examples=120, deadline=None)
@given(drawn=DOCUMENTS, request_=REQUESTS, query=QUERIES, allowed=ALLOWED)
def test_hits_totals_order_and_facets_are_those_of_going_through_all_documents(
    drawn: list[Document],
    request_: SearchRequest,
    query: Query,
    allowed: frozenset[str] | None,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("index")
    indexer = Indexer(folder)
    indexer.apply(drawn[: len(drawn) // 2])
    indexer.apply(drawn[len(drawn) // 2 :])

    answer = answer_of(Searcher(folder).search(with_query(request_, query), allowed))

    assert answer == plain_answer(drawn, request_, query, allowed)


@settings(max_examples=60, deadline=None)
@given(
    drawn=DOCUMENTS,
    request_=REQUESTS,
    query=QUERIES,
    sort=st.sampled_from(["relevance", "-relevance", "-date"]),
    allowed=st.frozensets(st.sampled_from(BEAMTIMES)),
)
def test_nothing_in_an_answer_tells_of_beamtimes_the_caller_may_not_see(
    drawn: list[Document],
    request_: SearchRequest,
    query: Query,
    sort: str,
    allowed: frozenset[str],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    everything, permitted = tmp_path_factory.mktemp("all"), tmp_path_factory.mktemp("allowed")
    Indexer(everything).apply(drawn)
    Indexer(permitted).apply(document for document in drawn if document.beamtime in allowed)
    request = with_query(
        SearchRequest(
            level=request_.level, chosen=request_.chosen, sort=sort, page=request_.page, per_page=request_.per_page
        ),
        query,
    )

    answer = answer_of(Searcher(everything).search(request, allowed))

    assert answer == answer_of(Searcher(permitted).search(request, None))


@settings(max_examples=60, deadline=None)
@given(
    drawn=DOCUMENTS,
    request_=REQUESTS,
    query=QUERIES,
    allowed=ALLOWED,
    facet=st.sampled_from(["flag", "sample", "macro", "on_disk"]),
)
def test_a_value_counts_what_choosing_it_finds_and_choosing_it_finds_what_asking_for_it_does(
    drawn: list[Document],
    request_: SearchRequest,
    query: Query,
    allowed: frozenset[str] | None,
    facet: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("index")
    Indexer(folder).apply(drawn[: len(drawn) // 2])
    Indexer(folder).apply(drawn[len(drawn) // 2 :])
    searcher = Searcher(folder)
    others = {name: values for name, values in request_.chosen.items() if name != facet}

    def answer(q: str, chosen: Mapping[str, tuple[str, ...]]) -> SearchResult:
        request = SearchRequest(q=q, level=request_.level, chosen=chosen, sort="name", per_page=100)
        return searcher.search(request, allowed)

    for counted in answer(query.text, request_.chosen).facets[facet]:
        chosen = answer(query.text, {**others, facet: (counted.value,)})
        asked = answer(f'{query.text} {facet}:"{counted.value}"', others)
        assert chosen.total == asked.total == counted.count
        assert chosen.hits == asked.hits


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
