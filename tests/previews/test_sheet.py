"""The sheet: text that fits, and PNGs that do not vary."""

import io
from collections.abc import Callable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image as Pillow

from catalog_builder.previews.colours import VIRIDIS
from catalog_builder.previews.sheet import MASKED, SATURATED, SMALL, Sheet, blank, fitted, legible, png, text_width


def test_characters_the_font_lacks_are_marked_as_missing() -> None:
    assert legible("om\t中\x00 µ") == "om \ufffd\ufffd µ"


@given(st.text(max_size=80), st.floats(20, 400))
def test_words_are_cut_to_their_room(words: str, room: float) -> None:
    assert text_width(fitted(words, 20, room), 20) <= room or fitted(words, 20, room) == "…"


def test_a_cut_name_keeps_both_its_ends() -> None:
    cut = fitted("gk_sto20_annealed_in_oxygen_at_1100_degrees_00173", 20, 200)
    assert cut.startswith("gk_")
    assert cut.endswith("173")
    assert "…" in cut


def test_an_image_with_more_colours_than_a_palette_holds_stays_close() -> None:
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, size=(40, 40, 3)).astype(np.uint8)
    again = np.array(Pillow.open(io.BytesIO(png(pixels))).convert("RGB"))
    assert np.abs(again.astype(int) - pixels).mean() < 35


def test_white_and_black_stay_what_they_are() -> None:
    pixels = np.array([[[255, 255, 255], [0, 0, 0]]], dtype=np.uint8)
    assert np.array_equal(np.array(Pillow.open(io.BytesIO(png(pixels))).convert("RGB")), pixels)


def test_a_sheet_begins_empty() -> None:
    with blank(SMALL) as sheet:
        sheet.text(20, 20, "left over", 20)
        written = sheet.png()
    with blank(SMALL) as sheet:
        empty = sheet.png()
    assert written != empty == png(np.full((88, 176, 3), 255, dtype=np.uint8))


def drawn(size: tuple[int, int], draw: Callable[[Sheet], None]) -> NDArray[np.uint8]:
    with blank(size) as sheet:
        draw(sheet)
        return np.array(Pillow.open(io.BytesIO(sheet.png())).convert("RGB"))


def test_places_count_from_the_lower_left_corner() -> None:
    filled = drawn((60, 40), lambda sheet: sheet.fill(10, 5, 20, 15, "#000000"))
    assert (filled[25:35, 10:20] == 0).all()
    assert (filled == 0).all(axis=-1).sum() == 100


def test_what_lies_outside_of_the_sheet_is_left_out() -> None:
    def outside(sheet: Sheet) -> None:
        sheet.text(-500, -20, "left below", 20)
        sheet.text(55, 38, "right above", 20, turned=True)
        sheet.fill(-10, -10, 2, 2, "#000000")
        sheet.dots(np.array([-50.0, 1e6]), np.array([5.0, 5.0]), "#000000", 4)

    assert (drawn((60, 40), outside)[38:, :2] == 0).all()


def test_turned_words_read_from_below_and_are_as_long_as_lying_ones() -> None:
    lying = drawn((200, 200), lambda sheet: sheet.text(100, 100, "Fij", 40, across="center", up="center"))
    turned = drawn((200, 200), lambda sheet: sheet.text(100, 100, "Fij", 40, across="center", up="center", turned=True))
    lying_at, turned_at = (np.argwhere((image < 128).all(axis=-1)) for image in (lying, turned))
    assert abs(np.ptp(lying_at[:, 1]) - np.ptp(turned_at[:, 0])) <= 2
    assert abs(np.rot90(lying).astype(int) - turned).mean() < 4


def test_a_line_is_as_wide_as_it_is_asked_to_be() -> None:
    level = drawn((60, 40), lambda sheet: sheet.line(np.array([5.0, 55.0]), np.array([20.0, 20.0]), "#000000", 4.0))
    ink = (255 - level[:, 30].astype(int)).sum() / (3 * 255)
    assert 3.5 < ink < 4.5


def test_a_line_is_broken_where_a_number_is_missing() -> None:
    x, y = np.array([5.0, 25.0, 30.0, 35.0, 55.0]), np.array([20.0, 20.0, np.nan, 20.0, 20.0])
    level = drawn((60, 40), lambda sheet: sheet.line(x, y, "#000000", 2.0))
    assert (level[:, 30] == 255).all()
    assert (level[:, 15] < 60).any()


def test_saturated_masked_and_measured_pixels_differ_with_every_kind_of_colour_vision() -> None:
    # Machado, Oliveira and Fernandes 2009, severity 1: protanopia, deuteranopia, tritanopia; and CIE L*a*b* distance
    kinds = np.array(
        [
            np.eye(3),
            [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
            [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
            [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
        ]
    )
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])

    def lab(colours: NDArray[np.float64], kind: NDArray[np.float64]) -> NDArray[np.float64]:
        share = colours / 255
        light = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
        x, y, z = np.cbrt(np.clip(light @ kind.T, 0, 1) @ to_xyz.T / (0.9505, 1, 1.089)).T
        return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)

    for kind in kinds:
        saturated, masked = (lab(np.array([colour], dtype=np.float64), kind) for colour in (SATURATED, MASKED))
        measured = lab(VIRIDIS.astype(np.float64), kind)
        assert np.linalg.norm(measured - saturated, axis=-1).min() > 30
        assert np.linalg.norm(masked - saturated) > 30
        assert np.linalg.norm(measured - masked, axis=-1).min() > 10
