"""Answers of the search for programs: JSON and CSV, kept by a browser and asked about again by their ETag.

Knows formats and when an answer is the one somebody has; does not know how hits are found.
"""

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Literal

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from catalog_builder.access import Caller
from catalog_builder.errors import CatalogError, did_you_mean
from catalog_builder.facets import SearchRequest
from catalog_builder.records import Json
from catalog_builder.render.found import file_name, result_json, table
from catalog_builder.search import Cancelled
from catalog_builder.server import answers
from catalog_builder.server.catalogue import Catalogue
from catalog_builder.server.waiting import unless_gone

Format = Literal["json", "csv"]
FORMATS: tuple[Format, ...] = ("json", "csv")

_CLOSED_BY_CALLER = 499
"""What nginx logs where the one who asked has gone; nobody receives it."""
_IN_MEMORY = 1 << 20
_PIECE = 1 << 16


def format_named(name: str) -> Format:
    """Give the format of this name; raises CatalogError for another."""
    for known in FORMATS:
        if name == known:
            return known
    raise CatalogError(f"no format {name[:60]!r}", where="format", remedy=did_you_mean(name[:60], FORMATS))


def format_accepted(request: Request) -> Format:
    """Give the format the one who asks would rather have (RFC 9110, Accept); JSON where they do not mind."""
    weights = {"application/json": 0.0, "text/csv": 0.0}
    for part in ",".join(request.headers.getlist("accept")).split(","):
        kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
        if kind in weights:
            weights[kind] = max(weights[kind], _weight(parameters))
    return "csv" if weights["text/csv"] > weights["application/json"] else "json"


def _weight(parameters: list[str]) -> float:
    """Give the weight ``q=0.5`` says, 1 without one, 0 for one that is no number."""
    said = next((one.removeprefix("q=") for one in parameters if one.startswith("q=")), "1")
    try:
        return float(said)
    except ValueError:
        return 0.0


def gone() -> Response:
    """Give the answer to somebody who no longer waits for one."""
    return Response(status_code=_CLOSED_BY_CALLER)


async def found(
    request: Request, catalogue: Catalogue, caller: Caller, asked: SearchRequest, format: Format
) -> Response:
    """Answer a search in a format; raises CatalogError where the question has no meaning."""
    try:
        if format == "csv":
            return await _spreadsheet(request, catalogue, caller, asked)
        result = await unless_gone(request, lambda cancelled: catalogue.search(caller, asked, cancelled))
    except Cancelled:
        return gone()
    return await run_in_threadpool(lambda: document(request, result_json(result), apart="took_ms"))


def document(request: Request, content: Mapping[str, Json], apart: str | None = None) -> Response:
    """Answer with JSON, or 304 to who has it: the same content, whatever stands in the member ``apart``."""
    compared = {name: value for name, value in content.items() if name != apart}
    headers = _headers(hashlib.sha256(_json(compared)))
    if answers.has_it(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(_json(content), headers=headers, media_type="application/json")


def _json(content: Mapping[str, Json]) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode("ascii")


def _headers(content: "hashlib._Hash") -> dict[str, str]:
    return {"Cache-Control": answers.PROTECTED, "ETag": answers.tag(content.hexdigest()[:32]), "Vary": "Accept"}


async def _spreadsheet(request: Request, catalogue: Catalogue, caller: Caller, asked: SearchRequest) -> Response:
    """Answer with all hits as CSV: written aside as a whole first, so that it has an ETag and never looks whole cut.

    What is larger than a megabyte waits on disk.
    """
    stream, content, size = await unless_gone(request, lambda cancelled: _kept(catalogue, caller, asked, cancelled))
    headers = _headers(content)
    if answers.has_it(request, headers["ETag"]):
        stream.close()
        return Response(status_code=304, headers=headers)
    headers["Content-Disposition"] = f'attachment; filename="{file_name(asked, "csv")}"'
    headers["Content-Length"] = str(size)
    return StreamingResponse(_pieces(stream), headers=headers, media_type="text/csv; charset=utf-8")


def _kept(
    catalogue: Catalogue, caller: Caller, asked: SearchRequest, cancelled: Callable[[], bool]
) -> "tuple[IO[bytes], hashlib._Hash, int]":
    """Write the table aside; gives it from its beginning, the hash of what is in it, and its bytes."""
    stream, content, size = tempfile.SpooledTemporaryFile(_IN_MEMORY), hashlib.sha256(), 0  # noqa: SIM115 - sent later
    try:
        for piece in table(catalogue.rows(caller, asked, cancelled)):
            if cancelled():
                raise Cancelled
            stream.write(piece)
            content.update(piece)
            size += len(piece)
        stream.seek(0)
    except BaseException:
        stream.close()
        raise
    return stream, content, size


def _pieces(stream: IO[bytes]) -> Iterator[bytes]:
    with stream:
        while piece := stream.read(_PIECE):
            yield piece
