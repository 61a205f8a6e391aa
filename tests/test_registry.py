import sys
from pathlib import Path

import pytest

from catalog_builder.errors import CatalogError
from catalog_builder.registry import Registry


def colours() -> Registry[object]:
    return Registry("colours", {"red": "fractions:Fraction", "green": "decimal:Decimal"})


def test_a_part_is_found_by_name() -> None:
    from_module = sys.modules["decimal"] if "decimal" in sys.modules else __import__("decimal")
    assert colours().get("green") is from_module.Decimal


def test_names_come_in_order() -> None:
    assert list(colours()) == ["green", "red"]
    assert "red" in colours()
    assert "blue" not in colours()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gren", "no colour 'gren'; did you mean 'green'?"),
        ("xyz", "no colour 'xyz'; known are: green, red"),
    ],
)
def test_an_unknown_name_is_answered_with_what_was_meant(name: str, message: str) -> None:
    with pytest.raises(CatalogError) as caught:
        colours().get(name)
    assert str(caught.value) == message


def test_a_part_whose_kind_has_no_plural_brings_its_noun() -> None:
    with pytest.raises(CatalogError, match="no way to sign in 'x'"):
        Registry[object]("auth", {}, noun="way to sign in").get("x")


def test_a_part_whose_library_is_missing_says_so_when_it_is_asked_for() -> None:
    registry = Registry[object]("colours", {"infrared": "no_such_library.part:COLOUR"})
    assert list(registry) == ["infrared"]
    with pytest.raises(CatalogError, match=r"'infrared' needs 'no_such_library'.*install it, or choose another"):
        registry.get("infrared")


def test_a_part_that_is_not_in_its_module_is_no_traceback() -> None:
    with pytest.raises(CatalogError, match="'red' is not in 'fractions'"):
        Registry[object]("colours", {"red": "fractions:Red"}).get("red")


def installed(folder: Path, entry_points: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lay out a distribution as pip does and put it on the path."""
    information = folder / "paint-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: paint\nVersion: 1.0\n", encoding="utf-8")
    (information / "entry_points.txt").write_text(entry_points, encoding="utf-8")
    monkeypatch.syspath_prepend(str(folder))


def test_another_distribution_adds_a_part_but_replaces_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry_points = "[catalog_builder.colours]\nblue = fractions:Fraction\ngreen = fractions:Fraction\n"
    installed(tmp_path, entry_points, monkeypatch)
    registry = colours()
    assert list(registry) == ["blue", "green", "red"]
    assert registry.get("blue") is registry.get("red")
    assert registry.get("green") is not registry.get("red")
