"""Previews as people get them: which there are, what they say, and that they are the same each time."""

import io
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from PIL import Image as Pillow

from catalog_builder.errors import CatalogError
from catalog_builder.previews import Drawing, DrawnImage, draw
from catalog_builder.previews.images import looked_at
from catalog_builder.previews.sheet import MASKED
from catalog_builder.records import Command, Problem, Range
from catalog_builder.signals import Choice, Column, Floats, Frames, GridMap, Image, Reading, choose

X = np.linspace(-1, 1, 51)
BELL = np.round(5000 * np.exp(-((X / 0.2) ** 2)))
ASCAN = Command(text="ascan om -1 1 50 1", macro="ascan", points=51)
MESH = Command(
    text="mesh x 0 2 2 y 0 1 1 1",
    macro="mesh",
    ranges=(
        Range(positioner="x", start=0, stop=2, intervals=2),
        Range(positioner="y", start=0, stop=1, intervals=1),
    ),
    points=6,
)


def column(name: str, values: object, unit: str | None = None) -> Column:
    return Column(name=name, values=np.asarray(values, dtype=np.float64), unit=unit)


def curve(*signals: object, x: Floats = X, title: str = "scan_00001", planned: int | None = None) -> Drawing:
    """Draw signals named roi1, roi2 … over om."""
    names = tuple(f"roi{number}" for number in range(1, len(signals) + 1))
    found = tuple(column(name, values) for name, values in zip(names, signals, strict=True))
    reading = Reading(columns=(column("om", x, "deg"), *found))
    return draw(reading, ASCAN, Choice(signals=names, axes=("om",), reason=""), title, planned)


def frames(load: Callable[[int], Image], count: int = 1) -> Frames:
    return Frames(detector="p100k", count=count, load=load)


def of_frames(*detectors: Frames) -> Drawing:
    return draw(Reading(frames=detectors), ASCAN, Choice(signals=(), reason="no channel was recorded"), "s", None)


def pixels(png: bytes | None) -> NDArray[np.uint8]:
    assert png is not None
    return np.array(Pillow.open(io.BytesIO(png)).convert("RGB"))


def only(drawing: Drawing) -> DrawnImage:
    assert len(drawing.images) == 1, drawing.no_preview
    return drawing.images[0]


def test_a_curve_is_drawn_large_and_small() -> None:
    image = only(curve(BELL))
    assert (image.preview.name, image.preview.kind) == ("preview", "curve")
    assert image.preview.caption == "roi1 over om, log counts"
    assert pixels(image.large).shape == (536, 880, 3)
    assert pixels(image.small).shape == (88, 176, 3)


def test_a_preview_is_a_small_palette_png_without_changing_words() -> None:
    with Pillow.open(io.BytesIO(only(curve(BELL)).large)) as opened:
        assert (opened.mode, opened.info) == ("P", {})
    assert len(only(curve(BELL)).large) < 25_000


def test_the_same_scan_gives_the_same_bytes_whatever_was_drawn_before() -> None:
    first = curve(BELL, BELL / 2, title="$a_1^{2}$", planned=99)
    curve(np.where(X > 0, np.nan, -X), title="another")
    of_frames(frames(lambda _: np.ones((20, 30), dtype=np.float32)))
    draw(Reading(columns=(column("x", [0, 1]), column("y", [0, 0]), column("d", [1, 2]))), MESH, MAP_CHOICE, "m")
    assert curve(BELL, BELL / 2, title="$a_1^{2}$", planned=99) == first


MAP_CHOICE = Choice(signals=("d",), axes=("x", "y"), reason="")


def test_an_aborted_scan_says_so() -> None:
    assert only(curve(BELL, planned=101)).large != only(curve(BELL, planned=51)).large == only(curve(BELL)).large


def test_zeros_sit_on_the_floor_of_a_logarithmic_plot() -> None:
    line = column_of_colour(only(curve(np.where(X < 0, 0, 10_000.0))).large)
    assert np.ptp(line[:300]) <= 1, "zeros are a level line"
    assert line[:300].min() > line[500:].max() + 300, "far below the rest"


def column_of_colour(png: bytes) -> NDArray[np.intp]:
    """Give the lowest blue pixel's row in each pixel column inside the panel."""
    image = pixels(png).astype(int)[:, 160:820]
    blue = (image[..., 2] > 120) & (image[..., 0] < 60)
    assert blue.any(axis=0).all(), "the line has gaps"
    return np.asarray(image.shape[0] - 1 - blue[::-1].argmax(axis=0))


def test_missing_numbers_break_the_line() -> None:
    image = pixels(only(curve(np.where(np.abs(X) < 0.3, np.nan, 5.5))).large).astype(int)
    blue = (image[..., 2] > 120) & (image[..., 0] < 60)
    assert blue[:, 200].any()
    assert not blue[:, 450:530].any()


def test_a_single_number_among_missing_ones_is_seen() -> None:
    y = np.full(51, np.nan)
    y[25] = 7.5
    image = pixels(only(curve(y)).large).astype(int)
    assert ((image[..., 2] > 120) & (image[..., 0] < 60)).sum() > 30


