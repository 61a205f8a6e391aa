"""Previews as people get them: which there are, what they say, and that they are the same each time."""

import io
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from PIL import Image as Pillow

from catalog_builder.commands import parse
from catalog_builder.errors import CatalogError
from catalog_builder.previews import Drawing, DrawnImage, draw
from catalog_builder.previews.images import looked_at
from catalog_builder.previews.panel import unfinished
from catalog_builder.previews.sheet import MASKED, SATURATED, UNMEASURED
from catalog_builder.records import Command, Problem, Range
from catalog_builder.signals import Choice, Column, Floats, Frames, GridMap, Image, Reading, Roi, Spectra, choose

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
    assert image.preview.caption == "roi1 over om, log counts; maximum 5\u2009000 at 0.000 deg, FWHM 0.334 deg"
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
    y[0], y[25], y[40] = 1, 7.5, 3
    image = pixels(only(curve(y)).large).astype(int)
    assert ((image[..., 2] > 120) & (image[..., 0] < 60)).sum() > 30


def test_few_counts_carry_their_square_roots() -> None:
    assert only(curve(np.arange(51))).preview.caption == "roi1 over om, counts, bars √N"
    assert only(curve(np.arange(51) * 10)).preview.caption == "roi1 over om, counts"


def test_several_rois_are_named() -> None:
    drawing = curve(BELL, BELL / 7, BELL / 9)
    assert only(drawing).preview.caption.startswith("roi1 with roi2, roi3 over om, log counts;")


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


def test_the_only_row_of_a_mesh_that_was_aborted_early_is_a_curve() -> None:
    reading = Reading(columns=(column("x", [0, 1, 2]), column("y", [0, 0, 0]), column("d", [1, 2, 3])))
    image = only(draw(reading, MESH, MAP_CHOICE, "mesh_00001", 6))
    assert (image.preview.kind, image.preview.caption) == ("curve", "d over x, counts, bars √N")


def is_grey(pixel: NDArray[np.uint8]) -> bool:
    return bool(np.abs(pixel.astype(int) - MASKED).max() <= 3)


def test_a_mesh_that_moved_one_positioner_alone_is_a_curve_over_its_points() -> None:
    reading = Reading(columns=(column("x", [50, 60]), column("y", [0, 0]), column("d", [1, 2])))
    assert only(draw(reading, MESH, MAP_CHOICE, "m", 6)).preview.caption == "d over point, counts, bars √N"


def test_a_descending_axis_of_a_map_grows_to_the_right() -> None:
    grid = GridMap(signal="d", values=np.array([[9.0, 0.0]]), x=column("x", [2, 1]), y=column("y", [0]))
    small = pixels(only(draw(Reading(map=grid), ASCAN, MAP_CHOICE, "m")).small).astype(int)
    assert small[44, 20].sum() < small[44, 150].sum()


def with_frames(signal: object, *detectors: Frames, name: str = "roi1", **more: Any) -> Drawing:
    reading = Reading(columns=(column("om", X), column(name, signal)), frames=detectors, **more)
    return draw(reading, ASCAN, Choice(signals=(name,), axes=("om",), reason=""), "s", None)


def kinds(drawing: Drawing) -> list[str]:
    return [image.preview.kind for image in drawing.images]


def test_a_curve_comes_before_the_frames_and_has_the_only_small_picture() -> None:
    drawing = with_frames(BELL, spot(9, 2))
    assert [(i.preview.name, i.preview.kind, i.small is None) for i in drawing.images] == [
        ("preview", "curve", False),
        ("preview-2", "frame", True),
        ("preview-3", "frame", True),
    ]


@pytest.mark.parametrize("signal", [np.full(51, 7.0), np.where(np.arange(51) == 3, 5.0, np.nan)])
def test_a_curve_that_says_next_to_nothing_comes_after_the_frames(signal: Floats) -> None:
    drawing = with_frames(signal, frames(lambda _: np.ones((20, 30), dtype=np.float32)))
    assert [(i.preview.kind, i.small is None) for i in drawing.images] == [("frame", False), ("curve", True)]


