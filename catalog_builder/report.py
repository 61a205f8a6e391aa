"""How a run tells people and programs what it does: progress, problems and the summary at the end.

Knows terminals and the summary's shape; does not know what the stages are or what they do.
"""

import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from types import TracebackType
from typing import IO, Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from catalog_builder.records import Json, Problem

NAMED_AT_MOST = 100
"""Problems the summary for people names; the JSON summary and the status page name them all."""

BEAMTIMES_NAMED = 30
"""Beamtimes the summary for people tells of one by one."""

SECONDS_SILENT = 30.0
"""How often a long stage says on plain lines how far it is."""


@dataclass(slots=True, kw_only=True)
class Counts:
    """What a run did for one beamtime, as it goes; sources, but for the last."""

    read: int = 0
    current: int = 0
    removed: int = 0
    failed: int = 0
    pages_written: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSummary:
    """What a build did, in numbers."""

    read: int = 0
    """Sources read in this run."""
    current: int = 0
    """Sources that had not changed."""
    removed: int = 0
    """Sources that are no longer there; their records stay."""
    failed: int = 0
    """Sources of which nothing could be understood."""
    scans: int = 0
    """Scans in the catalogue now."""
    datasets: int = 0
    pages_written: int = 0
    """Pages whose content differed from what stood there."""
    seconds: float = 0.0
    problems: tuple[Problem, ...] = ()
    """Everything that is wrong now, whether found in this run or before."""
    beamtimes: Mapping[str, Counts] = field(default_factory=dict)
    """What was done for each beamtime that was looked at, by id."""

    @property
    def exit_status(self) -> int:
        """0 = all well, 1 = built with problems."""
        return 1 if self.failed or self.problems else 0

    def as_json(self) -> dict[str, Json]:
        """Give what ``build --json`` prints; the names are fixed."""
        numbers = {name: value for name, value in asdict(self).items() if name not in ("problems", "beamtimes")}
        named: list[Json] = [{"where": problem.where, "what": problem.what} for problem in self.problems]
        return {**numbers, "seconds": round(self.seconds, 3), "problems": named}

    def as_table(self) -> Table:
        """Give the numbers as people read them."""
        table = Table(show_header=False, box=None, pad_edge=False)
        table.add_column(justify="right")
        table.add_column()
        for count, words in (
            (self.read, "sources read"),
            (self.current, "sources unchanged"),
            (self.removed, "sources no longer there"),
            (self.failed, "sources not readable"),
            (self.scans, "scans in the catalogue"),
            (self.datasets, "datasets in the catalogue"),
            (self.pages_written, "pages written"),
            (len(self.problems), "problems"),
        ):
            table.add_row(f"{count:,}", words)
        table.add_row(f"{self.seconds:.1f}", "seconds")
        return table


def _by_beamtime(summary: BuildSummary) -> Table | None:
    """Give the table of the beamtimes for which something was done, or that have sources nothing can be read of."""
    told = {id: c for id, c in summary.beamtimes.items() if c.read or c.removed or c.failed or c.pages_written}
    if not told:
        return None
    table = Table(box=None, pad_edge=False)
    table.add_column("beamtime")
    for name in ("read", "current", "removed", "failed", "pages"):
        table.add_column(name, justify="right")
    for id, counts in sorted(told.items())[:BEAMTIMES_NAMED]:
        table.add_row(one_line(id), *(f"{number:,}" for number in asdict(counts).values()))
    if len(told) > BEAMTIMES_NAMED:
        table.add_row(f"… and {len(told) - BEAMTIMES_NAMED:,} more")
    return table


