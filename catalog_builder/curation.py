"""From what somebody wants of a scan or dataset to the remarks that say so.

Knows which scans a dataset holds now and what files and rules say of them; does not know who may speak, and does not
put anything on a page.
"""

from collections.abc import Iterable, Sequence
from itertools import chain

from catalog_builder.buildstate import BuildState
from catalog_builder.config import Settings
from catalog_builder.errors import CatalogError, did_you_mean
from catalog_builder.merge import found_for, merged
from catalog_builder.names import dataset_key, is_segment, readable, scan_key, segment, split_key
from catalog_builder.places import Places
from catalog_builder.records import CuratedDataset, Json, Remark
from catalog_builder.recordstore import RecordStore
from catalog_builder.remarks import Curation, Draft, Remarks, curations, field_named, listed


class Curator:
    """Drafts remarks on what the catalogue holds, remarks that wait to be built included.

    Parameters
    ----------
    state
        Of the last build; read only.
    """

    def __init__(self, settings: Settings, remarks: Remarks, state: BuildState) -> None:
        self.settings = settings
        self.remarks = remarks
        self.state = state
        self.store = RecordStore(Places(settings.catalogue))

    def key(self, text: str) -> str:
        """Give the key somebody means by a key or by ``<beamtime>/<name>``, a scan's before a dataset's.

        Raises CatalogError where there is no such scan or dataset.
        """
        kind, _, rest = text.rpartition(":")
        beamtime, _, name = rest.partition("/")
        if kind not in ("", "scan", "dataset") or not (is_segment(beamtime) and is_segment(name)):
            remedy = "a key looks like scan:11017404/gk_sto20_00173"
            raise CatalogError(f"{text[:200]!r} is neither a key nor <beamtime>/<name>", remedy=remedy)
        if kind != "dataset" and self.state.scan(scan_key(beamtime, name)) is not None:
            return scan_key(beamtime, name)
        if kind != "scan" and self.held(beamtime, [name]):
            return dataset_key(beamtime, name)
        ids = self.store.beamtime_ids()
        if beamtime not in ids:
            raise CatalogError(f"there is no beamtime {beamtime!r}", remedy=did_you_mean(beamtime, ids))
        raise CatalogError(
            f"beamtime {beamtime} has no {kind or 'scan or dataset'} {name!r}",
            remedy=did_you_mean(name, self.store.scan_names(beamtime)),
        )

    def about(self, text: str | None) -> list[Remark]:
        """Give the remarks on a scan, on a dataset and the scans it holds, or on a beamtime; on everything for None.

        Raises CatalogError where nothing of that name is here, or ever had a remark.
        """
        if text is None:
            return self.remarks.log()
        if is_segment(text) and (text in self.store.beamtime_ids() or self.remarks.newest_id(text)):
            return self.remarks.of_beamtime(text)
        gone = self.remarks.log(targets=[text])
        try:
            key = self.key(text)
        except CatalogError:
            if gone:
                return gone
            raise
        kind, beamtime, name = split_key(key)
        datasets = self.held(beamtime, [name] if kind == "dataset" else [])
        return self.remarks.log(targets=[key, *(scan for dataset in datasets for scan in dataset.facts.scans)])

    def drafts(self, key: str, field: str, value: Json) -> list[Draft]:
        """Give the remarks that set a field of a scan or dataset.

        What is said of a dataset's flag or group is said of the scans it holds now; keywords are added to the
        dataset itself, and taken away from it and from those scans. A dataset whose scans all move to a new one
        gives it its own keywords.

        Parameters
        ----------
        value
            None gives the field back to files and rules. A group is named by a dataset's key, its slug, or any
            text, which then makes a dataset.

        Raises
        ------
        CatalogError
            Where there is no such field, scan or dataset, or the value cannot be one.
        """
        wanted = field_named(field)
        kind, beamtime, name = split_key(key)
        new = value
        made: list[Draft] = []
        if field == "group" and isinstance(value, str):
            new, made = self._destination(key, value)
        if new is not None:
            new = wanted.checked(new, self.settings)
        if kind == "scan":
            return [*self._of_scans(beamtime, [name], field, new), *made]
        held = self.held(beamtime, [name])
        if not held:
            raise CatalogError(f"beamtime {beamtime} has no dataset {name!r}")
        (dataset,) = held
        names = [scan.facts.name for scan in dataset.scans]
        if field == "keywords":
            return self._keywords_of_dataset(dataset, new)
        if kind in wanted.kinds:
            beneath = dataset.underlying.get("title")
            title = dataset.facts.title if beneath is None else beneath.value
            return [Draft(target=key, field=field, new=new, underlying=title)]
        return [*self._of_scans(beamtime, names, field, new), *made]

    def held(self, beamtime: str, slugs: Iterable[str]) -> list[CuratedDataset]:
        """Give datasets by their slugs with the scans they hold now; those that hold none are left out."""
        keys = {dataset_key(beamtime, slug) for slug in slugs}
        remarks = self.remarks.of_beamtime(beamtime)
        wanted = {row.key for key in keys for row in self.state.scans_of(key)}
        if not wanted and not remarks:
            return []
        wanted |= {remark.target for remark in remarks if remark.field == "group" and self._is_here(remark)}
        if not wanted:
            return []
        scans = [self.store.scan(key) for key in sorted(wanted)]
        found = merged(self.store.beamtime(beamtime), scans, {}, self.settings, remarks)
        return [dataset for dataset in found if dataset.facts.key in keys]

    def _is_here(self, remark: Remark) -> bool:
        return self.state.scan(remark.target) is not None

    def _of_scans(self, beamtime: str, names: Sequence[str], field: str, new: Json) -> list[Draft]:
        record = self.store.beamtime(beamtime)
        drafts = []
        for key in (scan_key(beamtime, name) for name in names):
            beneath = found_for(record, self.store.scan(key), self.settings).underlying(field)
            underlying = None if beneath is None else beneath.value
            drafts.append(Draft(target=key, field=field, new=new, underlying=underlying))
        return drafts

    def _keywords_of_dataset(self, dataset: CuratedDataset, change: Json) -> list[Draft]:
        """Give the remarks on a dataset's own keywords, then those on the scans that have a word to be removed."""
        own = _own_keywords(dataset)
        added, removed = listed(change, "add"), listed(change, "remove")
        drafts: list[Draft] = []
        if added or own.intersection(removed):
            drafts.append(_keywords(dataset.facts.key, added, own.intersection(removed), []))
        for scan in dataset.scans:
            if had := set(removed).intersection(scan.keywords):
                beneath = scan.underlying.get("keywords")
                drafts.append(
                    _keywords(scan.facts.key, [], had, list(scan.keywords) if beneath is None else beneath.value)
                )
        if not drafts:
            raise CatalogError("neither it nor its scans have these keywords", where=dataset.facts.key)
        return drafts

    def _destination(self, key: str, text: str) -> tuple[str, list[Draft]]:
        """Give the slug of the dataset that scans shall move to, and the remarks on that dataset, if it is new."""
        kind, beamtime, name = split_key(key)
        if text.startswith(("dataset:", "scan:")):
            try:
                to_kind, to_beamtime, slug = split_key(text)
            except ValueError as exc:
                raise CatalogError(str(exc)) from exc
            if to_kind != "dataset" or to_beamtime != beamtime:
                raise CatalogError("scans move to a dataset of their own beamtime", where=text[:200])
            if not self.held(beamtime, [slug]):
                raise CatalogError(f"there is no {text}", remedy="name the new dataset by its title alone")
            return slug, []
        title = " ".join(text.split())
        if is_segment(title) and self.held(beamtime, [title]):
            return title, []
        slug = segment(title)
        if self.held(beamtime, [slug]):
            return slug, []
        return slug, list(self._named(beamtime, slug, title, name if kind == "dataset" else None))

    def _named(self, beamtime: str, slug: str, title: str, former: str | None) -> Iterable[Draft]:
        """Give the remarks on a dataset that is made: its title, where that differs, and keywords taken along."""
        target = dataset_key(beamtime, slug)
        before = curations(self.remarks.log(targets=[target])).get(target, Curation())
        had = before.values["title"].new if "title" in before.values else readable(slug)
        if title != had:
            checked = field_named("title").checked(title, self.settings)
            yield Draft(target=target, field="title", new=checked, underlying=readable(slug))
        for dataset in self.held(beamtime, [former] if former else []):
            if own := _own_keywords(dataset):
                yield _keywords(target, own, (), [])


def _own_keywords(dataset: CuratedDataset) -> set[str]:
    """Give the keywords of the dataset itself, not of its scans."""
    return {name.partition(".")[2] for name in dataset.origin if name.startswith("keywords.")}


def _keywords(target: str, add: Iterable[str], remove: Iterable[str], underlying: Json) -> Draft:
    change: Json = {"add": [*sorted(add)], "remove": [*sorted(remove)]}
    return Draft(target=target, field="keywords", new=change, underlying=underlying)


def change_of(words: Iterable[str]) -> Json:
    """Give the change of keywords that people write as ``XRR``, ``+XRR`` and ``-GID``, also with commas between."""
    said = [word.strip() for word in chain.from_iterable(text.split(",") for text in words)]
    removed = [word[1:] for word in said if word.startswith("-")]
    added = [word.removeprefix("+") for word in said if word and not word.startswith("-")]
    return {"add": [*added], "remove": [*removed]}