def spot(count: int, at: int, loaded: list[int] | None = None, detector: str = "p100k") -> Frames:
    """Frames of which one is brighter than the others."""

    def load(number: int) -> Image:
        if loaded is not None:
            loaded.append(number)
        image = np.ones((4, 6), dtype=np.float32)
        image[2, 3] = 900 if number == at else 2
        return image

    return Frames(detector=detector, count=count, load=load)


def test_the_frame_at_the_maximum_of_a_detector_s_own_roi_is_drawn_and_the_middle_one() -> None:
    loaded: list[int] = []
    drawing = with_frames(np.arange(51) == 17, spot(51, 40, loaded), name="p100k_roi1")
    assert kinds(drawing) == ["curve", "frame", "frame", "projection"]
    assert drawing.images[1].preview.caption.startswith("p100k frame 17 (of 51, from 0), at the maximum of p100k_roi1,")
    assert drawing.images[2].preview.caption.startswith("p100k frame 25 (of 51, from 0), middle of the series,")
    assert sorted(loaded) == list(range(51)), "each once"


def test_the_index_channel_tells_which_frame_belongs_to_a_point() -> None:
    columns = (column("om", X), column("p100k_roi1", np.arange(51) == 17), column("p100k_index", np.arange(51) + 4))
    reading = Reading(columns=columns, frames=(spot(60, 50),))
    drawing = draw(reading, ASCAN, Choice(signals=("p100k_roi1",), axes=("om",), reason=""), "s", None)
    assert drawing.images[1].preview.caption.startswith("p100k frame 21 (of 60, from 0), at the maximum")


def test_where_no_curve_of_the_detector_tells_the_brightest_of_those_looked_at_is_drawn() -> None:
    drawing = with_frames(BELL, spot(9, 2), name="apd")
    assert drawing.images[1].preview.caption.startswith("p100k frame 2 (of 9, from 0), brightest of 5 looked at,")


def test_of_a_series_few_frames_are_looked_at() -> None:
    assert looked_at(0) == []
    assert looked_at(1) == [0]
    assert looked_at(9) == [0, 8, 2, 6]
    assert looked_at(9, known=True) == []
    assert looked_at(10) == list(range(10))
    assert len(looked_at(100_000)) == 64
    assert len(looked_at(100_000, pixels=4_500_000)) == 14
    assert looked_at(100_000)[0] == 0
    assert looked_at(100_000)[-1] == 99_999


def test_a_long_series_is_shown_frame_by_frame_and_says_how_many_were_looked_at() -> None:
    loaded: list[int] = []
    drawing = of_frames(spot(3000, -1, loaded))
    assert kinds(drawing) == ["frame", "projection"]
    shown = drawing.images[-1].preview.caption
    assert shown == "p100k frame by frame, 65 of 3000 frames, mean of each column, values"
    assert len(loaded) == len(set(loaded)) == 65


def test_a_series_of_which_nothing_can_be_read_is_given_up_soon() -> None:
    loaded: list[int] = []

    def load(number: int) -> Image:
        loaded.append(number)
        raise CatalogError("the file is cut off")

    drawing = of_frames(frames(load, 3000))
    assert drawing.no_preview == "no channel was recorded; no frame of p100k could be read"
    assert len(drawing.problems) == len(loaded) == 3


def test_a_saturated_pixel_has_a_colour_of_its_own_and_is_counted() -> None:
    image = np.full((20, 40), 3, dtype=np.float32)
    image[5:7, 5], image[0, :] = 1e6, np.nan
    image[10, 10] = 999_999
    detector = Frames(detector="p100k", count=1, load=lambda _: image, cutoff=1e6)
    drawn = only(of_frames(detector))
    assert drawn.preview.caption == "p100k frame, log counts, maximum 1000000, 2 saturated, 5 % masked"
    for picture in (pixels(drawn.large), pixels(drawn.small)):
        assert (np.abs(picture.astype(int) - SATURATED).max(axis=-1) <= 3).any()
    unknown = pixels(only(of_frames(frames(lambda _: image))).large).astype(int)
    assert not (np.abs(unknown - SATURATED).max(axis=-1) <= 3).any()


