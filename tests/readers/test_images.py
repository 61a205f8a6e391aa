"""Detector images beside a scan are read one at a time, with dead and masked pixels as NaN."""

import os
import struct
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import h5py
import hdf5plugin
import numpy as np
import pytest
from fabio.cbfimage import CbfImage
from fabio.edfimage import EdfImage
from fabio.tifimage import TifImage
from PIL import Image as Pillow

from catalog_builder.errors import CatalogError
from catalog_builder.readers import Surroundings
from catalog_builder.readers.images import FRAME_SUFFIXES, frames_in, frames_of_files, frames_of_master
from catalog_builder.readers.pixels import image
from catalog_builder.signals import Frames


def frames(folder: Path, boundary: Path | None = None) -> Frames | None:
    return frames_in(folder, folder.name, Surroundings(boundary=boundary or folder, timezone=ZoneInfo("UTC")))


def some(folder: Path) -> Frames:
    found = frames(folder)
    assert found is not None
    return found


def picture(value: int = 7) -> Any:
    data = np.full((20, 30), value, np.int32)
    data[0, :2] = (-1, -2)
    return data


@pytest.mark.parametrize(("kind", "suffix"), [(CbfImage, ".cbf"), (TifImage, ".tif"), (EdfImage, ".edf")])
def test_a_series_is_read_in_the_order_of_its_names(tmp_path: Path, kind: Any, suffix: str) -> None:
    for number in (3, 1, 2):
        kind(data=picture(10 * number)).write(str(tmp_path / f"scan_{number:05d}{suffix}"))
    (tmp_path / "readme.txt").write_text("no image")
    series = some(tmp_path)
    assert (series.detector, series.count) == (tmp_path.name, 3)
    assert [float(series.load(number)[5, 5]) for number in range(3)] == [10, 20, 30]
    assert series.load(0).dtype == np.float32
    assert np.isnan(series.load(0)[0, :2]).all()
    assert suffix in FRAME_SUFFIXES
    with pytest.raises(CatalogError, match="there is no image 3, only 3"):
        series.load(3)


def test_a_series_is_counted_where_its_numbers_have_no_zeros_before_them(tmp_path: Path) -> None:
    for number in (1, 2, 9, 10, 11):
        TifImage(data=picture(number)).write(str(tmp_path / f"a_{number}.tif"))
    series = some(tmp_path)
    assert [float(series.load(at)[5, 5]) for at in range(series.count)] == [1, 2, 9, 10, 11]


@pytest.mark.parametrize(("kind", "suffix"), [(CbfImage, ".cbf"), (TifImage, ".tif"), (EdfImage, ".edf")])
@pytest.mark.parametrize("left", [0, 5, 300, 0.5, 0.95])
def test_a_damaged_image_is_named_in_plain_words(tmp_path: Path, kind: Any, suffix: str, left: float) -> None:
    path = tmp_path / f"scan_00001{suffix}"
    rng = np.random.default_rng(1)
    kind(data=rng.integers(0, 100000, (200, 300), dtype=np.int32)).write(str(path))
    content = path.read_bytes()
    path.write_bytes(content[: int(left * len(content)) if left < 1 else int(left)])
    with pytest.raises(CatalogError, match=rf"scan_00001\{suffix}: the image is damaged or cut short"):
        some(tmp_path).load(0)


def test_an_image_that_is_a_link_out_of_the_beamtime_is_not_read(tmp_path: Path) -> None:
    TifImage(data=picture()).write(str(tmp_path / "secret.tif"))
    folder = tmp_path / "mine" / "p100k"
    folder.mkdir(parents=True)
    (folder / "scan_00001.tif").symlink_to(tmp_path / "secret.tif")
    assert frames(folder, tmp_path / "mine") is None


@pytest.mark.parametrize("name", ["a.h5", "a_master.h5", "a_m1_part00000.nxs"])
def test_a_stack_that_is_a_link_out_of_the_beamtime_is_not_read(tmp_path: Path, name: str) -> None:
    with h5py.File(tmp_path / "secret.nxs", "w") as file:
        file["entry/data/data"] = np.ones((2, 20, 30))
    folder = tmp_path / "mine" / "cam"
    folder.mkdir(parents=True)
    (folder / name).symlink_to(tmp_path / "secret.nxs")
    assert frames(folder, tmp_path / "mine") is None
    (tmp_path / "mine" / "cam" / name).unlink()
    (tmp_path / "mine" / "whole.nxs").write_bytes((tmp_path / "secret.nxs").read_bytes())
    (folder / name).symlink_to("../whole.nxs")
    assert frames(folder, tmp_path / "mine") is not None


