"""The records of the catalogue: what files say (Beamtime, Scan), what is folded from them (Dataset, Curated).

Knows the words and their shapes; does no I/O and holds no arrays.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from typing_extensions import TypeAliasType

FORMAT = 1
"""Number of the record files' format; a higher one comes with an upgrader in ``recordstore``."""

ScanState = Literal["complete", "running", "aborted", "unknown"]
OnDisk = Literal["disk", "tape", "both", "part", "lost", "unknown"]
"""Where raw data are; ``part`` is a dataset some of whose scans are on disk."""

PreviewKind = Literal["curve", "map", "frame", "spectra", "projection", "attached"]
"""What a preview shows; ``attached`` is a picture that lay beside the scan."""

Json = TypeAliasType("Json", "str | int | float | bool | list[Json] | dict[str, Json] | None")
"""What JSON can hold; a named alias, because it speaks of itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that could not be understood, and where."""

    where: str
    """Path below the root or below ``raw/``, with a line or an HDF5 path where that is known."""
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Beamtime:
    """The granted time: a folder of data, and what its ``beamtime-metadata-<id>.json`` says of it."""

    id: str
    """The folder's id, eight digits at DESY; never what the JSON claims."""
    proposal_id: str | None = None
    proposal_type: str | None = None
    """``I``, ``II``, ``H`` …; with the id it makes ``I-20230412``."""
    title: str | None = None
    beamline: str | None = None
    setup: str | None = None
    pi: str | None = None
    """Principal investigator as people say it: the last name."""
    contact: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    core_path: str | None = None
    year: int | None = None
    """Year of the folder, else of the start."""
    owner_groups: tuple[str, ...] = ()
    """From ``ownerGroup``; empty means the site's pattern applies."""
    access_groups: tuple[str, ...] = ()
    """From ``accessGroups``; empty means the site's patterns apply."""
    scan_groups: Mapping[str, str] = field(default_factory=dict)
    """Scan name to group, from ``scicat-datasets-*.lst``."""
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """What one positioner was asked to do; both ends and the intervals between them."""

    positioner: str
    start: float | None
    stop: float | None
    intervals: int | None
    """Points minus one along this positioner; None where the command does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A scan command, parsed: ``dscan om -1 1 40 1``."""

    text: str
    macro: str
    """First word; empty where there is no command."""
    ranges: tuple[Range, ...] = ()
    """One a scanned positioner, outer (slow) last, as in ``mesh fast … slow …``."""
    relative: bool = False
    """True for dscan, d2scan, dmesh: the ends count from where the positioner stood."""
    points: int | None = None
    """Points planned, (intervals + 1) multiplied over the ranges of a mesh."""
    exposure: float | None = None
    """Counting time a point, s; negative (monitor counts) is kept as it stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A recorded column and its figures over the finite values."""

    name: str
    unit: str | None = None
    finite: int = 0
    minimum: float | None = None
    maximum: float | None = None
    mean: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """A figure of the scientific metadata, folded over a scan's points or a dataset's scans."""

    name: str
    unit: str | None
    average: float
    minimum: float
    maximum: float
    source: str
    """The positioner or channel it was read from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFile:
    """A file of a scan, or a whole series of frames as one thing."""

    path: str
    """Below the beamtime's folder, ``/`` between parts; a folder where ``suffix`` is set."""
    suffix: str = ""
    """Set for a series: all files directly in ``path`` that end so (``.cbf``)."""
    count: int = 1
    size: int = 0
    """Bytes, summed over a series; of a SPEC file, which goes on growing, up to the end of the scan."""
    modified: datetime | None = None
    """Time of the newest file; None for a SPEC file."""
    detector: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """A PNG made of a scan; the thinned curve lies beside the first one."""

    name: str
    """File name without suffix: ``preview`` (it has a ``thumb``), then ``preview-2`` …"""
    kind: PreviewKind
    caption: str
    """``eiger_roi1 over om, log counts``: what is drawn, and every scaling applied to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """Facts about the highest point of a curve, on the axis' own unit."""

    height: float
    position: float
    centre_of_mass: float | None
    fwhm: float | None
    """Full width at half maximum; None where a flank is missing."""
    ambiguous: bool
    """True where the facts are doubtful: a flank is missing, several stretches exceed half the maximum, the top is
    flat, points are too few, or it does not stand out of the noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A value nobody set by hand, and the rule that suggested it."""

    value: str
    rule: str
    """Name of the rule in ``site_config.yaml``; ``file`` where the file itself says so; ``default``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """One measurement, as its files tell it."""

    key: str
    name: str
    stem: str
    """The name without its scan number: the default grouping value."""
    beamtime: str
    measurement: str | None = None
    """Which one of its file: ``289.1`` (SPEC), a NeXus entry; None where the file holds one scan."""
    number: int | None = None
    command: Command
    title: str | None = None
    sample: str | None = None
    user: str | None = None
    started: datetime | None = None
    ended: datetime | None = None
    state: ScanState = "unknown"
    points: int = 0
    """Points measured."""
    comments: tuple[str, ...] = ()
    positioners: Mapping[str, float] = field(default_factory=dict)
    """Start values, all of them."""
    parameters: Mapping[str, Json] = field(default_factory=dict)
    """What else the file records: text, lists, matrices."""
    units: Mapping[str, str] = field(default_factory=dict)
    """Of positioners and channels, where known."""
    channels: tuple[Channel, ...] = ()
    detectors: tuple[str, ...] = ()
    signals: tuple[str, ...] = ()
    """Channels drawn, the main one first."""
    axes: tuple[str, ...] = ()
    """Columns they are drawn over, fast first; empty means the point's number."""
    peak: Peak | None = None
    previews: tuple[Preview, ...] = ()
    no_preview: str | None = None
    """The reason, where there is none."""
    files: tuple[DataFile, ...] = ()
    flag: str | None = None
    """The file's own word (``scanmode = measurement``); rules and people speak in CuratedScan."""
    problems: tuple[Problem, ...] = ()
    reader: str = ""
    reader_version: int = 0
    source: str = ""
    """The file it was read from first, below the beamtime's folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """Scans that belong together, folded."""

    key: str
    slug: str
    beamtime: str
    title: str
    sample: str | None = None
    """Of its scans, where they agree; else the most frequent."""
    samples: tuple[str, ...] = ()
    scans: tuple[str, ...] = ()
    """Keys, in order of time, then name."""
    started: datetime | None = None
    ended: datetime | None = None
    flags: tuple[str, ...] = ()
    """The set of its scans' flags, in the order of the configuration."""
    keywords: tuple[str, ...] = ()
    macros: tuple[str, ...] = ()
    detectors: tuple[str, ...] = ()
    quantities: tuple[Quantity, ...] = ()
    size: int = 0
    files: int = 0
    on_disk: OnDisk = "unknown"
    main_scan: str | None = None
    """Key of the scan whose preview stands for the dataset."""


