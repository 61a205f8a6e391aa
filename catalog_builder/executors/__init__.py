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
    """None where the worker died over it."""


class Executor(Protocol):
    """Runs a task over items; results come as they are ready, in no order."""

    def run(self, task: Callable[[Item], Result], items: Iterable[Item], workers: int) -> Iterator[Done[Item, Result]]:
        """Give each item with its result. Takes a few items ahead of the workers, never all of them.

        A worker that dies costs the item it held; an exception out of the task comes through.
        """


EXECUTORS: Registry[Executor] = Registry(
    "executors",
    {
        "serial": "catalog_builder.executors.serial:EXECUTOR",
        "processes": "catalog_builder.executors.processes:EXECUTOR",
    },
)
