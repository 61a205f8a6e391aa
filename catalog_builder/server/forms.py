"""What an HTML form sends.

Knows ``application/x-www-form-urlencoded``; does not know what the fields mean.
"""

from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import Depends, HTTPException
from starlette.requests import Request

MOST_FIELDS = 50_000


class Fields:
    """The fields of a form; one name may come several times."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._pairs = pairs

    def one(self, name: str) -> str:
        """Give the value of a field, or an empty text."""
        return next((value for known, value in self._pairs if known == name), "")

    def all(self, name: str) -> list[str]:
        """Give all values of a field."""
        return [value for known, value in self._pairs if known == name]


async def _fields(request: Request) -> Fields:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = await request.body()
    if body and kind != "application/x-www-form-urlencoded":
        raise HTTPException(415)
    try:
        text = body.decode("ascii")
        return Fields(parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FIELDS))
    except ValueError as exc:
        raise HTTPException(400) from exc


Form = Annotated[Fields, Depends(_fields)]
