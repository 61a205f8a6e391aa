"""What every reader promises, whatever its format."""

import inspect
import io
import json
from pathlib import Path
from zoneinfo import ZoneInfo

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from catalog_builder.errors import CatalogError
from catalog_builder.readers import READERS, Surroundings
from catalog_builder.readers.texts import storable
from catalog_builder.signals import Column, Reading


def _nexus() -> bytes:
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        data = file.create_group("entry/data")
        file["entry"].attrs["NX_class"] = "NXentry"
        data.attrs.update(NX_class="NXdata", signal="counts", axes="om")
        data["om"], data["counts"] = [0.0, 1.0, 2.0], [5.0, np.nan, 7.0]
    return stream.getvalue()


SAMPLES = {
    "fio": b"!\n!\n%c\nascan om 0 2 2 1\n%p\nchi = 1\n%d\n Col 1 om DOUBLE\n Col 2 c DOUBLE\n0 5\n1 nan\n2 7\n",
    "spec": b"#F a.spec\n#E 1288809574\n\n#S 1  ascan  om 0 2  2 1\n#N 2\n#L om  c\n0 5\n1 nan\n2 7\n",
    "nexus": _nexus(),
}
FOREIGN = [
    b"",
    b"# XDI/1.0\n# Column.1: energy eV\n#---\n# energy i0\n1 2\n",
    b"1.0 2.0\n3.0 4.0\n",
    b'{"beamtimeId": "11017404"}\n',
    b"###CBF: VERSION 1.5\n",
    b"II*\0" + bytes(100),
]
HDF4 = b"\x0e\x03\x13\x01" + bytes(100)


def read(name: str, path: Path) -> list[Reading]:
    return list(READERS.get(name).read(path, Surroundings(boundary=path.parent, timezone=ZoneInfo("Europe/Berlin"))))


def test_every_reader_has_a_sample_here() -> None:
    assert set(SAMPLES) == set(READERS)


@pytest.mark.parametrize("name", list(READERS))
def test_a_reader_says_its_name_its_version_and_its_suffixes(name: str) -> None:
    reader = READERS.get(name)
    assert reader.name == name
    assert reader.version >= 1
    assert all(suffix == suffix.lower() and (not suffix or suffix.startswith(".")) for suffix in reader.suffixes)
    assert inspect.isgeneratorfunction(reader.read)


@pytest.mark.parametrize("name", list(READERS))
def test_a_reader_recognises_its_own_kind_and_no_other(name: str) -> None:
    reader = READERS.get(name)
    assert [other for other, sample in SAMPLES.items() if reader.recognises(sample[:4096])] == [name]
    assert not any(reader.recognises(foreign) for foreign in FOREIGN)


def test_an_hdf4_file_is_recognised_by_the_one_reader_that_refuses_it_by_name() -> None:
    assert [name for name in READERS if READERS.get(name).recognises(HDF4)] == ["nexus"]


@pytest.mark.parametrize("name", list(READERS))
def test_a_reading_keeps_the_shapes_and_types_it_promises(name: str, tmp_path: Path) -> None:
    path = tmp_path / "sample"
    path.write_bytes(SAMPLES[name])
    (scan,) = read(name, path)
    assert {len(column.values) for column in scan.columns} == {3}
    assert all(column.values.dtype == np.float64 and column.values.ndim == 1 for column in scan.columns)
    assert all(isinstance(value, float) and np.isfinite(value) for value in scan.positioners.values())
    names = [column.name for column in scan.columns]
    assert len(names) == len(set(names))
    assert set(scan.axes) <= set(names)
    assert scan.signal is None or scan.signal in names
    json.dumps(dict(scan.parameters), allow_nan=False)


@pytest.mark.parametrize("name", list(READERS))
@pytest.mark.parametrize("content", [*FOREIGN, HDF4, *SAMPLES.values()], ids=range(len(FOREIGN) + 1 + len(SAMPLES)))
def test_foreign_files_are_refused_by_name(name: str, content: bytes, tmp_path: Path) -> None:
    if content == SAMPLES[name]:
        return
    path = tmp_path / "foreign.dat"
    path.write_bytes(content)
    with pytest.raises(CatalogError, match=r"foreign\.dat"):
        read(name, path)


@pytest.mark.parametrize("name", list(READERS))
def test_a_missing_file_and_a_folder_are_refused(name: str, tmp_path: Path) -> None:
    for path in (tmp_path / "missing", tmp_path):
        with pytest.raises(CatalogError):
            read(name, path)


