"""Files of the demo with the times they would have had: nothing it writes looks young.

Knows bytes and modification times; does not know formats.
"""

import json
import os
from datetime import datetime
from pathlib import Path

from catalog_builder.demo.plans import BeamtimePlan


def put(path: Path, content: bytes, when: float) -> None:
    """Write a file that was last changed at ``when`` (Unix seconds)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    dated(path, when)


def dated(path: Path, when: float) -> None:
    """Give a file that is already there the time it was last changed at (Unix seconds)."""
    os.utime(path, (when, when))


def date_folders(folder: Path, at_least: float) -> float:
    """Give every folder the time of the newest thing in it; returns that time of ``folder`` itself."""
    newest = at_least
    for child in sorted(folder.iterdir()):
        newest = max(newest, date_folders(child, at_least) if child.is_dir() else child.stat().st_mtime)
    os.utime(folder, (newest, newest))
    return newest


def date_years(root: Path) -> None:
    """Give ``<year>/data`` and ``<year>`` the time of the newest beamtime in them."""
    for data in sorted(root.glob("[0-9][0-9][0-9][0-9]/data")):
        newest = max(beamtime.stat().st_mtime for beamtime in data.iterdir())
        dated(data, newest)
        dated(data.parent, newest)


def metadata(beamtime: BeamtimePlan) -> bytes:
    """Give the content of ``beamtime-metadata-<id>.json``, in one of the two spellings of its keys."""
    core = f"/asap3/petra3/gpfs/p08/{beamtime.start.year}/data/{beamtime.id}"
    entries: dict[str, object] = {
        "applicant": _person(beamtime.applicant, beamtime.institute),
        "beamline": "p08",
        "beamlineAlias": "P08",
        "beamlineSetup": beamtime.setup,
        "beamtimeId": beamtime.id,
        "contact": beamtime.contact,
        "corePath": core,
        "eventEnd": _when(beamtime.end),
        "eventStart": _when(beamtime.start),
        "facility": "PETRA III",
        "generated": _when(beamtime.start),
        "leader": _person(beamtime.applicant, beamtime.institute),
        "pi": _person(beamtime.pi, beamtime.institute),
        "proposalId": beamtime.proposal_id,
        "proposalType": beamtime.proposal_type,
        "title": beamtime.title,
        "unixId": "None",
        "users": {"doorDb": [_user(beamtime.applicant)], "special": [], "unknown": []},
    }
    if beamtime.dashed:
        for spelling in ("corePath", "eventEnd", "eventStart"):
            entries[spelling.replace("P", "-p").replace("E", "-e").replace("S", "-s")] = entries.pop(spelling)
    return (json.dumps(entries, indent=4, sort_keys=True) + "\n").encode()


def _person(lastname: str, institute: str) -> dict[str, str]:
    user = _user(lastname)
    return {"email": f"{user}@example.org", "institute": institute, "lastname": lastname, "userId": "4711",
            "username": user}  # fmt: skip


def _user(lastname: str) -> str:
    return "".join(letter for letter in lastname.lower() if letter.isascii() and letter.isalpha())


def _when(local: datetime) -> str:
    return local.strftime("%Y-%m-%d %H:%M:%S")
