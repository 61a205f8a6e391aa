"""Files on this machine: written whole or not at all, and never outside the folder they belong to.

Knows paths, bytes and durability; does not know what a file means.
"""

import errno
import fcntl
import hashlib
import os
import platform
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from catalog_builder.errors import CatalogError

_TEMPORARY = ".new-"
_ABANDONED_SECONDS = 3600
_HOST = hashlib.sha256(platform.node().encode()).hexdigest()[:8]
"""Tells temporary files of this host's processes from those of others that share a file system with it."""

_A_LINK = "is a symbolic link; not taken"


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


@contextmanager
def neighbour(path: Path) -> Iterator[Path]:
    """Give an empty temporary file beside a path, the owner's alone; at the end it is gone."""
    temporary = path.with_name(f"{_TEMPORARY}{_HOST}-{os.getpid()}-{secrets.token_hex(8)}")
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replacement(path: Path) -> Iterator[Path]:
    """Give a temporary neighbour to write; when the block ends well it is durable, and takes the path in one step."""
    with neighbour(path) as temporary:
        yield temporary
        _sync(temporary)
        temporary.replace(path)
        _sync(path.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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


def open_inside(folder: Path, path: PurePosixPath | str) -> int:
    """Open a file or folder below a folder to be read, one component at a time; no link below it is followed.

    What is renamed or linked meanwhile leads nowhere else: each component is opened in the one before, held open.
    Opening never waits (a fifo, a lease). The caller closes the descriptor. Raises CatalogError where the path is
    absolute, climbs, meets a symbolic link, or cannot be opened.
    """
    *above, name = _parts_below(path)
    parent = _folder_inside(folder, above, path)
    try:
        return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent)
    except (OSError, ValueError) as exc:
        raise CatalogError(_why_not(exc, name, parent, last=True), where=str(path)) from exc
    finally:
        os.close(parent)


def status_inside(folder: Path, path: PurePosixPath | str) -> os.stat_result:
    """Give the status of what lies below a folder, without opening it: a file on tape is not called back.

    Only the folders above it are opened, as ``open_inside`` does. Raises CatalogError as that does, also where the
    path is itself a symbolic link.
    """
    *above, name = _parts_below(path)
    parent = _folder_inside(folder, above, path)
    try:
        status = os.stat(name, dir_fd=parent, follow_symlinks=False)
    except (OSError, ValueError) as exc:
        raise CatalogError(_why_not(exc, name, parent, last=True), where=str(path)) from exc
    finally:
        os.close(parent)
    if stat.S_ISLNK(status.st_mode):
        raise CatalogError(_A_LINK, where=str(path))
    return status


def read_inside(folder: Path, path: PurePosixPath | str, *, limit: int) -> bytes:
    """Give the bytes of a regular file below a folder, opened as ``open_inside`` does.

    Raises CatalogError where it cannot be opened or read, is no regular file, or holds more than ``limit`` bytes.
    """
    with os.fdopen(_regular(open_inside(folder, path), path), "rb") as stream:
        try:
            content = stream.read(limit + 1)
        except OSError as exc:
            raise CatalogError(f"cannot be read ({exc.strerror})", where=str(path)) from exc
    if len(content) > limit:
        raise CatalogError(f"is larger than {limit} bytes", where=str(path))
    return content


def _parts_below(path: PurePosixPath | str) -> tuple[str, ...]:
    """Give the components of a relative path that only goes down."""
    below = PurePosixPath(path)
    if below.is_absolute():
        raise CatalogError("is an absolute path; not taken", where=below.name)
    if ".." in below.parts:
        raise CatalogError("leads out of the folder", where=str(below))
    return below.parts or (".",)


def _folder_inside(folder: Path, parts: list[str], path: PurePosixPath | str) -> int:
    """Open the folder that lies this way below a folder; ``path`` is what was asked for."""
    try:
        held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as exc:
        raise CatalogError(f"cannot be opened ({exc.strerror})", where=folder.name) from exc
    for part in parts:
        try:
            opened = os.open(part, os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=held)
        except (OSError, ValueError) as exc:
            raise CatalogError(_why_not(exc, part, held, last=False), where=str(path)) from exc
        finally:
            os.close(held)
        held = opened
    return held


def _why_not(exc: OSError | ValueError, name: str, parent: int, *, last: bool) -> str:
    """Say why a component could not be opened in the folder before it."""
    if not isinstance(exc, OSError):
        return "is not a path"
    if exc.errno in (errno.ELOOP, errno.ENOTDIR) and _is_link(name, parent):
        return _A_LINK if last else "leads through a symbolic link; not taken"
    if exc.errno in (errno.ENOENT, errno.ENOTDIR):
        return "is not on disk"
    return f"cannot be opened ({exc.strerror})"


def _is_link(name: str, parent: int) -> bool:
    try:
        return stat.S_ISLNK(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)
    except OSError:
        return False


def _regular(descriptor: int, path: PurePosixPath | str) -> int:
    """Give the descriptor back if it is a regular file's, else close it."""
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise CatalogError("is not a regular file", where=str(path))
    return descriptor


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock that a dead holder lets go of by itself; waits for a living one.

    The file must lie on a local disk: ``flock`` says nothing between hosts.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
