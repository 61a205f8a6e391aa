import errno
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog_builder.facets import Level, SearchRequest
from catalog_builder.search import Document, Indexer, Searcher, generations
from catalog_builder.search import indexer as indexer_module
from catalog_builder.search.columns import ColumnWriter
from catalog_builder.search.generations import FORMAT, index_folder
from catalog_builder.search.segments import SegmentWriter
from tests.search.drawn import COMMITS, SIZES, Commit, Sizes, committed


def scan(name: str, *, title: str = "film", beamtime: str = "11017404", **numbers: float) -> Document:
    return Document(
        key=f"scan:{beamtime}/{name}",
        level="scan",
        beamtime=beamtime,
        dataset=f"dataset:{beamtime}/{name[0]}",
        texts={"name": (f"{beamtime}/{name}",), "title": (title,)},
        facets={"flag": ("measurement",), "beamtime": (beamtime,)},
        sorts={"name": name},
        numbers=numbers,
        fields={"title": title},
    )


def found(searcher: Searcher, q: str = "") -> list[tuple[str, object]]:
    result = searcher.search(SearchRequest(q=q, level="scan", sort="name", per_page=100), None)
    assert result.total == len(result.hits)
    return [(hit.key.partition("/")[2], hit.fields["title"]) for hit in result.hits]


def names(searcher: Searcher, q: str = "") -> list[str]:
    return [name for name, _ in found(searcher, q)]


def test_a_commit_is_seen_by_a_searcher_that_was_open_before(tmp_path: Path) -> None:
    searcher, indexer = Searcher(tmp_path), Indexer(tmp_path)
    assert names(searcher) == []

    indexer.apply([scan("a1"), scan("a2")])
    assert names(searcher) == ["a1", "a2"]

    indexer.apply([scan("a1", title="crystal")], removals=["scan:11017404/a2"])
    assert found(searcher) == [("a1", "crystal")]
    assert names(searcher, "film") == []


def test_a_key_that_comes_twice_leaves_its_last_document(tmp_path: Path) -> None:
    Indexer(tmp_path).apply([scan("a1", title="first"), scan("a2"), scan("a1", title="second")])

    assert found(Searcher(tmp_path)) == [("a1", "second"), ("a2", "film")]
    assert names(Searcher(tmp_path), "first") == []


def test_a_key_that_comes_twice_leaves_its_last_document_across_segments_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexer_module, "LARGEST_SEGMENT", 2)

    Indexer(tmp_path).apply([scan("a1"), scan("a2"), scan("a1", title="again"), scan("a3"), scan("a4")])

    assert found(Searcher(tmp_path)) == [("a1", "again"), ("a2", "film"), ("a3", "film"), ("a4", "film")]


def test_a_key_that_is_removed_and_updated_stays(tmp_path: Path) -> None:
    Indexer(tmp_path).apply([scan("a1")], removals=["scan:11017404/a1", "scan:11017404/unknown"])

    assert names(Searcher(tmp_path)) == ["a1"]


def test_replacing_a_beamtime_removes_what_is_gone_and_leaves_other_beamtimes_alone(tmp_path: Path) -> None:
    indexer = Indexer(tmp_path)
    indexer.apply([scan("a1"), scan("a2"), scan("a3"), scan("b1", beamtime="11000001")])

    indexer.replace_beamtime("11017404", [scan("a2", title="new"), scan("a3"), scan("a4")])

    assert found(Searcher(tmp_path)) == [("a2", "new"), ("a3", "film"), ("a4", "film"), ("b1", "film")]
    assert indexer.beamtimes() == {"11017404", "11000001"}
    indexer.remove_beamtime("11017404")
    assert indexer.beamtimes() == {"11000001"}


def test_replacing_a_beamtime_by_what_it_is_writes_nothing(tmp_path: Path) -> None:
    indexer = Indexer(tmp_path)
    indexer.apply([scan("a1", chi=1.5), scan("a2")])
    before = (index_folder(tmp_path) / "manifest.json").stat()

    indexer.replace_beamtime("11017404", iter([scan("a1", chi=1.5), scan("a2")]))

    assert (index_folder(tmp_path) / "manifest.json").stat() == before


