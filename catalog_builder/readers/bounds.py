"""The beamtime's folder as the bound of what is read for it.

Knows where a path leads and what may be said of it; does not know what a file holds.
"""

import re
from pathlib import Path

from catalog_builder.errors import CatalogError
from catalog_builder.files import resolved_inside
from catalog_builder.readers.texts import encodable

_QUOTED_FOLDERS = re.compile(r"(?<=')/(?:[^'/]*/)*(?=[^'/]*')")
_FOLDERS = re.compile(r"(?<![\w.~-])/(?:[^\s'\",:;()/]+/)+")


def kept_inside(path: Path, boundary: Path) -> Path:
    """Resolve a path, symlinks first; raises CatalogError where it leads out of the boundary."""
    try:
        return resolved_inside(boundary, path.absolute())
    except CatalogError:
        what = "leads out of the beamtime's folder and is not read"
        raise CatalogError(what, where=below(path, boundary)) from None


def below(path: Path, boundary: Path) -> str:
    """Give the place below the boundary for messages, or the bare name: never a path of this machine."""
    for base in (boundary, boundary.resolve()):
        if path.is_relative_to(base):
            return encodable(str(path.relative_to(base)))
    return encodable(path.name)


def reason(exc: BaseException) -> str:
    """Give a library's words in one short line, of the paths in them the last part alone."""
    words = " ".join(str(exc).split())
    words = _FOLDERS.sub("", _QUOTED_FOLDERS.sub("", words))
    return encodable(words[:120]) or type(exc).__name__
