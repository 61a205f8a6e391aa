"""Executors: ways to run one task over many items, on this machine or others.

Knows how work is handed out and what happens when a worker dies; does not know what the work is.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from catalog_builder.registry import Registry

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Done(Generic[Item, Result]):
    """An item and what became of it."""

    item: Item
    result: Result | None
    """None where the worker died over it, or took too long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the work may cost."""

    workers: int
    """Items worked on at the same time."""
    seconds: float = 600
    """Time for one item."""
    memory: int = 4 * 2**30
    """Address space of one worker, bytes."""


class Executor(Protocol):
    """Runs a task over items; results come as they are ready, in no order."""

    def run(
        self, task: Callable[[Item], Result], items: Iterable[Item], limits: Limits
    ) -> Iterator[Done[Item, Result]]:
        """Give each item with its result. Takes a few items ahead of the workers, never all of them.

        A worker that dies or takes too long costs the item it held; an exception out of the task comes through.
        """


EXECUTORS: Registry[Executor] = Registry(
    "executors",
    {
        "serial": "catalog_builder.executors.serial:EXECUTOR",
        "processes": "catalog_builder.executors.processes:EXECUTOR",
    },
)
