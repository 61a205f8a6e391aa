"""What stands in an HDF5 file that makes the HDF5 library itself go round for ever.

Knows the file's own tables of bytes; does not know what is in them. An endless loop inside the library can be ended
by nothing but the end of the process, so such a file is not opened.

Source: HDF5 File Format, "Disk Format: Level 0A" (superblock) and "Level 1E" (global heap).
"""

import mmap
import os
import struct

_SUPERBLOCK = b"\x89HDF\r\n\x1a\n"
_HEAP = b"GCOL"
_SEARCHED = 8 << 20
"""Bytes from the beginning in which heaps are looked for; texts mostly stand there, before the frames."""
_HEADER = 16
"""Bytes of a heap's header, and of an object's."""
_FOR_SWMR = 0b101
"""Consistency flags of a file that a writer lets others read meanwhile."""


def is_being_written(descriptor: int) -> bool:
    """Tell a file whose writer lets others read it; of any other HDF5 would only repeat what fails, for minutes."""
    for at in (0, 512, 1024, 2048):
        head = os.pread(descriptor, 12, at)
        if head[:8] == _SUPERBLOCK and len(head) == 12:
            return head[8] >= 3 and head[11] & _FOR_SWMR == _FOR_SWMR
    return False


def goes_round(descriptor: int) -> bool:
    """Tell a file with a global heap in which an object takes no space: HDF5 never gets behind it."""
    size = min(os.fstat(descriptor).st_size, _SEARCHED)
    if size < _HEADER:
        return False
    with mmap.mmap(descriptor, size, prot=mmap.PROT_READ) as content:
        at = content.find(_HEAP)
        while at >= 0:
            if at % 8 == 0 and _is_endless(content, at, size):
                return True
            at = content.find(_HEAP, at + 4)
    return False


def _is_endless(content: mmap.mmap, start: int, size: int) -> bool:
    if start + _HEADER > size:
        return False
    end = min(start + struct.unpack_from("<Q", content, start + 8)[0], size)
    at = start + _HEADER
    while at + _HEADER <= end:
        index, length = struct.unpack_from("<H6xQ", content, at)
        if index == 0:
            if length == 0:
                return True
            at += length
        else:
            at += _HEADER + (length + 7) // 8 * 8
    return False
