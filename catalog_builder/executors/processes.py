"""Worker processes on this machine.

Knows how to hand out work, and how to find the one item that kills a worker; does not know what the work is.
"""

import logging
import multiprocessing
import os
import signal
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing.connection import wait as wait_for_sentinels
from threading import Thread

from catalog_builder.executors import Done, Item, Result

AHEAD = 4
"""Items in hand for each worker."""


class ProcessExecutor:
    """A pool of processes; one that dies is replaced, and the item it died over is named."""

    def run(self, task: Callable[[Item], Result], items: Iterable[Item], workers: int) -> Iterator[Done[Item, Result]]:
        waiting = iter(items)
        suspects: list[Item] = []
        while True:
            lost = yield from _run_pool(task, waiting, workers)
            if not lost:
                break
            suspects += lost
        for item in suspects:
            if (yield from _run_pool(task, iter([item]), 1)):
                yield Done(item, None)


def _run_pool(
    task: Callable[[Item], Result], items: Iterator[Item], workers: int
) -> Generator[Done[Item, Result], None, list[Item]]:
    """Run a pool until the items are used up or a worker dies; returns the items then in hand."""
    context = multiprocessing.get_context("spawn")
    in_hand: dict[Future[Result], Item] = {}
    refused: list[Item] = []
    level = logging.getLogger("catalog_builder").getEffectiveLevel()
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_prepare_worker, initargs=(level,)) as pool:
        try:
            while True:
                for item in islice(items, max(0, workers * AHEAD - len(in_hand))):
                    refused = [item]
                    in_hand[pool.submit(task, item)] = item
                    refused = []
                if not in_hand:
                    return []
                for future in wait(in_hand, return_when=FIRST_COMPLETED).done:
                    result = future.result()
                    yield Done(in_hand.pop(future), result)
        except BrokenProcessPool:
            return [*in_hand.values(), *refused]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _prepare_worker(level: int) -> None:
    """Log as the builder does, leave Ctrl-C to it, and end when it is gone (a killed one tells nobody)."""
    logging.basicConfig(level=level, format="%(name)s: %(message)s")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for_sentinels([parent.sentinel])
        os._exit(1)


EXECUTOR = ProcessExecutor()