Via = Literal["account", "invitation", "login", "stated"]
"""How the name of whoever made a remark is known: signed in; given by somebody invited, unverified; the login name at
the operating system; said on the command line, unverified."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """What somebody says about one field of one scan or dataset; a line of the journal, never changed."""

    id: int
    """Counted from 1 in the order remarks were made."""
    batch: int
    """Id of the first remark of the action it belongs to; its own where it is one by itself."""
    at: datetime
    """To the millisecond."""
    who: str
    via: Via
    target: str
    """Key of a scan or dataset."""
    field: str
    old: Json
    """What counted before."""
    new: Json
    """What counts from now on; None gives the field back to files and rules. A change of keywords is
    ``{"add": […], "remove": […]}``. In a remark that undoes another it tells what came of it and sets nothing."""
    underlying: Json
    """What files and rules said when it was made: where they say something else now, they changed under it."""
    reason: str | None = None
    undoes: int | None = None
    """Id of the remark that counts no more, as if it had not been made; undoing this one brings that back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where an effective value came from."""

    source: Literal["file", "rule", "default", "person"]
    name: str | None = None
    """The rule's or the person's name."""
    at: datetime | None = None
    """When the person said so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Underlying:
    """What would count if no person had spoken."""

    value: Json
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class CuratedScan:
    """A scan with the values that count, and where each came from."""

    facts: Scan
    flag: str
    keywords: tuple[str, ...]
    sample: str | None
    title: str | None
    dataset: str
    """Key of the dataset it is in."""
    on_disk: OnDisk
    quantities: tuple[Quantity, ...] = ()
    """Energy, temperature, … as the settings define them, from positioners and channels."""
    origin: Mapping[str, Origin] = field(default_factory=dict)
    """By field name: flag, keywords, sample, title, dataset."""
    underlying: Mapping[str, Underlying] = field(default_factory=dict)
    """Of each field a person set, by the field's name in remarks (``group`` holds the dataset's slug)."""
    conflicts: tuple[str, ...] = ()
    """Fields whose underlying value is neither what it was when the person spoke nor what they set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CuratedDataset:
    """A dataset with its curated scans."""

    facts: Dataset
    scans: tuple[CuratedScan, ...]
    origin: Mapping[str, Origin] = field(default_factory=dict)
    """By field name: title, keywords.<word> of its own; ``scans`` says who or what grouped them."""
    underlying: Mapping[str, Underlying] = field(default_factory=dict)
    """As of a scan."""
    conflicts: tuple[str, ...] = ()
