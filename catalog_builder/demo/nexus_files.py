"""Scans and image stacks written as NeXus/HDF5: the scan's own file, Lambda stacks, Eiger masters.

Knows groups, links, attributes and compression; does not know what is on the frames. The same input gives the same
bytes: no creation times are kept (``track_times`` is off) and names are written in one order.
"""

from pathlib import Path
from zoneinfo import ZoneInfo

import h5py
import hdf5plugin
import numpy as np
from numpy.typing import NDArray

from catalog_builder.demo.frames import dead_pixels, frame_count, frames
from catalog_builder.demo.measured import Measured
from catalog_builder.demo.stored import dated

LAMBDA_SHAPE = (256, 516)
EIGER_SHAPE = (512, 514)
EIGER_DEAD = 2**32 - 1
"""What an Eiger writes where a pixel says nothing."""
LAMBDA_DATA = "/entry/instrument/detector/data"


def write_nexus(raw: Path, scan: Measured, zone: ZoneInfo, *, add: bool) -> None:
    """Write the scan as the NXentry of a new ``<scan>.nxs``, or ``add`` it to the one that is there."""
    path = raw / scan.plan.path.with_name(f"{scan.plan.name}.nxs")
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "a" if add else "w") as file:
        file.attrs["NX_class"] = "NXroot"
        file.attrs.setdefault("default", scan.plan.entry)
        file.attrs["file_time"] = scan.started.astimezone(zone).isoformat(timespec="seconds")
        _entry(_group(file, scan.plan.entry, "NXentry"), scan, zone)
    if scan.plan.truncated:
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])
    dated(path, scan.ended.timestamp())


def _entry(entry: h5py.Group, scan: Measured, zone: ZoneInfo) -> None:
    plan = scan.plan
    entry.attrs["default"] = "data"
    entry["title"] = plan.title
    entry["start_time"] = scan.started.astimezone(zone).isoformat(timespec="microseconds")
    entry["end_time"] = scan.ended.astimezone(zone).isoformat(timespec="microseconds")
    entry["entry_identifier"] = plan.name
    entry["program_name"] = "NexDaTaS"
    entry["program_name"].attrs["scan_command"] = plan.command
    sample = _group(entry, "sample", "NXsample")
    sample["name"] = plan.sample.name
    sample["chemical_formula"] = plan.sample.formula
    sample["description"] = plan.sample.description
    _value(sample, "temperature", plan.temperature, "degC")
    collection = _instrument(entry, scan)
    _plotted(_group(entry, "data", "NXdata"), collection, scan)
    if plan.images == "lambda":
        _detector(entry, scan)


def _instrument(entry: h5py.Group, scan: Measured) -> h5py.Group:
    """Write positioners and recorded columns; gives the group that holds the columns."""
    instrument = _group(entry, "instrument", "NXinstrument")
    instrument["name"] = "P08"
    monochromator = _group(instrument, "monochromator", "NXmonochromator")
    _value(monochromator, "energy", scan.positioners["energyfmb"], "eV")
    collection = _group(instrument, "collection", "NXcollection")
    for name, values in scan.columns.items():
        _value(collection, name, values, scan.unit(name))
    for name, value in scan.positioners.items():
        if name not in scan.columns:
            _value(collection, name, value, scan.unit(name))
    return collection


def _plotted(data: h5py.Group, collection: h5py.Group, scan: Measured) -> None:
    """Say what is plotted over what (NXdata rules): the signal over the positioner that moves, or over time."""
    axis = scan.plan.main_axis or "timestamp"
    data.attrs["signal"] = scan.signal
    data.attrs["axes"] = [axis]
    data.attrs[f"{axis}_indices"] = 0
    for name in dict.fromkeys((scan.signal, axis, f"{scan.plan.setup.detector}_roi2", "petra_beamcurrent")):
        data[name] = collection[name]


def _detector(entry: h5py.Group, scan: Measured) -> None:
    """Link the stack that lies in the folder beside the scan's file."""
    detector = _group(entry["instrument"], "lambda", "NXdetector")
    detector["description"] = "Lambda 750k"
    detector["layout"] = "area"
    _value(detector, "x_pixel_size", 55.0, "um")
    _value(detector, "y_pixel_size", 55.0, "um")
    _value(detector, "distance", 880.0, "mm")
    detector["data"] = h5py.ExternalLink(f"{scan.plan.name}/lambda/{_stack_name(scan)}", LAMBDA_DATA)
    entry["data"]["lambda"] = h5py.SoftLink(f"/{scan.plan.entry}/instrument/lambda/data")


def _stack_name(scan: Measured) -> str:
    return f"{scan.plan.name}_part00000.nxs"


