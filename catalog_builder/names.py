"""Names, keys and slugs: injective, stable, the same in folders, URLs and JSON.

Knows how an identity is spelt; does not know what carries it or where it lies.
"""

import hashlib
import re
from pathlib import PurePosixPath

LONGEST_SEGMENT = 120
"""Bytes a folder name may have before it is cut and closed with a hash."""

_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.")
_ESCAPE = re.compile(r"=([0-9A-F]{2})")
_SEGMENT = re.compile(r"(?!\.+\Z)[A-Za-z0-9._=~-]{1,120}")
_SCAN_NUMBER = re.compile(r"[_-]\d+$")


def segment(text: str) -> str:
    """Spell a text so that it is one folder name and one URL segment, and no other text gives the same.

    Every byte outside ``A-Z a-z 0-9 . _ -`` becomes ``=XX``; a result of dots alone is escaped too, so that
    no segment climbs, and no text at all is ``=``. File names that are not UTF-8 come as surrogates from
    ``os.fsdecode`` and give their bytes; a surrogate that stands for no byte (``\\ud800`` in JSON) is ``=uD800``.
    """
    escaped = "".join(map(_escaped, text))
    if escaped.strip(".") == "":
        escaped = escaped.replace(".", "=2E") or "="
    return _cut(escaped)


def _escaped(character: str) -> str:
    try:
        encoded = character.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return f"=u{ord(character):04X}"
    return "".join(chr(byte) if byte in _PLAIN else f"={byte:02X}" for byte in encoded)


def joined(parts: list[str]) -> str:
    """Join texts to one segment with ``~`` between them (``~`` inside a text becomes ``=7E``)."""
    return _cut("~".join(segment(part) for part in parts))


def _cut(escaped: str) -> str:
    if len(escaped) <= LONGEST_SEGMENT:
        return escaped
    digest = hashlib.sha256(escaped.encode("ascii")).hexdigest()[:16]
    return f"{escaped[: LONGEST_SEGMENT - 18]}=~{digest}"


def readable(name: str) -> str:
    """Give a segment as people read it: ``=20`` is a blank again, ``~`` a slash."""
    raw = _ESCAPE.sub(lambda match: chr(int(match[1], 16)), name.replace("~", "/"))
    return raw.encode("latin-1", "replace").decode("utf-8", "replace")


def scan_name(path_below_raw: PurePosixPath, *, keep_suffix: bool = False, measurement: str | None = None) -> str:
    """Name a scan after its file, and after the measurement within it where a file holds several.

    Parameters
    ----------
    path_below_raw
        ``night2/align_00012.fio``.
    keep_suffix
        True for SPEC files, whose name is the file's whole name.
    measurement
        ``289.1`` (SPEC number and order) or a NeXus entry's name.
    """
    parts = list(path_below_raw.parts if keep_suffix else path_below_raw.with_suffix("").parts)
    return joined([*parts, measurement] if measurement is not None else parts)


def stem(bare: PurePosixPath) -> str:
    """Give the name that scans share, without the scan number: the default grouping value.

    ``gk_sto20_00173`` gives ``gk_sto20``; ``night2/align_00012`` gives ``night2~align``; a name that is a number
    alone stays whole.

    Parameters
    ----------
    bare
        A scan's file below ``raw/`` without its suffix, or its folder.
    """
    return joined([*bare.parts[:-1], _SCAN_NUMBER.sub("", bare.name) or bare.name])


def scan_number(file_stem: str) -> int | None:
    """Give the scan number a file's stem ends with (``gk_sto20_00173`` gives 173), or None."""
    match = re.search(r"(?:^|[_-])(\d{1,9})$", file_stem)
    return int(match[1]) if match else None


def scan_key(beamtime: str, name: str) -> str:
    """Give ``scan:11017404/gk_sto20_00173``."""
    return f"scan:{beamtime}/{name}"


def dataset_key(beamtime: str, slug: str) -> str:
    """Give ``dataset:11017404/gk_sto20``."""
    return f"dataset:{beamtime}/{slug}"


def split_key(key: str) -> tuple[str, str, str]:
    """Split a key into kind, beamtime id and name; raises ValueError for anything else.

    Both are segments: whoever makes a path of them stays in the folder.
    """
    kind, _, rest = key.partition(":")
    beamtime, _, name = rest.partition("/")
    if kind not in ("scan", "dataset") or not (is_segment(beamtime) and is_segment(name)):
        raise ValueError(f"{key!r} is not a key; a key looks like scan:11017404/gk_sto20_00173")
    return kind, beamtime, name


def is_key(text: str) -> bool:
    """Tell whether a text is spelt as a scan's or dataset's key."""
    try:
        split_key(text)
    except ValueError:
        return False
    return True


def is_segment(text: str) -> bool:
    """Tell whether a text can be one folder's name, and so a beamtime's id or a scan's name."""
    return _SEGMENT.fullmatch(text) is not None


def page_address(key: str) -> str:
    """Give the address of a scan's or dataset's page: ``/beamtimes/11017404/scans/gk_sto20_00173/``."""
    kind, beamtime, name = split_key(key)
    return f"/beamtimes/{beamtime}/{kind}s/{name}/"


def key_at(address: str) -> str | None:
    """Give the key of the scan or dataset whose page is at an address; None for other pages."""
    parts = address.strip("/").split("/")
    if len(parts) != 4 or parts[0] != "beamtimes" or parts[2] not in ("scans", "datasets"):
        return None
    return f"{parts[2][:-1]}:{parts[1]}/{parts[3]}"


def proposal_forms(proposal_id: str, proposal_type: str | None, beamtime: str) -> tuple[str, ...]:
    """Give every way people write a proposal: ``20230412``, ``I-20230412``, ``20230412.11017404``."""
    forms = [proposal_id, f"{proposal_id}.{beamtime}"]
    if proposal_type:
        forms.insert(1, f"{proposal_type}-{proposal_id}")
    return tuple(forms)