@pytest.mark.parametrize("suffix", [".tif", ".h5"])
def test_a_file_that_becomes_a_link_out_later_is_not_read_and_named_by_its_place_alone(
    tmp_path: Path, suffix: str
) -> None:
    folder = tmp_path / "mine" / "cam"
    folder.mkdir(parents=True)
    path = folder / f"scan_00001{suffix}"
    if suffix == ".tif":
        TifImage(data=picture()).write(str(path))
    else:
        with h5py.File(path, "w") as file:
            file["entry/data/data"] = np.ones((2, 20, 30))
    series = frames(folder, tmp_path / "mine")
    assert series is not None
    path.rename(tmp_path / path.name)
    path.symlink_to(tmp_path / path.name)
    with pytest.raises(CatalogError) as caught:
        series.load(0)
    assert str(caught.value) == f"cam/{path.name}: leads out of the beamtime's folder and is not read"


def test_a_folder_that_leads_out_is_refused_without_a_path_of_this_machine(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "cam").symlink_to(tmp_path)
    with pytest.raises(CatalogError) as caught:
        frames(tmp_path / "mine" / "cam", tmp_path / "mine")
    assert str(caught.value) == "cam: leads out of the beamtime's folder and is not read"


@pytest.mark.parametrize("suffix", [".tif", ".tiff", ".cbf", ".edf"])
def test_an_hdf5_file_named_as_an_image_is_none_and_its_links_are_not_followed(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "cam").mkdir()
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["entry/frames"] = np.full((3, 20, 30), 5, np.uint32)
    with h5py.File(tmp_path / "cam" / f"scan_00001{suffix}", "w") as file:
        file["entry/data/data_000001"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "/entry/frames")
    with pytest.raises(CatalogError, match=rf"^scan_00001\{suffix}: is not a (TIFF|CBF|EDF) image$"):
        some(tmp_path / "cam").load(0)


@pytest.mark.parametrize("suffix", [".tif", ".cbf", ".edf"])
@pytest.mark.parametrize(
    "head", [b"\x93NUMPY\x01\0", b"<?xml version", b"\x1f\x8b\x08\0\0\0\0\0", b"BZh91AY&SY", b"II+\0\x08\0\0\0"]
)
def test_what_is_of_another_kind_than_its_suffix_is_no_image(tmp_path: Path, suffix: str, head: bytes) -> None:
    (tmp_path / f"scan_00001{suffix}").write_bytes(head + bytes(600))
    with pytest.raises(CatalogError, match=r"is not a (TIFF|CBF|EDF) image"):
        some(tmp_path).load(0)


def test_the_directories_of_a_tiff_that_go_round_are_not_followed_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "scan_00001.tif"
    TifImage(data=picture()).write(str(path))
    content = bytearray(path.read_bytes())
    (first,) = struct.unpack("<I", content[4:8])
    (count,) = struct.unpack("<H", content[first : first + 2])
    at = first + 2 + 12 * count
    content[at : at + 4] = struct.pack("<I", first)
    path.write_bytes(content)
    with pytest.raises(CatalogError, match=r"damaged"):
        some(tmp_path).load(0)


def test_a_tiff_that_says_it_is_enormous_is_not_given_the_memory(tmp_path: Path) -> None:
    tags = b"".join(struct.pack("<HHII", tag, 4, 1, 1 << 20) for tag in (256, 257))
    (tmp_path / "a.tif").write_bytes(b"II*\0\x08\0\0\0" + struct.pack("<H", 2) + tags + bytes(40))
    with pytest.raises(CatalogError, match=r"damaged"):
        some(tmp_path).load(0)


@pytest.mark.parametrize("line", [b"EDF_BinaryFileName = sneaky.bin ;", b"Size = -512 ;", b"Dim_1 = -9 ;"])
def test_an_edf_that_leads_elsewhere_or_back_is_not_read(tmp_path: Path, line: bytes) -> None:
    (tmp_path / "cam").mkdir()
    (tmp_path / "secret.bin").write_bytes(bytes(range(200)) * 4)
    (tmp_path / "cam" / "sneaky.bin").symlink_to(tmp_path / "secret.bin")
    sizes = b"Dim_1 = 10 ;\nDim_2 = 20 ;\nSize = 800 ;\n"
    head = b"{\nHeaderID = EH:000001:000000:000000 ;\nByteOrder = LowByteFirst ;\nDataType = SignedInteger ;\n"
    (tmp_path / "cam" / "a.edf").write_bytes((head + sizes + line).ljust(510) + b"}\n" + bytes(800))
    with pytest.raises(CatalogError, match=r"damaged"):
        some(tmp_path / "cam").load(0)


