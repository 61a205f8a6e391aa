"""What the laws of the search are tried with: documents, commits, queries and requests, drawn by Hypothesis.

Knows what may come; does not know what is right. A document is made from one number, so that examples shrink to the
few documents that matter.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

import pytest
from hypothesis import strategies as st

from catalog_builder.facets import SearchRequest, SuggestRequest
from catalog_builder.search import Document, Indexer
from catalog_builder.search import indexer as indexer_module
from catalog_builder.search.documents import MARKS, WEIGHTS
from catalog_builder.search.query import Dialect

DIALECT = Dialect(zone=ZoneInfo("Europe/Berlin"), quantities=("humidity",))

BEAMTIMES = ("11000001", "11000002", "11000003")
WORDS = (
    *("sto", "sto20", "st", "s", "film", "gk_sto", "-0.5", "0.5", "Größe", "Müller", "00173", "111", "STO(111)"),
    *("20210907", "2021-09-07", "Kα1", "µm", "日本", "film", "biofilm", "I-20230412", "\udce4x", "e\u0301tude"),
)
NAMES = ("a", "gk_sto20", "x=20y", "night~align", "Größe", "20210907")

VALUES = {
    "flag": ("measurement", "alignment"),
    "keyword": ("LaB6", "lab6", "thin film", "Größe", "k1", "k2", "k3", "k4"),
    "sample": ("LaB6", "lab6", "LaB6 film", 'LaB6 "old"', "STO (111)", "\udce4x"),
    "proposal": ("20230412", "I-20230412"),
    "pi": ("Müller", "Ängström, A."),
    "year": ("2021", "2022", "2023"),
    "month": ("2021-09", "2022-01", "2023-10"),
    "detector": ("p100k", "lambda_750k"),
    "macro": ("ascan", "mesh", "a2scan"),
    "positioner": ("chi", "two theta"),
    "on_disk": ("disk", "tape"),
    "state": ("complete", "aborted"),
    "has": tuple(MARKS),
}
_MOST = {"keyword": 4, "sample": 2, "detector": 2, "positioner": 2, "has": 3}
"""Values of a facet a document may have; of all others one."""

NUMBERS = {
    "energy": ((15_000.0, "eV"), (15.0, "keV"), (15.2, "keV"), (15.0, ""), (0.0, "eV"), (math.nan, "eV")),
    "chi": ((45.0, "deg"), (-0.5, ""), (1.0, "")),
    "positioner.chi": ((45.0, "deg"), (0.5, "rad"), (1.0, ""), (1.0, "mm")),
    "channel.roi1.max": ((1e4, "counts"), (1e300, ""), (3.0, "")),
    "points": ((11.0, ""), (41.0, ""), (41.5, "")),
    "size": ((1e6, "B"), (1.0, "GB")),
    "temperature": ((25.0, "°C"), (298.15, "K"), (300.0, "K")),
    "humidity": ((50.0, "%"), (0.5, "")),
    "date": ((1_633_000_000.0, ""), (1_696_600_000.0, ""), (1_698_541_200.0, "")),
    "scans": ((1.0, ""), (4.0, "")),
}
_SORTS = ("name", "title", "sample", "beamtime", "pi", "macro", "flag", "state", "on_disk")


def document(seed: int) -> Document:
    """Make a dataset or a scan; the same key comes again, in another dataset too."""
    random = Random(seed)
    beamtime, slug, name = random.choice(BEAMTIMES), random.choice(NAMES), random.choice(["", "1", "2", "3", "4", "ü"])
    dataset = f"dataset:{beamtime}/{slug}"
    numbers = {name: random.choice(some) for name, some in NUMBERS.items() if random.random() < 0.4}
    sorts: dict[str, str | float] = {name: random.choice("xyzäß日") for name in _SORTS if random.random() < 0.7}
    if random.random() < 0.8:
        sorts["date"] = random.choice([1.0, 2.0, 3.0, 1e9, -1.0, math.nan])
    return Document(
        key=f"scan:{beamtime}/{random.choice('ab')}{name}" if name else dataset,
        level="scan" if name else "dataset",
        beamtime=beamtime,
        dataset=dataset,
        texts=_texts(random),
        facets={"beamtime": (beamtime,), **_facets(random)},
        sorts=sorts,
        numbers={name: figure for name, (figure, _) in numbers.items()},
        units={name: unit for name, (_, unit) in numbers.items() if unit},
        fields={"title": random.choice(["ü\x00", "film", None]), "scans": random.randint(0, 2)},
    )


def _texts(random: Random) -> dict[str, tuple[str, ...]]:
    def text() -> str:
        return random.choice([" ", " ", "_", ", "]).join(random.choices(WORDS, k=random.randint(0, 3)))

    fields = [field for field in WEIGHTS if random.random() < 0.4]
    return {field: tuple(text() for _ in range(random.randint(0, 2))) for field in fields}


def _facets(random: Random) -> dict[str, tuple[str, ...]]:
    facets = {}
    for name, values in VALUES.items():
        if random.random() < 0.8:
            facets[name] = tuple(random.sample(values, random.randint(0, min(_MOST.get(name, 1), len(values)))))
    on_disk = facets.get("on_disk", ())
    return facets | {"dataset.on_disk": random.choice([on_disk, (*on_disk, "part")])}


def several(seeds: Sequence[int], many: int, seed: int) -> tuple[Document, ...]:
    """Make a document of each seed, and many more of one."""
    random = Random(seed)
    return tuple(document(each) for each in (*seeds, *(random.getrandbits(32) for _ in range(many))))


_BATCHES = st.builds(
    several, st.lists(st.integers(0, 2**32), max_size=4), st.sampled_from((0, 30, 60, 40, 50)), st.integers(0, 2**32)
)
DOCUMENTS = _BATCHES.map(list)
LEVELS = st.sampled_from(("scan", "dataset"))
ALLOWED = st.sampled_from(
    (None, None, frozenset(BEAMTIMES[1:]), frozenset(BEAMTIMES[:1]), frozenset((*BEAMTIMES, "unknown")), frozenset(()))
)


# -- commits -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Commit:
    """Something done to an index."""

    updates: tuple[Document, ...] = ()
    removals: tuple[str, ...] = ()
    beamtime: str | None = None
    """Whose documents the updates replace, all of them."""
    then: str = ""
    """``merge`` or ``finish``; ``again`` goes on with an indexer opened anew."""

    def told(self, known: dict[str, Document]) -> dict[str, Document]:
        """Give the documents there are after it."""
        kept = {k: d for k, d in known.items() if k not in self.removals and d.beamtime != self.beamtime}
        return kept | {document.key: document for document in self.updates}


_KEYS = st.builds(
    lambda beamtime, letter, name: f"scan:{beamtime}/{letter}{name}",
    st.sampled_from(BEAMTIMES),
    st.sampled_from("ab"),
    st.sampled_from("1234ü"),
) | st.builds(lambda beamtime, name: f"dataset:{beamtime}/{name}", st.sampled_from(BEAMTIMES), st.sampled_from(NAMES))
_THEN = st.sampled_from(("", "", "merge", "finish", "again"))
COMMITS = st.one_of(
    st.builds(Commit, updates=_BATCHES, removals=st.lists(_KEYS, max_size=8).map(tuple), then=_THEN),
    st.builds(
        lambda beamtime, updates, then: Commit(
            tuple(each for each in updates if each.beamtime == beamtime), beamtime=beamtime, then=then
        ),
        st.sampled_from(BEAMTIMES),
        _BATCHES,
        _THEN,
    ),
)


def committed(folder: Path, indexer: Indexer, commit: Commit) -> Indexer:
    """Carry a commit out; gives who carries out the next."""
    if commit.beamtime is None:
        indexer.apply(commit.updates, commit.removals)
    else:
        indexer.replace_beamtime(commit.beamtime, commit.updates)
    if commit.then == "again":
        return Indexer(folder)
    if commit.then == "merge":
        indexer.merge()
    if commit.then == "finish":
        indexer.finish()
    return indexer


# -- sizes ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sizes:
    """Limits that only tell how an answer is come by, not which."""

    largest_segment: int = 25_000
    fan: int = 8
    rare: int = 100
    few: int = 16
    step: int = 2048
    most_values: int = 100

    @contextmanager
    def set(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            # Nothing is lost here with the power, and disks take longer than all else.
            patch.setattr("os.fsync", lambda _: None)
            patch.setattr(indexer_module, "LARGEST_SEGMENT", self.largest_segment)
            patch.setattr(indexer_module, "_FAN", self.fan)
            patch.setattr("catalog_builder.search.evaluation._RARE", self.rare)
            patch.setattr("catalog_builder.search.ordering._FEW", self.few)
            patch.setattr("catalog_builder.search.ordering._STEP", self.step)
            patch.setattr("catalog_builder.search.counting.MOST_VALUES", self.most_values)
            yield


SIZES = st.builds(
    Sizes,
    largest_segment=st.sampled_from((7, 3, 5, 25_000)),
    fan=st.sampled_from((8, 2, 3)),
    rare=st.sampled_from((100, 0)),
    few=st.sampled_from((16, 1)),
    step=st.sampled_from((2048, 1, 2)),
    most_values=st.sampled_from((100, 2)),
)


# -- queries and requests ------------------------------------------------------------------------------------------

_FIELDS = ("", "", "", *(f"{name}:" for name in (*WEIGHTS, "scan")))
_TYPED = (*WORDS, "to", "sto2", "21090", "o 111", "grosse", "mueller", "173", "0907", "kalpha", "um", "table", "11000")
_PLAIN = st.builds(
    lambda field, word, star: f"{field}{word.split(' ')[0]}{star}",
    st.sampled_from(_FIELDS),
    st.sampled_from(_TYPED),
    st.sampled_from(("", "", "*")),
)
_PHRASES = st.builds(
    lambda field, words: f'{field}"{" ".join(words)}"',
    st.sampled_from(_FIELDS),
    st.lists(st.sampled_from(_TYPED), max_size=3),
)
_AMOUNTS = {
    "energy": ("15", "15keV", "15000 eV", "15.2keV", "0.015MeV"),
    "chi": ("45deg", "0.5rad", "0.5", "-0.5", "1"),
    "positioner.chi": ("45deg", "0.5rad", "1mm", "1"),
    "channel.roi1.max": ("1e4", "3", "10kcps", "3counts"),
    "points": ("11", "41", "41.5"),
    "size": ("1MB", "1GB", "1000000", "1MiB"),
    "temperature": ("25°C", "298.15K", "300"),
    "humidity": ("50%", "0.5"),
    "quantity.humidity": ("50%", "0.5"),
    "date": ("2021", "2023-10-06"),
    "scans": ("1", "4"),
    "year": ("2021", "2022"),
}


def _compared(name: str, sign: str, one: int, other: int) -> str:
    amounts = _AMOUNTS[name]
    first, second = amounts[one % len(amounts)], ("", *amounts)[other % (len(amounts) + 1)]
    return f"{name}:{sign}{first}" if sign != ".." else f"{name}:{first}..{second}"


_COMPARED = st.builds(
    _compared,
    st.sampled_from([*_AMOUNTS]),
    st.sampled_from(("", "=", ">", ">=", "<", "<=", "..", "..")),
    st.integers(0, 5),
    st.integers(0, 5),
) | st.builds("{}:{}".format, st.sampled_from([*_AMOUNTS]), st.sampled_from(("15keV", ">1mm", "1..50%", "<=x")))
_DATES = st.builds(
    lambda name, sign, date: f"{name}:{sign}{date}",
    st.sampled_from(("date", "month", "year")),
    st.sampled_from(("", ">", "<=", "..")),
    st.sampled_from(("2021", "2021-09", "2023-10", "2023-10-06", "2023-10-29T02", "2023-02-30", "2021..2023-10")),
)
_EVERY_VALUE = [(name, value) for name, values in VALUES.items() for value in values]
_OFFERED = [choice for choice in _EVERY_VALUE if choice[0] != "has"]
_CHOICES = st.sampled_from(_EVERY_VALUE)
_OF_FACETS = st.builds(
    lambda choice, spelt: spelt.format(*choice),
    _CHOICES,
    st.sampled_from(('{0}:"{1}"', "{0}:{1}", "{0}:{1}*", "has:{0}", "{0}:{1[0]}*")),
) | st.sampled_from([*MARKS]).map(lambda mark: f"has:{mark}")
_HAVING = st.sampled_from((*NUMBERS, "date", "positoner.chi", "nothing")).map("has:{}".format)
LEAVES = st.one_of(_PLAIN, _PLAIN, _PLAIN, _PLAIN, _PHRASES, _COMPARED, _DATES, _OF_FACETS, _HAVING)

_TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds("{} OR {}".format, inner, inner),
        st.builds("{} {}".format, inner, inner),
        st.builds("({} OR {}) AND {}".format, inner, inner, inner),
        st.builds("({})".format, inner),
        st.builds("NOT {}".format, inner),
        st.builds("-{}".format, inner),
    ),
    max_leaves=6,
)
_PIECES = st.sampled_from(
    ("(", ")", '"', ":", "*", "-", "NOT ", " OR ", " AND ", "..", ">", "=", "has:", "energy:", "keV", " ", "&", "a")
)
_GARBAGE = st.one_of(
    st.lists(_PIECES | LEAVES, max_size=8).map("".join),
    st.text(max_size=20),
    st.sampled_from(("(" * 25, "a " * 101, "a" * 2001, "*a*", "??????*", "(a OR " * 20 + "a" + ")" * 20)),
)
QUERIES = st.one_of(st.just(""), LEAVES, LEAVES, _TREES, _TREES, _TREES, _GARBAGE)
"""What may be typed; most of it can be understood."""

SORTS = st.builds(
    "{}{}".format,
    st.sampled_from(("", "-")),
    st.sampled_from(
        (
            *("relevance", "relevance", "date", *_SORTS, "energy", "points", "size", "positioner.chi"),
            *("channel.roi1.max", "quantity.humidity", "positioner.none"),
        )
    ),
)
_FREQUENT = [choice for choice in _OFFERED if choice[0] in ("flag", "on_disk", "state")]
_RARELY = [("on_disk", "part"), ("flag", "unknown"), ("month", "1999-01"), *(("beamtime", each) for each in BEAMTIMES)]
CHOSEN = st.lists(st.sampled_from([*_FREQUENT, *_FREQUENT, *_OFFERED, *_RARELY]), max_size=4).map(
    lambda pairs: {name: tuple(sorted({value for n, value in pairs if n == name})) for name, _ in pairs}
)
NOTHING_CHOSEN = st.builds(dict[str, tuple[str, ...]])
COUNTED = st.sampled_from((None, None, None, (), ("flag", "month")))


REQUESTS = st.builds(
    SearchRequest,
    q=QUERIES,
    level=LEVELS,
    chosen=st.one_of(NOTHING_CHOSEN, NOTHING_CHOSEN, CHOSEN),
    sort=SORTS | st.sampled_from(("relevance", "-relevance", "-date", "relevance", "size", "unknown")),
    page=st.sampled_from((1, 1, 1, 1, 2, 3)),
    per_page=st.sampled_from((100, 100, 1, 5)),
    counted=COUNTED,
)

_TEXTS = st.one_of(
    st.sampled_from(
        ("", "la", "lab6 ", "f", "sam", "energy", "measure", "Gr", "sample:la", 'Keyword:"k', "dataset:", "x y")
    ),
    st.sampled_from(
        ("positioner:", "unknown:x", "old", '"', "ü", "1", "20", "dataset:al", ":a", "a:b:c", "11000", "sto")
    ),
    st.text(max_size=4).filter(lambda text: "\n" not in text),
)
SUGGESTED = st.builds(
    SuggestRequest,
    text=_TEXTS,
    facet=st.sampled_from((None, None, *VALUES, "beamtime")).filter(lambda name: name != "has"),
    search=st.builds(SearchRequest, level=LEVELS, chosen=NOTHING_CHOSEN | CHOSEN) | REQUESTS,
    most=st.sampled_from((10, 1, 50)),
)
