"""What a configuration does to the scans the catalogue holds, told before a build applies it.

Knows rules and the order in which they speak; reads records, and writes nothing.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from catalog_builder.config import Rule, Settings
from catalog_builder.errors import CatalogError
from catalog_builder.merge import merged, suggested_for
from catalog_builder.names import split_key
from catalog_builder.records import Beamtime, Scan
from catalog_builder.recordstore import RecordStore

_NAMED = 5
"""Scans named of each rule."""


@dataclass(slots=True)
class RuleHits:
    """What one rule hits."""

    rule: Rule
    scans: list[str] = field(default_factory=list)
    """Keys."""
    flagged: int = 0
    """Scans that have their flag from this rule: no file and no earlier rule speaks before it."""
    grouped: int = 0
    """Scans that are in their dataset by this rule."""


def rule_hits(store: RecordStore, settings: Settings) -> tuple[list[RuleHits], int]:
    """Give what each rule hits, in their order, and the number of scans that were looked at.

    Raises CatalogError where a record cannot be loaded.
    """
    hits = [RuleHits(rule) for rule in settings.rules]
    looked_at = 0
    for id in store.beamtime_ids():
        beamtime = store.beamtime(id)
        scans = [store.scan(f"scan:{id}/{name}") for name in store.scan_names(id)]
        looked_at += len(scans)
        for each in hits:
            each.scans += [scan.key for scan in scans if _is_hit(each.rule, beamtime, scan)]
        _count_effects(hits, beamtime, scans, settings)
    return hits, looked_at


def _is_hit(rule: Rule, beamtime: Beamtime, scan: Scan) -> bool:
    found = suggested_for(beamtime, scan, (rule,))
    return bool(found.flag or found.keywords or found.group)


def _count_effects(hits: Iterable[RuleHits], beamtime: Beamtime, scans: Sequence[Scan], settings: Settings) -> None:
    by_name = {each.rule.name: each for each in hits}
    for dataset in merged(beamtime, scans, {}, settings):
        for scan in dataset.scans:
            for name in ("flag", "dataset"):
                origin = scan.origin[name]
                if origin.source == "rule" and origin.name in by_name:
                    each = by_name[origin.name]
                    each.flagged += name == "flag"
                    each.grouped += name == "dataset"


def told(hits: Sequence[RuleHits], looked_at: int) -> Iterator[str]:
    """Say what the rules hit, line by line."""
    if not hits:
        yield "site_config.yaml has no rules"
    for each in hits:
        count = len(each.scans)
        yield f"rule {each.rule.name!r} hits {count or 'none'} of {looked_at} scans"
        if not count:
            continue
        wanted = each.rule.set
        if wanted.flag:
            yield f"    flag {wanted.flag}: {_effect(each.flagged, count)}"
        if wanted.keywords:
            yield f"    keywords {', '.join(wanted.keywords)}"
        if wanted.group:
            yield f"    dataset {wanted.group!r}: {_effect(each.grouped, count)}"
        names = ["/".join(split_key(key)[1:]) for key in each.scans[:_NAMED]]
        more = f" and {count - _NAMED} more" if count > _NAMED else ""
        yield f"    {', '.join(names)}{more}"


def _effect(applied: int, hits: int) -> str:
    if applied == hits:
        return "applies to all of them"
    return f"applies to {applied} of them; for the others a file or an earlier rule speaks"


def must_be_built(store: RecordStore) -> None:
    """Raise CatalogError where there is nothing yet to try rules on."""
    if not store.beamtime_ids():
        raise CatalogError("the catalogue holds no scans to try the rules on", remedy="run: catbuild build")
