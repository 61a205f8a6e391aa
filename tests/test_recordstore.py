"""Records survive the way to disk and back, whatever they hold."""

from datetime import UTC
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_builder.errors import CatalogError
from catalog_builder.places import Places
from catalog_builder.records import Beamtime, Channel, Command, DataFile, Problem, Range, Scan
from catalog_builder.recordstore import BEAMTIMES, SCANS, RecordStore, loaded, record_bytes

texts = st.text(max_size=20).filter(lambda text: text.isprintable() or not text)
numbers = st.floats(allow_nan=False, allow_infinity=False)
times = st.none() | st.datetimes(timezones=st.just(UTC))
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
commands = st.builds(
    Command,
    text=texts,
    macro=texts,
    ranges=st.lists(
        st.builds(
            Range, positioner=texts, start=st.none() | numbers, stop=numbers, intervals=st.none() | st.integers()
        ),
        max_size=2,
    ).map(tuple),
)
scans = st.builds(
    Scan,
    key=st.just("scan:1/a"),
    name=st.just("a"),
    stem=texts,
    beamtime=st.just("1"),
    command=commands,
    title=st.none() | texts,
    started=times,
    positioners=st.dictionaries(texts, numbers, max_size=3),
    parameters=st.dictionaries(texts, values, max_size=3),
    channels=st.lists(st.builds(Channel, name=texts, maximum=st.none() | numbers), max_size=2).map(tuple),
    files=st.lists(st.builds(DataFile, path=texts, modified=times), max_size=2).map(tuple),
    problems=st.lists(st.builds(Problem, where=texts, what=texts), max_size=2).map(tuple),
)


@pytest.fixture
def store(tmp_path: Path) -> RecordStore:
    return RecordStore(Places(tmp_path))


@given(scan=scans)
def test_a_scan_survives_json(scan: Scan, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "scan.json"
    path.write_bytes(record_bytes(SCANS, scan))
    assert loaded(SCANS, path) == scan


@given(beamtime=st.builds(Beamtime, id=st.just("1"), start=times, scan_groups=st.dictionaries(texts, texts)))
def test_a_beamtime_survives_json(beamtime: Beamtime, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "beamtime.json"
    path.write_bytes(record_bytes(BEAMTIMES, beamtime))
    assert loaded(BEAMTIMES, path) == beamtime


def scan(name: str) -> Scan:
    return Scan(key=f"scan:1/{name}", name=name, stem="a", beamtime="1", command=Command(text="", macro=""))


def test_scans_are_found_by_name_and_an_equal_record_is_not_written_again(store: RecordStore) -> None:
    assert [store.save_scan(scan(name)) for name in ("b.dat~1.1", "a", "a")] == [True, True, False]
    assert store.scan_names("1") == ["a", "b.dat~1.1"]
    assert store.scan("scan:1/b.dat~1.1") == scan("b.dat~1.1")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "damaged"),
        (b"{", "damaged"),
        (b"[]", "damaged"),
        (b'{"format":1}', "damaged"),
        (b'{"key":"scan:1/a"}', "damaged"),
        (b'{"format":99}', "format 99, this program knows"),
    ],
)
def test_a_record_that_cannot_be_loaded_says_so_and_names_the_way_out(
    store: RecordStore, content: bytes, message: str
) -> None:
    path = store.places.scan_record("scan:1/a")
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(CatalogError, match=message) as caught:
        store.scan("scan:1/a")
    assert caught.value.remedy


def test_removing_a_scan_removes_its_record_and_previews_and_nothing_else(store: RecordStore) -> None:
    store.save_scan(scan("a"))
    store.save_scan(scan("b"))
    for name in "ab":
        folder = store.places.scan_previews(f"scan:1/{name}")
        folder.mkdir(parents=True)
        (folder / "thumb.png").write_bytes(b"png")
    store.remove_scan("scan:1/a")
    assert store.scan_names("1") == ["b"]
    assert [path.parent.name for path in store.places.previews.rglob("thumb.png")] == ["b"]
