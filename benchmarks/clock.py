"""Clocks for benchmarks: wall and CPU time of what alternates, as medians of rounds; shares of stages.

Knows how to time fairly; does not know what is timed.
"""

import resource
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from statistics import median
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

LEAST_SECONDS = 0.02
"""A contender that needs less is timed several times a round."""
MOST_REPEATS = 10


class CannotTakePartError(Exception):
    """A contender cannot do what is asked of it; the text says why in plain words."""


@dataclass(frozen=True, slots=True)
class Timing:
    """What a task took."""

    wall: float
    """s."""
    cpu: float
    """s, of this process and of those it waited for."""
    units: int
    """How many things it did: scans, mostly."""


class Watch:
    """A watch that adds up what runs while it is on."""

    def __init__(self) -> None:
        self.wall = 0.0
        self.cpu = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count the time until the block ends."""
        wall, cpu = time.perf_counter(), _cpu_seconds()
        try:
            yield
        finally:
            self.cpu += _cpu_seconds() - cpu
            self.wall += time.perf_counter() - wall


class Shares:
    """Shares out wall time among named stages: a stage within a stage stops the outer one's clock."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        """By stage, without the stages within it."""
        self._open: list[str] = []
        self._since = time.perf_counter()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the time until the block ends as this stage's."""
        self._count()
        self._open.append(name)
        try:
            yield
        finally:
            self._count()
            self._open.pop()

    def within(self, name: str, function: Callable[P, T]) -> Callable[P, T]:
        """Give the function as one whose calls count as a stage."""

        @wraps(function)
        def counted(*args: P.args, **kwargs: P.kwargs) -> T:
            with self.stage(name):
                return function(*args, **kwargs)

        return counted

    def each(self, name: str, items: Iterator[T]) -> Iterator[T]:
        """Give the items; the time to wait for each counts as a stage."""
        while True:
            with self.stage(name):
                try:
                    item = next(items)
                except StopIteration:
                    return
            yield item

    def _count(self) -> None:
        now = time.perf_counter()
        if self._open:
            self.seconds[self._open[-1]] = self.seconds.get(self._open[-1], 0.0) + now - self._since
        self._since = now


Run = Callable[[Watch], int]
"""Does the task once with the watch running as long as it counts; gives how many things were done."""


def medians(contenders: Mapping[str, Run], rounds: int) -> tuple[dict[str, Timing], dict[str, str]]:
    """Time contenders in turn, after one round to warm up; another one begins each round.

    Returns
    -------
    tuple
        Median timings, and the reasons of those that cannot take part; each by name.
    """
    kept: dict[str, list[Timing]] = {name: [] for name in contenders}
    repeats = dict.fromkeys(contenders, 1)
    reasons: dict[str, str] = {}
    names = list(contenders)
    for number in range(rounds + 1):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            if name in reasons:
                continue
            try:
                taken = [_once(contenders[name]) for _ in range(repeats[name])]
            except CannotTakePartError as exc:
                reasons[name] = str(exc)
                continue
            if number:
                kept[name] += taken
            else:
                repeats[name] = int(max(1, min(MOST_REPEATS, LEAST_SECONDS / max(taken[0].wall, 1e-6))))
    return {name: _median(timings) for name, timings in kept.items() if name not in reasons}, reasons


def _once(run: Run) -> Timing:
    watch = Watch()
    units = run(watch)
    return Timing(watch.wall, watch.cpu, units)


def _median(timings: list[Timing]) -> Timing:
    return Timing(median(t.wall for t in timings), median(t.cpu for t in timings), timings[0].units)


def _cpu_seconds() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime
