"""Talking to systemd without its library: readiness, status, the watchdog, and log lines for its journal.

Knows sd_notify(3), systemd.exec(5) and sd-daemon(3); does not know what there is to say.
"""

import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import IO

from catalog_builder.report import one_line

_PRIORITIES = ((logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6), (logging.NOTSET, 7))
"""From levels to syslog's numbers, as sd-daemon(3) has them."""


class Notifier:
    """Tells the service manager how it goes; silent where there is none.

    Parameters
    ----------
    environment
        With ``NOTIFY_SOCKET``: the path of a socket, or ``@`` and a name in Linux' abstract namespace.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self.seconds = _watchdog_seconds(environment)
        """How often the watchdog wants to hear from us at least; None where there is none."""

    def say(self, *lines: str) -> None:
        """Send variables, a line each: ``READY=1``, ``STATUS=…``; a manager that does not listen is no failure."""
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
                sock.sendto("\n".join(map(one_line, lines)).encode("utf-8", "replace"), self._address)
        except OSError as exc:
            logging.getLogger(__name__).debug("the service manager does not listen: %s", exc)


def _watchdog_seconds(environment: Mapping[str, str]) -> float | None:
    """Give the watchdog's time from ``WATCHDOG_USEC``, if it is meant for this process (``WATCHDOG_PID``)."""
    try:
        if int(environment.get("WATCHDOG_PID", os.getpid())) != os.getpid():
            return None
        return int(environment["WATCHDOG_USEC"]) / 1e6 or None
    except (KeyError, ValueError):
        return None


class Pulse:
    """Tells the watchdog that all is well, from a thread, for as long as the watch itself shows signs of life.

    A run may rightly be silent for long: a source may take its time. One that is silent for longer than ``patience``
    hangs, and is left to the watchdog.
    """

    def __init__(self, notifier: Notifier, patience: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._notifier, self._patience, self._clock = notifier, patience, clock
        self._last = clock()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        if notifier.seconds is not None:
            self._thread = threading.Thread(target=self._run, args=(notifier.seconds / 3,), name="pulse", daemon=True)
            self._thread.start()

    def beat(self) -> None:
        """Show a sign of life."""
        self._last = self._clock()

    def close(self) -> None:
        """End the thread."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self, seconds: float) -> None:
        while True:
            if self._clock() - self._last < self._patience:
                self._notifier.say("WATCHDOG=1")
            if self._over.wait(seconds):
                return


class LineFormatter(logging.Formatter):
    """Log lines of one line each: with a priority for the journal, which knows the time; else with the time."""

    def __init__(self, *, for_journal: bool) -> None:
        super().__init__("%(message)s" if for_journal else "%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S")
        self._for_journal = for_journal

    def format(self, record: logging.LogRecord) -> str:
        """Give the line, and those of a traceback where one goes along."""
        prefix = f"<{_priority(record.levelno)}>" if self._for_journal else ""
        return "\n".join(prefix + one_line(line) for line in super().format(record).splitlines())


def _priority(level: int) -> int:
    return next(priority for least, priority in _PRIORITIES if level >= least)


def log_lines(stream: IO[str] | None = None, environment: Mapping[str, str] = os.environ) -> logging.Handler:
    """Give what writes log lines to standard error, fit for what it is connected to."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(LineFormatter(for_journal=_is_journal(stream or sys.stderr, environment)))
    return handler


def _is_journal(stream: IO[str], environment: Mapping[str, str]) -> bool:
    """Tell whether a stream goes to the journal: ``JOURNAL_STREAM`` holds its device and inode (systemd.exec(5))."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environment.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"
