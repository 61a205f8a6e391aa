import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_builder.errors import CatalogError
from catalog_builder.facets import FACETS, MOST_PER_PAGE, SORTS, SearchRequest, parameters_of, request_from

_VALUES = st.lists(st.text(min_size=1).filter(lambda text: text.strip() != ""), min_size=1).map(
    lambda values: tuple(sorted(set(values)))
)
REQUESTS = st.builds(
    SearchRequest,
    q=st.text().map(str.strip),
    level=st.sampled_from(["dataset", "scan"]),
    chosen=st.dictionaries(st.sampled_from([facet.name for facet in FACETS]), _VALUES),
    sort=st.builds("".join, st.tuples(st.sampled_from(["", "-"]), st.sampled_from(SORTS))),
    page=st.integers(1, 10**6),
    per_page=st.integers(1, MOST_PER_PAGE),
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
