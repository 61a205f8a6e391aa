"""What is current and what is not, and why: one answer for the build that acts on it and for people who ask.

Knows what a source was when it was read and what it is now; reads nothing itself.
"""

import json
from collections.abc import Set
from datetime import UTC, datetime
from typing import Any

from catalog_builder.buildstate import SourceRow
from catalog_builder.discover import FoundFile, Source

Identity = tuple[int, int, int]
"""Inode, size and time (ns) of a file: a file that is renamed keeps them."""


def why_stale(
    source: Source, row: SourceRow | None, *, settings: str, records: Set[str], now: datetime
) -> tuple[str, ...]:
    """Say why a source must be taken in again; nothing where it is current.

    Parameters
    ----------
    row
        What it was when it was taken in last.
    settings
        Digest of the settings and versions that taking in depends on, as they are now.
    records
        Keys of the scans whose records stand.
    """
    if row is None:
        return ("it has not been read yet",)
    reasons = []
    if row.signature != source.signature and not (row.gone and is_back(row, source)):
        reasons += _changes(json.loads(row.signature), json.loads(source.signature))
    if row.settings != settings:
        reasons.append("a setting, a reader or the way previews are drawn has changed since")
    if not records >= set(row.scans):
        missing = sorted(set(row.scans) - records)
        reasons.append(f"the records of {len(missing)} of its scans are gone, {missing[0]} first")
    if row.again_at is not None and now.timestamp() >= row.again_at:
        reasons.append(
            "it was still being written, or there was no memory for it, and is judged anew now that time has passed"
        )
    return tuple(reasons)


def is_back(row: SourceRow, source: Source) -> bool:
    """Tell whether a source that was gone is there again as it was; from tape its files come with other inodes."""
    return _without_inodes(row.signature) == _without_inodes(source.signature)


def _without_inodes(signature: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(signature)
    return {**told, "files": [file[:3] for file in told["files"]]}


def _changes(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Say what differs between two signatures."""
    changes = []
    if before["readers"] != now["readers"]:
        changes.append(f"it is read by {' and '.join(now['readers'])} instead of {' and '.join(before['readers'])}")
    old, new = ({path: rest for path, *rest in each["files"]} for each in (before, now))
    changes += [f"{path} came" for path in new.keys() - old.keys()]
    changes += [f"{path} went" for path in old.keys() - new.keys()]
    for path in sorted(old.keys() & new.keys()):
        changes += _change(path, old[path], new[path])
    if before["series"] != now["series"]:
        changes.append("the files in its folder changed")
    return sorted(changes) or ["its files are listed in another order"]


def _change(path: str, before: list[int], now: list[int]) -> list[str]:
    (size, time, inode), (new_size, new_time, new_inode) = before, now
    if size != new_size:
        return [f"{path} had {size:,} bytes and has {new_size:,}"]
    if time != new_time:
        return [f"{path} was written at {_moment(time)}, and again at {_moment(new_time)}"]
    return [f"{path} was replaced by another file of the same size and time"] if inode != new_inode else []


def _moment(ns: int) -> str:
    return datetime.fromtimestamp(ns / 1e9, UTC).isoformat(sep=" ", timespec="milliseconds")


def identity_of(file: FoundFile) -> Identity:
    """Give what a file keeps when it is renamed."""
    return file.inode, file.size, file.mtime_ns


def identities(row: SourceRow) -> set[Identity]:
    """Give the identities of a source's files when they were read last."""
    return {(inode, size, mtime_ns) for _, size, mtime_ns, inode in json.loads(row.signature)["files"]}