def test_few_counts_carry_their_square_roots() -> None:
    assert only(curve(np.arange(51))).preview.caption == "roi1 over om, counts, bars √N"
    assert only(curve(np.arange(51) * 10)).preview.caption == "roi1 over om, counts"


def test_several_rois_are_named() -> None:
    drawing = curve(BELL, BELL / 7, BELL / 9)
    assert only(drawing).preview.caption == "roi1 with roi2, roi3 over om, log counts"


@pytest.mark.parametrize(
    ("y", "reason"),
    [(np.full(51, np.nan), "roi1 has no finite value"), (np.full(51, np.inf), "roi1 has no finite value")],
)
def test_a_signal_without_numbers_gives_a_reason(y: Floats, reason: str) -> None:
    drawing = curve(y)
    assert (drawing.images, drawing.no_preview) == ((), reason)


def test_a_scan_without_points_gives_a_reason() -> None:
    assert curve(np.zeros(0), x=np.zeros(0)).no_preview == "no point was recorded"


def test_a_scan_without_channels_gives_a_reason() -> None:
    assert of_frames().no_preview == "no channel was recorded"


@pytest.mark.parametrize(
    "name", ["$", r"$\frac{1}{0}$", "_om", "a^2_{3", "中文 🧪", "\x07\u202eabc\n\ud800", "x" * 500, "", "<b>&amp;"]
)
def test_names_from_files_are_text(name: str) -> None:
    reading = Reading(columns=(column(name, X, name), column(name + "roi1", BELL), column(name + "roi2", BELL)))
    drawing = draw(reading, ASCAN, choose(reading, ASCAN, ()), name, 99)
    assert len(drawing.images) == 1


def test_a_mathematical_name_is_not_set_as_mathematics() -> None:
    assert only(curve(BELL, title="$x$")).large != only(curve(BELL, title="x")).large


numbers = st.one_of(
    st.floats(width=64), st.sampled_from([0.0, 1.0, 1e-320, 1e308, -1e308, 1e300, np.nan, np.inf, 1.0 + 1e-15])
)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 12).flatmap(lambda n: arrays(np.float64, (3, n), elements=numbers)))
def test_any_numbers_are_drawn_without_a_warning(values: Floats) -> None:
    drawing = curve(values[1], values[2], x=values[0])
    assert drawing.images or drawing.no_preview


@settings(max_examples=40, deadline=None)
@given(
    arrays(np.float64, st.tuples(st.integers(1, 5), st.integers(1, 5)), elements=numbers),
    arrays(np.float64, 5, elements=numbers),
    arrays(np.float64, 5, elements=numbers),
)
def test_any_map_is_drawn_without_a_warning(values: Floats, x: Floats, y: Floats) -> None:
    rows, columns = values.shape
    grid = GridMap(signal="d", values=values, x=column("x", x[:columns]), y=column("y", y[:rows]))
    drawing = draw(Reading(map=grid), ASCAN, Choice(signals=("d",), axes=("x", "y"), reason=""), "m")
    assert drawing.images or drawing.no_preview


@settings(max_examples=40, deadline=None)
@given(arrays(np.float32, st.tuples(st.integers(0, 5), st.integers(0, 5)), elements=st.floats(width=32)))
def test_any_frame_is_drawn_without_a_warning(image: Image) -> None:
    drawing = of_frames(frames(lambda _: image))
    assert drawing.images or drawing.no_preview


def test_a_mesh_is_a_map_with_what_was_not_reached_in_grey() -> None:
    reading = Reading(columns=(column("x", [0, 1, 2, 2]), column("y", [0, 0, 0, 1]), column("d", [1, 2, 3, 4])))
    drawing = draw(reading, MESH, MAP_CHOICE, "mesh_00001", 6)
    image = only(drawing)
    assert (image.preview.kind, image.preview.caption) == ("map", "d over x and y, counts, 3 × 2 grid")
    small = pixels(image.small)
    assert [is_grey(small[20, at]) for at in (20, 88, 160)] == [True, True, False], "the upper row, y = 1"
    assert [is_grey(small[70, at]) for at in (20, 88, 160)] == [False, False, False]
    brightness = [int(small[row, at].astype(int).sum()) for row, at in ((70, 20), (70, 88), (70, 160), (20, 160))]
    assert all(one < next_ for one, next_ in pairwise(brightness))


def is_grey(pixel: NDArray[np.uint8]) -> bool:
    return bool(np.abs(pixel.astype(int) - MASKED).max() <= 3)


def test_a_mesh_that_fits_no_grid_is_a_curve_over_its_points() -> None:
    reading = Reading(columns=(column("x", [50, 60]), column("y", [0, 0]), column("d", [1, 2])))
    assert only(draw(reading, MESH, MAP_CHOICE, "m", 6)).preview.caption == "d over point, counts, bars √N"