def test_the_scale_of_colours_is_not_spoilt_by_saturated_pixels() -> None:
    image = np.full((20, 40), 3, dtype=np.float32)
    image[10, 10:] = 60
    plain = only(of_frames(frames(lambda _: image)))
    image = image.copy()
    image[5, 5] = 1e6
    saturated = only(of_frames(Frames(detector="p100k", count=1, load=lambda _: image, cutoff=1e6)))
    assert np.array_equal(pixels(plain.small)[44, 100], pixels(saturated.small)[44, 100])


def test_the_rectangles_of_a_detector_s_rois_are_drawn_with_their_names() -> None:
    def load(_: int) -> Image:
        image = np.ones((100, 200), dtype=np.float32)
        image[50, 50] = 1000
        return image

    detector = Frames(detector="Eiger4M (m1 of 3)", count=51, load=load)
    inside = Roi(left=20, top=10, right=120, bottom=60)
    without = with_frames(BELL, detector, name="eiger4m_roi1")
    one = with_frames(BELL, detector, name="eiger4m_roi1", rois={"eiger4m": (inside,)})
    other = with_frames(BELL, detector, name="eiger4m_roi1", rois={"lambda": (inside,)})
    assert without.images[1].large == other.images[1].large != one.images[1].large
    # the panel is 594 px wide and 297 high; its upper left corner lies at 134, 102
    picture = pixels(one.images[1].large).astype(int)
    left, right = 134 + round(0.1 * 594), 134 + round(0.6 * 594)
    edge = picture[180, left - 2 : left + 3].sum(axis=-1)
    assert edge.max() > 700
    assert picture[180, right - 2 : right + 3].sum(axis=-1).max() > 700
    outside = Roi(left=500, top=10, right=600, bottom=60)
    assert with_frames(BELL, detector, name="eiger4m_roi1", rois={"eiger4m": (outside,)}).images[1].large == (
        without.images[1].large
    )


def test_the_part_of_the_axis_an_aborted_scan_did_not_reach_is_shaded() -> None:
    x, y = X[:20], BELL[:20] + 1
    reading = Reading(columns=(column("om", x, "deg"), column("roi1", y)))
    choice = Choice(signals=("roi1",), axes=("om",), reason="")

    def shaded(command: str) -> float:
        image = only(draw(reading, parse(command), choice, "s", parse(command).points))
        ground = np.array([int(UNMEASURED[at : at + 2], 16) for at in (1, 3, 5)])
        for picture in (pixels(image.large)[400], pixels(image.small)[85]):
            share = (np.abs(picture.astype(int) - ground).max(axis=-1) <= 3).mean()
        return float(share)

    assert shaded("ascan om -1 1 50 1") > 0.4
    assert shaded("dscan om -1 1 50 1") > 0.4
    assert shaded("ascan om -1 -0.24 19 1") == 0, "it reached its end"
    assert shaded("ascan om -5 5 50 1") == 0, "the points do not lie on the plan: nothing is known"
    assert shaded("timescan 99 1") == 0


def test_a_scan_that_still_runs_says_so_far() -> None:
    reading = Reading(columns=(column("om", X), column("roi1", BELL)), state="running")
    assert unfinished(37, 51, reading) == "37 of 51 points so far"
    assert unfinished(37, 51, Reading(state="aborted")) == "37 of 51 points"
    assert unfinished(51, 51, reading) is None


