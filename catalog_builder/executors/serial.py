"""One item after the other, in this process.

Knows nothing of workers; a task that takes the process down takes the build down.
"""

from collections.abc import Callable, Iterable, Iterator

from catalog_builder.executors import Done, Item, Limits, Result


class SerialExecutor:
    """Runs everything where it is called: for debuggers and for a handful of items."""

    def run(
        self, task: Callable[[Item], Result], items: Iterable[Item], limits: Limits
    ) -> Iterator[Done[Item, Result]]:
        """Give each item with its result, in order; the limits cannot be enforced on one's own process."""
        for item in items:
            yield Done(item, task(item))


EXECUTOR = SerialExecutor()
