"""Work that is given up once nobody waits for its answer.

Knows that a connection can end before its answer; does not know what is worked on.
"""

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

T = TypeVar("T")

LOOKS_EVERY_SECONDS = 0.05


async def unless_gone(request: Request, work: Callable[[Callable[[], bool]], T]) -> T:
    """Run blocking work in a thread and give its result.

    ``work`` is told by its argument whether the one who asked has gone, and is to raise Cancelled then; so does this.
    """
    gone = threading.Event()
    working = asyncio.ensure_future(run_in_threadpool(work, gone.is_set))
    working.add_done_callback(_heard)
    try:
        while not (await asyncio.wait({working}, timeout=LOOKS_EVERY_SECONDS))[0]:
            if await request.is_disconnected():
                gone.set()
    finally:
        gone.set()  # also where the server itself gives the request up
    return working.result()


def _heard(working: "asyncio.Future[T]") -> None:
    """Take note of how the work ended, also where nobody is left to be told."""
    if not working.cancelled():
        working.exception()
