"""Units that queries may hold behind a number, and how many of one make another."""

from collections.abc import Mapping

UNITS: Mapping[str, tuple[str, float]] = {
    "eV": ("energy", 1.0),
    "keV": ("energy", 1e3),
}
"""By spelling: what is measured, and how many of its basic unit make one."""


def factor(unit: str, other: str) -> float | None:
    """Give how many of the other unit make one of the first; None where they measure different things."""
    kind, size = UNITS[unit]
    other_kind, other_size = UNITS.get(other, ("", 1.0))
    return size / other_size if kind == other_kind else None
