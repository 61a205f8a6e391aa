"""Times as files write them, and the hour that comes twice."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from catalog_builder.readers.times import not_before, parse_end, parse_time

BERLIN = ZoneInfo("Europe/Berlin")


def clock(hour: int, minute: int, second: int = 0, day: int = 26) -> datetime:
    return datetime(2025, 10, day, hour, minute, second, tzinfo=UTC)


def test_an_end_in_the_hour_that_comes_twice_lies_behind_its_start() -> None:
    started = parse_time("Sun Oct 26 02:59:50 2025", BERLIN)
    ended = parse_time("Sun Oct 26 02:00:30 2025", BERLIN)
    assert (started, ended) == (clock(0, 59, 50), clock(0, 0, 30))
    assert ended is not None
    assert not_before(started, ended, BERLIN) == clock(1, 0, 30)


@pytest.mark.parametrize("ended", [clock(0, 59, 50), clock(5, 0), clock(22, 0, day=25)])
def test_any_other_end_stays_as_it_is(ended: datetime) -> None:
    assert not_before(clock(0, 59, 50), ended, BERLIN) == ended
    assert not_before(None, ended, BERLIN) == ended


def test_a_time_of_day_is_the_next_such_moment_behind_the_start() -> None:
    assert parse_end("02:00:30", clock(0, 59, 50), BERLIN) == clock(1, 0, 30)
    assert parse_end("02:00:30", clock(1, 0, 10), BERLIN) == clock(1, 0, 30)
    assert parse_end("00:00:05", clock(21, 59, 59, day=25), BERLIN) == clock(22, 0, 5, day=25)
    assert parse_end("23:59:59", clock(21, 59, 59, day=25), BERLIN) == clock(21, 59, 59, day=25)


@pytest.mark.parametrize(
    ("name", "hour"),
    [("UTC", 4), ("GMT", 4), ("CET", 3), ("CEST", 2), ("EST", 9), ("EDT", 8), ("CST", 10), ("CDT", 9), ("PST", 12),
     ("PDT", 11), ("JST", -5), ("XYZ", 3)],
)  # fmt: skip
def test_a_zone_that_is_named_counts_instead_of_the_sites(name: str, hour: int) -> None:
    day = datetime(2026, 2, 5, tzinfo=UTC)
    expected = day + timedelta(hours=hour, minutes=20, seconds=16)
    assert parse_time(f"Thu Feb  5 04:20:16 {name} 2026", BERLIN) == expected


def test_a_name_the_sites_own_zone_goes_by_is_the_sites() -> None:
    when = parse_time("Thu Feb  5 16:20:16 CST 2026", ZoneInfo("Asia/Shanghai"))
    assert when == datetime(2026, 2, 5, 8, 20, 16, tzinfo=UTC)
