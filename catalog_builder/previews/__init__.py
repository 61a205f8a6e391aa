"""Previews: the PNGs made of a scan, a small one of the first for lists.

Knows which kinds there are, in what order they come and when there is none; does not know how one is drawn or
where it is kept.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from catalog_builder.records import Command, Preview, PreviewKind, Problem
from catalog_builder.registry import Registry
from catalog_builder.signals import Choice, Reading

VERSION = 2
"""Raised whenever the same reading would be drawn differently."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A scan as it stands before whoever draws it."""

    reading: Reading
    command: Command
    choice: Choice
    title: str
    """The scan's name."""
    planned: int | None = None
    """Points the command asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sketch:
    """One picture, before it has its place among a scan's previews."""

    kind: PreviewKind
    caption: str
    large: bytes
    """PNG, 880 x 536 px, to be shown at half that."""
    small: Callable[[], bytes]
    """Draws the PNG of 176 x 88 px, to be shown at half that; asked of the first sketch alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What came of drawing one kind."""

    sketches: tuple[Sketch, ...] = ()
    reason: str | None = None
    """Why there is no sketch, where something could have been expected."""
    problems: tuple[Problem, ...] = ()
    telling: bool = True
    """False where a picture of another kind, if there is one, says more of the scan: a single point, a constant."""


class Drawer(Protocol):
    """Draws one kind of preview."""

    def __call__(self, subject: Subject) -> Attempt:
        """Draw what the subject has of this kind; never raises for what a file holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnImage:
    """A preview and its bytes."""

    preview: Preview
    large: bytes
    small: bytes | None
    """Of the main preview only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """All previews of a scan, the main one first."""

    images: tuple[DrawnImage, ...] = ()
    no_preview: str | None = None
    """In plain words, where there is no image."""
    problems: tuple[Problem, ...] = ()


DRAWERS: Registry[Drawer] = Registry(
    "previews",
    {
        "map": "catalog_builder.previews.grids:draw_map",
        "curve": "catalog_builder.previews.lines:draw_curve",
        "spectra": "catalog_builder.previews.spectra:draw_spectra",
        "frame": "catalog_builder.previews.images:draw_frames",
        "attached": "catalog_builder.previews.attached:draw_attached",
    },
)


def draw(reading: Reading, command: Command, choice: Choice, title: str, planned: int | None = None) -> Drawing:
    """Draw a scan's previews: a map where it has one, else its curve, then spectra, then frames of each detector, then
    pictures that lay beside it.

    A curve of a single point or of one value throughout comes last. The same scan gives the same bytes, whatever
    was drawn before it.

    Parameters
    ----------
    title
        The scan's name.
    planned
        Points the command asked for; a scan with fewer says so on the preview.
    """
    subject = Subject(reading=reading, command=command, choice=choice, title=title, planned=planned)
    first = DRAWERS.get("map")(subject)
    attempts = [] if _is_one_spectrum(reading) else [first if first.sketches else DRAWERS.get("curve")(subject)]
    attempts += [DRAWERS.get(kind)(subject) for kind in ("spectra", "frame", "attached")]
    ordered = sorted(attempts, key=lambda attempt: not attempt.telling)
    sketches = [sketch for attempt in ordered for sketch in attempt.sketches]
    reasons = dict.fromkeys(attempt.reason for attempt in attempts if attempt.reason)
    return Drawing(
        images=tuple(_placed(sketch, number) for number, sketch in enumerate(sketches, start=1)),
        no_preview=None if sketches else "; ".join(reasons) or "there is nothing to draw",
        problems=tuple(problem for attempt in attempts for problem in attempt.problems),
    )


def _is_one_spectrum(reading: Reading) -> bool:
    """Tell a file of one spectrum, whose only column is the spectrum itself."""
    columns, spectra = reading.columns, reading.spectra
    return len(columns) == 1 == len(spectra) and spectra[0].values.shape == (1, len(columns[0].values))


def _placed(sketch: Sketch, number: int) -> DrawnImage:
    name = "preview" if number == 1 else f"preview-{number}"
    return DrawnImage(
        preview=Preview(name=name, kind=sketch.kind, caption=sketch.caption),
        large=sketch.large,
        small=sketch.small() if number == 1 else None,
    )
