"""Which kind of file system a path lies on.

Knows ``/proc/self/mountinfo``; does not know what anybody makes of the answer.
"""

from pathlib import Path

NETWORK_FILE_SYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "gpfs", "lustre", "beegfs", "ceph", "glusterfs", "afs", "9p", "fuse.sshfs"}
)
"""File systems, as ``mountinfo`` names them, that other hosts write to as well."""


def file_system(path: Path, mountinfo: str | None = None) -> str:
    """Give the type of the file system a path lies on (``ext4``, ``gpfs``); empty where that cannot be known.

    ``mountinfo`` is the text of ``/proc/self/mountinfo`` (proc(5): the fifth word is the mount point, the first
    word after `` - `` the file system's type).
    """
    if mountinfo is None:
        try:
            mountinfo = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:
            return ""
    target, best, kind = path.resolve(), Path("/"), ""
    for line in mountinfo.splitlines():
        before, separator, after = line.partition(" - ")
        words = before.split()
        if not separator or len(words) < 5:
            continue
        mount = Path(words[4].replace("\\040", " "))
        if target.is_relative_to(mount) and len(mount.parts) >= len(best.parts):
            best, kind = mount, after.split()[0]
    return kind
