"""NeXus and other HDF5 files give their entries, their default plots and what else was recorded."""

import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import h5py
import numpy as np
import pytest

from catalog_builder.commands import parse
from catalog_builder.errors import CatalogError
from catalog_builder.readers import Surroundings, links
from catalog_builder.readers.links import Inside
from catalog_builder.readers.nexus import READER
from catalog_builder.signals import Reading, choose


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


def first_frame(tmp_path: Path, write: Callable[[Any], None]) -> tuple[Any, float | None, tuple[str, ...]]:
    path = tmp_path / "frames.nxs"
    with h5py.File(path, "w") as file:
        write(file)
    readings = READER.read(path, Surroundings(boundary=tmp_path, timezone=ZoneInfo("UTC")))
    reading = next(readings)
    (frames,) = reading.frames
    return frames.load(0), frames.cutoff, tuple(problem.what for problem in reading.problems)


@pytest.mark.parametrize("place", ["pixel_mask", "detectorSpecific/pixel_mask"])
@pytest.mark.parametrize("linked", [False, True])
def test_a_detectors_own_mask_and_saturation_go_with_its_images(tmp_path: Path, place: str, linked: bool) -> None:
    mask = np.zeros((20, 24), np.uint32)
    mask[3, 4], mask[5, 6] = 1, 1 << 31

    def write(file: Any) -> None:
        entry = group(file, "entry", "NXentry")
        detector = group(group(entry, "instrument", "NXinstrument"), "detector", "NXdetector")
        detector[place] = mask if place == "detectorSpecific/pixel_mask" else mask[None]
        detector["detectorSpecific/countrate_correction_count_cutoff"] = 4000
        stack = np.full((2, 20, 24), 7, np.uint16)
        stack[0, 0, :2] = (4000, 65535)
        if linked:
            group(entry, "data", "NXdata")["data_000001"] = stack
        else:
            detector["data"] = stack

    image, cutoff, problems = first_frame(tmp_path, write)
    assert np.argwhere(np.isnan(image)).tolist() == [[0, 1], [3, 4], [5, 6]]
    assert image[0, 0] == cutoff == 4000
    assert problems == ()


def test_a_mask_of_another_shape_is_named_and_not_used(tmp_path: Path) -> None:
    def write(file: Any) -> None:
        detector = group(group(file, "entry", "NXentry"), "lambda", "NXdetector", pixel="x")
        detector["data"], detector["pixel_mask"] = np.zeros((2, 20, 24)), np.ones((24, 20), np.uint8)
        detector["saturation_value"] = [4095]

    image, cutoff, problems = first_frame(tmp_path, write)
    assert not np.isnan(image).any()
    assert cutoff == 4095
    assert problems == ("the pixel mask is not of its images' shape, and is not used",)


@pytest.mark.parametrize(
    ("dtype", "bad", "more"),
    [
        ("i4", -1, {}),
        ("i8", 2**32 - 1, {}),
        ("u8", 2**32 - 1, {}),
        ("f4", float(2**32), {}),
        ("f8", 2.0**32 - 1, {}),
        ("f8", np.inf, {}),
        ("u4", 2**32 - 1, {}),
        ("u4", 65535, {"bit_depth_image": 16}),
        ("i4", -6, {"underload_value": -5}),
    ],
)
def test_marks_of_bad_pixels_are_nan_whatever_the_type(tmp_path: Path, dtype: str, bad: float, more: Any) -> None:
    def write(file: Any) -> None:
        detector = group(group(file, "entry", "NXentry"), "eiger", "NXdetector")
        stack = np.full((1, 20, 20), -5 if "underload_value" in more else 65534, dtype)
        stack[0, 2, 3] = bad
        detector["data"] = stack
        for name, value in more.items():
            detector[name] = value

    image, _, _ = first_frame(tmp_path, write)
    assert np.argwhere(np.isnan(image)).tolist() == [[2, 3]]


def test_of_a_scan_whose_images_are_lost_it_is_said_where_they_are(tmp_path: Path) -> None:
    def write(file: Any) -> None:
        entry = group(file, "entry", "NXentry")
        data = group(entry, "data", "NXdata", signal="data", axes="omega")
        data["data"] = h5py.ExternalLink("lost.h5", "/data")
        field(data, "omega", np.arange(6.0))
        turns = group(group(entry, "sample", "NXsample"), "transformations", "NXtransformations")
        field(turns, "omega_end", np.arange(6.0) + 0.1)

    (scan,) = read(tmp_path, write)
    assert list(table(scan)) == ["omega"]
    assert choose(scan, parse("")).signals == ()
    assert choose(scan, parse("")).reason == "data/data: the link leads to lost.h5, which is not there"


