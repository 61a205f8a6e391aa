"""One item after the other, in this process.

Knows nothing of workers; a task that takes the process down takes the build down.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from catalog_builder.executors import Crew, Done, Item, Limits, Result


class SerialExecutor:
    """Runs everything where it is called: for debuggers and for a handful of items."""

    @contextmanager
    def opened(self, limits: Limits) -> Iterator[Crew]:
        """Give this process; the limits cannot be enforced on it."""
        yield _Alone()


class _Alone:
    def run(self, task: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Done[Item, Result]]:
        for item in items:
            yield Done(item, task(item))


EXECUTOR = SerialExecutor()