def test_a_commit_that_dies_while_it_writes_leaves_what_was_there(tmp_path: Path) -> None:
    Indexer(tmp_path).apply([scan("a1")])

    def dying() -> Iterator[Document]:
        yield scan("a1", title="half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Indexer(tmp_path).apply(dying())
    assert found(Searcher(tmp_path)) == [("a1", "film")]


def test_a_commit_that_dies_before_the_switch_leaves_what_was_there_and_the_next_one_clears_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Indexer(tmp_path).apply([scan("a1"), scan("a2")])
    searcher = Searcher(tmp_path)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(indexer_module, "write_generation", killed)
        with pytest.raises(KeyboardInterrupt):
            Indexer(tmp_path).apply([scan("a1", title="half")])
    assert found(searcher) == found(Searcher(tmp_path)) == [("a1", "film"), ("a2", "film")]

    Indexer(tmp_path).apply([scan("a3")])
    assert names(searcher) == ["a1", "a2", "a3"]
    manifest = (index_folder(tmp_path) / "manifest.json").read_text()
    assert all(path.name in manifest for path in index_folder(tmp_path).iterdir() if path.name != "manifest.json")


def test_a_folder_without_an_index_needs_everything_until_it_is_finished(tmp_path: Path) -> None:
    indexer = Indexer(tmp_path / "index")
    assert indexer.needs_all
    indexer.apply([scan("a1")])
    assert Indexer(tmp_path / "index").needs_all
    indexer.finish()
    assert not Indexer(tmp_path / "index").needs_all


@pytest.mark.parametrize("damage", ["manifest", "columns", "postings", "format"])
def test_a_damaged_or_foreign_index_is_started_afresh_and_says_so(tmp_path: Path, damage: str) -> None:
    indexer = Indexer(tmp_path)
    indexer.apply([scan("a1"), scan("a2")])
    indexer.finish()
    manifest = index_folder(tmp_path) / "manifest.json"
    match damage:
        case "manifest":
            manifest.write_text("{")
        case "format":
            manifest.write_text(manifest.read_text().replace(f'"format": {FORMAT}', '"format": 99'))
        case "columns":
            path = next(index_folder(tmp_path).glob("segment-*/columns.bin"))
            path.write_bytes(path.read_bytes()[:100])
        case _:
            next(index_folder(tmp_path).glob("segment-*/postings/*.pst")).write_bytes(b"")

    again = Indexer(tmp_path)
    assert again.needs_all
    again.apply([scan("a3")])
    assert names(Searcher(tmp_path)) == ["a3"]


def test_two_that_write_in_turn_see_each_others_commits(tmp_path: Path) -> None:
    one, two = Indexer(tmp_path), Indexer(tmp_path)
    one.apply([scan("a1")])
    two.apply([scan("a2")])
    one.apply([scan("a1", title="newer")])

    assert found(Searcher(tmp_path)) == [("a1", "newer"), ("a2", "film")]


def test_many_small_commits_are_merged_in_passing_and_lose_nothing(tmp_path: Path) -> None:
    indexer, searcher = Indexer(tmp_path), Searcher(tmp_path)
    for n in range(20):
        indexer.apply([scan(f"a{n:02d}", title=f"word{n:02d}", chi=float(n))])

    assert len(list(index_folder(tmp_path).glob("segment-*"))) < 10
    assert names(searcher) == [f"a{n:02d}" for n in range(20)]
    assert names(searcher, "word07") == ["a07"]
    assert names(searcher, '"word07"') == ["a07"]
    assert names(searcher, "chi:>17") == ["a18", "a19"]
    indexer.merge()
    assert found(searcher) == [(f"a{n:02d}", f"word{n:02d}") for n in range(20)]


def check_commits(commits: list[Commit], sizes: Sizes) -> None:
    """Compare an index after each commit with what was said last, and in the end with one that is built at once."""
    known: dict[str, Document] = {}
    with sizes.set(), TemporaryDirectory() as name:
        old, new = Path(name) / "old", Path(name) / "new"
        indexer, searcher = Indexer(old), Searcher(old)
        for commit in commits:
            indexer = committed(old, indexer, commit)
            known = commit.told(known)
            assert everything(searcher) == everything(Searcher(old)) == {key: d.fields for key, d in known.items()}
            assert len(indexer) == len(known)
            assert indexer.beamtimes() == {document.beamtime for document in known.values()}
            assert all((key in indexer) == (key in known) for one in commits for key in (*one.removals, *known))
        Indexer(new).apply(known.values())
        assert words_and_values(searcher) == words_and_values(Searcher(new))
        for beamtime in {document.beamtime for document in known.values()}:
            before = index_folder(old).stat().st_mtime_ns
            indexer.replace_beamtime(beamtime, (d for d in known.values() if d.beamtime == beamtime))
            assert index_folder(old).stat().st_mtime_ns == before


def everything(searcher: Searcher) -> dict[str, object]:
    levels: tuple[Level, ...] = ("scan", "dataset")
    requests = [SearchRequest(level=level, sort="name") for level in levels]
    return {hit.key: hit.fields for request in requests for hit in searcher.rows(request, None)}


def words_and_values(searcher: Searcher) -> list[object]:
    """Give what some searches tell, in each order."""
    asked = ("", "sto", "film*", "111", "energy:>15keV", "chi:1", "keyword:k1", "has:peak", "scans:>1", '"sto film"')
    levels: tuple[Level, ...] = ("scan", "dataset")
    return [
        replace(searcher.search(SearchRequest(q=q, level=level, sort=sort, per_page=100), None), took_ms=0.0)
        for q in asked
        for level in levels
        for sort in ("relevance", "-date", "energy")
    ]


@settings(max_examples=12, deadline=None)
@given(commits=st.lists(COMMITS, max_size=5), sizes=SIZES)
def test_after_any_commits_the_index_holds_what_was_said_last(commits: list[Commit], sizes: Sizes) -> None:
    check_commits(commits, sizes)


@pytest.mark.campaign
@settings(max_examples=600, deadline=None)
@given(commits=st.lists(COMMITS, min_size=6, max_size=25), sizes=SIZES)
def test_after_many_commits_the_index_holds_what_was_said_last(commits: list[Commit], sizes: Sizes) -> None:
    check_commits(commits, sizes)


def test_what_a_document_shows_and_says_survives_a_merge_whole(tmp_path: Path) -> None:
    odd = replace(
        scan("a1"), texts={"title": ("Grün 00173", "second text")}, facets={}, sorts={}, fields={"title": "ü\x00"}
    )
    indexer = Indexer(tmp_path)
    indexer.apply([odd, scan("a2"), scan("a3"), scan("a4"), scan("a5")])
    indexer.apply([], removals=[f"scan:11017404/a{n}" for n in (2, 3, 4)])

    assert found(Searcher(tmp_path), "173") == [("a1", "ü\x00")]
    assert names(Searcher(tmp_path), '"grun 00173"') == ["a1"]
    assert names(Searcher(tmp_path), '"00173 second"') == []
    assert names(Searcher(tmp_path)) == ["a5", "a1"]


def test_a_new_format_is_built_beside_the_old_one_which_answers_as_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = Indexer(tmp_path)
    old.apply([scan("a1"), scan("a2")])
    old.finish()
    serving = Searcher(tmp_path)
    assert names(serving) == ["a1", "a2"]

    monkeypatch.setattr(generations, "FORMAT", FORMAT + 1)
    new = Indexer(tmp_path)
    assert new.needs_all
    new.apply([scan("a1", title="again")])
    assert names(serving) == ["a1", "a2"]
    assert names(Searcher(tmp_path)) == ["a1"]
    new.apply([scan("a2")])
    new.finish()

    assert [path.name for path in tmp_path.iterdir()] == [f"format-{FORMAT + 1}"]
    assert names(serving, "film") == ["a1", "a2"]
    assert found(Searcher(tmp_path)) == [("a1", "again"), ("a2", "film")]


def test_a_commit_for_which_the_disk_has_no_room_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    indexer = Indexer(tmp_path)
    indexer.apply([scan("a1"), scan("a2")])
    before = sorted(index_folder(tmp_path).iterdir())

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(ColumnWriter, "write", full)
        for _ in range(2):
            with pytest.raises(OSError, match="No space left"):
                indexer.apply([scan("a3")], ["scan:11017404/a1"])
    assert sorted(index_folder(tmp_path).iterdir()) == before
    assert names(Searcher(tmp_path)) == ["a1", "a2"]

    indexer.apply([scan("a3")])
    assert names(Searcher(tmp_path)) == ["a1", "a2", "a3"]


def test_a_commit_is_done_though_no_room_is_left_to_merge_small_segments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    indexer = Indexer(tmp_path)
    absorb = SegmentWriter.absorb

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(SegmentWriter, "absorb", full)
    for number in range(12):
        indexer.apply([scan(f"a{number:02}")])
    assert names(Searcher(tmp_path)) == [f"a{number:02}" for number in range(12)]

    monkeypatch.setattr(SegmentWriter, "absorb", absorb)
    indexer.finish()
    assert names(Searcher(tmp_path)) == [f"a{number:02}" for number in range(12)]
    assert len(list(index_folder(tmp_path).glob("segment-*"))) < 8
