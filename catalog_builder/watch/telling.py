"""What a watch says while it builds: problems once, not at every run; and where a run may be left.

Knows the reporter that stages talk to; does not know the stages.
"""

import logging
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

from catalog_builder.records import Problem
from catalog_builder.report import BuildSummary


class StoppedError(BaseException):
    """The run under way is left: what it wrote stands, and the next run does the rest."""


class WatchReporter:
    """Logs what a run says; raises StoppedError between two sources once the watch is to stop.

    Parameters
    ----------
    is_stopping
        Asked after each source.
    alive
        Called after each source.
    """

    def __init__(self, logger: logging.Logger, is_stopping: Callable[[], bool], alive: Callable[[], None]) -> None:
        self._logger = logger
        self._is_stopping = is_stopping
        self._alive = alive
        self._told: dict[str, frozenset[Problem]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return

    def stage(self, name: str, total: int | None = None) -> None:
        return

    def expect(self, n: int) -> None:
        return

    def advance(self, n: int = 1) -> None:
        self._alive()
        if self._is_stopping():
            raise StoppedError

    def problem(self, problem: Problem) -> None:
        return

    def say(self, text: str) -> None:
        self._logger.info("%s", text)

    def summary(self, summary: BuildSummary) -> None:
        """Say what was done, where anything was, and what is wrong now that was not before."""
        for id, counts in summary.beamtimes.items():
            if counts.read or counts.removed or counts.pages_written:
                gone = f", {counts.removed:,} no longer there" if counts.removed else ""
                self._logger.info(
                    "%s: %s read%s, %s written, in %.1f s",
                    id,
                    _many(counts.read, "source"),
                    gone,
                    _many(counts.pages_written, "page"),
                    summary.seconds,
                )
            self._tell(id, summary.problems)

    def _tell(self, id: str, problems: Iterable[Problem]) -> None:
        now = frozenset(problems)
        before = self._told.get(id, frozenset())
        self._told[id] = now
        for problem in sorted(now - before, key=lambda one: (one.where, one.what)):
            self._logger.warning("%s: %s", problem.where, problem.what)


def _many(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
