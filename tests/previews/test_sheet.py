"""The sheet: text that fits, and PNGs that do not vary."""

import io

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow

from catalog_builder.previews.sheet import SMALL, blank, fitted, legible, png, text_width


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
