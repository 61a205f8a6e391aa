"""The parts of the search benchmark, each run in a process of its own: build, check, ask warm, ask cold, update.

Knows what is timed and when caches are cleared; does not know how figures are told.
"""

import gc
import hashlib
import inspect
import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from statistics import median

from benchmarks.clock import Shares
from benchmarks.search_contender import Answer, Contender, Open
from benchmarks.search_documents import beamtime_ids, documents
from benchmarks.search_fts5 import Fts5
from benchmarks.search_ours import Ours
from benchmarks.search_queries import QUESTIONS, Question, Words, a_tenth
from benchmarks.search_whoosh import StockWhoosh
from benchmarks.table import Plain
from catalog_builder import search
from catalog_builder.search import Document

CONTENDERS: dict[str, Contender] = {each.name: each for each in (Ours(), Fts5(), StockWhoosh())}
"""By name, in the order of the tables."""
if find_spec("tantivy") is not None:
    from benchmarks.search_tantivy import Tantivy

    CONTENDERS = {"ours": CONTENDERS["ours"], "tantivy": Tantivy(), **CONTENDERS}

WARM_SECONDS = 60.0
"""A contender that has been asked for so long in warm rounds begins no further round."""

UPDATES = 5
"""Times a round an update is waited for until it is found."""

_BUILT = "built.json"
_CHUNK = 2_000
_STAMPED = 200
_EVERY = 37
"""Each so-manieth scan is one that gets updates."""

Times = list[list[float]]
"""Milliseconds, a list for each question of QUESTIONS."""


def taking_part(scans: int) -> list[str]:
    """Name the contenders that are asked where there are so many scans."""
    return [name for name, each in CONTENDERS.items() if each.most is None or scans <= each.most]


# Build


def built(name: str, place: Path, scans: int) -> dict[str, Plain]:
    """Build a contender's index in its folder, or give what was noted when the same was built there before.

    Time to make the documents is left out; they come in chunks, and those who index in the background go on meanwhile.
    """
    folder, note = place / name, place / f"{name}-{_BUILT}"
    stamp = _stamp(name, scans)
    if note.exists():
        before: dict[str, Plain] = json.loads(note.read_text(encoding="utf-8"))
        if before["stamp"] == stamp:
            return before | {"built_before": True}
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shares = Shares()
    begun = time.perf_counter()
    count = CONTENDERS[name].build(folder, _in_chunks(scans, shares))
    wall = time.perf_counter() - begun
    seconds = wall - shares.seconds["documents"]
    files = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    found: dict[str, Plain] = {
        "stamp": stamp,
        "built_before": False,
        "documents": count,
        "seconds": seconds,
        "seconds_with_making": wall,
        "documents_per_s": count / seconds,
        "peak_mb": _status("VmHWM"),
        "size_mb": sum(files) / 1e6,
        "files": len(files),
    }
    note.write_text(json.dumps(found), encoding="utf-8")
    return found


def _stamp(name: str, scans: int) -> str:
    """Give what changes when an index would come out differently: by its source, and by the first documents."""
    files = {Path(inspect.getfile(type(CONTENDERS[name])))}
    if name == "ours":
        files |= set(Path(inspect.getfile(search)).parent.rglob("*.py"))
    told = hashlib.sha256(repr(list(islice(documents(scans), _STAMPED))).encode())
    for file in sorted(files):
        told.update(file.read_bytes())
    return told.hexdigest()


def _in_chunks(scans: int, shares: Shares) -> Iterator[Document]:
    making = documents(scans)
    while True:
        with shares.stage("documents"):
            chunk = list(islice(making, _CHUNK))
        if not chunk:
            return
        yield from chunk


