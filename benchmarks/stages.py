"""The build with clocks in it, set from outside: what each stage took, in the builder and in its workers.

Knows the functions that make a stage; to be used in a process that does nothing else, for it replaces them for good.
"""

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.clock import Shares
from catalog_builder import build, discover, intake, previews, publish, survey
from catalog_builder.buildstate import BuildState
from catalog_builder.executors import EXECUTORS, Limits
from catalog_builder.intake import Taken, Task
from catalog_builder.previews import Drawing, DrawnImage
from catalog_builder.records import Preview
from catalog_builder.recordstore import RecordStore
from catalog_builder.search import Indexer

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c49444154789c63f8ffff3f0005fe02fe0def46b80000000049454e44ae426082"
)
"""A PNG of one white pixel."""

NOT_DRAWN = Drawing(
    images=(DrawnImage(preview=Preview(name="preview", kind="curve", caption="not drawn"), large=PIXEL, small=PIXEL),)
)

_TAKE_IN, _DRAW, _WRITE, _SAVE = intake.take_in, previews.draw, intake._write_previews, RecordStore.save_scan


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocked(Taken):
    """What taking in a source gave, and what it took."""

    seconds: dict[str, float] = field(default_factory=dict)
    """By stage: ``read``, ``draw``, ``write``."""


def take_in(task: Task, *, draws: bool) -> Clocked:
    """Take in a source as the build does, with clocks; without drawing, a white pixel stands for every picture."""
    shares = Shares()
    intake.previews.draw = shares.within("draw", _DRAW if draws else _not_drawn)  # type: ignore[attr-defined]
    intake._write_previews = shares.within("write", _WRITE)
    RecordStore.save_scan = shares.within("write", _SAVE)  # type: ignore[method-assign]
    with shares.stage("read"):
        taken = _TAKE_IN(task)
    return Clocked(**{each.name: getattr(taken, each.name) for each in fields(Taken)}, seconds=shares.seconds)


def _not_drawn(*_: object) -> Drawing:
    return NOT_DRAWN


@dataclass(slots=True)
class Split:
    """Where the time of a build went."""

    builder: Shares = field(default_factory=Shares)
    workers: dict[str, float] = field(default_factory=dict)
    """Seconds by stage, those of all workers together."""

    def told(self) -> dict[str, float]:
        """Give seconds by stage: those of workers, those of the builder, and its waiting for workers."""
        return {**self.workers, **self.builder.seconds}


def with_clocks(*, draws: bool) -> Split:
    """Put clocks into all stages of builds of this process."""
    split = Split()
    shares = split.builder
    intake.take_in = partial(take_in, draws=draws)
    survey.walk = shares.within("walk", survey.walk)
    discover.beamtimes = shares.within("walk", discover.beamtimes)
    discover.has_raw = shares.within("walk", discover.has_raw)
    publisher: Any = publish.Publisher
    publisher._planned = shares.within("merge", publisher._planned)
    publisher._written = shares.within("render", publisher._written)
    indexer: Any = Indexer
    indexer.apply = shares.within("index", indexer.apply)
    indexer.finish = shares.within("index", indexer.finish)
    state: Any = BuildState
    for name in ("sources", "put_source", "put_scans", "pages", "put_pages", "forget_pages", "problems", "sweep"):
        setattr(state, name, shares.within("state", getattr(state, name)))
    _clock_run(split)
    return split


def _clock_run(split: Split) -> None:
    run: Any = build.Run
    told, tasks, remember = run.told, run._tasks, run._remember

    def remembering(self: object, source: object, taken: Taken) -> None:
        for stage, seconds in getattr(taken, "seconds", {}).items():
            split.workers[stage] = split.workers.get(stage, 0.0) + seconds
        remember(self, source, taken)

    run.told = split.builder.within("rest", told)
    run._tasks = lambda self, folders: split.builder.each("rest", tasks(self, folders))
    run._remember = remembering
    for name in EXECUTORS:
        if name in ("serial", "processes"):
            _clock_executor(EXECUTORS.get(name), split)


def _clock_executor(executor: Any, split: Split) -> None:  # noqa: ANN401 - any executor
    opened = executor.opened

    class Crew:
        """A crew whose results are waited for by the clock."""

        def __init__(self, crew: Any) -> None:  # noqa: ANN401 - any crew
            self._crew = crew

        def run(self, task: Any, items: Iterator[Any]) -> Iterator[Any]:  # noqa: ANN401 - any task
            return split.builder.each("wait", self._crew.run(task, items))

    class Opened:
        def __init__(self, limits: Limits) -> None:
            self._opened = opened(limits)

        def __enter__(self) -> Crew:
            return Crew(self._opened.__enter__())

        def __exit__(self, *error: Any) -> Any:  # noqa: ANN401 - as given
            return self._opened.__exit__(*error)

    executor.opened = Opened


class Peaks:
    """Watches the memory of this process and of its children while a block runs: peaks in MB."""

    def __init__(self) -> None:
        self.workers: dict[int, float] = {}
        """By process."""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Peaks":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    @property
    def builder(self) -> float:
        """Of this process since it began."""
        return _peak_mb(os.getpid()) or 0.0

    def _watch(self) -> None:
        while not self._over.wait(0.5):
            for child in _children(os.getpid()):
                peak = _peak_mb(child)
                if peak is not None:
                    self.workers[child] = peak


def _peak_mb(pid: int) -> float | None:
    """Give the most memory a process held, MB; the kernel's own figure, not one of the process it was forked from."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) / 1000 for line in lines if line.startswith("VmHWM:")), None)


def _children(parent: int) -> Iterator[int]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            except OSError:
                continue
            if int(words[1]) == parent:
                yield int(entry.name)