def test_a_detector_s_folder_need_not_be_named_in_utf_8(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/cam\xff"))
    folder.mkdir()
    (folder / "a.tif").write_bytes(bytes(600))
    series = frames(folder, tmp_path)
    assert series is not None
    assert series.detector == "cam\ufffd"
    with pytest.raises(CatalogError, match=r"^cam\ufffd/a.tif: is not a TIFF image"):
        series.load(0)


def test_a_chunk_stored_shorter_than_it_is_would_show_what_else_was_in_memory(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        field = file.create_dataset(
            "entry/data", shape=(1200, 20, 30), dtype="u4", chunks=(1, 20, 30), compression="gzip"
        )
        for number in range(1100):
            field.id.write_direct_chunk((number, 0, 0), bytes(2400 if number < 1050 else 16), 1)
    series = some(tmp_path)
    assert np.nanmax(series.load(3)) == 0
    with pytest.raises(CatalogError, match=r"^a.h5: image 1060 cannot be read: its chunks are stored shorter"):
        series.load(1060)


def eiger(folder: Path, *counts: int, links: bool = True, dtype: Any = np.uint32) -> None:
    """Write a master and its data files; image ``n`` of the series is full of ``n``, with one dead pixel."""
    number = 0
    with h5py.File(folder / "scan_master.h5", "w") as master:
        data = master.create_group("entry/data")
        master["entry/instrument/detector/flatfield"] = np.ones((2, 40, 40))
        for part, count in enumerate(counts, start=1):
            name = f"scan_data_{part:06d}.h5"
            stack = np.stack([np.full((20, 30), number + n, dtype) for n in range(count)])
            stack[:, 0, 0] = np.iinfo(dtype).max
            number += count
            with h5py.File(folder / name, "w") as file:
                file.create_dataset("entry/data/data", data=stack, chunks=(1, 20, 30), **hdf5plugin.Bitshuffle())
            if links:
                data[f"data_{part:06d}"] = h5py.ExternalLink(name, "/entry/data/data")


@pytest.mark.parametrize("links", [True, False])
def test_an_eiger_s_images_are_found_through_its_master_or_beside_it(tmp_path: Path, links: bool) -> None:
    eiger(tmp_path, 3, 2, links=links)
    series = some(tmp_path)
    assert series.count == 5
    assert [float(series.load(n)[1, 1]) for n in range(5)] == [0, 1, 2, 3, 4]
    assert np.isnan(series.load(4)[0, 0])


def test_behind_a_missing_part_of_an_eiger_s_series_images_would_have_wrong_numbers(tmp_path: Path) -> None:
    eiger(tmp_path, 2, 2, 2)
    (tmp_path / "scan_data_000002.h5").unlink()
    assert some(tmp_path).count == 2


def test_a_part_cut_short_later_gives_an_error_and_not_an_image(tmp_path: Path) -> None:
    eiger(tmp_path, 2)
    series = some(tmp_path)
    path = tmp_path / "scan_data_000001.h5"
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(CatalogError, match="cut short"):
        series.load(0)


def test_of_a_lambda_s_modules_the_first_is_shown_and_said_to_be(tmp_path: Path) -> None:
    for module in (1, 2):
        for part in (0, 1):
            with h5py.File(tmp_path / f"scan_m{module}_part{part:05d}.nxs", "w") as file:
                stack = np.full((2, 20, 30), 10 * module + part, np.int16)
                stack[:, 0, 0] = -1
                file["entry/instrument/detector/data"] = stack
                file["entry/instrument/detector/pixel_mask"] = np.zeros((1, 600, 600))
    series = some(tmp_path)
    assert series.detector == f"{tmp_path.name} (m1 of 2)"
    assert [float(series.load(n)[1, 1]) for n in range(series.count)] == [10, 10, 11, 11]
    assert np.isnan(series.load(0)[0, 0])


def test_a_folder_without_images_has_none(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    (tmp_path / "broken.h5").write_bytes(b"nothing")
    assert frames(tmp_path) is None
    assert frames(tmp_path / "missing", tmp_path) is None


@pytest.mark.parametrize(
    ("dtype", "mark", "masked"),
    [
        (np.int32, -1, True),
        (np.int16, -2, True),
        (np.uint32, 2**32 - 1, True),
        (np.uint16, 2**16 - 1, True),
        (np.uint8, 255, False),
        (np.float32, np.inf, True),
        (np.float32, -1.0, False),
    ],
)
def test_dead_and_masked_pixels_are_known_by_the_type_of_the_image(dtype: Any, mark: Any, masked: bool) -> None:
    assert bool(np.isnan(image(np.array([[1, mark]], dtype=dtype))[0, 1])) is masked


def test_reading_says_nothing_on_the_terminal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.cbf").write_bytes(b"###CBF: VERSION 1.5\n" + bytes(200))
    (tmp_path / "b.cbf").write_bytes(b"")
    series = some(tmp_path)
    for number in range(series.count):
        with pytest.raises(CatalogError):
            series.load(number)
    assert capfd.readouterr() == ("", "")


def full(value: int) -> Any:
    return np.full((20, 30), value, np.int32)


def edf_of(path: Path, *values: int) -> None:
    edf = EdfImage(data=full(values[0]))
    for value in values[1:]:
        edf.append_frame(data=full(value))
    edf.write(str(path))


def tiff_of(path: Path, *values: int) -> None:
    first, *others = (Pillow.fromarray(full(value)) for value in values)
    first.save(path, "TIFF", save_all=True, append_images=others)


@pytest.mark.parametrize(("write", "suffix"), [(edf_of, ".edf"), (tiff_of, ".tif")])
def test_a_file_with_several_images_gives_all_of_them_in_order(tmp_path: Path, write: Any, suffix: str) -> None:
    write(tmp_path / f"b{suffix}", 4)
    write(tmp_path / f"a{suffix}", 1, 2, 3)
    write(tmp_path / f"c{suffix}", 5, 6)
    series = some(tmp_path)
    assert [float(series.load(number)[3, 3]) for number in range(series.count)] == [1, 2, 3, 4, 5, 6]


def test_of_an_edf_cut_short_the_images_before_its_end_are_read(tmp_path: Path) -> None:
    edf_of(tmp_path / "a.edf", 1, 2, 3)
    content = (tmp_path / "a.edf").read_bytes()
    (tmp_path / "a.edf").write_bytes(content[:-100])
    series = some(tmp_path)
    assert [float(series.load(number)[3, 3]) for number in (0, 1)] == [1, 2]
    with pytest.raises(CatalogError, match="damaged or cut short"):
        series.load(2)


def test_a_thumbnail_in_a_tiff_is_no_image_of_the_series(tmp_path: Path) -> None:
    small = Pillow.fromarray(np.zeros((5, 6), np.int32))
    Pillow.fromarray(full(1)).save(tmp_path / "a.tif", "TIFF", save_all=True, append_images=[small])
    assert some(tmp_path).count == 1


def test_a_folder_of_thousands_is_not_opened_file_by_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiff_of(tmp_path / "a_00000.tif", 7)
    for number in range(1, 2000):
        os.link(tmp_path / "a_00000.tif", tmp_path / f"a_{number:05d}.tif")
    opened: list[Path] = []
    real = Path.open

    def spied(path: Path, *args: Any, **kwargs: Any) -> Any:
        opened.append(path)
        return real(path, *args, **kwargs)

    monkeypatch.setattr(Path, "open", spied)
    series = some(tmp_path)
    assert series.count == 2000
    assert len(opened) <= 3


def test_a_pilatus_says_from_which_count_on_a_pixel_is_saturated(tmp_path: Path) -> None:
    header = "# Detector: PILATUS 100K\r\n# Count_cutoff 1048500 counts\r\n"
    CbfImage(
        data=full(3),
        header={
            "_array_data.header_convention": '"SLS/DECTRIS_1.1"',
            "_array_data.header_contents": f"\r\n;\r\n{header};\r\n",
        },
    ).write(str(tmp_path / "a.cbf"))
    assert some(tmp_path).cutoff == 1048500
    (tmp_path / "plain").mkdir()
    CbfImage(data=full(3)).write(str(tmp_path / "plain" / "a.cbf"))
    assert some(tmp_path / "plain").cutoff is None


@pytest.mark.parametrize("name", ["detectorSpecific/countrate_correction_count_cutoff", "saturation_value"])
def test_an_eiger_s_master_says_from_which_count_on_a_pixel_is_saturated(tmp_path: Path, name: str) -> None:
    eiger(tmp_path, 2)
    assert some(tmp_path).cutoff is None
    with h5py.File(tmp_path / "scan_master.h5", "a") as master:
        master[f"entry/instrument/detector/{name}"] = np.uint32(199_868)
    assert some(tmp_path).cutoff == 199_868


@pytest.mark.parametrize("links", [True, False])
def test_a_master_that_lies_beside_its_scan_gives_its_own_images(tmp_path: Path, links: bool) -> None:
    eiger(tmp_path, 3, 2, links=links)
    with h5py.File(tmp_path / "scan1_data_000001.h5", "w") as other:
        other["entry/data/data"] = np.full((4, 20, 30), 99, np.uint32)
    around = Surroundings(boundary=tmp_path, timezone=ZoneInfo("UTC"))
    series = frames_of_master(tmp_path / "scan_master.h5", around)
    assert series is not None
    assert (series.detector, series.count) == ("eiger", 5)
    assert [float(series.load(n)[1, 1]) for n in range(5)] == [0, 1, 2, 3, 4]
    assert frames_of_master(tmp_path / "missing_master.h5", around) is None


def test_a_master_that_is_a_link_out_of_the_beamtime_gives_no_images(tmp_path: Path) -> None:
    eiger(tmp_path, 2)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "scan_master.h5").symlink_to(tmp_path / "scan_master.h5")
    around = Surroundings(boundary=tmp_path / "mine", timezone=ZoneInfo("UTC"))
    assert frames_of_master(tmp_path / "mine" / "scan_master.h5", around) is None


@pytest.mark.parametrize(
    "line", [b"Dim_1 = 999999 ;\nDim_2 = 999999 ;\n", b"Dim_1 = 10 ;\nDim_2 = 20 ;\nSize = 99999999999 ;\n"]
)
def test_an_edf_that_says_it_is_enormous_is_not_given_the_memory(tmp_path: Path, line: bytes) -> None:
    head = b"{\nHeaderID = EH:000001:000000:000000 ;\nByteOrder = LowByteFirst ;\nDataType = SignedInteger ;\n"
    (tmp_path / "a.edf").write_bytes((head + line).ljust(510) + b"}\n" + bytes(800))
    with pytest.raises(CatalogError, match=r"damaged"):
        some(tmp_path).load(0)


def test_a_cbf_that_promises_more_pixels_than_it_has_bytes_is_not_given_the_memory(tmp_path: Path) -> None:
    CbfImage(data=full(3)).write(str(tmp_path / "a.cbf"))
    content = (tmp_path / "a.cbf").read_bytes()
    (tmp_path / "a.cbf").write_bytes(content.replace(b"Second-Dimension: 20", b"Second-Dimension: 80"))
    with pytest.raises(CatalogError, match=r"damaged"):
        some(tmp_path).load(0)


def test_images_that_lie_loose_beside_their_scan_are_read_in_order(tmp_path: Path) -> None:
    for number in (2, 1):
        TifImage(data=full(number)).write(str(tmp_path / f"scan_{number}.tif"))
    CbfImage(data=full(9)).write(str(tmp_path / "scan_1.cbf"))
    around = Surroundings(boundary=tmp_path, timezone=ZoneInfo("UTC"))
    series = frames_of_files([tmp_path / name for name in ("scan_2.tif", "scan_1.cbf", "scan_1.tif")], "cam", around)
    assert series is not None
    assert [float(series.load(number)[3, 3]) for number in range(series.count)] == [1, 2]
    assert frames_of_files([tmp_path / "notes.txt"], "cam", around) is None


def test_a_cbf_whose_checksum_does_not_fit_is_damaged(tmp_path: Path) -> None:
    CbfImage(data=full(3)).write(str(tmp_path / "a.cbf"))
    content = bytearray((tmp_path / "a.cbf").read_bytes())
    assert b"Content-MD5" in content
    assert some(tmp_path).load(0)[3, 3] == 3
    content[content.index(b"\x0c\x1a\x04\xd5") + 4 + 300] += 1
    (tmp_path / "a.cbf").write_bytes(content)
    with pytest.raises(CatalogError, match=r"a.cbf: the image is damaged or cut short"):
        some(tmp_path).load(0)
