"""Worker processes on this machine.

Knows how to hand out work, and how to find the one item that kills a worker; does not know what the work is.
"""

import faulthandler
import logging
import multiprocessing
import os
import resource
import signal
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from multiprocessing.connection import wait as wait_for_sentinels
from pathlib import Path

from catalog_builder.executors import Crew, Done, Item, Limits, Result

AHEAD = 32
"""Items in hand for each worker."""


class ProcessExecutor:
    """Pools of processes; a worker that dies is replaced, and the item it died over is named."""

    @contextmanager
    def opened(self, limits: Limits) -> Iterator[Crew]:
        """Give a crew whose processes live until the block ends."""
        crew = _Processes(limits)
        try:
            yield crew
        finally:
            crew.close()


class _Processes:
    """One pool at a time, begun with the first item and again after a worker died."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._pool: ProcessPoolExecutor | None = None

    def run(self, task: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Done[Item, Result]]:
        """Give each item with its result, as they are ready; items a pool died over are tried once more, alone."""
        waiting = iter(items)
        suspects: list[Item] = []
        while lost := (yield from self._run(task, waiting)):
            suspects += lost
        for item in suspects:
            alone = _Processes(replace(self._limits, workers=1))
            try:
                if (yield from alone._run(task, iter([item]))):
                    yield Done(item, None)
            finally:
                alone.close()

    def close(self) -> None:
        """End the workers; nothing is waited for that nobody will take."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    def _run(
        self, task: Callable[[Item], Result], items: Iterator[Item]
    ) -> Generator[Done[Item, Result], None, list[Item]]:
        """Run until the items are used up or a worker dies; returns the items then in hand."""
        in_hand: dict[Future[Result], Item] = {}
        refused: list[Item] = []
        try:
            while True:
                for item in islice(items, max(0, self._limits.workers * AHEAD - len(in_hand))):
                    refused = [item]
                    with _deaf_to_ctrl_c():
                        in_hand[self._begun().submit(_timed, task, item, self._limits.seconds)] = item
                    refused = []
                if not in_hand:
                    return []
                for future in wait(in_hand, return_when=FIRST_COMPLETED).done:
                    result = future.result()
                    yield Done(in_hand.pop(future), result)
        except BrokenProcessPool:
            self.close()
            return [*in_hand.values(), *refused]
        except BaseException:
            self._kill()
            raise

    def _begun(self) -> ProcessPoolExecutor:
        if self._pool is None:
            level = logging.getLogger("catalog_builder").getEffectiveLevel()
            self._pool = ProcessPoolExecutor(
                self._limits.workers,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_prepare_worker,
                initargs=(level, self._limits.memory),
            )
        return self._pool

    def _kill(self) -> None:
        """End the workers at once: what they write is put in place in one step, or not at all."""
        pool, self._pool = self._pool, None
        if pool is not None:
            for worker in list((pool._processes or {}).values()):
                worker.kill()
            pool.shutdown(wait=False, cancel_futures=True)


@contextmanager
def _deaf_to_ctrl_c() -> Iterator[None]:
    """Ignore Ctrl-C while a worker is started, which inherits that: the builder alone answers it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _timed(task: Callable[[Item], Result], item: Item, seconds: float) -> Result:
    """Run the task; a worker that is not done in time ends itself, whatever library it hangs in.

    ``faulthandler`` watches from a thread of its own that needs no interpreter lock.
    """
    with Path(os.devnull).open("w") as nowhere:
        faulthandler.dump_traceback_later(seconds, exit=True, file=nowhere)
        try:
            return task(item)
        finally:
            faulthandler.cancel_dump_traceback_later()


def _prepare_worker(level: int, memory: int) -> None:
    """Log as the builder does, leave Ctrl-C to it, and end when it is gone (a killed one tells nobody)."""
    resource.setrlimit(resource.RLIMIT_AS, (memory, resource.getrlimit(resource.RLIMIT_AS)[1]))
    logging.basicConfig(level=level, format="%(name)s: %(message)s")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for_sentinels([parent.sentinel])
        os._exit(1)


EXECUTOR = ProcessExecutor()