class Reporter(Protocol):
    """Told by the stages what happens; used in a ``with`` block, so that a terminal is left as it was."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def stage(self, name: str, total: int | None = None) -> None:
        """Begin a stage of so many steps (None where the number is not known); the one before it is over."""

    def expect(self, n: int) -> None:
        """Say that the stage has n more steps than was known."""

    def advance(self, n: int = 1) -> None:
        """Say that n more steps of the stage are done."""

    def problem(self, problem: Problem) -> None:
        """Name a problem now; the summary names it again only where it was not named."""

    def say(self, text: str) -> None:
        """Tell people something in one line."""

    def summary(self, summary: BuildSummary) -> None:
        """Tell people what the run did; the last stage is over."""


def reporter(console: Console | None = None) -> Reporter:
    """Give progress bars where standard error is a terminal, plain lines otherwise; stdout stays clean."""
    console = console or Console(stderr=True)
    return BarReporter(console) if console.is_terminal else PlainReporter(console.file)


class PlainReporter:
    """Plain lines, for logs and mails from cron."""

    def __init__(self, stream: IO[str] | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._stage, self._total, self._done = "", 0, 0
        self._begun = self._said = 0.0
        self._named: set[Problem] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return

    def stage(self, name: str, total: int | None = None) -> None:
        self._stage, self._total, self._done = name, total or 0, 0
        self._begun = self._said = self._clock()
        self.say(f"{name}: {total:,}" if total else name)

    def expect(self, n: int) -> None:
        self._total += n

    def advance(self, n: int = 1) -> None:
        self._done += n
        now = self._clock()
        if now - self._said >= SECONDS_SILENT:
            self._said = now
            rate = self._done / (now - self._begun)
            left = f", {_duration((self._total - self._done) / rate)} left" if rate and self._total else ""
            self.say(f"{self._stage}: {self._done:,} of {self._total:,} known, {rate:,.1f} a second{left}")

    def problem(self, problem: Problem) -> None:
        self._named.add(problem)
        self.say(_line(problem))

    def say(self, text: str) -> None:
        print(one_line(text), file=self._stream or sys.stderr, flush=True)

    def summary(self, summary: BuildSummary) -> None:
        for line in _unnamed(summary.problems, self._named):
            self.say(line)
        console = Console(file=self._stream or sys.stderr, width=80)
        if (table := _by_beamtime(summary)) is not None:
            console.print(table)
        console.print(summary.as_table())


class BarReporter:
    """Progress bars on a terminal, with what is said above them."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}", markup=False),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._task: TaskID | None = None
        self._named: set[Problem] = set()

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def stage(self, name: str, total: int | None = None) -> None:
        self._end_stage()
        self._task = self._bars.add_task(one_line(name), total=total, rate="")

    def expect(self, n: int) -> None:
        if self._task is not None:
            self._bars.update(self._task, total=(self._bars.tasks[0].total or 0) + n)

    def advance(self, n: int = 1) -> None:
        if self._task is not None:
            speed = self._bars.tasks[0].speed
            self._bars.update(self._task, advance=n, rate=f"{speed:,.0f}/s" if speed else "")

    def problem(self, problem: Problem) -> None:
        self._named.add(problem)
        self._console.print(Text(_line(problem), style="yellow"), soft_wrap=True)

    def say(self, text: str) -> None:
        self._console.print(Text(one_line(text)), soft_wrap=True)

    def summary(self, summary: BuildSummary) -> None:
        self._end_stage()
        for line in _unnamed(summary.problems, self._named):
            self._console.print(Text(line, style="yellow"), soft_wrap=True)
        if (table := _by_beamtime(summary)) is not None:
            self._console.print(table)
        self._console.print(summary.as_table())

    def _end_stage(self) -> None:
        if self._task is not None:
            self._bars.remove_task(self._task)
            self._task = None


def _duration(seconds: float) -> str:
    """Give a time as people say it: ``40 s``, ``3 min``, ``2 h 5 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def _unnamed(problems: Iterable[Problem], named: set[Problem]) -> list[str]:
    lines = [_line(problem) for problem in problems if problem not in named]
    rest = len(lines) - NAMED_AT_MOST
    return lines if rest <= 0 else [*lines[:NAMED_AT_MOST], f"… and {rest:,} more, all on the status page"]


def _line(problem: Problem) -> str:
    return one_line(f"{problem.where}: {problem.what}")


def one_line(text: str) -> str:
    """Keep line ends and terminal escapes, which may come from files, out of a person's terminal."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)
