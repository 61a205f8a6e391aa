"""Numbers, times and sizes as people read them.

Knows how a value is written on a page; does not know pages or where a value came from.
"""

import json
from collections.abc import Iterable
from datetime import datetime, tzinfo

from catalog_builder.names import readable
from catalog_builder.records import Beamtime, Command, Json, Peak, Scan
from catalog_builder.signals import axis_words

ON_DISK = {
    "disk": "disk",
    "tape": "tape",
    "both": "disk + tape",
    "part": "partly",
    "lost": "lost",
    "unknown": "unknown",
}
"""The words for where raw data are, under the heading On disk."""

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_SIZES = ("bytes", "kB", "MB", "GB", "TB", "PB")


def number(value: float | None, digits: int = 6) -> str:
    """Write a number with so many significant digits, ``9.4 × 10⁴`` where it is large or tiny; None is empty.

    With six digits or more a large number keeps all before its point: of an ``epoch`` the seconds count.
    """
    if value is None:
        return ""
    if digits >= 6 and 10**digits <= abs(value) < 1e12:
        return f"{value:.0f}"
    text = f"{value:.{digits}g}"
    mantissa, e, exponent = text.partition("e")
    return f"{mantissa} × 10{str(int(exponent)).translate(_SUPERSCRIPT)}" if e else text


def count(value: int) -> str:
    """Write a whole number with thin blanks between the thousands: ``2 841``."""
    return f"{value:,}".replace(",", "\u202f")


def size(value: int) -> str:
    """Write a size given in bytes, in powers of a thousand: ``19 MB``."""
    amount = float(value)
    for unit in _SIZES:
        if amount < 999.5 or unit == _SIZES[-1]:
            break
        amount /= 1000
    return f"{value} {unit}" if unit == "bytes" else f"{amount:.3g} {unit}"


def many(amount: int, one: str, more: str | None = None) -> str:
    """Write an amount with its noun: ``1 scan``, ``12 scans``."""
    return f"{count(amount)} {one if amount == 1 else more or one + 's'}"


def time(moment: datetime | None, zone: tzinfo) -> str:
    """Write a moment in the beamline's zone: ``2023-10-08 03:40``; None is empty."""
    return "" if moment is None else moment.astimezone(zone).strftime("%Y-%m-%d %H:%M")


def date(moment: datetime | None, zone: tzinfo) -> str:
    """Write the day of a moment in the beamline's zone: ``2023-10-08``; None is empty."""
    return time(moment, zone)[:10]


def span(start: datetime | None, end: datetime | None, zone: tzinfo) -> str:
    """Write a stretch of time, the day once where it is the same: ``2023-10-08 03:40 – 05:12``."""
    first, last = time(start, zone), time(end, zone)
    if not (first and last) or first == last:
        return first or last
    return f"{first} – {last[11:] if first[:10] == last[:10] else last}"


def days(start: datetime | None, end: datetime | None, zone: tzinfo) -> str:
    """Write a stretch of days: ``2023-10-05 – 2023-10-09``."""
    first, last = date(start, zone), date(end, zone)
    return f"{first} – {last}" if first and last and first != last else first or last


def moment(value: Json, zone: tzinfo) -> str:
    """Write a search hit's date, which is an ISO text; a day alone or another text stays as it is."""
    if not isinstance(value, str) or len(value) <= 10:
        return "" if value is None else str(value)
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        return value
    return value if parsed.tzinfo is None else time(parsed, zone)


def proposal(beamtime: Beamtime) -> str:
    """Write a proposal as people do: ``I-20230412``; empty where it is not known."""
    if not beamtime.proposal_id:
        return ""
    return f"{beamtime.proposal_type}-{beamtime.proposal_id}" if beamtime.proposal_type else beamtime.proposal_id


def points(scan: Scan) -> str:
    """Write how many of the planned points were measured: ``37 / 51``."""
    planned = scan.command.points
    return count(scan.points) if planned is None else f"{count(scan.points)} / {count(planned)}"


def progress(scan: Scan) -> str:
    """Say in words what a preview shows of a scan that is not whole: ``37 of 51 points, aborted``."""
    planned = scan.command.points
    if scan.state == "running":
        return f"{points(scan)} points so far"
    if planned is None or scan.points >= planned:
        return "aborted" if scan.state == "aborted" else ""
    return f"{count(scan.points)} of {count(planned)} points" + (", aborted" if scan.state == "aborted" else "")


def peak(facts: Peak, scan: Scan) -> str:
    """Write the facts of a scan's peak: ``max 9.4 × 10⁴ at om 0.998 deg · FWHM 0.012 deg``."""
    text = f"max {number(facts.height, 3)} at {position(facts.position, scan)}"
    if facts.fwhm is not None:
        text += f" · FWHM {on_axis(facts.fwhm, scan, 3)}"
    return f"{text} (doubtful)" if facts.ambiguous else text


def position(value: float, scan: Scan) -> str:
    """Write a place on the axis a scan's signals are drawn over: ``om 0.998 deg``, ``time 295.42 s``, ``point 12``."""
    return f"{_axis(scan)[0]} {on_axis(value, scan)}"


def on_axis(value: float, scan: Scan, digits: int = 5) -> str:
    """Write a value with the unit of the axis a scan's signals are drawn over."""
    unit = _axis(scan)[1]
    return f"{number(value, digits)} {unit}" if unit else number(value, digits)


def _axis(scan: Scan) -> tuple[str, str | None]:
    """Give name and unit of the axis of a scan's curve, as the curve itself has them."""
    if len(scan.axes) != 1:
        return "point", None
    name = scan.axes[0]
    column = next((channel for channel in scan.channels if channel.name == name), None)
    unit = (column.unit if column else None) or scan.units.get(name)
    return axis_words(name, unit, column.minimum if column else None)


def lasted(seconds: float) -> str:
    """Write how long something took: ``4.2 s``, ``3 min 20 s``, ``2 h 5 min``."""
    if round(seconds) < 60:
        return f"{seconds:.2g} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def by_rules(rules: Iterable[str]) -> str:
    """Name rules that set a value: ``by rule ‘reflectivity’``; empty where there is none."""
    names = [f"‘{rule}’" for rule in rules]
    return f"by {'rule' if len(names) == 1 else 'rules'} {', '.join(names)}" if names else ""


def ranges(command: Command) -> list[str]:
    """Write what each positioner of a command was asked to do: ``om: -1 to 1 in 40 steps``."""
    told = []
    for one in command.ranges:
        ends = f"{number(one.start)} to {number(one.stop)}" if one.start is not None and one.stop is not None else ""
        steps = "" if one.intervals is None else f" in {many(one.intervals, 'step')}"
        told.append(f"{one.positioner}: {ends}{steps}".strip(": "))
    return told


def plain(value: Json) -> str:
    """Write any value a file holds: text as it stands, everything else as JSON on one line."""
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return number(value)
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def shown_name(name: str) -> str:
    """Write a scan's name or a slug as people read it: ``night2/align_00012``."""
    return readable(name)
