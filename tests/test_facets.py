import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_builder.errors import CatalogError
from catalog_builder.facets import (
    FACETS,
    LONGEST_TEXT,
    MOST_PER_PAGE,
    NUMBERS,
    SORTS,
    SearchRequest,
    SuggestRequest,
    parameters_of,
    request_from,
    suggest_request_from,
)

_VALUES = st.lists(st.text(min_size=1).filter(lambda text: text.strip() != ""), min_size=1).map(
    lambda values: tuple(sorted(set(values)))
)
_DOTTED = st.sampled_from(["positioner.chi", "channel.roi1.max", "quantity.humidity", "positioner.größe_2"])
_COUNTED = st.sets(st.sampled_from([facet.name for facet in FACETS])).map(
    lambda names: tuple(facet.name for facet in FACETS if facet.name in names)
)
REQUESTS = st.builds(
    SearchRequest,
    q=st.text().map(str.strip),
    level=st.sampled_from(["dataset", "scan"]),
    chosen=st.dictionaries(st.sampled_from([facet.name for facet in FACETS]), _VALUES),
    sort=st.builds("".join, st.tuples(st.sampled_from(["", "-"]), st.sampled_from([*SORTS, *NUMBERS]) | _DOTTED)),
    page=st.integers(1, 10**6),
    per_page=st.integers(1, MOST_PER_PAGE),
    counted=st.none() | _COUNTED,
)


@given(REQUESTS)
def test_a_request_spelt_as_an_address_and_read_again_is_the_same_request(request_: SearchRequest) -> None:
    assert request_from(parameters_of(request_)) == request_


@given(REQUESTS, st.randoms(use_true_random=False))
def test_the_order_of_parameters_does_not_matter(request_: SearchRequest, random: st.DataObject) -> None:
    pairs = parameters_of(request_)
    shuffled = sorted(pairs, key=lambda _: random.random())  # type: ignore[attr-defined]
    assert parameters_of(request_from(shuffled)) == pairs


def test_defaults_are_left_out_and_the_rest_has_one_order() -> None:
    assert parameters_of(SearchRequest()) == []
    request = SearchRequest(q="sto", level="scan", chosen={"year": ("2023",), "flag": ("b", "a")}, sort="name", page=2)
    assert parameters_of(request) == [
        ("q", "sto"),
        ("level", "scan"),
        ("flag", "a"),
        ("flag", "b"),
        ("year", "2023"),
        ("sort", "name"),
        ("page", "2"),
    ]


def test_a_repeated_facet_means_any_of_its_values_and_empty_parameters_count_as_absent() -> None:
    pairs = [("flag", "b"), ("flag", "a"), ("flag", "b"), ("sample", ""), ("q", " "), ("page", "")]
    assert request_from(pairs) == SearchRequest(chosen={"flag": ("a", "b")})


@pytest.mark.parametrize(
    "name",
    [
        "flag",
        "keyword",
        "sample",
        "beamtime",
        "proposal",
        "pi",
        "year",
        "month",
        "detector",
        "macro",
        "positioner",
        "on_disk",
        "state",
    ],
)
def test_every_filter_others_build_on_is_a_parameter(name: str) -> None:
    assert request_from([(name, "x")]) == SearchRequest(chosen={name: ("x",)})


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        (("flags", "a"), "no search parameter 'flags'; did you mean 'flag'?"),
        (("level", "scans"), "level: no level 'scans'; did you mean 'scan'?"),
        (("sort", "-dat"), "sort: cannot sort by '-dat'; did you mean 'date'?"),
        (("sort", "enrgy"), "sort: cannot sort by 'enrgy'; did you mean 'energy'?"),
        (("sort", "--energy"), "sort: cannot sort by '--energy'"),
        (("sort", "positioner."), "sort: cannot sort by 'positioner.'"),
        (("sort", "a b.c"), "sort: cannot sort by 'a b.c'"),
        (("sort", "positioner." + "x" * 200), "sort: cannot sort by 'positioner.xxx"),
        (("facets", "flag,keywrd"), "facets: no facet 'keywrd'; did you mean 'keyword'?"),
        (("facets", "flag,none"), "facets: no facet 'none'; 'none' stands alone"),
        (("page", "0"), "page: '0' is not a whole number from 1 on"),
        (("page", "1e3"), "page: '1e3' is not a whole number from 1 on"),
        (("page", "9" * 5000), "is not a whole number from 1 on"),
        (("per_page", "101"), "per_page: '101' is not a whole number from 1 to 100"),
    ],
)
def test_a_parameter_without_meaning_is_refused_in_plain_words(pair: tuple[str, str], message: str) -> None:
    with pytest.raises(CatalogError) as caught:
        request_from([pair])
    assert message in str(caught.value)


def test_what_can_only_count_once_is_refused_twice() -> None:
    with pytest.raises(CatalogError, match="'sort' is given 2 times"):
        request_from([("sort", "name"), ("sort", "date")])


def test_facets_to_count_are_named_between_commas_or_one_by_one_in_any_order() -> None:
    pairs = [("facets", "keyword, flag"), ("facets", "flag"), ("facets", "")]
    assert request_from(pairs).counted == ("flag", "keyword")
    assert request_from([("facets", "none")]).counted == ()
    assert request_from([("facets", "")]).counted is None
    assert request_from([]).counted is None


def test_what_is_typed_is_read_with_the_search_it_is_typed_in() -> None:
    pairs = [("text", "La"), ("facet", "sample"), ("most", "3"), ("q", "film"), ("flag", "alignment")]
    search = SearchRequest(q="film", chosen={"flag": ("alignment",)})
    assert suggest_request_from(pairs) == SuggestRequest(text="La", facet="sample", search=search, most=3)
    assert suggest_request_from([("facet", ""), ("most", "")]) == SuggestRequest(text="")


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        (("facet", "samples"), "facet: no facet 'samples'; did you mean 'sample'?"),
        (("most", "51"), "most: '51' is not a whole number from 1 to 50"),
        (("text", "x" * (LONGEST_TEXT + 1)), "text: the text has 201 characters, at most 200 are read"),
        (("txt", "a"), "no search parameter 'txt'"),
    ],
)
def test_what_cannot_be_suggested_for_is_refused_in_plain_words(pair: tuple[str, str], message: str) -> None:
    with pytest.raises(CatalogError) as caught:
        suggest_request_from([pair])
    assert message in str(caught.value)
