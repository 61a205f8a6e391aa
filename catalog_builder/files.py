"""Files on this machine: written whole or not at all, and never outside the folder they belong to.

Knows paths, bytes and durability; does not know what a file means.
"""

import fcntl
import hashlib
import os
import platform
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from catalog_builder.errors import CatalogError

_TEMPORARY = ".new-"
_ABANDONED_SECONDS = 3600
_HOST = hashlib.sha256(platform.node().encode()).hexdigest()[:8]
"""Tells temporary files of this host's processes from those of others that share a file system with it."""


def write_if_changed(path: Path, content: bytes, *, durable: bool = False) -> bool:
    """Put the content at the path in one step, unless it stands there already; tells whether it wrote.

    A reader sees the old file or the new one, never half of either. With ``durable`` the bytes are on the
    disk before the old file is replaced. Who may read the file is the umask's to say.
    """
    try:
        if path.stat().st_size == len(content) and path.read_bytes() == content:
            return False
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{_TEMPORARY}{_HOST}-{os.getpid()}-{secrets.token_hex(8)}")
    try:
        with temporary.open("xb") as stream:
            stream.write(content)
            if durable:
                stream.flush()
                os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return True


def sweep(folder: Path) -> None:
    """Remove what writers that were killed left in a folder; what may still be written stays."""
    try:
        with os.scandir(folder) as entries:
            left = [Path(entry.path) for entry in entries if entry.name.startswith(_TEMPORARY)]
    except FileNotFoundError:
        return
    for path in left:
        if _is_abandoned(path):
            path.unlink(missing_ok=True)


def _is_abandoned(path: Path) -> bool:
    """Tell whether the process that writes a temporary file is gone; of another host's only its age tells."""
    host, _, rest = path.name.removeprefix(_TEMPORARY).partition("-")
    pid = rest.partition("-")[0]
    if host == _HOST and pid.isdecimal():
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            return True
        except OSError:
            return False
        return False
    try:
        return time.time() - path.stat().st_mtime > _ABANDONED_SECONDS
    except FileNotFoundError:
        return False


def resolved_inside(folder: Path, path: str | PurePosixPath | Path) -> Path:
    """Resolve a path from outside below a folder; symlinks are followed first.

    Raises CatalogError where it leads out of the folder or cannot be a path.
    """
    base = folder.resolve()
    try:
        target = (base / path).resolve()
    except (OSError, ValueError, RuntimeError) as exc:
        raise CatalogError(f"{str(path)!r} is not a path", where=folder) from exc
    if target != base and base not in target.parents:
        raise CatalogError(f"{str(path)!r} leads out of the folder", where=folder)
    return target


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock that a dead holder lets go of by itself; waits for a living one.

    The file must lie on a local disk: ``flock`` says nothing between hosts.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
