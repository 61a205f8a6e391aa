"""The numbers of a dataset or scan that can be compared and sorted by, with their names and units.

Knows what of a record is a number; does not know how documents are kept or asked for.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, tzinfo
from functools import lru_cache

from catalog_builder.records import Beamtime, Channel, CuratedDataset, CuratedScan, Quantity
from catalog_builder.search.text import folded
from catalog_builder.search.units import spelt

_FIXED_UNITS: Mapping[str, str] = {"size": "B", "exposure": "s", "duration": "s"}

_UNASKABLE = re.compile(r"[^\w.\-]+")


@lru_cache(maxsize=8192)
def number_name(name: str) -> str:
    """Give the name a number is asked for by: folded, and what cannot stand before a colon as ``_``.

    ``Two Theta`` is ``two_theta``.
    """
    return _UNASKABLE.sub("_", folded(name))


def date_of(started: datetime | None) -> dict[str, float]:
    """Give ``date``, s since 1970, where it is known."""
    return {} if started is None else {"date": started.timestamp()}


def year_of(beamtime: Beamtime, started: datetime | None, zone: tzinfo) -> int | None:
    """Give the year of a time, so that it is its month's; without one that of the beamtime."""
    return beamtime.year if started is None else started.astimezone(zone).year


def _times(beamtime: Beamtime, started: datetime | None, ended: datetime | None, zone: tzinfo) -> dict[str, float]:
    """Give ``date`` (s since 1970), ``year`` and ``duration`` (s), as far as they are known."""
    times = date_of(started)
    if (year := year_of(beamtime, started, zone)) is not None:
        times["year"] = float(year)
    if started is not None and ended is not None and ended >= started:
        times["duration"] = (ended - started).total_seconds()
    return times


def dataset_numbers(beamtime: Beamtime, dataset: CuratedDataset, zone: tzinfo) -> dict[str, float]:
    """Give a dataset's numbers: sums, spans and averages over its scans."""
    facts = dataset.facts
    return (
        _figures(facts.quantities)
        | _times(beamtime, facts.started, facts.ended, zone)
        | {
            "points": float(sum(scan.facts.points for scan in dataset.scans)),
            "scans": float(len(facts.scans)),
            "size": float(facts.size),
        }
    )


def scan_numbers(beamtime: Beamtime, scan: CuratedScan, zone: tzinfo) -> dict[str, float]:
    """Give a scan's numbers: where positioners stood, what channels reached, quantities, sizes and times."""
    facts = scan.facts
    numbers = {number_name(f"positioner.{name}"): value for name, value in facts.positioners.items()}
    for channel in facts.channels:
        numbers |= _extremes(channel)
    numbers |= _figures(scan.quantities)
    numbers |= _times(beamtime, facts.started, facts.ended, zone)
    numbers["points"] = float(facts.points)
    numbers["size"] = float(sum(file.size for file in facts.files))
    if facts.number is not None:
        numbers["number"] = float(facts.number)
    if facts.command.exposure is not None:
        numbers["exposure"] = facts.command.exposure
    return numbers


def _extremes(channel: Channel) -> dict[str, float]:
    name = number_name(f"channel.{channel.name}")
    extremes = {"min": channel.minimum, "max": channel.maximum, "mean": channel.mean}
    return {f"{name}.{end}": value for end, value in extremes.items() if value is not None}


def _figures(quantities: Iterable[Quantity]) -> dict[str, float]:
    """Give averages by the quantity's bare name, and its extremes; of two with one name the first speaks."""
    figures: dict[str, float] = {}
    for quantity in reversed(list(quantities)):
        name = number_name(quantity.name)
        figures |= {name: quantity.average, f"{name}.min": quantity.minimum, f"{name}.max": quantity.maximum}
    return figures


def scan_units(scan: CuratedScan) -> dict[str, str]:
    """Give the units of a scan's numbers, as far as they are known."""
    facts = scan.facts
    units: dict[str, str] = {}
    for name in facts.positioners:
        if unit := spelt(facts.units.get(name)):
            units[number_name(f"positioner.{name}")] = unit
    for channel in facts.channels:
        if unit := spelt(channel.unit or facts.units.get(channel.name)):
            units |= {f"{number_name(f'channel.{channel.name}')}.{end}": unit for end in ("min", "max", "mean")}
    return {**units, **_units_of(scan.quantities), **_FIXED_UNITS}


def dataset_units(dataset: CuratedDataset) -> dict[str, str]:
    """Give the units of a dataset's numbers, as far as they are known."""
    return {**_units_of(dataset.facts.quantities), **_FIXED_UNITS}


def _units_of(quantities: Iterable[Quantity]) -> dict[str, str]:
    units: dict[str, str] = {}
    for quantity in reversed(list(quantities)):
        name = number_name(quantity.name)
        for each in (name, f"{name}.min", f"{name}.max"):
            units.pop(each, None)
            if unit := spelt(quantity.unit):
                units[each] = unit
    return units
