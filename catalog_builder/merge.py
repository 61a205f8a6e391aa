"""From the scans of a beamtime and the remarks on them to its datasets, each value with where it came from.

Knows the order in which people, files, rules and defaults speak; does not know how scans were read or how pages look.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from catalog_builder.config import QuantitySettings, Rule, Settings
from catalog_builder.names import dataset_key, is_segment, readable, segment
from catalog_builder.records import (
    Beamtime,
    CuratedDataset,
    CuratedScan,
    DataFile,
    Dataset,
    Json,
    OnDisk,
    Origin,
    Quantity,
    Remark,
    Scan,
    Underlying,
)
from catalog_builder.remarks import Curation, curations, said_by, with_words
from catalog_builder.rules import Suggested, suggestions

_DEFAULT = Origin(source="default")
_FILE = Origin(source="file")
_UNSAID = Curation()
_NEVER = datetime.max.replace(tzinfo=UTC)


def merged(
    beamtime: Beamtime,
    scans: Iterable[Scan],
    on_disk: Mapping[str, OnDisk],
    settings: Settings,
    remarks: Iterable[Remark] = (),
) -> list[CuratedDataset]:
    """Group a beamtime's scans into datasets and fold each, by key.

    Parameters
    ----------
    on_disk
        State of each scan's raw data, by key.
    remarks
        All that people said of this beamtime, in any order; what concerns nothing that is here is left alone.
    """
    said = curations(remarks)
    groups: dict[str, list[CuratedScan]] = {}
    titles: dict[str, str] = {}
    for scan in scans:
        found = found_for(beamtime, scan, settings)
        curated = _curated(scan, found, on_disk.get(scan.key, "unknown"), settings, said.get(scan.key, _UNSAID))
        groups.setdefault(curated.dataset, []).append(curated)
        titles.setdefault(dataset_key(beamtime.id, found.slug), found.group_title)
    return [
        _folded(beamtime, key, titles.get(key), groups[key], settings, said.get(key, _UNSAID)) for key in sorted(groups)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What files, rules and defaults say of a scan, before people do."""

    flag: str
    keywords: tuple[str, ...]
    title: str | None
    slug: str
    """Of the dataset it would be in."""
    group_title: str
    """Title of that dataset."""
    origin: Mapping[str, Origin]
    """As in CuratedScan."""

    def underlying(self, field: str) -> Underlying | None:
        """Give the value beneath a field of remarks; None where it has no such field."""
        if field == "flag":
            return Underlying(value=self.flag, origin=self.origin["flag"])
        if field == "title":
            return Underlying(value=self.title, origin=self.origin["title"])
        if field == "group":
            return Underlying(value=self.slug, origin=self.origin["dataset"])
        if field == "keywords":
            rules = {self.origin[f"keywords.{word}"].name for word in self.keywords}
            by = Origin(source="rule", name=rules.pop() if len(rules) == 1 else None) if self.keywords else _DEFAULT
            return Underlying(value=list(self.keywords), origin=by)
        return None


def found_for(beamtime: Beamtime, scan: Scan, settings: Settings) -> Found:
    """Give what files, rules and defaults say of a scan."""
    suggested = suggested_for(beamtime, scan, settings.rules)
    flag, flag_origin = _flag(scan, suggested, settings)
    slug, group_title, group_origin = _group(beamtime, scan, suggested, settings)
    origin = {
        "flag": flag_origin,
        "dataset": group_origin,
        "sample": _FILE if scan.sample else _DEFAULT,
        "title": _FILE if scan.title else _DEFAULT,
        **{f"keywords.{word.value}": Origin(source="rule", name=word.rule) for word in suggested.keywords},
    }
    keywords = tuple(word.value for word in suggested.keywords)
    return Found(flag=flag, keywords=keywords, title=scan.title, slug=slug, group_title=group_title, origin=origin)


def _curated(scan: Scan, found: Found, on_disk: OnDisk, settings: Settings, said: Curation) -> CuratedScan:
    """Give a scan's effective values: what a person said comes first."""
    values = {name: str(remark.new) for name, remark in said.values.items()}
    if not is_segment(values.get("group", found.slug)):  # nobody can write it by way of this program
        ungrouped = {name: remark for name, remark in said.values.items() if name != "group"}
        return _curated(scan, found, on_disk, settings, Curation(values=ungrouped, words=said.words))
    words = said.words.get("keywords", {})
    keywords = with_words(found.keywords, words)
    underlying = _underlying(found, [*values, *said.words])
    return CuratedScan(
        facts=scan,
        flag=values.get("flag", found.flag),
        keywords=keywords,
        sample=scan.sample,
        title=values.get("title", found.title),
        dataset=dataset_key(scan.beamtime, values.get("group", found.slug)),
        on_disk=on_disk,
        quantities=tuple(
            quantity
            for name, wanted in settings.quantities.items()
            if (quantity := scan_quantity(scan, name, wanted)) is not None
        ),
        origin={
            **{name: origin for name, origin in found.origin.items() if name.partition(".")[0] != "keywords"},
            **{f"keywords.{word}": found.origin[f"keywords.{word}"] for word in keywords if word not in words},
            **_origin(said, keywords),
        },
        underlying=underlying,
        conflicts=_conflicts(said, underlying),
    )


