"""Pilatus frames written one file each, ``.cbf`` or ``.tif``, in the folder beside their scan.

Knows Dectris' mini header and the plain TIFF; does not know what is on the frames.
"""

import struct
from datetime import UTC, datetime
from pathlib import Path

import fabio.cbfimage
import numpy as np
from numpy.typing import NDArray

from catalog_builder.demo.frames import dead_pixels, frames
from catalog_builder.demo.measured import Measured
from catalog_builder.demo.stored import dated

SHAPE = (195, 487)


def write_frames(raw: Path, scan: Measured, began: datetime, rng: np.random.Generator) -> None:
    """Write ``<scan>/p100k/<scan>_00001.cbf`` and on (or ``.tif``), dated from when the scan ``began``."""
    folder = raw / scan.plan.path / "p100k"
    folder.mkdir(parents=True, exist_ok=True)
    elapsed = scan.columns["timestamp"]
    pictures = frames(scan, SHAPE, rng)
    for number, counts in enumerate(pictures):
        path = folder / f"{scan.plan.name}_{number + 1:05d}.{scan.plan.images}"
        when = began.timestamp() + float(elapsed[(number + 1) * len(elapsed) // len(pictures) - 1])
        _write(path, _masked(counts.astype(np.int32)), scan, when)
        dated(path, when)


def _masked(counts: NDArray[np.int32]) -> NDArray[np.int32]:
    """Mark pixels between the chips as -1 and dead ones as -2, as the Pilatus does."""
    counts[dead_pixels(SHAPE, 100)] = -2
    counts[:, 486] = -1
    return counts


def _write(path: Path, counts: NDArray[np.int32], scan: Measured, when: float) -> None:
    taken = datetime.fromtimestamp(when, UTC)
    if path.suffix == ".tif":
        path.write_bytes(_tiff(counts, taken, f"# Exposure_time {scan.plan.exposure:.7f} s"))
        return
    header = (
        f"# Detector: PILATUS 100K, S/N 1-9999, demo\r\n# {taken:%Y-%b-%dT%H:%M:%S}.000\r\n"
        "# Pixel_size 172e-6 m x 172e-6 m\r\n# Silicon sensor, thickness 0.000320 m\r\n"
        f"# Exposure_time {scan.plan.exposure:.7f} s\r\n# Exposure_period {scan.plan.exposure + 0.003:.7f} s\r\n"
        f"# Count_cutoff 1048574 counts\r\n# Threshold_setting: {scan.plan.setup.energy / 2:.0f} eV\r\n"
    )
    image = fabio.cbfimage.CbfImage(
        data=counts,
        header={"_array_data.header_convention": '"SLS/DECTRIS_1.1"', "_array_data.header_contents": header},
    )
    image.write(str(path))


def _tiff(counts: NDArray[np.int32], taken: datetime, description: str) -> bytes:
    """Give an uncompressed little-endian TIFF of one strip of int32 (TIFF 6.0, section 2)."""
    rows, columns = counts.shape
    texts = {270: description.encode() + b"\0", 306: taken.strftime("%Y:%m:%d %H:%M:%S").encode() + b"\0"}
    numbers = {256: columns, 257: rows, 258: 32, 259: 1, 262: 1, 277: 1, 278: rows, 279: counts.nbytes, 339: 2}
    place = 8 + 2 + 12 * (len(texts) + len(numbers) + 1) + 4
    entries, tail = {tag: struct.pack("<HHII", tag, 4, 1, value) for tag, value in numbers.items()}, b""
    for tag, text in texts.items():
        entries[tag] = struct.pack("<HHII", tag, 2, len(text), place + len(tail))
        tail += text + b"\0" * (len(text) % 2)
    entries[273] = struct.pack("<HHII", 273, 4, 1, place + len(tail))
    directory = struct.pack("<H", len(entries)) + b"".join(entries[tag] for tag in sorted(entries)) + b"\0" * 4
    return struct.pack("<2sHI", b"II", 42, 8) + directory + tail + counts.astype("<i4").tobytes()
