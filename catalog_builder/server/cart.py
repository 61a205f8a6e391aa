"""The cart's pages and its download.

Knows the cart's forms and how a tar is sent; does not know what is in either.
"""

from fastapi import APIRouter, HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from catalog_builder.download import Contents, tar_length, tar_stream
from catalog_builder.server import answers
from catalog_builder.server.forms import Form
from catalog_builder.server.visitors import SignedIn, TheCatalogue, came_from

router = APIRouter(include_in_schema=False)


@router.api_route("/cart", methods=["GET", "HEAD"])
def cart(request: Request, visitor: SignedIn, catalogue: TheCatalogue) -> Response:
    """Show the caller's cart."""
    return answers.page(request, catalogue.renderer.cart_page(catalogue.cart_lines(visitor.caller)))


@router.post("/cart/add")
def add(request: Request, form: Form, visitor: SignedIn, catalogue: TheCatalogue) -> Response:
    """Put scans and datasets into the cart; one that the caller cannot see is as one that is not there."""
    keys = form.all("key")
    known = catalogue.known_keys(visitor.caller, keys)
    if any(key not in known for key in keys):
        raise HTTPException(404)
    catalogue.carts.add(visitor.name, known)
    return answers.redirect(came_from(request, "/cart"))


@router.post("/cart/remove")
def remove(request: Request, form: Form, visitor: SignedIn, catalogue: TheCatalogue) -> Response:
    """Take scans and datasets out of the cart."""
    catalogue.carts.remove(visitor.name, form.all("key"))
    return answers.redirect(came_from(request, "/cart"))


@router.post("/cart/clear")
def clear(request: Request, visitor: SignedIn, catalogue: TheCatalogue) -> Response:
    """Empty the cart."""
    catalogue.carts.clear(visitor.name)
    return answers.redirect(came_from(request, "/cart"))


@router.api_route("/cart/download", methods=["GET", "HEAD"])
def download(request: Request, visitor: SignedIn, catalogue: TheCatalogue) -> Response:
    """Send what is in the cart and on disk as one tar of a length known before."""
    contents = catalogue.cart_contents(visitor.caller)
    if not contents.entries and not contents.left_out:
        return answers.redirect("/cart")
    headers = {
        "Content-Length": str(tar_length(contents)),
        "Content-Disposition": f'attachment; filename="{_file_name(contents)}"',
        "Cache-Control": answers.PROTECTED,
    }
    if request.method == "HEAD":
        return Response(headers=headers, media_type="application/x-tar")
    return StreamingResponse(tar_stream(contents), headers=headers, media_type="application/x-tar")


def _file_name(contents: Contents) -> str:
    """Name the tar after its beamtime, where it is one."""
    beamtimes = {entry.name.split("/")[1] for entry in contents.records}
    return f"{beamtimes.pop()}.tar" if len(beamtimes) == 1 else "catalogue.tar"
