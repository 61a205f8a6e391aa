"""Times as instrument files write them, made UTC-aware.

Knows spellings of dates; does not know files or which zone a beamline keeps.
"""

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

_MONTHS = {
    name: number
    for number, name in enumerate("jan feb mar apr may jun jul aug sep oct nov dec".split(), start=1)  # noqa: SIM905
}
_CLOCK = r"(\d{1,2}):(\d{2}):(\d{2})(?:\.\d+)?"
_CTIME = re.compile(rf"\b([A-Za-z]{{3}})[a-z]*\s+(\d{{1,2}})\s+{_CLOCK}\s+(?:([A-Z]{{2,5}})\s+)?(\d{{4}})\b")
_DASHED = re.compile(rf"\b(\d{{1,2}})-([A-Za-z]{{3}})-(\d{{4}})\s+{_CLOCK}")
_ISO = re.compile(r"\b(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?)\s*(Z|[+-]\d{2}:?\d{2})?")
_TIME_OF_DAY = re.compile(rf"^\s*{_CLOCK}\s*$")
_HOURS = {"UTC": 0, "GMT": 0, "WET": 0, "WEST": 1, "BST": 1, "CET": 1, "CEST": 2, "EET": 2, "EEST": 3}
_HOURS |= {"EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7, "JST": 9, "KST": 9}
"""East of Greenwich, of zones by the names that ``date`` prints; RFC 822 has the American ones."""
_EARLIEST, _LATEST = 1e8, 1e10
"""Unix times between 1973 and 2286: what lies outside is no time of a scan."""


def parse_time(text: str, zone: ZoneInfo) -> datetime | None:
    """Give the first date and time in a text as UTC, or None where there is none.

    Understands ``Thu Feb  5 16:20:16 2026`` (ctime, ``16:20:16 UTC 2026`` too), ``26-Sep-2013 19:35:46`` (DESY
    Online) and ISO 8601; a time without a zone is one of ``zone``, and so is one of a zone whose name is unknown.
    """
    if match := _CTIME.search(text):
        month, day, hour, minute, second, name, year = match.groups()
        return _local(year, month, day, hour, minute, second, zone, name)
    if match := _DASHED.search(text):
        day, month, year, hour, minute, second = match.groups()
        return _local(year, month, day, hour, minute, second, zone)
    if match := _ISO.search(text):
        try:
            when = datetime.fromisoformat(f"{match[1]}T{match[2]}{match[3] or ''}")
            return (when if when.tzinfo else when.replace(tzinfo=zone)).astimezone(UTC)
        except (ValueError, OverflowError):
            return None
    return None


def parse_end(text: str, started: datetime | None, zone: ZoneInfo) -> datetime | None:
    """Give an end that may be a time of day alone (``19:36:21``): the next such moment after the start."""
    match = _TIME_OF_DAY.match(text)
    if match is None or started is None:
        return parse_time(text, zone)
    hour, minute, second = (int(part) for part in match.groups())
    if hour > 23 or minute > 59 or second > 59:
        return None
    local = started.astimezone(zone).replace(hour=hour, minute=minute, second=second, microsecond=0, fold=0)
    end = not_before(started, local.astimezone(UTC), zone)
    return end if end >= started.replace(microsecond=0) else (local + timedelta(days=1)).astimezone(UTC)


def not_before(started: datetime | None, ended: datetime, zone: ZoneInfo) -> datetime:
    """Give the later of the two moments a local time stands for when summer time ends, where a start asks for it.

    ``02:00:30`` behind a start at ``02:59:50`` is an hour later than it reads; any other end stays as it is.
    """
    if started is None or ended >= started:
        return ended
    again = ended.astimezone(zone).replace(fold=1).astimezone(UTC)
    return again if again >= started else ended


def from_epoch(seconds: float) -> datetime | None:
    """Give the moment of a Unix time, s; None where it cannot be one."""
    return datetime.fromtimestamp(seconds, UTC) if _EARLIEST < seconds < _LATEST else None


def _local(
    year: str, month: str, day: str, hour: str, minute: str, second: str, zone: ZoneInfo, name: str | None = None
) -> datetime | None:
    number = _MONTHS.get(month.lower())
    if number is None:
        return None
    try:
        when = datetime(int(year), number, int(day), int(hour), int(minute), int(second), tzinfo=zone)
        return when.replace(tzinfo=_named(name, when, zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _named(name: str | None, when: datetime, zone: ZoneInfo) -> tzinfo:
    """Give the zone of a name; where the site's own is called that, it is meant: ``CST`` is China's, too."""
    if name not in _HOURS or name == when.tzname():
        return zone
    return timezone(timedelta(hours=_HOURS[name]))