def test_a_single_point_is_said_in_words() -> None:
    reading = Reading(columns=(column("om", [1.25], "deg"), column("roi1", [28345]), column("ion", [1.5e-9], "A")))
    image = only(draw(reading, ASCAN, Choice(signals=("roi1",), axes=("om",), reason=""), "s", 51))
    assert image.preview.caption == "a single point: roi1 = 28\u2009345 counts at om = 1.25 deg"
    assert (pixels(image.small) < 100).any()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (1.0, "1 count"),
        (0.0, "0"),
        (-1234.0, "−1\u2009234"),
        (18_833_400_000.0, "1.8833·10¹⁰ counts"),
        (1.25e-9, "1.25e−09"),
    ],
)
def test_a_value_is_written_as_people_write_it(value: float, words: str) -> None:
    assert only(curve(np.array([value]), x=np.zeros(1))).preview.caption == (
        f"a single point: roi1 = {words} at om = 0 deg"
    )


def test_a_constant_signal_says_its_value() -> None:
    assert only(curve(np.full(51, 7.0))).preview.caption == (
        "roi1 over om, counts, bars √N; constant: 7 counts at all 51 points"
    )


def test_facts_that_are_in_doubt_are_not_written_on_the_picture() -> None:
    assert only(curve(np.where(np.abs(X) > 0.9, 5000.0, 0))).preview.caption == "roi1 over om, counts"


@pytest.mark.parametrize("energy", [True, False])
def test_one_spectrum_is_a_curve_over_its_channels(energy: bool) -> None:
    axis = column("energy", np.linspace(0, 10, 51), "keV") if energy else None
    spectra = Spectra(detector="mca01", values=BELL[None], energy=axis)
    image = only(draw(Reading(spectra=(spectra,)), ASCAN, Choice(signals=(), reason="no channel"), "s", 51))
    over = "energy" if energy else "channel"
    assert (image.preview.kind, image.preview.caption.split(",")[0]) == ("spectra", f"mca01 over {over}")


def test_several_spectra_are_a_map_of_point_over_channel_with_what_is_missing_in_grey() -> None:
    values = np.tile(BELL, (4, 1))
    values[3, 25:] = np.nan
    reading = Reading(spectra=(Spectra(detector="mca01", values=values),))
    image = only(draw(reading, ASCAN, Choice(signals=(), reason="no channel"), "s", 51))
    assert image.preview.caption == "mca01, 4 spectra point by point over channel, log counts"
    small = pixels(image.small)
    assert is_grey(small[5, 150])
    assert not is_grey(small[5, 20])
    assert not is_grey(small[80, 150])


def test_a_mesh_whose_points_lie_on_no_grid_is_drawn_as_points_where_they_are() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.random(200), rng.random(200)
    reading = Reading(columns=(column("x", x), column("y", y), column("d", np.round(1e4 * x))))
    command = parse("mesh x 0 1 14 y 0 1 14 1")
    image = only(draw(reading, command, MAP_CHOICE, "m", 225))
    assert image.preview.caption == "d over x and y, log counts, 200 points that lie on no grid"
    brightness = pixels(image.small).astype(int).sum(axis=-1)
    bright = (brightness > 380) & (brightness < 740)  # neither dark nor paper
    assert bright[:, 116:].sum() > 3 * bright[:, :60].sum(), "the signal grows with x"


def test_a_single_bright_pixel_survives_scaling_down() -> None:
    image = np.ones((2167, 2070), dtype=np.float32)
    image[1500, 700] = 1e6
    drawn = only(of_frames(frames(lambda _: image)))
    assert "maximum of blocks 13 × 13, maximum 1000000" in drawn.preview.caption
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
        if number == 1:
            raise CatalogError("the filter is unknown", where="raw/s/p100k/s_master.h5")
        return np.ones((4, 4), dtype=np.float32)

    drawing = of_frames(frames(load, 5))
    assert len(drawing.images) == 1
    assert drawing.problems == (Problem(where="raw/s/p100k/s_master.h5", what="frame 1: the filter is unknown"),)


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
