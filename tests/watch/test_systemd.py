"""Words to the service manager, and lines for its journal."""

import io
import logging
import os
import socket
from pathlib import Path

from catalog_builder.watch.systemd import LineFormatter, Notifier, Pulse, log_lines

from .conftest import until


def record(level: int, text: str) -> logging.LogRecord:
    return logging.LogRecord("catalog_builder.watch", level, "", 0, "%s", (text,), None)


def test_a_manager_that_is_not_there_is_no_failure(tmp_path: Path) -> None:
    Notifier({}).say("READY=1")
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "nobody")}).say("READY=1")


def test_the_watchdogs_time_is_taken_only_where_it_is_meant_for_us() -> None:
    assert Notifier({"WATCHDOG_USEC": "30000000"}).seconds == 30
    assert Notifier({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}).seconds == 30
    assert Notifier({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}).seconds is None
    assert Notifier({"WATCHDOG_USEC": "soon"}).seconds is None
    assert Notifier({}).seconds is None


def test_the_watchdog_hears_nothing_from_a_watch_that_hangs(tmp_path: Path) -> None:
    now = [0.0]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(60)
        environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "30000"}
        pulse = Pulse(Notifier(environment), 10.0, lambda: now[0])
        assert manager.recv(100) == b"WATCHDOG=1"
        now[0] = 11.0
        manager.settimeout(0.3)

        def is_silent() -> bool:
            try:
                manager.recv(100)
            except TimeoutError:
                return True
            return False

        until(is_silent)
        pulse.beat()
        manager.settimeout(60)
        assert manager.recv(100) == b"WATCHDOG=1"
        pulse.close()


def test_lines_have_priorities_for_the_journal_and_times_for_others() -> None:
    journal, plain = LineFormatter(for_journal=True), LineFormatter(for_journal=False)
    levels = (logging.ERROR, logging.WARNING, logging.INFO, logging.DEBUG)
    assert [journal.format(record(level, "x")) for level in levels] == ["<3>x", "<4>x", "<6>x", "<7>x"]
    assert plain.format(record(logging.INFO, "x"))[4:].count("-") == 2
    assert plain.format(record(logging.INFO, "x")).endswith(" x")


def test_what_files_say_cannot_forge_a_line() -> None:
    formatted = LineFormatter(for_journal=True).format(record(logging.INFO, "a\x1b[31m\n<0>forged"))
    assert "\x1b" not in formatted
    assert all(line.startswith("<6>") for line in formatted.splitlines())


def test_only_the_stream_that_the_journal_reads_is_taken_for_it(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as stream:
        at = os.fstat(stream.fileno())
        for named, line in ((f"{at.st_dev}:{at.st_ino}", "<6>x"), ("1:2", None), ("", None)):
            made = log_lines(stream, {"JOURNAL_STREAM": named}).format(record(logging.INFO, "x"))
            assert made == line if line else not made.startswith("<")
    assert not log_lines(io.StringIO(), {"JOURNAL_STREAM": "1:2"}).format(record(logging.INFO, "x")).startswith("<")
