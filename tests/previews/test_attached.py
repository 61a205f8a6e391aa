"""Pictures that lay beside a scan."""

import io
import zlib

import numpy as np
import pytest
from PIL import Image as Pillow

from catalog_builder import commands
from catalog_builder.previews import draw
from catalog_builder.previews.sheet import LARGE, SMALL
from catalog_builder.signals import Picture, Reading, choose


def picture(size: tuple[int, int] = (30, 20), kind: str = "PNG", mode: str = "RGB", **info: str) -> bytes:
    out = io.BytesIO()
    image = Pillow.new(mode, size, (200, 30, 30, 0) if mode == "RGBA" else (200, 30, 30))
    image.save(out, kind, **({"comment": b"secret"} if info and kind == "JPEG" else {}))
    return out.getvalue()


def drawn(*contents: bytes) -> object:
    pictures = tuple(Picture(where="a_1.attachment.json", caption="q map", content=content) for content in contents)
    reading = Reading(pictures=pictures)
    command = commands.parse("")
    return draw(reading, command, choose(reading, command), "a_1")


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_picture_becomes_a_preview_of_the_usual_sizes(kind: str) -> None:
    drawing = drawn(picture(kind=kind))
    (image,) = drawing.images  # type: ignore[attr-defined]
    assert (image.preview.name, image.preview.kind, image.preview.caption) == ("preview", "attached", "q map")
    with Pillow.open(io.BytesIO(image.large)) as large, Pillow.open(io.BytesIO(image.small)) as small:
        assert (large.size, small.size) == (LARGE, SMALL)
        red = np.asarray(large.convert("RGB")).reshape(-1, 3)
        assert (np.abs(red.astype(int) - (200, 30, 30)).max(axis=1) < 12).any()


def test_what_is_hidden_in_a_picture_is_not_handed_on() -> None:
    (image,) = drawn(picture(kind="JPEG", comment="secret")).images  # type: ignore[attr-defined]
    assert b"secret" in picture(kind="JPEG", comment="secret")
    assert b"secret" not in image.large + image.small


def test_transparency_is_paper() -> None:
    (image,) = drawn(picture(mode="RGBA")).images  # type: ignore[attr-defined]
    with Pillow.open(io.BytesIO(image.small)) as small:
        assert (np.asarray(small.convert("RGB")) == 255).all()


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n", b"GIF89a" + bytes(50), picture()[:60], b"<svg/>"])
def test_a_damaged_picture_is_a_problem_and_no_preview(content: bytes) -> None:
    drawing = drawn(content)
    assert drawing.images == ()  # type: ignore[attr-defined]
    (problem,) = drawing.problems  # type: ignore[attr-defined]
    assert (problem.where, problem.what) == (
        "a_1.attachment.json",
        "the picture in it is damaged, or no PNG or JPEG",
    )


@pytest.mark.parametrize("edge", [6_000, 10_000, 30_000])
def test_a_picture_with_absurdly_many_pixels_is_refused_before_it_is_decoded(edge: int) -> None:
    content = bytearray(picture())
    content[16:24] = edge.to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    drawing = drawn(bytes(content))
    assert drawing.images == ()  # type: ignore[attr-defined]
    (problem,) = drawing.problems  # type: ignore[attr-defined]
    assert ("too many" if edge == 6_000 else "damaged") in problem.what  # from 9,500 on Pillow itself refuses
