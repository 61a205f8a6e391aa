"""A watch in a process of its own, and waiting for what it does."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from catalog_builder.errors import CatalogError
from catalog_builder.facets import SearchRequest
from catalog_builder.places import Places
from catalog_builder.search import Searcher
from catalog_builder.watch import watch, watching
from catalog_builder.watch.systemd import Notifier, log_lines

from ..conftest import Site

CATBUILD = [sys.executable, "-c", "from catalog_builder.cli import main; main()"]
PATIENCE = 60.0
"""Seconds until something that should happen is given up; on a busy machine all takes longer."""


def until(happens: Callable[[], Any], what: str = "it did not happen") -> Any:
    """Wait until something is true, and give it."""
    deadline = time.monotonic() + PATIENCE
    while not (now := happens()):
        assert time.monotonic() < deadline, what
        time.sleep(0.02)
    return now


class Watching:
    """A watch at work: in a thread of the test, or a process of its own."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.log = site.folder / "watch.log"
        self.log.touch()
        self.places = Places(site.settings.catalogue)

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def says(self, words: str, times: int = 1) -> None:
        """Wait until the log holds these words."""
        until(lambda: self.said().count(words) >= times, f"{words!r} is not in:\n{self.said()}")

    def shows(self, beamtime: str, name: str, *words: str) -> None:
        """Wait until a scan's page holds these words and the search finds the scan."""
        until(lambda: self.has(beamtime, name, *words), f"{name} does not show {words}:\n{self.said()}")

    def has(self, beamtime: str, name: str, *words: str) -> bool:
        page = self.places.site / "beamtimes" / beamtime / "scans" / name / "index.html"
        text = page.read_text(encoding="utf-8") if page.exists() else ""
        return bool(text) and all(word in text for word in words) and name in self.found(f"name:{name}")

    def found(self, q: str) -> list[str]:
        """Give the names of the scans that the search finds; none where there is no index yet."""
        try:
            hits = Searcher(self.places.index).search(SearchRequest(q=q, level="scan", per_page=100), None).hits
        except CatalogError:
            return []
        return [hit.key.rpartition("/")[2] for hit in hits]

    def total(self) -> int:
        try:
            return Searcher(self.places.index).search(SearchRequest(level="scan"), None).total
        except CatalogError:
            return 0


class Thread(Watching):
    """A watch in a thread: begun and ended in a moment."""

    def __init__(self, site: Site, *chosen: str, notifier: Notifier | None = None) -> None:
        super().__init__(site)
        self.stopping = threading.Event()
        self.handler = log_lines(self.log.open("a", encoding="utf-8"), {})
        self.chosen, self.notifier = chosen, notifier
        logger = logging.getLogger("catalog_builder.watch")
        logger.addHandler(self.handler)
        logger.setLevel(logging.INFO)
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self) -> None:
        watch(self.site.settings, chosen=self.chosen, notifier=self.notifier, stopping=self.stopping)

    def end(self) -> None:
        self.stopping.set()
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive()
        logging.getLogger("catalog_builder.watch").removeHandler(self.handler)
        assert isinstance(self.handler, logging.StreamHandler)
        self.handler.stream.close()


class Process(Watching):
    """``catbuild watch`` as people start it."""

    def __init__(self, site: Site, *words: str, **environment: str) -> None:
        super().__init__(site)
        kept = {name: value for name, value in os.environ.items() if name not in ("CATBUILD_CONFIG", "NOTIFY_SOCKET")}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*CATBUILD, "watch", *words], cwd=site.folder, stderr=log, env={**kept, **environment}
            )

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Stop it; gives its exit status."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


Begin = Callable[..., Thread]
Start = Callable[..., Process]


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a watch in a thread look round more often, and wait less after a failure."""
    monkeypatch.setattr(watching, "GLANCE_SECONDS", 0.1)
    monkeypatch.setattr(watching, "AWAY_SECONDS", 0.1)
    monkeypatch.setattr(watching, "RETRY_SECONDS", (0.5,))


@pytest.fixture
def begin(site: Site) -> Iterator[Begin]:
    """Begin to watch the test's site in a thread; waits until it watches."""
    begun: list[Thread] = []

    def beginning(*chosen: str, notifier: Notifier | None = None) -> Thread:
        one = Thread(site, *chosen, notifier=notifier)
        begun.append(one)
        one.says("watching", len(begun))
        return one

    yield beginning
    for one in begun:
        if one.thread.is_alive():
            one.end()


@pytest.fixture
def start(site: Site) -> Iterator[Start]:
    """Start ``catbuild watch`` in the test's site; waits until it watches."""
    started: list[Process] = []

    def starting(*words: str, **environment: str) -> Process:
        one = Process(site, *words, **environment)
        started.append(one)
        one.says("watching")
        return one

    yield starting
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()


@pytest.fixture
def quick(site: Site) -> Site:
    """A site whose watch waits for little."""
    configure(site)
    return site


def configure(site: Site, **watch: object) -> None:
    site.configured(watch={"settle_seconds": 0.3, "running_seconds": 0.5, "poll_seconds": 0.2, **watch})
