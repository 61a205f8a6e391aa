"""NeXus and other HDF5 files give their entries, their default plots and what else was recorded."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import h5py
import numpy as np
import pytest

from catalog_builder.errors import CatalogError
from catalog_builder.readers import Surroundings
from catalog_builder.readers.nexus import READER
from catalog_builder.signals import Reading


def group(parent: Any, name: str, kind: str, **attributes: Any) -> Any:
    made = parent.create_group(name)
    made.attrs["NX_class"] = kind
    for key, value in attributes.items():
        made.attrs[key] = value
    return made


def field(parent: Any, name: str, value: Any, **attributes: Any) -> Any:
    made = parent.create_dataset(name, data=value)
    for key, value in attributes.items():
        made.attrs[key] = value
    return made


def read(tmp_path: Path, write: Callable[[Any], None], name: str = "scan_00001.nxs") -> list[Reading]:
    path = tmp_path / name
    with h5py.File(path, "w") as file:
        write(file)
    assert READER.recognises(path.read_bytes()[:4096])
    return list(READER.read(path, Surroundings(boundary=tmp_path, timezone=ZoneInfo("Europe/Berlin"))))


def table(reading: Reading) -> dict[str, list[float]]:
    return {column.name: column.values.tolist() for column in reading.columns}


def test_the_default_plot_of_a_new_file_is_found_by_default_signal_and_axes(tmp_path: Path) -> None:
    def write(file: Any) -> None:
        entry = group(file, "entry", "NXentry", default="plot")
        group(entry, "another", "NXdata", signal="y")["y"] = [0.0, 0.0]
        data = group(entry, "plot", "NXdata", signal="counts", axes=["om"])
        field(data, "counts", [5, 7, 6], units="counts")
        field(data, "om", [0.1, 0.2, 0.3], units="deg")
        field(data, "monitor", [1.0, 1.0, 2.0])

    (scan,) = read(tmp_path, write)
    assert (scan.measurement, scan.signal, scan.axes) == (None, "counts", ("om",))
    assert table(scan) == {"om": [0.1, 0.2, 0.3], "counts": [5, 7, 6], "monitor": [1, 1, 2]}
    assert (scan.units["om"], scan.units["counts"]) == ("deg", "counts")
    assert scan.problems == ()


@pytest.mark.parametrize("marked_by", ["axes", "axis"])
def test_the_default_plot_of_an_old_file_is_found_by_marks_on_its_fields(tmp_path: Path, marked_by: str) -> None:
    def write(file: Any) -> None:
        data = group(group(file, "Scan", "NXentry"), "data", "NXdata")
        counts = field(data, "counts", [5, 7, 6], signal="1")
        axis = field(data, "two_theta", [0.1, 0.2, 0.3])
        if marked_by == "axes":
            counts.attrs["axes"] = "two_theta"
        else:
            axis.attrs["axis"] = 1

    (scan,) = read(tmp_path, write)
    assert (scan.signal, scan.axes) == ("counts", ("two_theta",))


def test_a_default_plot_of_two_dimensions_is_a_map_and_its_points(tmp_path: Path) -> None:
    def write(file: Any) -> None:
        data = group(group(file, "entry", "NXentry"), "data", "NXdata", signal="z", axes=["y", "x"])
        field(data, "z", np.arange(6).reshape(2, 3), units="counts")
        field(data, "x", [10, 20, 30], units="mm")
        field(data, "y", [1, 2])

    (scan,) = read(tmp_path, write)
    assert scan.map is not None
    assert (scan.map.signal, scan.map.x.name, scan.map.y.name) == ("z", "x", "y")
    assert scan.map.values.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert (scan.map.unit, scan.map.x.unit) == ("counts", "mm")
    assert table(scan) == {"x": [10, 20, 30] * 2, "y": [1, 1, 1, 2, 2, 2], "z": [0, 1, 2, 3, 4, 5]}


def test_indices_place_an_axis_at_its_dimension(tmp_path: Path) -> None:
    def write(file: Any) -> None:
        data = group(group(file, "entry", "NXentry"), "data", "NXdata", signal="z", axes=["x", "y"])
        data.attrs["x_indices"], data.attrs["y_indices"] = 1, 0
        field(data, "z", np.zeros((2, 3)))
        field(data, "x", [10, 20, 30])
        field(data, "y", [1, 2])

    (scan,) = read(tmp_path, write)
    assert scan.map is not None
    assert (scan.map.x.name, scan.map.y.name) == ("x", "y")


def test_a_stack_is_frames_and_the_columns_are_as_long_as_the_scan(tmp_path: Path) -> None:
    def write(file: Any) -> None:
        entry = group(file, "scan", "NXentry")
        instrument = group(entry, "instrument", "NXinstrument")
        detector = group(instrument, "lambda", "NXdetector")
        stack = np.zeros((4, 20, 30), np.int16)
        stack[1, 0, 0] = -1
        stack[1, 0, 1] = 7
        field(detector, "data", stack)
        field(detector, "pixel_mask", np.zeros((1, 20, 30)))
        data = group(entry, "data", "NXdata")
        field(data, "exp_mot01", [0.0, 1.0, 2.0])
        field(data, "exp_c01", [10.0, 11.0, 12.0])

    (scan,) = read(tmp_path, write)
    assert [(f.detector, f.count) for f in scan.frames] == [("lambda", 4)]
    assert table(scan) == {"exp_c01": [10, 11, 12], "exp_mot01": [0, 1, 2]}


def test_a_frame_is_loaded_alone_with_its_masked_pixels_as_nan(tmp_path: Path) -> None:
    path = tmp_path / "stack.nxs"
    with h5py.File(path, "w") as file:
        data = group(group(file, "entry", "NXentry"), "data", "NXdata", signal="images")
        stack = np.zeros((2, 3, 4, 5), np.int16)
        stack[1, 2, 0, :2] = (-2, 7)
        field(data, "images", stack)
    readings = READER.read(path, Surroundings(boundary=tmp_path, timezone=ZoneInfo("UTC")))
    (frames,) = next(readings).frames
    assert frames.count == 6
    assert frames.load(5).dtype == np.float32
    assert np.isnan(frames.load(5)[0, 0])
    assert frames.load(5)[0, 1] == 7
    with pytest.raises(CatalogError, match="there is no image 6, only 6"):
        frames.load(6)
    readings.close()  # type: ignore[attr-defined]
    with pytest.raises(CatalogError, match="cannot be read"):
        frames.load(0)


def test_numbered_fields_beside_each_other_are_one_stack(tmp_path: Path) -> None:
    def write(file: Any) -> None:
        data = group(group(file, "entry", "NXentry"), "data", "NXdata")
        field(data, "data_000001", np.zeros((3, 20, 20), np.uint32))
        field(data, "data_000002", np.zeros((2, 20, 20), np.uint32))

    (scan,) = read(tmp_path, write)
    assert [(f.detector, f.count) for f in scan.frames] == [("detector", 5)]


def test_a_file_with_several_entries_gives_each_its_name(tmp_path: Path) -> None:
    def write(file: Any) -> None:
        for name in ("1.1", "2.1"):
            entry = group(file, name, "NXentry")
            field(entry, "title", "loopscan 2 0.1")
            field(group(entry, "measurement", "NXcollection"), "epoch", [1.0, 2.0])

    scans = read(tmp_path, write)
    assert [(s.measurement, s.number, s.command) for s in scans] == [
        ("1.1", 1, "loopscan 2 0.1"),
        ("2.1", 2, "loopscan 2 0.1"),
    ]
    assert [table(s) for s in scans] == [{"epoch": [1, 2]}] * 2


def test_what_an_entry_tells_about_the_scan_is_kept(tmp_path: Path) -> None:
    def write(file: Any) -> None:
        entry = group(file, "scan", "NXentry")
        field(entry, "title", "GIXS")
        field(entry, "start_time", "2023-05-01T10:00:00")
        field(entry, "end_time", "2023-05-01T10:00:10+00:00")
        field(entry, "program_name", "NexDaTaS", scan_command="ascan om 0 1 2 0.1")
        field(group(entry, "user", "NXuser"), "name", "M. Curie")
        field(group(entry, "sample", "NXsample"), "name", b"DPPC")
        instrument = group(entry, "instrument", "NXinstrument")
        field(group(instrument, "collection", "NXcollection"), "chi", 45.5, units="deg")
        field(group(instrument, "source", "NXsource"), "current", [101.5], units="mA")
        eta = group(instrument, "eta", "NXpositioner")
        field(eta, "value", [0.25])
        field(eta, "soft_limit_max", [115.0])

    (scan,) = read(tmp_path, write)
    assert (scan.title, scan.command, scan.user, scan.sample) == ("GIXS", "ascan om 0 1 2 0.1", "M. Curie", "DPPC")
    assert scan.started == datetime(2023, 5, 1, 8, 0, tzinfo=UTC)
    assert scan.ended == datetime(2023, 5, 1, 10, 0, 10, tzinfo=UTC)
    assert scan.state == "complete"
    assert scan.positioners == {"chi": 45.5, "source_current": 101.5, "eta": 0.25}
    assert scan.units == {"chi": "deg", "source_current": "mA"}


def test_of_a_grid_whose_signal_is_lost_the_positions_remain(tmp_path: Path) -> None:
    def write(file: Any) -> None:
        entry = group(file, "entry", "NXentry")
        instrument = group(entry, "instrument", "NXinstrument")
        stage = group(instrument, "stagex", "NXpositioner")
        field(stage, "value", np.arange(6.0).reshape(2, 3))
        field(stage, "value_set", [0.0, 1.0, 2.0])
        group(entry, "plot", "NXdata", signal="data")["data"] = h5py.ExternalLink("lost.h5", "/data")

    (scan,) = read(tmp_path, write)
    assert table(scan) == {"stagex": [0, 1, 2, 3, 4, 5]}
    assert [(p.where, p.what) for p in scan.problems] == [
        ("scan_00001.nxs:/entry/plot/data", "the link leads to lost.h5, which is not there")
    ]


def test_a_file_that_several_links_miss_is_named_once_in_each_entry(tmp_path: Path) -> None:
    def write(file: Any) -> None:
        for name in ("1.1", "2.1"):
            entry = group(file, name, "NXentry")
            instrument = group(group(entry, "instrument", "NXinstrument"), "lambda", "NXdetector")
            instrument["data"] = h5py.ExternalLink("lost.h5", "/data")
            measurement = group(entry, "measurement", "NXcollection")
            measurement["lambda"] = h5py.SoftLink(f"/{name}/instrument/lambda/data")
            measurement["sum"] = h5py.ExternalLink("lost.h5", "/sum")
            measurement["eiger"] = h5py.ExternalLink("gone.h5", "/data")

    one, two = read(tmp_path, write)
    assert [(p.where, p.what) for p in one.problems] == [
        (
            "scan_00001.nxs:/1.1/instrument/lambda/data",
            "the link leads to lost.h5, which is not there (here and in 2 more places)",
        ),
        ("scan_00001.nxs:/1.1/measurement/eiger", "the link leads to gone.h5, which is not there"),
    ]
    assert [p.where for p in two.problems] == [
        "scan_00001.nxs:/2.1/instrument/lambda/data",
        "scan_00001.nxs:/2.1/measurement/eiger",
    ]


def test_an_axis_that_does_not_fit_is_named_by_the_path_of_its_group(tmp_path: Path) -> None:
    def write(file: Any) -> None:
        data = group(group(file, "entry", "NXentry"), "data", "NXdata", signal="counts", axes="om")
        field(data, "counts", [5, 7, 6])
        field(data, "om", [0.1, 0.2, 0.3, 0.4, 0.5])

    (scan,) = read(tmp_path, write)
    assert [p.where for p in scan.problems] == ["scan_00001.nxs:/entry/data"]


def test_the_axis_survives_where_the_signal_is_lost(tmp_path: Path) -> None:
    def write(file: Any) -> None:
        data = group(group(file, "entry", "NXentry"), "data", "NXdata", signal="data", axes="omega")
        data["data"] = h5py.ExternalLink("lost.h5", "/data")
        field(data, "omega", [1.0, 2.0, 3.0])

    (scan,) = read(tmp_path, write)
    assert (scan.signal, scan.axes, list(table(scan))) == (None, ("omega",), ["omega"])


def test_a_field_nobody_wrote_to_is_no_column(tmp_path: Path) -> None:
    def write(file: Any) -> None:
        data = group(group(file, "entry", "NXentry"), "data", "NXdata", signal="empty", axes="om")
        data.create_dataset("empty", shape=(3,), dtype="f8")
        field(data, "om", [1.0, 2.0, 3.0])

    (scan,) = read(tmp_path, write)
    assert list(table(scan)) == ["om"]


def test_a_file_without_entries_a_damaged_one_and_a_foreign_one_are_refused_in_plain_words(tmp_path: Path) -> None:
    surroundings = Surroundings(boundary=tmp_path, timezone=ZoneInfo("UTC"))
    whole = tmp_path / "bare.h5"
    with h5py.File(whole, "w") as file:
        file["numbers"] = np.arange(1000.0)
    with pytest.raises(CatalogError, match=r"bare\.h5: has no NXentry"):
        list(READER.read(whole, surroundings))
    (tmp_path / "cut.h5").write_bytes(whole.read_bytes()[:3000])
    with pytest.raises(CatalogError, match=r"cut\.h5: is cut short"):
        list(READER.read(tmp_path / "cut.h5", surroundings))
    (tmp_path / "old.nxs").write_bytes(b"\x0e\x03\x13\x01" + bytes(100))
    with pytest.raises(CatalogError, match=r"old\.nxs: is an HDF4 file, which is not read; make an HDF5 file of it"):
        list(READER.read(tmp_path / "old.nxs", surroundings))
    (tmp_path / "text.h5").write_text("nothing")
    with pytest.raises(CatalogError, match=r"text\.h5: is no HDF5 file"):
        list(READER.read(tmp_path / "text.h5", surroundings))


def test_a_file_somebody_is_writing_is_read_as_running(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "writing.nxs", "w", libver="latest") as file:
        data = group(group(file, "entry", "NXentry"), "data", "NXdata", signal="counts")
        data.create_dataset("counts", data=[1.0, 2.0], maxshape=(None,), chunks=(10,))
        file.swmr_mode = True
        file.flush()
        (tmp_path / "growing.nxs").write_bytes((tmp_path / "writing.nxs").read_bytes())
    surroundings = Surroundings(boundary=tmp_path, timezone=ZoneInfo("UTC"))
    (scan,) = READER.read(tmp_path / "growing.nxs", surroundings)
    assert table(scan) == {"counts": [1, 2]}
    assert scan.state == "running"
