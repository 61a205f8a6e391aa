import os
import re
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from catalog_builder import names

texts = st.text(max_size=60) | st.text(alphabet="=~./2DE7u_-ab", max_size=8) | st.text(min_size=100, max_size=300)
any_character = st.characters(exclude_categories=[])


@given(texts, texts)
def test_two_texts_never_share_a_segment(one: str, other: str) -> None:
    assume(one != other)
    assert names.segment(one) != names.segment(other)


@given(st.binary(max_size=8), st.binary(max_size=8))
def test_two_file_names_never_share_a_segment_even_where_they_are_not_utf8(one: bytes, other: bytes) -> None:
    assume(one != other)
    assert names.segment(os.fsdecode(one)) != names.segment(os.fsdecode(other))


@given(st.lists(texts, min_size=1, max_size=4), st.lists(texts, min_size=1, max_size=4))
def test_two_paths_never_share_a_segment(one: list[str], other: list[str]) -> None:
    assume(one != other)
    assert names.joined(one) != names.joined(other)


@given(st.text(alphabet=any_character, max_size=200))
def test_a_segment_is_one_folder_name_of_at_most_120_plain_characters(text: str) -> None:
    segment = names.segment(text)
    assert re.fullmatch(r"[A-Za-z0-9._=~-]{1,120}", segment)
    assert (Path("/base") / segment).parent == Path("/base")
    assert os.path.normpath(f"/base/{segment}") == f"/base/{segment}"


@given(texts, texts, st.sampled_from(["scan", "dataset"]))
def test_a_key_comes_apart_into_what_it_was_made_of(beamtime: str, name: str, kind: str) -> None:
    beamtime, name = names.segment(beamtime), names.segment(name)
    key = names.scan_key(beamtime, name) if kind == "scan" else names.dataset_key(beamtime, name)
    assert names.split_key(key) == (kind, beamtime, name)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=38))
def test_a_short_segment_reads_as_the_text_it_spells(text: str) -> None:
    segment = names.segment(text)
    assume(text not in ("", "~") and len(segment) < names.LONGEST_SEGMENT)
    assert names.readable(segment) == text


@pytest.mark.parametrize(
    ("text", "segment"),
    [
        ("gk_sto20_00173", "gk_sto20_00173"),
        ("Gold (111) ü", "Gold=20=28111=29=20=C3=BC"),
        ("a~b=c", "a=7Eb=3Dc"),
        ("a/b", "a=2Fb"),
        ("..", "=2E=2E"),
        (".hidden", ".hidden"),
        ("", "="),
        ("\udcff", "=FF"),
        ("\ud800", "=uD800"),
    ],
)
def test_a_segment_is_spelt_like_this(text: str, segment: str) -> None:
    assert names.segment(text) == segment


@pytest.mark.parametrize(
    "key",
    [
        "",
        "scan:11017404",
        "scan:11017404/",
        "scan:/gk",
        "cart:11017404/gk",
        "scan:11017404/a/b",
        "scan:../gk",
        "scan:11017404/..",
        "scan:11017404/a b",
        "scan:11017404/a\n",
        f"scan:11017404/{'a' * 121}",
    ],
)
def test_what_is_not_a_key_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="not a key"):
        names.split_key(key)


@pytest.mark.parametrize(
    ("path", "keep_suffix", "measurement", "name"),
    [
        ("gk_sto20_00173.fio", False, None, "gk_sto20_00173"),
        ("night2/align_00012.fio", False, None, "night2~align_00012"),
        ("feosto230127.dat", True, "289.1", "feosto230127.dat~289.1"),
        ("run.v2_00001.nxs", False, "entry", "run.v2_00001~entry"),
    ],
)
def test_a_scan_is_named_after_its_file(path: str, keep_suffix: bool, measurement: str | None, name: str) -> None:
    assert names.scan_name(PurePosixPath(path), keep_suffix=keep_suffix, measurement=measurement) == name


@pytest.mark.parametrize(
    ("path", "stem"),
    [
        ("gk_sto20_00173", "gk_sto20"),
        ("night2/align_00012", "night2~align"),
        ("film_0.5M_00001", "film_0.5M"),
        ("sto20", "sto20"),
        ("00012", "00012"),
    ],
)
def test_the_stem_is_the_name_without_the_scan_number(path: str, stem: str) -> None:
    assert names.stem(PurePosixPath(path)) == stem


@pytest.mark.parametrize(("stem", "number"), [("gk_sto20_00173", 173), ("00012", 12), ("gk_sto20", None), ("gk", None)])
def test_the_scan_number_stands_behind_a_dash_or_alone(stem: str, number: int | None) -> None:
    assert names.scan_number(stem) == number


def test_pages_lie_at_their_keys() -> None:
    assert names.page_address("scan:11017404/gk_00173") == "/beamtimes/11017404/scans/gk_00173/"
    assert names.page_address("dataset:11017404/gk") == "/beamtimes/11017404/datasets/gk/"


def test_a_proposal_is_found_however_people_write_it() -> None:
    assert names.proposal_forms("20230412", "I", "11017404") == ("20230412", "I-20230412", "20230412.11017404")
    assert names.proposal_forms("20230412", None, "11017404") == ("20230412", "20230412.11017404")
