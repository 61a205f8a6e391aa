"""Executors: ways to run one task over many items, on this machine or others.

Knows how work is handed out and what happens when a worker dies; does not know what the work is.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
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
    """What the work may cost, and who hands it out."""

    workers: int
    """Items worked on at the same time."""
    seconds: float = 600
    """Time for one item."""
    memory: int = 4 * 2**30
    """Address space of one worker, bytes."""
    scheduler: str | None = None
    """Address of who hands work out, for executors that know one; None means this machine."""


class Crew(Protocol):
    """Workers that stand ready."""

    def run(self, task: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Done[Item, Result]]:
        """Give each item with its result as it is ready, in no order. Takes a few items ahead, never all of them.

        A worker that dies or takes too long costs the item it held; an exception out of the task comes through.
        """


class Executor(Protocol):
    """A way to run tasks."""

    def opened(self, limits: Limits) -> AbstractContextManager[Crew]:
        """Give workers for as long as the block runs; they are started when there is work, and kept until its end."""


EXECUTORS: Registry[Executor] = Registry(
    "executors",
    {
        "serial": "catalog_builder.executors.serial:EXECUTOR",
        "processes": "catalog_builder.executors.processes:EXECUTOR",
        "dask": "catalog_builder.executors.dask:EXECUTOR",
    },
)
