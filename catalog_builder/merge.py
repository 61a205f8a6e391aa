"""From the scans of a beamtime to its datasets, each value with where it came from.

Knows the order in which files, rules and defaults speak; does not know how scans were read or how pages look.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from catalog_builder.config import QuantitySettings, Rule, Settings
from catalog_builder.names import dataset_key, readable, segment
from catalog_builder.records import (
    Beamtime,
    CuratedDataset,
    CuratedScan,
    Dataset,
    Json,
    OnDisk,
    Origin,
    Quantity,
    Scan,
)
from catalog_builder.rules import Suggested, suggestions

_DEFAULT = Origin(source="default")
_FILE = Origin(source="file")
_NEVER = datetime.max.replace(tzinfo=UTC)


def merged(
    beamtime: Beamtime, scans: Iterable[Scan], on_disk: Mapping[str, OnDisk], settings: Settings
) -> list[CuratedDataset]:
    """Group a beamtime's scans into datasets and fold each, by key.

    Parameters
    ----------
    on_disk
        State of each scan's raw data, by key.
    """
    groups: dict[str, list[CuratedScan]] = {}
    titles: dict[str, str] = {}
    for scan in scans:
        curated, title = _curated(beamtime, scan, on_disk.get(scan.key, "unknown"), settings)
        groups.setdefault(curated.dataset, []).append(curated)
        titles.setdefault(curated.dataset, title)
    return [_folded(beamtime, key, titles[key], groups[key], settings) for key in sorted(groups)]


def _curated(beamtime: Beamtime, scan: Scan, on_disk: OnDisk, settings: Settings) -> tuple[CuratedScan, str]:
    """Give a scan's effective values, and the title of the dataset it goes to."""
    suggested = suggested_for(beamtime, scan, settings.rules)
    flag, flag_origin = _flag(scan, suggested, settings)
    slug, title, group_origin = _group(beamtime, scan, suggested, settings)
    origin = {
        "flag": flag_origin,
        "dataset": group_origin,
        "sample": _FILE if scan.sample else _DEFAULT,
        "title": _FILE if scan.title else _DEFAULT,
        **{f"keywords.{word.value}": Origin(source="rule", name=word.rule) for word in suggested.keywords},
    }
    curated = CuratedScan(
        facts=scan,
        flag=flag,
        keywords=tuple(word.value for word in suggested.keywords),
        sample=scan.sample,
        title=scan.title,
        dataset=dataset_key(beamtime.id, slug),
        on_disk=on_disk,
        quantities=tuple(
            quantity
            for name, wanted in settings.quantities.items()
            if (quantity := scan_quantity(scan, name, wanted)) is not None
        ),
        origin=origin,
    )
    return curated, title


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
    beamtime: Beamtime, key: str, title: str, scans: Sequence[CuratedScan], settings: Settings
) -> CuratedDataset:
    ordered = sorted(scans, key=lambda scan: (scan.facts.started or _NEVER, scan.facts.name))
    samples = Counter(scan.sample for scan in ordered if scan.sample)
    flags = {scan.flag for scan in ordered}
    files = {(file.path, file.suffix): file for scan in ordered for file in scan.facts.files}
    facts = Dataset(
        key=key,
        slug=key.partition("/")[2],
        beamtime=beamtime.id,
        title=title,
        sample=min(samples, key=lambda name: (-samples[name], name)) if samples else None,
        samples=tuple(sorted(samples)),
        scans=tuple(scan.facts.key for scan in ordered),
        started=min((s.facts.started for s in ordered if s.facts.started), default=None),
        ended=max((t for s in ordered if (t := s.facts.ended or s.facts.started)), default=None),
        flags=tuple(flag for flag in settings.flags if flag in flags),
        keywords=_union(scan.keywords for scan in ordered),
        macros=_union([scan.facts.command.macro] if scan.facts.command.macro else [] for scan in ordered),
        detectors=_union(scan.facts.detectors for scan in ordered),
        quantities=folded_quantities([scan.quantities for scan in ordered]),
        size=sum(file.size for file in files.values()),
        files=sum(file.count for file in files.values()),
        on_disk=folded_on_disk([scan.on_disk for scan in ordered]),
        main_scan=_main_scan(ordered, settings.flags[0]),
    )
    return CuratedDataset(facts=facts, scans=tuple(ordered), origin={"title": ordered[0].origin["dataset"]})


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
