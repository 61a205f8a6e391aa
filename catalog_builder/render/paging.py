"""Long lists on several pages.

Knows how rows are dealt out and which pages a pager links; does not know what the rows are.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from catalog_builder.render.shapes import PER_PAGE, PageLink, Pager

Row = TypeVar("Row")


def dealt(rows: Sequence[Row], per_page: int = PER_PAGE) -> Iterator[tuple[int, Sequence[Row]]]:
    """Give the rows of each page with the page's number, from 1; an empty list has one empty page."""
    for number, start in enumerate(range(0, max(len(rows), 1), per_page), start=1):
        yield number, rows[start : start + per_page]


def pager(page: int, total: int, per_page: int, address: Callable[[int], str]) -> Pager:
    """Give the way through a list of ``total`` rows, seen from one of its pages."""
    pages = max(1, -(-total // per_page))
    wanted = sorted({1, pages, *range(max(1, page - 2), min(pages, page + 2) + 1)})
    links: list[PageLink | None] = []
    for position, number in enumerate(wanted):
        if position and number - wanted[position - 1] > 1:
            links.append(None)
        links.append(PageLink(number=number, address=address(number), current=number == page))
    first = (page - 1) * per_page + 1
    return Pager(
        links=tuple(links),
        before=address(min(page - 1, pages)) if page > 1 else None,
        after=address(page + 1) if page < pages else None,
        first=first if first <= total else 0,
        last=min(page * per_page, total) if first <= total else 0,
        total=total,
    )


def page_name(number: int) -> str:
    """Give what a page of a static list adds to the list's address: nothing, then ``page-2/``."""
    return "" if number == 1 else f"page-{number}/"
