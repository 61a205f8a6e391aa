"""Reading what stands behind the colon of a number or a date: ``>1.5``, ``15..18keV``, ``2023-10``.

Knows numbers, their units and days of the calendar; does not know fields, brackets or documents.
"""

import math
import re
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from catalog_builder.errors import did_you_mean
from catalog_builder.search.tree import Between, QueryMistake
from catalog_builder.search.units import UNITS, converted, meanings, units_of

_SIGNS = (">=", "<=", ">", "<", "=")
_AMOUNT = re.compile(r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,2})?)(?![\d.])\s*(.*)", re.DOTALL)
_DATE = re.compile(r"([0-9]{4})(?:-([0-9]{1,2})(?:-([0-9]{1,2})(?:[Tt]([0-9]{1,2})(?::([0-9]{2}))?)?)?)?", re.DOTALL)
_YEARS = range(1800, 2200)
_LONGEST_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Typed:
    """A piece of a query, and its place there."""

    text: str
    at: int

    def after(self, characters: int) -> "Typed":
        """Give what follows, without the blanks before it."""
        rest = self.text[characters:]
        blanks = len(rest) - len(rest.lstrip())
        return Typed(rest[blanks:].rstrip(), self.at + characters + blanks)

    @property
    def shown(self) -> str:
        """The text as a message can hold it."""
        return repr(self.text if len(self.text) <= _LONGEST_SHOWN else f"{self.text[:_LONGEST_SHOWN]}…")


@dataclass(frozen=True, slots=True)
class Measure:
    """The field a number is compared with."""

    field: str
    """As documents name it."""
    name: str
    """As it was typed."""
    kinds: tuple[str, ...] | None = None
    """What it measures, one of the kinds of UNITS; empty where it has no unit, None where only records know."""


@dataclass(frozen=True, slots=True)
class _Amount:
    value: float
    half: float
    """Half of the last digit that was typed: how far it may be off when it is rounded to that."""
    unit: str | None


def is_open(value: str) -> bool:
    """Tell whether a text asks for more than one value: a sign or two dots."""
    return value.startswith(_SIGNS) or ".." in value


def is_comparison(value: str) -> bool:
    """Tell whether a text asks for numbers: a sign, two dots, or a number with nothing or a unit behind it."""
    if is_open(value):
        return True
    amount = _AMOUNT.fullmatch(value)
    return amount is not None and (not amount[2] or bool(meanings(amount[2])))


def compared(value: Typed) -> tuple[str, Typed]:
    """Part a value into its sign, empty where it has none, and the rest."""
    sign = next((sign for sign in _SIGNS if value.text.startswith(sign)), "")
    return sign, value.after(len(sign))


def _ends(sign: str, rest: Typed) -> tuple[Typed, Typed] | None:
    """Part a range at its dots; None where it is none."""
    low, dots, _ = rest.text.partition("..")
    if dots and sign:
        raise QueryMistake(
            f"{sign} stands before a range", position=rest.at - len(sign), remedy="write from..to, or the sign alone"
        )
    return (Typed(low.strip(), rest.at), rest.after(len(low) + 2)) if dots else None


def number_between(measure: Measure, value: Typed) -> Between:
    """Read ``>1.5``, ``<=3keV``, ``11..41`` or ``15``, which means all that is 15 when rounded as it is typed."""
    sign, rest = compared(value)
    ends = _ends(sign, rest)
    if ends is not None:
        return _range(measure, *ends)
    amount = _amount(measure, rest)
    if sign in ("", "="):
        return Between(measure.field, amount.value - amount.half, amount.value + amount.half, unit=amount.unit)
    return _beyond(Between(measure.field, unit=amount.unit), sign, amount.value, amount.value)


def _range(measure: Measure, first: Typed, last: Typed) -> Between:
    """Read both ends, in either order; a unit at one of them is the other's too."""
    low = _amount(measure, first) if first.text else None
    high = _amount(measure, last) if last.text else None
    unit = (high and high.unit) or (low and low.unit) or None
    ends = [math.inf if end is None else end.value for end in (low, high)]
    if low is None:
        ends[0] = -math.inf
    elif low.unit is not None and unit is not None:
        alike = converted(low.value, low.unit, unit)
        if alike is None:
            raise QueryMistake(
                f"{low.unit} and {unit} do not measure the same",
                position=first.at,
                remedy=f"{UNITS[unit][0]} is given in {_listed(units_of((UNITS[unit][0],)))}",
            )
        ends[0] = alike
    return Between(measure.field, min(ends), max(ends), unit=unit)


def _beyond(whole: Between, sign: str, first: float, last: float) -> Between:
    """Compare with what runs from first to last: after it, from its start, before it, up to its end."""
    field, unit = whole.field, whole.unit
    match sign:
        case ">":
            return Between(field, low=last, without_low=True, unit=unit)
        case ">=":
            return Between(field, low=first, unit=unit)
        case "<":
            return Between(field, high=first, without_high=True, unit=unit)
        case _:
            return Between(field, high=last, unit=unit)