def test_where_images_are_lost_the_sums_of_their_rois_are_drawn_over_the_positioner(tmp_path: Path) -> None:
    def write(file: Any) -> None:
        data = group(group(file, "entry1", "NXentry"), "roi1", "NXdata")
        for name in ("roi1_maxval", "roi1_maxx", "roi1_maxy", "roi1_sum"):
            field(data, name, np.arange(6.0))
        field(data, "eta", np.arange(6.0), axis="1", primary="1")
        data["data"] = h5py.ExternalLink("lost.h5", "/data")

    (scan,) = read(tmp_path, write)
    assert (choose(scan, parse("")).signals, choose(scan, parse("")).axes) == (("roi1_sum",), ("eta",))


def test_a_mesh_is_drawn_over_the_read_backs_its_signal_names(tmp_path: Path) -> None:
    def write(file: Any) -> None:
        data = group(group(file, "entry", "NXentry"), "mic", "NXdata", signal="total", axes=["y_value", "x_value"])
        data.attrs["x_value_indices"] = data.attrs["y_value_indices"] = [0, 1]
        field(data, "total", np.arange(6.0).reshape(2, 3))
        field(data, "x_value", [[0.0, 1.1, 2.0], [0.1, 1.0, 2.1]], units="mm")
        field(data, "y_value", [[0.0, 0.1, 0.0], [1.0, 1.1, 1.0]])

    (scan,) = read(tmp_path, write)
    assert scan.map is None
    assert (scan.signal, scan.axes) == ("total", ("x_value", "y_value"))
    assert table(scan)["x_value"] == [0.0, 1.1, 2.0, 0.1, 1.0, 2.1]
    assert scan.units == {"x_value": "mm"}
    assert scan.problems == ()


def test_auxiliary_signals_come_behind_the_signal(tmp_path: Path) -> None:
    def write(file: Any) -> None:
        data = group(group(file, "entry", "NXentry"), "data", "NXdata", signal="z", axes="om")
        data.attrs["auxiliary_signals"] = ["y", "x"]
        for name in ("a", "om", "x", "y", "z"):
            field(data, name, np.arange(5.0) + ord(name[0]))

    (scan,) = read(tmp_path, write)
    assert list(table(scan)) == ["om", "z", "x", "y", "a"]


def test_rows_of_channels_are_spectra(tmp_path: Path) -> None:
    def write(file: Any) -> None:
        entry = group(file, "entry", "NXentry")
        field(group(group(entry, "instrument", "NXinstrument"), "mca", "NXdetector"), "data", [[1, 2, 3], [4, 5, 6]])

    (scan,) = read(tmp_path, write)
    assert [(s.detector, s.values.tolist()) for s in scan.spectra] == [("mca", [[1, 2, 3], [4, 5, 6]])]


def test_a_column_twice_under_one_name_is_listed_once_and_what_a_writer_counts_is_none(tmp_path: Path) -> None:
    def write(file: Any) -> None:
        entry = group(file, "entry", "NXentry")
        for place in ("one", "two"):
            field(group(entry, place, "NXcollection"), "ct01", np.arange(9.0))
        field(group(entry, "det", "NXdetector"), "sequence_number", np.arange(9))
        field(group(entry, "other", "NXcollection"), "ct01", np.arange(9.0) + 1)

    (scan,) = read(tmp_path, write)
    assert list(table(scan)) == ["ct01", "other_ct01"]


def test_chunks_that_inflate_short_are_a_problem_and_no_values(tmp_path: Path) -> None:
    def write(file: Any) -> None:
        entry = group(file, "entry", "NXentry")
        data = group(entry, "data", "NXdata", signal="counts")
        counts = data.create_dataset("counts", shape=(900,), dtype="f8", chunks=(900,), compression="gzip")
        counts.id.write_direct_chunk((0,), zlib.compress(bytes(16)))
        detector = group(entry, "det", "NXdetector")
        stack = detector.create_dataset("data", (2, 20, 20), "u2", chunks=(1, 20, 20), compression="gzip")
        stack.id.write_direct_chunk((0, 0, 0), zlib.compress(bytes(16)))

    path = tmp_path / "short.nxs"
    with h5py.File(path, "w") as file:
        write(file)
    readings = READER.read(path, Surroundings(boundary=tmp_path, timezone=ZoneInfo("UTC")))
    scan = next(readings)
    assert "counts" not in table(scan)
    assert ("short.nxs:/entry/data/counts", True) in [(p.where, "stored shorter" in p.what) for p in scan.problems]
    with pytest.raises(CatalogError, match="det: image 0 cannot be read: its chunks are stored shorter"):
        scan.frames[0].load(0)


