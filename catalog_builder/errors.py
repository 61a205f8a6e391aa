"""Errors that people cause, and how to say them.

Knows how a message is put together; does not know who raises it or who prints it.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class CatalogError(Exception):
    """Something a person can mend: says what is wrong, where, and the way out.

    Parameters
    ----------
    what
        The fault in plain words, without a full stop.
    where
        File, line or setting it concerns (``11017404/raw/align.spec:812``).
    remedy
        What to do about it.
    """

    def __init__(self, what: str, *, where: object = None, remedy: str | None = None) -> None:
        self.what = what
        self.where = None if where is None else str(where)
        self.remedy = remedy
        super().__init__(what)

    def __str__(self) -> str:
        message = self.what if self.where is None else f"{self.where}: {self.what}"
        return message if self.remedy is None else f"{message}; {self.remedy}"

    def __reduce__(self) -> tuple[object, ...]:
        """Survive the way back from a worker process, keyword arguments included."""
        return (_restored, (type(self), self.what, self.where, self.remedy))


def _restored(kind: type[CatalogError], what: str, where: str | None, remedy: str | None) -> CatalogError:
    return kind(what, where=where, remedy=remedy)


def did_you_mean(word: str, choices: Iterable[str]) -> str | None:
    """Give the choice a mistyped word most likely stands for, as a remedy, or None."""
    known = sorted(set(choices))
    folded = {choice.lower(): choice for choice in known}
    close = get_close_matches(word.lower(), folded, n=1, cutoff=0.6)
    if close:
        return f"did you mean {folded[close[0]]!r}?"
    return f"known are: {', '.join(known)}" if 0 < len(known) <= 12 else None
