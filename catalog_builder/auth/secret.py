"""Secrets shared with others: read from a file that nobody else may read.

Knows files and their modes; does not know what a secret opens.
"""

import os
import stat
from pathlib import Path

from catalog_builder.errors import CatalogError

SHORTEST = 16
_LONGEST = 4096


def secret_in(path: Path) -> str:
    """Give the secret in a file, without white space around it; raises CatalogError where others may read it."""
    try:
        with path.open("rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            content = stream.read(_LONGEST)
    except OSError as exc:
        raise CatalogError(f"the secret cannot be read ({exc.strerror})", where=path) from exc
    if stat.S_IMODE(mode) & 0o077:
        raise CatalogError("others may read the secret", where=path, remedy=f"chmod 600 {path}")
    return checked(content.decode("utf-8", "replace"), path)


def checked(text: str, where: object) -> str:
    """Give a secret without white space around it; raises CatalogError where it is hardly one."""
    secret = text.strip()
    if len(secret) < SHORTEST or not secret.isprintable():
        remedy = f"use {SHORTEST} plain characters or more"
        raise CatalogError("the secret is too short or not plain text", where=where, remedy=remedy)
    return secret
