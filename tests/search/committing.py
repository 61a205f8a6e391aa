"""Commits to an index for as long as it is let, and says of each when it is done; a test kills it meanwhile.

``python committing.py FOLDER FIRST LARGEST``: commits FIRST, FIRST + 1, …, segments of at most LARGEST documents.
"""

import itertools
import sys
from pathlib import Path

from catalog_builder.search import Document, Indexer
from catalog_builder.search import indexer as indexer_module

KEYS = 40
"""Keys that are updated in turn."""


def document(key: int, commit: int) -> Document:
    """Give a document as a commit leaves it."""
    return Document(
        key=f"scan:11017404/a{key}",
        level="scan",
        beamtime="11017404",
        dataset="dataset:11017404/a",
        texts={"name": (f"a{key}",), "title": (f"commit{commit}",)},
        facets={"macro": (f"k{commit}",), "beamtime": ("11017404",)},
        sorts={"name": f"a{key:03}"},
        numbers={"points": float(commit)},
        fields={"commit": commit},
    )


def keys_of(commit: int) -> list[int]:
    """Give the keys a commit updates; the next one removes the first of them."""
    return [(commit * 7 + step) % KEYS for step in range(6)]


def main(folder: Path, first: int, largest: int) -> None:
    indexer_module.LARGEST_SEGMENT = largest
    indexer = Indexer(folder)
    for commit in itertools.count(first):
        updates = [document(key, commit) for key in keys_of(commit)]
        indexer.apply(updates, [f"scan:11017404/a{keys_of(commit - 1)[0]}"])
        sys.stdout.write(f"{commit}\n")
        sys.stdout.flush()
        if commit % 5 == 0:
            indexer.finish()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