def _underlying(found: Found, fields: Iterable[str]) -> dict[str, Underlying]:
    """Give what lies beneath each field people set, by name."""
    return {name: beneath for name in sorted(fields) if (beneath := found.underlying(name)) is not None}


def _origin(said: Curation, keywords: Iterable[str]) -> dict[str, Origin]:
    """Give the origins of all that people set."""
    words = said.words.get("keywords", {})
    return {
        **{"dataset" if name == "group" else name: said_by(remark) for name, remark in said.values.items()},
        **{f"keywords.{word}": said_by(words[word]) for word in keywords if word in words},
    }


def _conflicts(said: Curation, underlying: Mapping[str, Underlying]) -> tuple[str, ...]:
    """Name the fields whose facts changed since a person set them; words that add up never conflict."""
    return tuple(
        name
        for name, beneath in underlying.items()
        if name in said.values and beneath.value not in (said.values[name].underlying, said.values[name].new)
    )


def suggested_for(beamtime: Beamtime, scan: Scan, rules: Iterable[Rule]) -> Suggested:
    """Give what rules suggest for a scan."""
    return suggestions(
        rules,
        command=scan.command.text,
        title=scan.title,
        sample=scan.sample,
        setup=beamtime.setup,
        file=scan.source,
    )


def _flag(scan: Scan, suggested: Suggested, settings: Settings) -> tuple[str, Origin]:
    """Give the first flag that applies: the file's own word, a rule's, the default."""
    known = {flag.lower(): flag for flag in settings.flags}
    if scan.flag is not None and scan.flag.lower() in known:
        return known[scan.flag.lower()], _FILE
    if suggested.flag is not None:
        return suggested.flag.value, Origin(source="rule", name=suggested.flag.rule)
    return settings.flags[0], _DEFAULT


def _group(beamtime: Beamtime, scan: Scan, suggested: Suggested, settings: Settings) -> tuple[str, str, Origin]:
    """Give slug, title and origin of the dataset a scan belongs to, the first that applies."""
    listed = beamtime.scan_groups.get(scan.name)
    if listed is not None:
        return segment(listed), listed, _FILE
    if suggested.group is not None:
        group = suggested.group.value
        return segment(group), group, Origin(source="rule", name=suggested.group.rule)
    rule = Origin(source="default", name=settings.grouping)
    if settings.grouping == "sample" and scan.sample:
        return segment(scan.sample), scan.sample, rule
    slug = {"file": _file_slug(scan), "scan": scan.name}.get(settings.grouping, scan.stem)
    return slug, readable(slug), rule


def _file_slug(scan: Scan) -> str:
    """Give the name of the file a scan is in: its own without the measurement."""
    return scan.name.rpartition("~")[0] if scan.measurement else scan.name


def scan_quantity(scan: Scan, name: str, wanted: QuantitySettings) -> Quantity | None:
    """Give a figure of the scientific metadata from the first channel, positioner or parameter that has it."""
    channels = {channel.name: channel for channel in scan.channels}
    for source in wanted.source:
        channel = channels.get(source)
        unit = scan.units.get(source) or wanted.unit
        if channel and channel.mean is not None and channel.minimum is not None and channel.maximum is not None:
            return Quantity(
                name=name,
                unit=unit,
                average=channel.mean,
                minimum=channel.minimum,
                maximum=channel.maximum,
                source=source,
            )
        if source in scan.positioners:
            value = scan.positioners[source]
            return Quantity(name=name, unit=unit, average=value, minimum=value, maximum=value, source=source)
        if values := _numbers(scan.parameters.get(source)):
            mean = sum(value / len(values) for value in values)
            return Quantity(name=name, unit=unit, average=mean, minimum=min(values), maximum=max(values), source=source)
    return None


