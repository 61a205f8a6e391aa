"""The beamline's own sidecar files: ``beamtime-metadata-<id>.json`` and ``scicat-datasets-*.lst``.

Knows their two dialects and turns text into records; does not know where the files lie.

Source of the lists' lines: the README of PyPI ``scingestor``, "Dataset list file content".
"""

import json
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from zoneinfo import ZoneInfo

from catalog_builder.names import joined, scan_name
from catalog_builder.records import Beamtime, Problem

LONGEST_SIDECAR = 16 * 2**20
"""Bytes a metadata file or a list may have; real ones have some thousand."""

_TIMESTAMP = re.compile(r"\d+(\.\d*)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedScan:
    """A line of a ``scicat-datasets-*.lst`` that names a scan."""

    path: PurePosixPath
    """Of its file without the suffix, below ``raw/``."""
    names: tuple[str, ...]
    """Of the scan in the catalogue; the entry of a file goes by the file's name where it is the only one."""
    group: str | None
    folders: tuple[PurePosixPath, ...]
    """Further folders with data of the scan, below ``raw/``; those that lead out of it are left out."""


def beamtime_from_metadata(id: str, year: int | None, text: str, *, where: str, timezone: ZoneInfo) -> Beamtime:
    """Read a beamtime's metadata; what is damaged or missing stays None and is named as a problem.

    Both key spellings are understood (``eventStart``, ``event-start``). The id is the folder's: where the file
    names a different one, it is another beamtime's and nothing of it is taken.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as exc:
        return Beamtime(id=id, year=year, problems=(Problem(where=where, what=f"is not valid JSON: {exc}"),))
    if not isinstance(document, dict):
        return Beamtime(id=id, year=year, problems=(Problem(where=where, what="holds no JSON object"),))
    keys = {key.replace("-", "").lower(): value for key, value in document.items()}
    claimed = _text(keys.get("beamtimeid"))
    if claimed not in (None, id):
        what = f"names beamtime {claimed}, but lies in the folder of {id}; nothing of it is taken"
        return Beamtime(id=id, year=year, problems=(Problem(where=where, what=what),))
    start, end = (_time(keys.get(name), timezone) for name in ("eventstart", "eventend"))
    return Beamtime(
        id=id,
        proposal_id=_text(keys.get("proposalid")),
        proposal_type=_text(keys.get("proposaltype")),
        title=_text(keys.get("title")),
        beamline=_text(keys.get("beamlinealias")) or _text(keys.get("beamline")),
        setup=_text(keys.get("beamlinesetup")),
        pi=_person(keys.get("pi")) or _person(keys.get("leader")),
        contact=_text(keys.get("contact")),
        start=start,
        end=end,
        core_path=_text(keys.get("corepath")),
        year=year if year is not None or start is None else start.astimezone(timezone).year,
        owner_groups=_group_names(keys.get("ownergroup")),
        access_groups=_group_names(keys.get("accessgroups")),
    )


def scan_groups(text: str, folder: PurePosixPath) -> dict[str, str]:
    """Read which scans a ``scicat-datasets-*.lst`` puts together: scan name to group; see ``listed_scans``."""
    return {name: scan.group for scan in listed_scans(text, folder) if scan.group for name in scan.names}


def listed_scans(text: str, folder: PurePosixPath) -> Iterator[ListedScan]:
    """Read the scans a ``scicat-datasets-*.lst`` names, in order.

    Between ``__command__ start NAME`` and ``__command__ stop`` every line's scan belongs to NAME; a line
    ``base:scan`` puts one scan into ``base``. ``scan:1702988846.07`` names a scan again, with the time of it, and
    ``file::/entry;scan`` an entry of a file with several. Words behind are further folders of the scan.

    Parameters
    ----------
    folder
        The list's own folder below ``raw/``; its lines are relative to it.
    """
    current: str | None = None
    for line in text.splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0] == "__command__":
            current = words[2] if words[1:2] == ["start"] and len(words) > 2 else None
            continue
        base, file, entry = _named(words[0])
        path = _below(folder / file)
        if path is not None:
            names = [joined(list(path.parts))]
            if entry:
                names.insert(0, scan_name(path, keep_suffix=True, measurement=entry))
            below = tuple(found for word in words[1:] if (found := _below(folder / word)) is not None)
            yield ListedScan(path=path, names=tuple(names), group=base or current, folders=below)


def _named(word: str) -> tuple[str | None, str, str]:
    """Give the group that a line's first word names, its file without the suffix, and the entry of the file."""
    file, marked, rest = word.partition("::/")
    if marked:
        return None, file, rest.partition(";")[0]
    base, colon, scan = word.rpartition(":")
    if not (colon and base):
        return None, word.lstrip(":"), ""
    return (None, base, "") if _TIMESTAMP.fullmatch(scan) else (base, scan, "")


def _below(path: PurePosixPath) -> PurePosixPath | None:
    """Take ``..`` out of a path below ``raw/``; None where it is absolute, leads out, or is ``raw/`` itself."""
    plain = PurePosixPath(posixpath.normpath(path))
    return None if plain.is_absolute() or plain.parts[:1] in ((), ("..",)) else plain


def _text(value: object) -> str | None:
    """Give a text, or None for what people and programs write where there is none (``"None"``, ``""``)."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    text = str(value).strip().encode("utf-8", "replace").decode()
    return None if text.lower() in ("", "none", "null", "n/a", "-") else text


def _person(value: object) -> str | None:
    return _text(value.get("lastname")) if isinstance(value, dict) else _text(value)


def _group_names(value: object) -> tuple[str, ...]:
    names = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    return tuple(text for text in map(_text, names) if text)


def _time(value: object, timezone: ZoneInfo) -> datetime | None:
    text = _text(value)
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return sane_time(time if time.tzinfo else time.replace(tzinfo=timezone))


def sane_time(time: datetime | None) -> datetime | None:
    """Give a time as UTC; None for what no measurement's time can be, before 1900 or after 2200."""
    if time is None or not 1900 <= time.year <= 2200:
        return None
    return time.astimezone(UTC)