def _amount(measure: Measure, typed: Typed) -> _Amount:
    found = _AMOUNT.fullmatch(typed.text)
    if found is None:
        what = f"{typed.shown} is not a number" if typed.text else "a number is missing here"
        raise QueryMistake(what, position=typed.at, remedy=f"write {_example(measure)}")
    if found[2].startswith(","):
        raise QueryMistake(
            f"{typed.shown} is not a number", position=typed.at + found.start(2), remedy="write decimals with a point"
        )
    number = found[1]
    mantissa, _, exponent = number.lower().partition("e")
    digits = len(mantissa.partition(".")[2])
    unit = _unit(measure, typed.after(found.end(1))) if found[2] else None
    return _Amount(float(number), 0.5 * 10.0 ** (int(exponent or 0) - digits), unit)


def _example(measure: Measure) -> str:
    unit = {"bytes": "GB", "time": "s", "energy": "keV", "temperature": "K", "pressure": "mbar"}
    return f"{measure.name[:_LONGEST_SHOWN]}:>15{unit.get(measure.kinds[0], '') if measure.kinds else ''}"


def _unit(measure: Measure, typed: Typed) -> str:
    """Read a unit that fits the field; raises QueryMistake that says which do."""
    known, kinds = meanings(typed.text), measure.kinds
    fitting = known if kinds is None else frozenset(unit for unit in known if UNITS[unit][0] in kinds)
    if len(fitting) == 1:
        return next(iter(fitting))
    if len(fitting) > 1:
        choices = " or ".join(sorted(fitting))
        raise QueryMistake(
            f"{typed.shown} can mean {choices}", position=typed.at, remedy="capitals tell them apart: write the one"
        )
    if kinds == ():
        raise QueryMistake(
            f"{measure.name} has no unit", position=typed.at, remedy="write the number alone, and a blank behind it"
        )
    meant = units_of(kinds) if kinds else tuple(UNITS)
    listed = f"{measure.name} is given in {_listed(meant)}" if kinds else None
    if known:
        raise QueryMistake(f"{typed.shown} is no unit of {measure.name}", position=typed.at, remedy=listed)
    remedy = did_you_mean(typed.text, meant) or listed or "the help page lists the units"
    raise QueryMistake(f"no unit {typed.shown}", position=typed.at, remedy=remedy)


def _listed(units: tuple[str, ...]) -> str:
    return ", ".join(units)


def days_between(field: str, value: Typed, zone: tzinfo) -> Between:
    """Read a year, month, day, hour or minute of a zone's calendar, with a comparison or as a range.

    Each means all of it: ``>2023-10`` is from November on, ``2023-10-06T14`` the hour until three.
    """
    sign, rest = compared(value)
    ends = _ends(sign, rest)
    if ends is not None:
        spans = [_days(end, zone) for end in ends if end.text]
        low = min((first for first, _ in spans), default=-math.inf) if ends[0].text else -math.inf
        high = max((after for _, after in spans), default=math.inf) if ends[1].text else math.inf
        return Between(field, low, high, without_high=high != math.inf)
    first, after = _days(rest, zone)
    if sign in ("", "="):
        return Between(field, low=first, high=after, without_high=True)
    if sign == ">":
        return Between(field, low=after)
    if sign == "<=":
        return Between(field, high=after, without_high=True)
    return _beyond(Between(field), sign, first, first)


def _days(typed: Typed, zone: tzinfo) -> tuple[float, float]:
    """Give the first second (since 1970) of what is named, and the first one after it."""
    match = _DATE.fullmatch(typed.text)
    try:
        if match is None:
            raise ValueError(typed.text)
        year, month, day, hour, minute = (int(part) if part else None for part in match.groups())
        if year is None or year not in _YEARS:
            raise ValueError(typed.text)
        first = datetime(year, month or 1, day or 1, hour or 0, minute or 0, tzinfo=zone)
        return first.timestamp(), _after(first, month, day, hour, minute)
    except (ValueError, OverflowError) as exc:
        what = f"{typed.shown} is not a date" if typed.text else "a date is missing here"
        remedy = "write date:2023-10, 2023-10-06 or 2023-10-06T14:30"
        raise QueryMistake(what, position=typed.at, remedy=remedy) from exc


def _after(first: datetime, month: int | None, day: int | None, hour: int | None, minute: int | None) -> float:
    if hour is not None:
        # Where clocks go back an hour comes twice: its second time counts as well.
        return first.replace(fold=1).timestamp() + (3600 if minute is None else 60)
    if day is not None:
        return (first + timedelta(days=1)).timestamp()
    if month is not None:
        return first.replace(year=first.year + month // 12, month=month % 12 + 1).timestamp()
    return first.replace(year=first.year + 1).timestamp()
