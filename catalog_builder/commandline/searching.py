"""``catbuild search``: the whole catalogue of this machine, for people, spreadsheets and programs.

Knows words and options and how an answer is printed; does not know how hits are found.
"""

import json
import sys
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import click

from catalog_builder.commandline import config_option, settings_from
from catalog_builder.errors import CatalogError
from catalog_builder.facets import FACETS, SearchRequest, SearchResult, request_from
from catalog_builder.render.found import result_json, table
from catalog_builder.report import one_line
from catalog_builder.search import QueryMistake
from catalog_builder.search.opening import is_built, searcher_of

_AROUND = 60
"""Characters of a query shown on each side of a mistake."""


_Command = TypeVar("_Command", bound=Callable[..., None])


def _facet_options(command: _Command) -> _Command:
    """Add an option for each facet, named as in the address."""
    for facet in reversed(FACETS):
        names = dict.fromkeys((f"--{facet.name.replace('_', '-')}", f"--{facet.name}", facet.name))
        shown = f"{facet.label}, letter for letter; may be repeated."
        command = click.option(*names, multiple=True, metavar="VALUE", help=shown)(command)
    return command


@click.command()
@config_option
@click.argument("query", nargs=-1)
@click.option("--level", type=click.Choice(["dataset", "scan"]), default="dataset", show_default=True)
@_facet_options
@click.option("--sort", default="-date", show_default=True, help="A column or number: name, -energy, positioner.chi.")
@click.option("--page", default="1", show_default=True, metavar="N", help="Page to show, counted from 1.")
@click.option("--per-page", default="50", show_default=True, metavar="N", help="Hits on a page, 100 at most.")
@click.option("--facets", "form", flag_value="facets", help="Print what hits have, and how many of them, not the hits.")
@click.option("--csv", "form", flag_value="csv", help="Print all hits, whatever the page, as a table for spreadsheets.")
@click.option("--json", "form", flag_value="json", help="Print hits and facets as JSON, as /api/search says them.")
@click.option("--count", "form", flag_value="count", help="Print the number of hits alone.")
def search(
    config_file: Path | None,
    query: Sequence[str],
    level: str,
    sort: str,
    page: str,
    per_page: str,
    form: str | None,
    **chosen: Sequence[str],
) -> None:
    """Search the catalogue on this machine, all of it: a hit a line, its fields separated by tabs.

    Without QUERY everything is listed. What a QUERY can say: /help/searching of the site. Put it in quotation marks
    where the shell would read it first: 'sample:"LaB6 film" energy:>15000'. Before -word write --, or NOT word.
    """
    words = " ".join(query)
    if words.strip() and not words.strip("* "):
        raise CatalogError("a star stands at the end of a word", remedy="to list everything leave the query out")
    pairs = [("q", words), ("level", level), ("sort", sort), ("page", page), ("per_page", per_page)]
    pairs += [(name, value) for name, values in chosen.items() for value in values]
    if form in (None, "csv", "count"):
        pairs.append(("facets", "none"))
    request = request_from(pairs)
    settings = settings_from(config_file)
    searcher = searcher_of(settings)
    try:
        if not is_built(settings):
            searcher.count(request, None)  # a mistake in the query is told first
            raise CatalogError("there is no search index yet", where=settings.catalogue, remedy="run 'catbuild build'")
        if form == "csv":
            _write(table(searcher.rows(request, None)))
        else:
            _say(searcher.search(request, None), request, form)
    except QueryMistake as exc:
        if exc.position is not None:
            for line in _pointed(request.q, exc.position):
                click.echo(line, err=True)
        raise


def _write(pieces: Iterator[bytes]) -> None:
    if sys.stdout is None:
        raise CatalogError("standard output is closed", remedy="let it lead to a file or a program")
    out = sys.stdout.buffer
    for piece in pieces:
        out.write(piece)
    out.flush()


def _say(result: SearchResult, request: SearchRequest, form: str | None) -> None:
    if form == "count":
        click.echo(result.total)
    elif form == "json":
        click.echo(json.dumps(result_json(result)))
    else:
        for line in _counts(result) if form == "facets" else _hits(result):
            click.echo(line)
        for line in _summary(result, request):
            click.echo(line, err=True)


def _hits(result: SearchResult) -> Iterator[str]:
    for hit in result.hits:
        words = (str(hit.fields.get(name) or "") for name in ("date", "title", "sample"))
        yield "\t".join([hit.key, *map(one_line, words)])


def _counts(result: SearchResult) -> Iterator[str]:
    """Give a block of lines for each facet that hits have values of: how many, and the value."""
    for facet in FACETS:
        counts = [one for one in result.facets.get(facet.name, ()) if one.count]
        if not counts:
            continue
        yield f"{facet.label} (--{facet.name.replace('_', '-')})"
        width = len(str(max(one.count for one in counts)))
        for one in counts:
            yield f"  {one.count:>{width}}  {one_line(one.value)}"
        if more := result.unlisted.get(facet.name):
            yield f"  and {more} more"


def _summary(result: SearchResult, request: SearchRequest) -> Iterator[str]:
    first = (request.page - 1) * request.per_page + 1
    last = first + len(result.hits) - 1
    shown = f", {first} to {last} shown" if 0 < len(result.hits) < result.total else ""
    if result.total and not result.hits:
        shown = f", none on page {request.page}; the last page is {-(-result.total // request.per_page)}"
    yield f"{result.total} {result.level}{'' if result.total == 1 else 's'}{shown}"
    for name, total in result.without.items():
        what = "the words" if name == "q" else f"--{name.replace('_', '-')}"
        yield f"without {what} there would be {total}"


def _pointed(query: str, position: int) -> tuple[str, str]:
    """Give the query, or what stands around the place, and below it a caret under the place."""
    start, end = max(0, position - _AROUND), position + _AROUND
    before = "…" if start else ""
    after = "…" if end < len(query) else ""
    shown = one_line(query)
    space = " " * sum(map(_columns, before + shown[start:position]))
    return f"  {before}{shown[start:end]}{after}", f"  {space}^"


def _columns(letter: str) -> int:
    """Give how many columns of a terminal a letter takes."""
    if unicodedata.combining(letter):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1