@pytest.mark.parametrize("name", list(READERS))
def test_a_file_that_is_a_link_out_of_the_beamtime_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(SAMPLES[name])
    (tmp_path / "mine").mkdir()
    path = tmp_path / "mine" / "scan"
    path.symlink_to(tmp_path / "secret")
    with pytest.raises(CatalogError) as caught:
        read(name, path)
    assert str(caught.value) == "scan: leads out of the beamtime's folder and is not read"


def test_text_that_utf_8_cannot_hold_is_replaced(tmp_path: Path) -> None:
    fio, spec, nexus = tmp_path / "a.fio", tmp_path / "a.spec", tmp_path / "a.nxs"
    fio.write_bytes(SAMPLES["fio"].replace(b"chi = 1", b'list = ["\\ud800"]'))
    spec.write_bytes(SAMPLES["spec"].replace(b"#N 2", b'#MD key = ["\\udfff", {"\\ud800": 1}]\n#N 2'))
    nexus.write_bytes(SAMPLES["nexus"])
    with h5py.File(nexus, "a") as file:
        file["entry"].move("data/om", "data/o")
        file.id.links.create_soft(b"entry/b\xff", b"/nowhere\xff")
        file["entry/data"].attrs["axes"] = "o"
        for name in (b"a\xfe", b"a\xff"):
            h5py.h5d.create(file["entry/data"].id, name, h5py.h5t.IEEE_F64LE, h5py.h5s.create_simple((3,))).write(
                h5py.h5s.ALL, h5py.h5s.ALL, np.arange(3.0)
            )
    (one,), (two,), (three,) = read("fio", fio), read("spec", spec), read("nexus", nexus)
    assert one.parameters["list"] == ["\ufffd"]
    assert two.parameters["key"] == ["\ufffd", {"\ufffd": 1}]
    assert [column.name for column in three.columns] == ["o", "counts", "a\ufffd", "a\ufffd (2)"]
    assert {problem.where for problem in three.problems} == {"a.nxs:/entry/b\ufffd"}
    for scan in (one, two, three):
        "".join([*scan.parameters, *(problem.where + problem.what for problem in scan.problems)]).encode()


def test_columns_are_still_told_apart_where_their_names_were_mended() -> None:
    columns = tuple(Column(name=name, values=np.zeros(1)) for name in ("a\udcfe", "a\udcff"))
    assert [column.name for column in storable(Reading(columns=columns)).columns] == ["a\ufffd", "a\ufffd (2)"]


_LINES = st.sampled_from(
    [
        b"%c",
        b"%p",
        b"%d",
        b"#S 1 ascan om 0 1 1 1",
        b"#S",
        b"#F x",
        b"#L a  b",
        b"#N 2 1",
        b"#O0 a  b",
        b"#P0 1 x",
        b"1 2",
        b" Col 1 a DOUBLE",
        b"Col",
        b"x = [[1",
        b"=",
        b"@A 1\\",
        b"#D",
        b"#D 1e400",
        b"1 2 3 ",
        b"!",
        b"\xff\xfe",
        b"nan 1_0",
        b"a-Scan started at 31-Feb-2018 99:99:99, ended 25:00:00",
        b"Name: a from 0 to 1e308 by 1e-308 sampling x s",
    ]
)


@pytest.mark.parametrize("name", ["fio", "spec"])
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(content=st.one_of(st.binary(max_size=300), st.lists(_LINES, max_size=12).map(b"\n".join)))
@example(content=b"%c\nuser x Acquisition started at Thu Feb  5 16:20:16 0001\n%d\n Col 1 epoch DOUBLE\n1e300\n")
@example(content=b"#S 1 ascan om 0 1 1 1\n#D Thu Feb  5 16:20:16 0001\n#L Epoch\n-1e300\n")
def test_whatever_the_bytes_a_text_reader_reads_or_refuses(
    name: str, content: bytes, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "any.dat"
    path.write_bytes(content)
    try:
        scans = read(name, path)
    except CatalogError:
        scans = []
    for scan in scans:
        assert len({len(column.values) for column in scan.columns}) <= 1
        json.dumps(dict(scan.parameters), allow_nan=False)
    assert capfd.readouterr() == ("", "")


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(end=st.integers(0, len(SAMPLES["nexus"])), tail=st.binary(max_size=50))
def test_an_hdf5_file_cut_anywhere_is_read_or_refused(
    end: int, tail: bytes, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "any.nxs"
    path.write_bytes(SAMPLES["nexus"][:end] + tail)
    try:
        scans = read("nexus", path)
    except CatalogError:
        scans = []
    assert all(len({len(column.values) for column in scan.columns}) <= 1 for scan in scans)
    assert capfd.readouterr() == ("", "")
