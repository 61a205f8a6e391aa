import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_builder.search.text import GAP, atoms, folded, indexed_atoms, natural


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gk_sto20_00173", ["gk", "sto20", "00173"]),
        ("SrTiO3", ["srtio3"]),
        ("STO(111)", ["sto", "111"]),
        ("-0.5", ["-0.5"]),
        ("dscan om -1 1 40 0.5", ["dscan", "om", "-1", "1", "40", "0.5"]),
        ("I-20230412", ["i", "20230412"]),
        ("20230412.11017404", ["20230412", "11017404"]),
        ("feosto230127.dat~289.1", ["feosto230127", "dat", "289.1"]),
        ("p100k", ["p100k"]),
        ("2.5e-3", ["2.5e-3"]),
        ("\N{MINUS SIGN}0.5", ["-0.5"]),
        (" & () ", []),
    ],
)
def test_a_text_is_cut_into_the_atoms_people_look_for(text: str, expected: list[str]) -> None:
    assert atoms(text) == expected


def test_case_umlauts_and_accents_make_no_difference() -> None:
    assert folded("Größe in Ångström, CAFÉ") == "grosse in angstrom, cafe"


def test_a_number_is_found_without_its_zeros_or_its_sign_too_but_not_as_a_neighbour() -> None:
    assert list(indexed_atoms("gk_00173")) == ["gk", "00173", GAP, "173"]
    assert list(indexed_atoms("om -0.5")) == ["om", "-0.5", GAP, "0.5"]


def test_names_sort_by_their_numbers() -> None:
    assert sorted(["scan_10", "Scan_2", "scan_1"], key=natural) == ["scan_1", "Scan_2", "scan_10"]


@given(st.text())
def test_any_text_gives_atoms_that_are_their_own_atoms_and_can_be_written(text: str) -> None:
    for atom in indexed_atoms(text):
        if atom != GAP:
            atom.encode("utf-8")
            assert folded(atom) == atom
