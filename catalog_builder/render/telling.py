"""What the last build said, in words and groups for people.

Knows the names of a build's report; does not know where the report lies or who may see what of it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from catalog_builder.records import Json
from catalog_builder.render.figures import lasted

_WORDS: Mapping[str, Mapping[str, str]] = {
    "In the catalogue": {"datasets": "Datasets", "scans": "Scans", "problems": "Problems"},
    "The last build": {
        "built": "Finished",
        "seconds": "Took",
        "read": "Sources read",
        "current": "Sources unchanged",
        "removed": "Sources no longer there",
        "failed": "Sources not readable",
        "pages_written": "Pages written",
    },
}
"""By group the names of a report that have a word of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Figures of a report that belong together."""

    label: str
    figures: tuple[tuple[str, Json], ...]
    """Word and value."""


_COUNTED = ("read", "current", "removed", "failed", "pages_written")


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What a build did for one beamtime."""

    beamtime: str
    counts: tuple[int, ...]
    """Sources read, unchanged, no longer there, not readable; pages written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A problem as the report names it."""

    beamtime: str
    """Empty where it is of no beamtime."""
    where: str
    what: str


def groups_of(report: Mapping[str, Json]) -> list[Group]:
    """Give a report's figures in groups, each once; one without a word of its own comes last, by its name."""
    known = dict(_figures(report))
    groups = []
    for label, words in _WORDS.items():
        found = tuple((word, known.pop(name)) for name, word in words.items() if known.get(name) is not None)
        groups.append(Group(label=label, figures=found))
    rest = tuple((name.replace("_", " ").capitalize(), value) for name, value in known.items() if value is not None)
    return [group for group in (*groups, Group(label="Other", figures=rest)) if group.figures]


def problems_of(report: Mapping[str, Json]) -> list[Told]:
    """Give a report's problems by beamtime, those of no beamtime first; a place is told below its beamtime."""
    listed = report.get("problems")
    told = [_told(one) for one in listed] if isinstance(listed, list) else []
    return sorted(told, key=lambda problem: problem.beamtime)


def beamtimes_of(report: Mapping[str, Json]) -> list[Looked]:
    """Give what the last build did for each beamtime it had something to do for, by id."""
    listed = report.get("beamtimes")
    told = listed if isinstance(listed, dict) else {}
    found = []
    for id, counts in sorted(told.items()):
        if isinstance(counts, dict):
            numbers = {name: value for name in _COUNTED if isinstance(value := counts.get(name), int)}
            if any(number for name, number in numbers.items() if name != "current"):
                found.append(Looked(beamtime=id, counts=tuple(numbers.get(name, 0) for name in _COUNTED)))
    return found


def newer_of(report: Mapping[str, Json]) -> list[Told]:
    """Give the sources that are newer on disk than in the catalogue, or still being written, by beamtime."""
    listed = report.get("newer_on_disk")
    told = listed if isinstance(listed, dict) else {}
    return [
        Told(beamtime=id, where=str(path), what="")
        for id, paths in sorted(told.items())
        for path in (paths if isinstance(paths, list) else [])
    ]


def _figures(report: Mapping[str, Json]) -> Iterator[tuple[str, Json]]:
    summary = report.get("summary")
    merged = {**report, **(summary if isinstance(summary, dict) else {})}
    for name, value in merged.items():
        if isinstance(value, list | dict):
            continue
        is_time = name == "seconds" and isinstance(value, int | float)
        yield name, lasted(float(value)) if is_time and isinstance(value, int | float) else value


def _told(problem: Json) -> Told:
    if not isinstance(problem, dict):
        return Told(beamtime="", where="", what=str(problem))
    beamtime = str(problem.get("beamtime") or "")
    where = str(problem.get("where") or "")
    return Told(
        beamtime=beamtime,
        where=where.removeprefix(f"{beamtime}/") if beamtime else where,
        what=str(problem.get("what") or ""),
    )