def test_a_heap_without_end_is_refused_before_hdf5_goes_round_in_it(tmp_path: Path) -> None:
    path = tmp_path / "heap.nxs"
    with h5py.File(path, "w") as file:
        group(file, "entry", "NXentry")["title"] = "a scan"
    content = bytearray(path.read_bytes())
    at = content.index(b"GCOL")
    content[at + 16 : at + 48] = bytes(32)
    path.write_bytes(content)
    with pytest.raises(CatalogError, match=r"heap\.nxs: is damaged: a heap in which its texts are kept has no end"):
        list(READER.read(path, Surroundings(boundary=tmp_path, timezone=ZoneInfo("UTC"))))


def test_soleils_scan_data_are_named_by_what_the_file_calls_them(tmp_path: Path) -> None:
    def write(file: Any) -> None:
        data = group(group(file, "run_00012", "NXentry"), "scan_data", "NXdata")
        field(data, "actuator_1_1", np.arange(6.0), long_name="i14-c-cx1/ex/delta/position", units="deg", axis=1)
        field(data, "data_01", np.arange(6.0) ** 2, long_name="i14-c-cx1/dt/counter", alias="xbpm", signal=1)
        field(data, "data_02", np.arange(6.0) * 3, long_name="i14-c-cx1/dt/mon")

    (scan,) = read(tmp_path, write)
    assert list(table(scan)) == ["i14-c-cx1/ex/delta/position", "xbpm", "i14-c-cx1/dt/mon"]
    assert (scan.signal, scan.axes) == ("xbpm", ("i14-c-cx1/ex/delta/position",))
    assert scan.units == {"i14-c-cx1/ex/delta/position": "deg"}


def test_what_nexdatas_writes_of_a_scan_is_found(tmp_path: Path) -> None:
    def write(file: Any) -> None:
        entry = group(file, "scan", "NXentry")
        field(entry, "program_name", "NexDaTaS", scan_command="ascan om 0 1 4 0.1", npoints=5)
        field(entry, "experiment_identifier", "11019003")
        field(group(entry, "user", "NXuser"), "name", "M. Curie")
        field(group(entry, "sample", "NXsample"), "name", "DPPC")
        collection = group(group(entry, "instrument", "NXinstrument"), "collection", "NXcollection")
        field(collection, "om", np.linspace(0, 1, 5), units="deg")
        field(collection, "exp_c01", np.arange(5.0))
        field(collection, "chi", 45.5, units="deg")
        data = group(entry, "data", "NXdata")
        data["om"], data["exp_c01"] = collection["om"], collection["exp_c01"]

    (scan,) = read(tmp_path, write)
    assert (scan.command, scan.user, scan.sample) == ("ascan om 0 1 4 0.1", "M. Curie", "DPPC")
    assert scan.parameters["experiment_identifier"] == "11019003"
    assert sorted(table(scan)) == ["exp_c01", "om"]
    assert scan.positioners == {"chi": 45.5}
    assert scan.units == {"om": "deg", "chi": "deg"}


def test_a_text_of_many_megabytes_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(file: Any) -> None:
        entry = group(file, "entry", "NXentry")
        entry["title"] = "x" * (1 << 20)
        entry.create_dataset("note", data=["y" * (1 << 20)], maxshape=(None,))
        entry["program"] = "short"

    seen = []
    inside_read = Inside.read

    def told(self: Inside, field: Any, *region: Any, **more: Any) -> Any:
        seen.append(field.name)
        return inside_read(self, field, *region, **more)

    monkeypatch.setattr(Inside, "read", told)
    (scan,) = read(tmp_path, write)
    assert scan.title is None
    assert scan.parameters == {"program": "short"}
    assert set(seen) == {"/entry/program"}


def test_of_a_file_with_too_many_objects_the_first_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "_MOST_OBJECTS", 100)

    def write(file: Any) -> None:
        entry = group(file, "entry", "NXentry")
        for number in range(150):
            entry[f"c/{number:03d}"] = float(number)

    (scan,) = read(tmp_path, write)
    assert len(scan.positioners) == 99
    assert [p.what for p in scan.problems] == ["there are more than 100 objects; the rest was not looked at"]


def test_an_absurd_shape_is_a_problem_that_names_the_field(tmp_path: Path) -> None:
    def write(file: Any) -> None:
        data = group(group(file, "entry", "NXentry"), "data", "NXdata", signal="counts")
        counts = data.create_dataset("counts", shape=(1 << 40,), dtype="f8", chunks=(1 << 10,), compression="gzip")
        counts[0] = 1

    (scan,) = read(tmp_path, write)
    assert [(p.where, p.what) for p in scan.problems] == [
        (
            "scan_00001.nxs:/entry/data/counts",
            f"the default plot cannot be read: it has {1 << 40} values, too many for a curve or a map, and is not read",
        )
    ]
