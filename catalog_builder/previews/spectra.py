"""Spectra of multichannel analysers: one as a curve, several as a map of point over channel.

Knows spectra; does not know how they are stored.
"""

from dataclasses import replace

import numpy as np

from catalog_builder.curves import is_counts
from catalog_builder.previews import Attempt, Sketch, Subject
from catalog_builder.previews.colours import value_scale
from catalog_builder.previews.heat import Heat, cells, draw_large, draw_small, edges
from catalog_builder.previews.lines import draw_curve
from catalog_builder.previews.scales import measured
from catalog_builder.records import Command
from catalog_builder.signals import Choice, Column, Spectra

MOST_DETECTORS = 3


def draw_spectra(subject: Subject) -> Attempt:
    """Draw the spectra of each analyser."""
    attempts = [_of_detector(subject, spectra) for spectra in subject.reading.spectra[:MOST_DETECTORS]]
    return Attempt(
        sketches=tuple(sketch for attempt in attempts for sketch in attempt.sketches),
        reason="; ".join(attempt.reason for attempt in attempts if attempt.reason) or None,
    )


def _of_detector(subject: Subject, spectra: Spectra) -> Attempt:
    values = measured(np.asarray(spectra.values, dtype=np.float64))
    if values.ndim != 2 or not np.isfinite(values).any():
        return Attempt(reason=f"{spectra.detector} has no spectrum")
    if len(values) == 1:
        return _alone(subject, spectra, values[0])
    return _one_by_one(subject, spectra, values)


def _channels(spectra: Spectra, count: int) -> Column:
    """Give the energies, or the channels' numbers where there are none that grow."""
    energy = spectra.energy
    if energy is not None and len(energy.values) == count:
        places = measured(energy.values)
        if np.isfinite(places).all() and (np.diff(places) > 0).all():
            return replace(energy, values=places)
    return Column(name="channel", values=np.arange(count, dtype=np.float64))


def _alone(subject: Subject, spectra: Spectra, values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Attempt:
    channels = _channels(spectra, len(values))
    signal = Column(name=spectra.detector, values=values)
    if signal.name == channels.name:
        signal = replace(signal, name=f"{signal.name} counts")
    reading = replace(subject.reading, columns=(channels, signal))
    choice = Choice(signals=(signal.name,), axes=(channels.name,), reason="a spectrum")
    none = Command(text="", macro="")
    attempt = draw_curve(replace(subject, reading=reading, choice=choice, command=none, planned=None))
    return replace(attempt, sketches=tuple(replace(sketch, kind="spectra") for sketch in attempt.sketches))


def _one_by_one(
    subject: Subject, spectra: Spectra, values: np.ndarray[tuple[int, int], np.dtype[np.float64]]
) -> Attempt:
    channels = _channels(spectra, values.shape[1])
    points = edges(np.arange(len(values), dtype=np.float64))
    across = edges(channels.values)
    scale = value_scale(values)
    unit = "counts" if is_counts(values) else "values"
    heat = Heat(
        title=subject.title,
        subject=spectra.detector,
        paint=cells(values[::-1], across, points, scale),
        across=(float(across[0]), float(across[-1])),
        up=(float(points[0]), float(points[-1])),
        labels=((channels.name, channels.unit), ("point", None)),
        value=(unit, None),
        scale=scale,
        missing="not recorded" if np.isnan(values).any() else None,
        whole=(channels.name == "channel", True),
    )
    caption = (
        f"{spectra.detector}, {len(values)} spectra point by point over {channels.name}, "
        f"{'log ' if scale.log else ''}{unit}"
    )
    sketch = Sketch(kind="spectra", caption=caption, large=draw_large(heat), small=lambda: draw_small(heat))
    return Attempt(sketches=(sketch,))
