"""Files that may be compressed with gzip or bzip2, opened as what they hold.

Knows both forms, and that a small file can inflate to a huge one; does not know what the bytes mean.
"""

import bz2
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from typing_extensions import Buffer

_GZIP, _BZIP2 = b"\x1f\x8b", b"BZh"
_CHUNK = 64 * 1024
"""Compressed bytes read at once."""
_STEP = 4096
"""Inflated bytes asked for at once: so many before a damage are lost with it."""
MOST_BYTES = 512 * 1024 * 1024
"""Inflated bytes beyond which a file is not read on."""
_MOST_FOLD, _HARMLESS = 250, 32 * 1024 * 1024
"""Text of instruments shrinks to a tenth; what shrank to less than 1/250 and is over 32 MiB holds no measurement."""


class _Gzip:
    """The decoder of one gzip member, asked as bz2's is."""

    def __init__(self) -> None:
        self._decoder = zlib.decompressobj(31)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._decoder.eof

    @property
    def unused_data(self) -> bytes:
        return self._decoder.unused_data

    def decompress(self, data: bytes, most: int) -> bytes:
        found = self._decoder.decompress(self._decoder.unconsumed_tail + data, most)
        self.needs_input = not (self.eof or self._decoder.unconsumed_tail or len(found) == most)
        return found


class Inflating(io.RawIOBase):
    """What a compressed stream holds, read once from its beginning; ends where the stream is damaged."""

    def __init__(self, source: BinaryIO) -> None:
        self.damage: str | None = None
        """What is wrong with the archive, once that is met."""
        self._source = source
        self._pending = source.read(_CHUNK)
        self._taken, self._given = len(self._pending), 0
        self._magic = _BZIP2 if self._pending.startswith(_BZIP2) else _GZIP
        self._decoder = self._new_decoder()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        view = memoryview(buffer)
        found = b""
        while not found and self._decoder is not None:
            try:
                found = self._step(self._decoder, min(len(view), _STEP))
            except (OSError, ValueError, zlib.error):
                self._stop("is damaged")
        view[: len(found)] = found
        return len(found)

    def _step(self, decoder: _Gzip | bz2.BZ2Decompressor, most: int) -> bytes:
        """Inflate a little; what comes may be nothing though more follows."""
        data = self._input() if decoder.needs_input else b""
        if decoder.needs_input and not data:
            self._stop("ends too early")
            return b""
        found = decoder.decompress(data, most)
        self._given += len(found)
        if decoder.eof:  # another archive may follow, or padding
            self._pending = decoder.unused_data
            self._pending = self._input()
            self._decoder = self._new_decoder() if self._pending.startswith(self._magic) else None
        if self._given > MOST_BYTES:
            self._stop(f"inflates to more than {MOST_BYTES >> 20} MiB")
        elif self._given > _HARMLESS and self._given > _MOST_FOLD * self._taken:
            self._stop(f"inflates to more than {_MOST_FOLD} times its size")
        return found

    def _input(self) -> bytes:
        """Give what was read and not inflated yet, else what is read now."""
        data, self._pending = self._pending, b""
        if not data:
            data = self._source.read(_CHUNK)
            self._taken += len(data)
        return data

    def _new_decoder(self) -> _Gzip | bz2.BZ2Decompressor | None:
        return bz2.BZ2Decompressor() if self._magic == _BZIP2 else _Gzip()

    def _stop(self, damage: str) -> None:
        self.damage, self._decoder = f"the archive {damage}", None


def is_compressed(head: bytes) -> bool:
    """Tell from a file's first bytes whether it is compressed."""
    return head.startswith((_GZIP, _BZIP2))


def inflated(head: bytes) -> bytes:
    """Give the first 4096 bytes of what a file's first bytes hold, or the bytes themselves where not compressed.

    Of bzip2 nothing shows before its first block of up to 900 kB is there.
    """
    return io.BufferedReader(Inflating(io.BytesIO(head))).read(4096) if is_compressed(head) else head


def first_bytes(path: Path) -> bytes:
    """Give the first 4096 bytes of what a file holds, inflated where it is compressed; raises OSError."""
    with opened(path) as (stream, _):
        return stream.read(4096)


@contextmanager
def opened(path: Path) -> Iterator[tuple[BinaryIO, Inflating | None]]:
    """Open a file for reading its bytes, or what they inflate to; raises OSError.

    The second is None of a file that is not compressed, else it tells of the archive's damage.
    """
    with path.open("rb") as source:
        compressed = is_compressed(source.read(3))
        source.seek(0)
        if not compressed:
            yield source, None
            return
        inflating = Inflating(source)
        with io.BufferedReader(inflating) as stream:
            yield stream, inflating