def _status(field: str) -> float:
    """Give a figure of /proc/self/status in MB."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:")) / 1000


# Check


def answers(name: str, place: Path, scans: int) -> list[Answer]:
    """Ask every question, by somebody who may see all and by somebody who may see a tenth."""
    index = CONTENDERS[name].open(place / name)
    ids = beamtime_ids(scans)
    found = []
    for number, question in enumerate(QUESTIONS):
        for allowed in (None, a_tenth(ids, number)):
            found.append(index.ask(question, allowed, scans))
    index.close()
    return found


def differences(ours: Sequence[Answer], theirs: Sequence[Answer]) -> list[str]:
    """Say where answers to the questions that both can be asked alike are not equal."""
    found = []
    for number, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
        question, who = QUESTIONS[number // 2], "a tenth" if number % 2 else "all"
        if question.is_said_alike:
            chosen = "".join(f" {name}={'|'.join(values)}" for name, values in question.chosen.items())
            asked = f"{question.kind}, {question.text or 'everything'}{chosen}, {who}"
            found += [f"{asked}: {what}" for what in _unlike(question, mine, other)]
    return found


def _unlike(question: Question, mine: Answer, other: Answer) -> Iterator[str]:
    if mine.total != other.total:
        yield f"total {mine.total:,} and {other.total:,}"
        return
    if len(mine.rows) != len(other.rows):
        yield f"{len(mine.rows)} and {len(other.rows)} rows"
    elif question.sort != "relevance" and [row["date"] for row in mine.rows] != [row["date"] for row in other.rows]:
        yield "the rows' dates"
    elif mine.total == len(mine.rows) and _addresses(mine) != _addresses(other):
        yield "the scans found"
    for name, counts in mine.facets.items():
        if _comparable(counts) != _comparable(other.facets[name]):
            yield f"counts of facet {name}"


def _addresses(answer: Answer) -> set[str]:
    return {str(row["address"]) for row in answer.rows}


def _comparable(counts: Sequence[tuple[str, int]]) -> tuple[list[int], set[tuple[str, int]]]:
    """Give all counts, and the values above the last one: which of several that are as frequent is listed is free."""
    most = sorted(((count, value) for value, count in counts if count), reverse=True)[:100]
    last = most[-1][0] if len(most) == 100 else 0
    return [count for count, _ in most], {(value, count) for count, value in most if count > last}


# Ask


def first(name: str, place: Path, scans: int) -> float:
    """Give the milliseconds from opening to the first answer, in a process that has asked nothing before."""
    ids = beamtime_ids(scans)
    begun = time.perf_counter()
    index = CONTENDERS[name].open(place / name)
    index.ask(QUESTIONS[0], a_tenth(ids, 0), scans)
    taken = 1000 * (time.perf_counter() - begun)
    index.close()
    return taken


def warm(name: str, place: Path, scans: int, rounds: int) -> dict[str, Plain | Times]:
    """Ask every question once untimed, then in rounds; gives times and memory."""
    before = _status("VmHWM")
    index = CONTENDERS[name].open(place / name)
    times: Times = [[] for _ in QUESTIONS]
    begun = time.perf_counter()
    for round_ in range(rounds + 1):
        if round_ > 1 and time.perf_counter() - begun > WARM_SECONDS:
            break
        for number in range(len(QUESTIONS)):
            taken = _asked(index, number, scans)
            if round_:
                times[number].append(taken)
    peak, anonymous = _status("VmHWM"), _status("RssAnon")
    index.close()
    return {"times": times, "peak_mb": peak, "anonymous_mb": anonymous, "before_mb": before, "rounds": len(times[0])}


def _asked(index: Open, number: int, scans: int) -> float:
    allowed = a_tenth(beamtime_ids(scans), number)
    begun = time.perf_counter()
    index.ask(QUESTIONS[number], allowed, scans)
    return 1000 * (time.perf_counter() - begun)


def cold(name: str, place: Path, scans: int) -> Times:
    """Ask every question of an index opened for it alone, its files dropped from the page cache; opening counts."""
    times: Times = []
    ids = beamtime_ids(scans)
    gc.freeze()  # what is there already need not be looked through each time
    for number, question in enumerate(QUESTIONS):
        gc.collect()  # a file that is still mapped stays in the page cache
        _drop(place / name)
        begun = time.perf_counter()
        index = CONTENDERS[name].open(place / name)
        index.ask(question, a_tenth(ids, number), scans)
        times.append([1000 * (time.perf_counter() - begun)])
        index.close()
        del index
    gc.unfreeze()
    return times


def _drop(folder: Path) -> None:
    """Have the kernel forget what it keeps of the files."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            file = os.open(path, os.O_RDONLY)
            try:
                os.fsync(file)  # what is not yet on disk is kept
                os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(file)


# Update


def updated(name: str, place: Path, scans: int, rounds: int) -> dict[str, Plain | Times]:
    """On a copy of the index: commit one changed scan before each question; then time until a changed scan is found."""
    copy = place / f"{name}-copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(place / name, copy)
    index = CONTENDERS[name].open(copy)
    for number in range(len(QUESTIONS)):
        _asked(index, number, scans)
    index.get_ready()
    changing = _some_scans(scans, len(QUESTIONS) + UPDATES * rounds)
    times: Times = []
    for number, document in zip(range(len(QUESTIONS)), changing, strict=False):
        index.update(_changed(document, f"changed{number}"))
        times.append([_asked(index, number, scans)])
    visible = [_until_visible(index, document, number, scans) for number, document in enumerate(changing)]
    index.close()
    shutil.rmtree(copy)
    return {"times": times, "visible_ms": visible, "visible_median_ms": median(visible)}


def _some_scans(scans: int, number: int) -> Iterator[Document]:
    """Give scans of several beamtimes, some of them twice where there are few."""
    found = [each for each in islice(documents(scans), 40 * _EVERY) if each.level == "scan"][::_EVERY]
    return (found[n % len(found)] for n in range(number))


def _changed(document: Document, word: str) -> Document:
    titles = (*document.texts.get("title", ()), word)
    return replace(document, texts={**document.texts, "title": (" ".join(titles),)})


def _until_visible(index: Open, document: Document, number: int, scans: int) -> float:
    """Give the milliseconds from handing over a changed scan until a question for its new word has found it."""
    word = f"visible{number}"
    changed = _changed(document, word)
    question = Question(kind="update", clauses=(Words((word,)),))
    begun = time.perf_counter()
    index.update(changed)
    found = index.ask(question, None, scans)
    taken = 1000 * (time.perf_counter() - begun)
    if _addresses(found) != {str(document.fields["address"])}:
        raise AssertionError(f"{document.key} is not found after its update: {found.total} hits")
    return taken


def packages() -> Sequence[str]:
    """Name the packages that figures depend on."""
    return sorted({package for each in CONTENDERS.values() for package in each.packages} | {"tantivy"})
