"""The templates: where they are looked for, what they may call, and what their pages depend on.

Knows Jinja, the folders of templates and assets, and the settings that show; does not know records or pages.
"""

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined

from catalog_builder.config import Settings
from catalog_builder.errors import CatalogError
from catalog_builder.facets import FACETS, NUMBERS, SORTS
from catalog_builder.names import page_address
from catalog_builder.records import Beamtime, Dataset, Scan
from catalog_builder.render import figures
from catalog_builder.resources import shipped
from catalog_builder.search.documents import MARKS
from catalog_builder.search.figures import number_name
from catalog_builder.search.query import DEEPEST_QUERY, LONGEST_QUERY, MOST_PARTS, MOST_TERMS
from catalog_builder.search.units import by_kind

NAMED_FLAGS = ("measurement", "alignment", "calibration")
"""Flags that have a colour and a shape of their own in the stylesheet; others take theirs by position."""

OTHER_FLAGS = 5
"""Colours and shapes the stylesheet keeps for flags it does not know by name."""


def environment(settings: Settings) -> Environment:
    """Give the environment all pages are made in: autoescape everywhere, nothing undefined passes.

    A site's own templates folder comes first, file by file. Raises CatalogError where that folder is missing.
    """
    made = Environment(
        loader=ChoiceLoader([FileSystemLoader(folder) for folder in template_folders(settings)]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
    )
    made.globals.update(
        site=settings,
        asset=Assets(shipped("assets")).address,
        facets=FACETS,
        sorts=SORTS,
        numbers=NUMBERS,
        marks=MARKS,
        unit_kinds=by_kind(),
        number_name=number_name,
        longest_query=LONGEST_QUERY,
        most_terms=MOST_TERMS,
        most_parts=MOST_PARTS,
        deepest_query=DEEPEST_QUERY,
        on_disk_words=figures.ON_DISK,
        page_address=page_address,
        flag_class=partial(flag_class, settings.flags),
    )
    made.filters.update(_filters(settings))
    return made


def template_folders(settings: Settings) -> list[Path]:
    """Give the folders templates are looked for in, the site's own first."""
    own = settings.templates
    if own is not None and not own.is_dir():
        raise CatalogError(f"there is no folder {own}", where="templates", remedy="create it or leave the setting out")
    return [folder for folder in (own, shipped("templates")) if folder is not None]


def _filters(settings: Settings) -> dict[str, Callable[..., str | list[str] | None]]:
    here = ZoneInfo(settings.timezone)
    return {
        "number": figures.number,
        "count": figures.count,
        "size": figures.size,
        "many": figures.many,
        "plain": figures.plain,
        "peak": figures.peak,
        "points": figures.points,
        "progress": figures.progress,
        "proposal": figures.proposal,
        "ranges": figures.ranges,
        "position": figures.position,
        "on_axis": figures.on_axis,
        "by_rules": figures.by_rules,
        "shown_name": figures.shown_name,
        "time": partial(figures.time, zone=here),
        "date": partial(figures.date, zone=here),
        "moment": partial(figures.moment, zone=here),
        "span": partial(_span, here=here),
        "days": partial(_days, here=here),
    }


def _span(record: Scan | Dataset, here: ZoneInfo) -> str:
    return figures.span(record.started, record.ended, here)


def _days(beamtime: Beamtime, here: ZoneInfo) -> str:
    return figures.days(beamtime.start, beamtime.end, here)


def flag_class(flags: tuple[str, ...], flag: str) -> str:
    """Give the class that colours a flag: its own where the stylesheet knows it, else one by its position."""
    if flag in NAMED_FLAGS:
        return flag
    others = [known for known in flags if known not in NAMED_FLAGS]
    return f"other-{others.index(flag) % OTHER_FLAGS + 1}" if flag in others else "other"


class Assets:
    """The addresses of the assets, each with a hash of its content."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._known: dict[str, str] = {}

    def address(self, name: str) -> str:
        """Give ``/assets/app.js?v=<hash>``; raises CatalogError where there is no such file."""
        if name not in self._known:
            try:
                content = (self.folder / name).read_bytes()
            except FileNotFoundError as exc:
                remedy = "install catalog-builder again"
                raise CatalogError(f"the asset {name!r} is missing from this installation", remedy=remedy) from exc
            self._known[name] = f"/assets/{name}?v={hashlib.sha256(content).hexdigest()[:12]}"
        return self._known[name]


def digest(settings: Settings) -> str:
    """Give what pages depend on beside their records, in one hash: templates, assets, this code, settings."""
    collected = hashlib.sha256()
    folders = [*template_folders(settings), shipped("assets"), Path(__file__).parent]
    for folder in folders:
        for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix != ".pyc"):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            collected.update(f"{path.relative_to(folder).as_posix()}\0{content}\n".encode())
        collected.update(b"\0")
    told = settings.model_dump_json(include={"title", "beamline", "facility", "timezone", "flags", "quantities"})
    collected.update(told.encode())
    return collected.hexdigest()