def test_a_descending_axis_of_a_map_grows_to_the_right() -> None:
    grid = GridMap(signal="d", values=np.array([[9.0, 0.0]]), x=column("x", [2, 1]), y=column("y", [0]))
    small = pixels(only(draw(Reading(map=grid), ASCAN, MAP_CHOICE, "m")).small).astype(int)
    assert small[44, 20].sum() < small[44, 150].sum()


def test_a_curve_comes_before_the_frame() -> None:
    image = np.ones((20, 30), dtype=np.float32)
    reading = Reading(columns=(column("om", X), column("roi1", BELL)), frames=(frames(lambda _: image, 51),))
    drawing = draw(reading, ASCAN, Choice(signals=("roi1",), axes=("om",), reason=""), "s", None)
    assert [(i.preview.name, i.preview.kind, i.small is None) for i in drawing.images] == [
        ("preview", "curve", False),
        ("preview-2", "frame", True),
    ]


def test_the_frame_at_the_maximum_of_the_curve_is_looked_at() -> None:
    loaded: list[int] = []

    def load(number: int) -> Image:
        loaded.append(number)
        return np.full((4, 4), float(number == 17), dtype=np.float32)

    reading = Reading(columns=(column("om", X), column("roi1", np.arange(51) == 17)), frames=(frames(load, 51),))
    drawing = draw(reading, ASCAN, Choice(signals=("roi1",), axes=("om",), reason=""), "s", None)
    assert drawing.images[1].preview.caption == "p100k frame 17 (of 51, from 0), counts, maximum 1"
    assert len(loaded) == 5


def test_at_most_five_frames_are_looked_at_and_none_twice() -> None:
    assert looked_at(0) == []
    assert looked_at(1) == [0]
    assert looked_at(2, brightest=1) == [1, 0]
    assert looked_at(100) == [50, 0, 99, 25, 75]
    assert looked_at(100, brightest=3) == [3, 50, 0, 99, 25]


def test_a_single_bright_pixel_survives_scaling_down() -> None:
    image = np.ones((2167, 2070), dtype=np.float32)
    image[1500, 700] = 1e6
    drawn = only(of_frames(frames(lambda _: image)))
    assert "maximum of blocks 12 × 12, maximum 1000000" in drawn.preview.caption
    yellow = (pixels(drawn.large)[50:450, 134:720].astype(int) - (253, 231, 37)) ** 2
    assert (yellow.sum(axis=-1) < 100).any()
    assert ((pixels(drawn.small).astype(int) - (253, 231, 37)) ** 2).sum(axis=-1).min() < 100


def test_masked_pixels_are_grey_and_no_zeros() -> None:
    image = np.zeros((20, 40), dtype=np.float32)
    image[:, 20:], image[0, 0] = np.nan, 100
    small = pixels(only(of_frames(frames(lambda _: image))).small)
    assert is_grey(small[44, 150])
    assert not is_grey(small[44, 20])


def test_a_frame_that_cannot_be_read_is_a_problem_and_the_others_are_drawn() -> None:
    def load(number: int) -> Image:
        if number == 2:
            raise CatalogError("the filter is unknown", where="raw/s/p100k/s_master.h5")
        return np.ones((4, 4), dtype=np.float32)

    drawing = of_frames(frames(load, 5))
    assert len(drawing.images) == 1
    assert drawing.problems == (Problem(where="raw/s/p100k/s_master.h5", what="frame 2: the filter is unknown"),)


def test_a_detector_nothing_can_be_read_of_gives_a_reason() -> None:
    def load(_: int) -> Image:
        raise CatalogError("the file is cut off")

    drawing = of_frames(frames(load))
    assert drawing.no_preview == "no channel was recorded; no frame of p100k could be read"
    assert drawing.problems == (Problem(where="p100k", what="frame 0: the file is cut off"),)


def test_a_frame_of_the_wrong_shape_is_a_problem() -> None:
    drawing = of_frames(frames(lambda _: np.ones(7, dtype=np.float32)))
    assert drawing.problems == (Problem(where="p100k", what="frame 0: shape (7,) is not (rows, columns)"),)


def test_a_frame_that_is_masked_all_over_gives_a_reason() -> None:
    drawing = of_frames(frames(lambda _: np.full((4, 4), np.nan, dtype=np.float32)))
    assert drawing.no_preview == "no channel was recorded; every pixel of p100k is masked"


def test_each_detector_has_its_frame() -> None:
    one, two = np.ones((4, 4), dtype=np.float32), np.full((4, 4), 2, dtype=np.float32)
    drawing = of_frames(frames(lambda _: one), Frames(detector="eiger4m", count=1, load=lambda _: two))
    assert [image.preview.name for image in drawing.images] == ["preview", "preview-2"]


def test_a_map_of_one_cell_far_from_zero_is_drawn() -> None:
    grid = GridMap(signal="d", values=np.array([[1.0]]), x=column("x", [4.5e15]), y=column("y", [0]))
    assert only(draw(Reading(map=grid), ASCAN, MAP_CHOICE, "m")).preview.kind == "map"
