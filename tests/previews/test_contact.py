"""Contact sheets: what stands on them, and that a missing picture is said to be missing."""

from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from catalog_builder.places import Places
from catalog_builder.previews.contact import COLUMNS, ROWS, contact_sheet
from catalog_builder.previews.sheet import LARGE, SMALL, png
from catalog_builder.records import Command, Preview, Scan

RED = (216, 0, 0)


def scan(name: str, *previews: str, reason: str | None = None) -> Scan:
    return Scan(
        key=f"scan:11000001/{name}",
        name=name,
        stem=name,
        beamtime="11000001",
        command=Command(text="", macro=""),
        previews=tuple(Preview(name=one, kind="curve", caption="roi1 over om") for one in previews),
        no_preview=reason,
    )


def drawn(places: Places, name: str, *files: str) -> None:
    folder = places.scan_previews(f"scan:11000001/{name}")
    folder.mkdir(parents=True)
    for file in files:
        columns, rows = SMALL if file == "thumb" else LARGE
        (folder / f"{file}.png").write_bytes(png(np.full((rows, columns, 3), RED, dtype=np.uint8)))


def reds(page: Path) -> int:
    with Pillow.open(page) as opened:
        pixels = np.array(opened.convert("RGB")).astype(int)
    return int((np.abs(pixels - RED).max(axis=-1) <= 8).sum())


def test_a_page_shows_each_picture_at_the_size_of_the_site_and_the_thumbnail(tmp_path: Path) -> None:
    places = Places(tmp_path / "cat")
    drawn(places, "a", "preview", "thumb", "preview-2")
    (page,) = contact_sheet(places, [scan("a", "preview", "preview-2")], tmp_path / "out")
    assert page == tmp_path / "out" / "contact-001.png"
    assert reds(page) == 2 * 440 * 268 + 88 * 44


def test_a_scan_without_preview_is_there_with_its_reason(tmp_path: Path) -> None:
    places = Places(tmp_path / "cat")
    with_reason = contact_sheet(places, [scan("a", reason="no point was recorded")], tmp_path / "one")
    with_other = contact_sheet(places, [scan("a", reason="no channel was recorded")], tmp_path / "two")
    assert with_reason[0].read_bytes() != with_other[0].read_bytes()


def test_a_picture_that_is_missing_or_damaged_does_not_stop_the_sheet(tmp_path: Path) -> None:
    places = Places(tmp_path / "cat")
    drawn(places, "a")
    (places.scan_previews("scan:11000001/a") / "preview-2.png").write_bytes(b"no picture")
    (page,) = contact_sheet(places, [scan("a", "preview", "preview-2")], tmp_path)
    assert reds(page) == 0


def test_pages_are_full_before_the_next_begins_and_old_ones_go(tmp_path: Path) -> None:
    places = Places(tmp_path / "cat")
    many = [scan(f"s{number}", reason="none") for number in range(COLUMNS * ROWS + 1)]
    pages = contact_sheet(places, many, tmp_path)
    assert [page.name for page in pages] == ["contact-001.png", "contact-002.png"]
    assert contact_sheet(places, many[:3], tmp_path) == pages[:1]
    assert not pages[1].exists()
    assert contact_sheet(places, [], tmp_path) == []


def test_a_dark_desk_is_dark(tmp_path: Path) -> None:
    (page,) = contact_sheet(Places(tmp_path), [scan("a", reason="none")], tmp_path, dark=True)
    with Pillow.open(page) as opened:
        assert np.array(opened.convert("L"))[2, 2] < 60