def write_lambda(raw: Path, scan: Measured, rng: np.random.Generator) -> None:
    """Write ``<scan>/lambda/<scan>_part00000.nxs``: int16 counts of shape (frames, rows, columns), deflated."""
    path = raw / scan.plan.path / "lambda" / _stack_name(scan)
    path.parent.mkdir(parents=True, exist_ok=True)
    stack = np.stack(frames(scan, LAMBDA_SHAPE, rng)).clip(0, 4095).astype(np.int16)
    dead = dead_pixels(LAMBDA_SHAPE, 750)
    stack[:, dead] = 0
    with h5py.File(path, "w") as file:
        file.attrs["NX_class"] = "NXroot"
        entry = _group(file, "entry", "NXentry")
        detector = _group(_group(entry, "instrument", "NXinstrument"), "detector", "NXdetector")
        data = detector.create_dataset("data", data=stack, chunks=(1, *LAMBDA_SHAPE), compression="gzip")
        data.attrs["units"] = "counts"
        detector["description"] = "Lambda"
        detector["local_name"] = "demo/lambda/01"
        detector["sequence_number"] = np.arange(len(stack), dtype=np.int32)
        _value(detector, "count_time", np.array([scan.plan.exposure * 1000]), "millisecond")
        _value(detector, "x_pixel_size", np.array([55.0]), "micrometer")
        _value(detector, "y_pixel_size", np.array([55.0]), "micrometer")
        mask = dead.astype(np.uint32)[np.newaxis]
        detector.create_dataset("pixel_mask", data=mask, chunks=mask.shape, compression="gzip")
    dated(path, scan.ended.timestamp())


def write_eiger(raw: Path, scan: Measured, rng: np.random.Generator) -> None:
    """Write ``<scan>/eiger4m/<scan>_master.h5`` and the stack it links to, bitshuffled and LZ4-compressed."""
    folder = raw / scan.plan.path / "eiger4m"
    folder.mkdir(parents=True, exist_ok=True)
    stack = np.stack(frames(scan, EIGER_SHAPE, rng)).astype(np.uint32)
    stack[:, _eiger_dead()] = EIGER_DEAD
    part = folder / f"{scan.plan.name}_data_000001.h5"
    with h5py.File(part, "w") as file:
        group = _group(_group(file, "entry", "NXentry"), "data", "NXdata")
        data = group.create_dataset("data", data=stack, chunks=(1, *EIGER_SHAPE), **hdf5plugin.Bitshuffle(cname="lz4"))
        data.attrs["image_nr_low"] = np.int32(1)
        data.attrs["image_nr_high"] = np.int32(len(stack))
    master = folder / f"{scan.plan.name}_master.h5"
    with h5py.File(master, "w") as file:
        _eiger_master(_group(file, "entry", "NXentry"), scan, part.name)
    for path in (part, master):
        dated(path, scan.ended.timestamp())


def _eiger_master(entry: h5py.Group, scan: Measured, part: str) -> None:
    data = _group(entry, "data", "NXdata")
    data["data_000001"] = h5py.ExternalLink(part, "/entry/data/data")
    instrument = _group(entry, "instrument", "NXinstrument")
    _value(_group(instrument, "beam", "NXbeam"), "incident_wavelength", 12398.42 / scan.plan.setup.energy, "angstrom")
    detector = _group(instrument, "detector", "NXdetector")
    detector["description"] = "Eiger 4M, a part of it"
    detector["detector_number"] = "E-00-DEMO"
    detector["bit_depth_image"] = np.int32(32)
    for name, value, unit in (
        ("count_time", scan.plan.exposure, "s"),
        ("frame_time", scan.plan.exposure + 1e-5, "s"),
        ("x_pixel_size", 7.5e-5, "m"),
        ("y_pixel_size", 7.5e-5, "m"),
        ("detector_distance", 0.62, "m"),
        ("beam_center_x", 12.0, "pixel"),
        ("beam_center_y", 440.0, "pixel"),
        ("sensor_thickness", 4.5e-4, "m"),
    ):
        _value(detector, name, value, unit)
    specific = _group(detector, "detectorSpecific", "NXcollection")
    specific["nimages"] = np.int32(frame_count(scan))
    mask = _eiger_dead().astype(np.uint32)
    specific.create_dataset("pixel_mask", data=mask, chunks=EIGER_SHAPE, compression="gzip")


def _eiger_dead() -> NDArray[np.bool_]:
    """Give the pixels without a value: a gap between two modules, and some that died."""
    mask = dead_pixels(EIGER_SHAPE, 4000, 60)
    mask[250:262, :] = True
    return mask


def _group(parent: h5py.Group, name: str, nx_class: str) -> h5py.Group:
    group = parent.create_group(name)
    group.attrs["NX_class"] = nx_class
    return group


def _value(parent: h5py.Group, name: str, value: float | NDArray[np.float64], unit: str | None) -> None:
    field = parent.create_dataset(name, data=value)
    if unit is not None:
        field.attrs["units"] = unit
