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


@pytest.mark.parametrize(
    ("text", "found_by"),
    [
        ("gk_sto20_00173", ["gk_sto20_00173", "sto20", "00173", "173", "gk_sto20_0", "STO2"]),
        ("SrTiO3", ["SrTiO3", "srtio", "SRTIO3", "SrTiO₃"]),
        ("SrTiO₃", ["SrTiO3", "srtio"]),
        ("STO(111)", ["STO(111)", "sto", "111", "STO(11"]),
        ("p100k", ["P100K", "p100"]),
        ("om -0.5", ["-0.5", "0.5", "−0.5"]),
        ("I-20230412", ["I-20230412", "i-2023", "20230412"]),
        ("Größe", ["größe", "GRÖSSE", "grosse", "groesse", "Grö"]),
        ("Größe", ["größe", "groesse"]),
        ("Ångström", ["Ångström", "angstrom", "aangstroem"]),
        ("naïve", ["naive", "NAÏ"]),
        ("θ/2θ", ["θ", "2θ", "Θ", "ϑ", "theta", "2theta", "θ/2θ", "the"]),
        ("th_2theta", ["2θ"]),
        ("Cu Kα", ["kα", "kalpha", "Cu K"]),
        ("20 µm", ["μm", "um", "20 µm"]),
        ("20um", ["20µm"]),
        ("Bjørn Łukasz", ["bjorn", "BJØRN", "bjoern", "lukasz"]),
        ("eiger4m/eiger4m_master.h5", ["eiger4m_master", "master.h5", "h5"]),
    ],
)
def test_a_text_is_found_whole_by_part_and_by_how_it_begins_however_it_is_spelt(text: str, found_by: list[str]) -> None:
    there = list(indexed_atoms(text))

    def begins_at(place: int, wanted: list[str]) -> bool:
        return there[place : place + len(wanted) - 1] == wanted[:-1] and any(
            atom.startswith(wanted[-1]) for atom in there[place + len(wanted) - 1 : place + len(wanted)]
        )

    missed = [q for q in found_by if not any(begins_at(place, atoms(q)) for place in range(len(there)))]
    assert missed == []


def test_letters_and_digits_are_not_parted() -> None:
    assert atoms("SrTiO3 p100k sto20") == ["srtio3", "p100k", "sto20"]


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
