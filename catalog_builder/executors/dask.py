"""Workers of dask: a scheduler's, on whatever hosts they run, or a cluster of this machine's own.

Knows how work travels to them and what the loss of one costs; does not know what the work is.

On each worker the work is done in a process below it, as ``processes`` does it here: what kills, hangs or swells costs
its item and not the worker, which may have been started by somebody else. What a task reads and writes must be in
reach of every worker under the same path.
"""

import logging
import multiprocessing
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from catalog_builder.errors import CatalogError
from catalog_builder.executors import Crew, Done, Item, Limits, Result
from catalog_builder.executors.processes import AHEAD, ProcessExecutor

try:
    from distributed import CancelledError, Client, Future, KilledWorker, LocalCluster
    from distributed import wait as wait_for_futures
except ImportError as exc:
    raise CatalogError(
        f"the executor 'dask' needs a package that is not installed ({exc})",
        remedy="pip install 'catalog-builder[dask]'",
    ) from exc

CONNECT_SECONDS = 30
"""Patience with a scheduler that does not answer."""

WORKERLESS_SECONDS = 60.0
"""Patience with a scheduler that has no worker; killed ones are replaced by their nannies within seconds."""

IDLE_SECONDS = 20.0
"""How long a process below a worker waits for another item."""

_LOOK_SECONDS = 2.0
"""How often the scheduler is asked for its workers."""


class DaskExecutor:
    """Hands work to a scheduler; a worker that is lost is replaced by another, and its items are done there."""

    @contextmanager
    def opened(self, limits: Limits) -> Iterator[Crew]:
        """Give a crew that is connected, or started, with the first item and dismissed when the block ends."""
        crew = _Cluster(limits)
        try:
            yield crew
        finally:
            crew.close()


class _Cluster:
    """One connection, and the cluster behind it where it is our own."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._client: Client | None = None
        self._cluster: LocalCluster | None = None
        self._order = _Order(limits=replace(limits, workers=1), idle_seconds=IDLE_SECONDS)
        self._threads = 0
        self._looked_at = self._seen_at = 0.0

    def run(self, task: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Done[Item, Result]]:
        """Give each item with its result, as they are ready; an item that several workers were lost over has none."""
        waiting = iter(items)
        in_hand: dict[Future, Item] = {}
        try:
            while True:
                while len(in_hand) < self._room() and (taken := list(islice(waiting, 1))):
                    in_hand[self._submitted(task, taken[0])] = taken[0]
                if not in_hand:
                    return
                for future in self._done(in_hand):
                    yield self._told(future, in_hand.pop(future))
        finally:
            if in_hand and self._client is not None and self._client.status == "running":
                self._client.cancel(list(in_hand))

    def close(self) -> None:
        """End the connection, and the cluster where it is our own."""
        for opened in (self._client, self._cluster):
            if opened is not None:
                opened.close()
        self._client = self._cluster = None

    def _room(self) -> int:
        """Give how many items may be in hand: a few for each worker, and one to begin with."""
        return max(1, self._threads * AHEAD)

    def _submitted(self, task: Callable[[Item], Result], item: Item) -> Future:
        if self._client is None:
            self._client = self._connected()
            self._look(self._client)
        return self._client.submit(_worked, self._order, task, item, pure=False)

    def _connected(self) -> Client:
        logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what matters is said by exceptions
        self._seen_at = time.monotonic()
        address = self._limits.scheduler
        try:
            if address is None:
                self._cluster = _local_cluster(self._limits.workers)
            return Client(address or self._cluster, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError, RuntimeError) as exc:
            if address is None:
                raise CatalogError(f"the workers of dask cannot be started ({exc})") from exc
            remedy = "start one with 'dask scheduler', or correct dask.scheduler"
            raise CatalogError(f"no dask scheduler answers ({exc})", where=address, remedy=remedy) from exc

    def _done(self, in_hand: Mapping[Future, Item]) -> list[Future]:
        """Wait until something is done; raises CatalogError where nobody is there any more to do it."""
        client = self._client
        while client is not None and client.status == "running":
            try:
                if time.monotonic() - self._looked_at > _LOOK_SECONDS:
                    self._look(client)
                with client.as_current():
                    return list(wait_for_futures(list(in_hand), _LOOK_SECONDS, "FIRST_COMPLETED").done)
            except TimeoutError:
                continue
            except (CancelledError, OSError):
                break
        raise self._lost("the connection to the dask scheduler is lost")

    def _look(self, client: Client) -> None:
        """Count the workers' threads; there may be none for a while."""
        self._threads = sum(client.nthreads().values())
        self._looked_at = time.monotonic()
        if self._threads:
            self._seen_at = self._looked_at
        elif self._looked_at - self._seen_at > WORKERLESS_SECONDS:
            raise self._lost(f"no worker has been there for {WORKERLESS_SECONDS:g} s")

    def _lost(self, what: str) -> CatalogError:
        where = self._limits.scheduler or "dask, on this machine"
        return CatalogError(what, where=where, remedy="see that scheduler and workers run, and build again")

    def _told(self, future: Future, item: Item) -> Done[Item, Any]:
        if future.status == "cancelled":
            raise self._lost("the dask scheduler forgot what it was given")
        try:
            return Done(item, future.result())
        except KilledWorker:
            return Done(item, None)
        finally:
            future.release()


def _local_cluster(workers: int) -> LocalCluster:
    return LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        dashboard_address=None,
        scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},  # its HTTP server has no fixed port
        memory_limit=0,
        silence_logs=logging.CRITICAL,
    )


# On the workers


@dataclass(frozen=True, slots=True)
class _Order:
    """What an item may cost, and how long what did it stands ready for the next."""

    limits: Limits
    idle_seconds: float


@dataclass(slots=True)
class _Standing:
    """A crew below a thread of this worker."""

    order: _Order
    opened: AbstractContextManager[Crew]
    crew: Crew
    timer: threading.Timer | None = None


_standing: dict[int, _Standing] = {}
"""Crews that have nothing to do, by thread; who takes one out owns it."""


def _worked(order: _Order, task: Callable[[Item], Result], item: Item) -> Result | None:
    """Do an item in the process below this thread; None where it died over it, or took too long."""
    standing = _standing.pop(threading.get_ident(), None)
    if standing is not None and standing.timer is not None:
        standing.timer.cancel()
    if standing is not None and standing.order != order:
        standing.opened.__exit__(None, None, None)
        standing = None
    if standing is None:
        _allow_children()
        opened = ProcessExecutor().opened(order.limits)
        standing = _Standing(order, opened, opened.__enter__())
    try:
        (done,) = standing.crew.run(task, [item])
        return done.result
    finally:
        _set_aside(threading.get_ident(), standing)


def _set_aside(thread: int, standing: _Standing) -> None:
    """Keep a crew for the next item; where none comes it ends, also when nobody says that the work is over."""
    standing.timer = threading.Timer(standing.order.idle_seconds, _end_idle, (thread, standing))
    standing.timer.daemon = True
    _standing[thread] = standing
    standing.timer.start()


def _end_idle(thread: int, standing: _Standing) -> None:
    taken = _standing.pop(thread, None)
    if taken is standing:
        standing.opened.__exit__(None, None, None)
    elif taken is not None:
        _standing[thread] = taken


def _allow_children() -> None:
    """Let a worker that is a daemon start processes: multiprocessing forbids it, since they would outlive the daemon.

    Ours end by themselves when it does.
    """
    multiprocessing.current_process()._config["daemon"] = False  # type: ignore[attr-defined]


EXECUTOR = DaskExecutor()