def _numbers(parameter: Json) -> list[float]:
    """Give a parameter's numbers: its own, or those of a list of nothing else."""
    values = parameter if isinstance(parameter, list) else [parameter]
    numbers = [float(v) for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    return numbers if len(numbers) == len(values) else []


def _folded(
    beamtime: Beamtime, key: str, title: str | None, scans: Sequence[CuratedScan], settings: Settings, said: Curation
) -> CuratedDataset:
    """Fold scans to their dataset; its title is None where people alone made it."""
    slug = key.partition("/")[2]
    own = with_words((), said.words.get("keywords", {}))
    ordered = sorted(scans, key=lambda scan: (scan.facts.started or _NEVER, scan.facts.name))
    grouped = _grouped_by(ordered)
    beneath = Underlying(value=title or readable(slug), origin=grouped)
    samples = Counter(scan.sample for scan in ordered if scan.sample)
    flags = {scan.flag for scan in ordered}
    files: dict[tuple[str, str], DataFile] = {}
    for file in (file for scan in ordered for file in scan.facts.files):
        known = files.get((file.path, file.suffix))
        files[file.path, file.suffix] = file if known is None or file.size > known.size else known
    facts = Dataset(
        key=key,
        slug=slug,
        beamtime=beamtime.id,
        title=str(said.values["title"].new if "title" in said.values else beneath.value),
        sample=min(samples, key=lambda name: (-samples[name], name)) if samples else None,
        samples=tuple(sorted(samples)),
        scans=tuple(scan.facts.key for scan in ordered),
        started=min((s.facts.started for s in ordered if s.facts.started), default=None),
        ended=max((t for s in ordered if (t := s.facts.ended or s.facts.started)), default=None),
        flags=(*(flag for flag in settings.flags if flag in flags), *sorted(flags.difference(settings.flags))),
        keywords=_union([own, *(scan.keywords for scan in ordered)]),
        macros=_union([scan.facts.command.macro] if scan.facts.command.macro else [] for scan in ordered),
        detectors=_union(scan.facts.detectors for scan in ordered),
        quantities=folded_quantities([scan.quantities for scan in ordered]),
        size=sum(file.size for file in files.values()),
        files=sum(file.count for file in files.values()),
        on_disk=folded_on_disk([scan.on_disk for scan in ordered]),
        main_scan=_main_scan(ordered, settings.flags[0]),
    )
    underlying = {"title": beneath} if "title" in said.values else {}
    return CuratedDataset(
        facts=facts,
        scans=tuple(ordered),
        origin={"title": grouped, "scans": grouped, **_origin(said, own)},
        underlying=underlying,
        conflicts=_conflicts(said, underlying),
    )


def _grouped_by(scans: Sequence[CuratedScan]) -> Origin:
    """Give what made a dataset: files, rules or the default, where one of them put a scan there, else a person."""
    origins = [scan.origin["dataset"] for scan in scans]
    return next((origin for origin in origins if origin.source != "person"), origins[0])


def moved_slugs(datasets: Iterable[CuratedDataset], remarks: Iterable[Remark]) -> dict[str, tuple[str, ...]]:
    """Give the slugs that once named a dataset and hold no scan now, each with where its scans are.

    Parameters
    ----------
    datasets, remarks
        Of one beamtime, all of them.

    Returns
    -------
    Keys of datasets, those with the most of its scans first; an old address leads to the first.
    """
    now = {scan.facts.key: scan.dataset for dataset in datasets for scan in dataset.scans}
    held: dict[str, set[str]] = {}
    for remark in remarks:
        if remark.field == "group" and remark.target in now:
            for slug in (remark.underlying, remark.old, remark.new):
                if isinstance(slug, str):
                    held.setdefault(slug, set()).add(remark.target)
    current = {key.partition("/")[2] for key in now.values()}
    moved: dict[str, tuple[str, ...]] = {}
    for slug in sorted(held.keys() - current):
        counts = Counter(now[scan] for scan in held[slug])
        moved[slug] = tuple(sorted(counts, key=lambda key: (-counts[key], key)))
    return moved


def folded_quantities(scans: Iterable[Iterable[Quantity]]) -> tuple[Quantity, ...]:
    """Fold quantities of the same name and unit over scans: mean of averages, lowest and highest value."""
    by_name: dict[tuple[str, str | None], list[Quantity]] = {}
    for quantities in scans:
        for quantity in quantities:
            by_name.setdefault((quantity.name, quantity.unit), []).append(quantity)
    return tuple(
        Quantity(
            name=name,
            unit=unit,
            average=sum(each.average / len(group) for each in group),
            minimum=min(each.minimum for each in group),
            maximum=max(each.maximum for each in group),
            source=group[0].source,
        )
        for (name, unit), group in by_name.items()
    )


def folded_on_disk(states: Iterable[OnDisk]) -> OnDisk:
    """Fold the scans' states: their own where they agree, ``part`` where some are on disk."""
    found = set(states)
    if len(found) == 1:
        return found.pop()
    if found and found <= {"disk", "both"}:
        return "disk"
    return "part" if found & {"disk", "both"} else "tape" if "tape" in found else "unknown"


def _main_scan(scans: Sequence[CuratedScan], main_flag: str) -> str | None:
    """Give the scan whose preview stands for the dataset: of the first flag, drawn, with the most points."""
    drawn = [scan for scan in scans if scan.facts.previews]
    best = max(drawn, key=lambda scan: (scan.flag == main_flag, scan.facts.points), default=None)
    return None if best is None else best.facts.key


def _union(values: Iterable[Iterable[str]]) -> tuple[str, ...]:
    return tuple(sorted({value for group in values for value in group}))
