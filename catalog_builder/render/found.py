"""What a search found, for programs: JSON, and a table for spreadsheets.

Knows the shapes of both and what a spreadsheet would take for a formula; does not know who asks or how hits are found.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict

from catalog_builder.facets import Hit, SearchRequest, SearchResult, Suggestion
from catalog_builder.records import Json

COLUMNS: tuple[str, ...] = (
    "title",
    "name",
    "sample",
    "flags",
    "keywords",
    "beamtime",
    "proposal",
    "proposal_type",
    "date",
    "scans",
    "command",
    "energy",
    "on_disk",
    "thumb",
    "address",
)
"""Fields of a hit in the order a table has them, behind its key."""

_LINES_AT_ONCE = 200
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What makes a spreadsheet take a cell for a formula (OWASP, CSV injection)."""
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_LONGEST_NAME = 60


def result_json(result: SearchResult) -> dict[str, Json]:
    """Give an answer as ``/api/search`` and ``catbuild search --json`` say it."""
    return {
        "total": result.total,
        "level": result.level,
        "hits": [{**hit.fields, "key": hit.key} for hit in result.hits],
        "facets": {
            name: [{"value": one.value, "count": one.count} for one in counts] for name, counts in result.facets.items()
        },
        "unlisted": dict(result.unlisted),
        "without": dict(result.without),
        "took_ms": round(result.took_ms, 3),
    }


def suggestions_json(suggestions: Iterable[Suggestion]) -> dict[str, Json]:
    """Give suggestions as ``/api/suggest`` says them."""
    return {"suggestions": [asdict(one) for one in suggestions]}


def table(hits: Iterable[Hit]) -> Iterator[bytes]:
    """Give a table of hits as CSV (RFC 4180, UTF-8) piece by piece: a heading, then a hit a line.

    Several words of one field stand between semicolons. Text that a spreadsheet would take for a formula gets an
    apostrophe in front.
    """
    page = io.StringIO()
    writer = csv.writer(page)
    writer.writerow(["key", *COLUMNS])
    for number, hit in enumerate(hits, start=1):
        writer.writerow([_cell(hit.key), *(_cell(hit.fields.get(name)) for name in COLUMNS)])
        if number % _LINES_AT_ONCE == 0:
            yield page.getvalue().encode("utf-8", "replace")
            page.seek(0)
            page.truncate()
    yield page.getvalue().encode("utf-8", "replace")


def file_name(request: SearchRequest, suffix: str) -> str:
    """Give a name for the file somebody keeps an answer in: what is listed, and the words it was asked by."""
    words = re.sub(r"[^A-Za-z0-9]+", "-", request.q)[:_LONGEST_NAME].strip("-")
    return f"{request.level}s{'-' if words else ''}{words}.{suffix}"


def _cell(value: Json) -> str | int | float:
    if value is None:
        return ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    text = "; ".join(map(str, value)) if isinstance(value, list) else str(value)
    return f"'{text}" if text.startswith(_FORMULA) and _NUMBER.fullmatch(text) is None else text
