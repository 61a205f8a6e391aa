"""An index whose files are damaged, missing or not to be read: one clear error that names no file, and the way out."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from catalog_builder.errors import CatalogError
from catalog_builder.facets import SearchRequest
from catalog_builder.search import Document, Indexer, Searcher
from catalog_builder.search.generations import index_folder

ASKED = SearchRequest(q="sto", level="scan")


def scan(number: int) -> Document:
    return Document(
        key=f"scan:11017404/sto_{number}",
        level="scan",
        beamtime="11017404",
        dataset="dataset:11017404/sto",
        texts={"name": (f"sto_{number}",)},
        facets={"beamtime": ("11017404",)},
        numbers={"points": float(number)},
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An index of twenty scans one of which was removed: it has a list of dead documents."""
    indexer = Indexer(tmp_path)
    indexer.apply(scan(number) for number in range(20))
    indexer.apply((), ["scan:11017404/sto_3"])
    indexer.finish()
    return tmp_path


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def gone(path: Path) -> None:
    path.unlink()


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def garbled(path: Path) -> None:
    path.write_bytes(bytes(byte ^ 0xA5 for byte in path.read_bytes()))


def another_shape(path: Path) -> None:
    path.write_text(json.dumps({"arrays": [], "meaning": "x"}))


def far_off(path: Path) -> None:
    path.write_bytes(np.full(path.stat().st_size // 4, 1 << 30, np.int32).tobytes())


def below_nothing(path: Path) -> None:
    path.write_bytes(np.full(path.stat().st_size // 4, -1, np.int32).tobytes())


COLUMNS, MEANING = "segment-*/columns.bin", "segment-*/columns.json"
TABLE, TERMS, DEAD = "segment-*/postings/*.toc", "segment-*/postings/*.trm", "dead-*"


@pytest.mark.parametrize(
    ("which", "damage"),
    [
        *((which, how) for which in (COLUMNS, MEANING, TABLE, TERMS, DEAD) for how in (emptied, cut, gone, a_folder)),
        *((which, garbled) for which in (MEANING, TABLE, TERMS, "manifest.json")),
        (MEANING, another_shape),
        ("manifest.json", another_shape),
        (DEAD, far_off),
        (DEAD, below_nothing),
    ],
)
def test_a_damaged_file_is_one_error_without_file_names_and_the_index_is_made_again(
    folder: Path, which: str, damage: Callable[[Path], None]
) -> None:
    damage(next(index_folder(folder).glob(which)))
    searcher = Searcher(folder)
    with pytest.raises(CatalogError, match=r"the search index (is damaged|cannot be read)") as caught:
        searcher.search(ASKED, None)
    assert str(folder) not in caught.value.what
    assert caught.value.remedy == "build the catalogue again"

    indexer = Indexer(folder)
    assert indexer.needs_all
    indexer.apply(scan(number) for number in range(5))
    indexer.finish()
    assert searcher.search(ASKED, None).total == 5


@pytest.mark.parametrize("bit", range(8))
def test_one_bit_that_fell_over_in_a_pickled_table_is_found_before_it_is_read(folder: Path, bit: int) -> None:
    path = next(index_folder(folder).glob(TABLE))
    whole = path.read_bytes()
    for place in range(bit, len(whole), 41):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :])
        with pytest.raises(CatalogError):
            Searcher(folder).search(ASKED, None)


def test_an_index_that_is_deleted_while_it_serves_goes_on_answering(folder: Path) -> None:
    searcher = Searcher(folder)
    assert searcher.search(ASKED, None).total == 19
    for path in sorted(index_folder(folder).rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    assert searcher.search(ASKED, None).total == 19
    assert len(list(searcher.rows(SearchRequest(q="points:>10", level="scan"), None))) == 9
