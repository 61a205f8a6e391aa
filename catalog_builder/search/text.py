"""What a text is cut into before it is indexed or looked for: folded letters, digits and numbers, in order.

Knows spelling (case, accents, signs, leading zeros); does not know fields, documents or queries.
"""

import re
import unicodedata
from collections.abc import Iterator

LONGEST_ATOM = 80
"""Characters of an atom that count; what is longer is cut, in documents and queries alike."""

GAP = ""
"""Stands between atoms that are not neighbours; no phrase runs over it."""

_SPELLINGS = (
    "ø=o ł=l đ=d ħ=h ı=i æ=ae œ=oe ð=d þ=th α=alpha β=beta γ=gamma δ=delta ε=epsilon ζ=zeta η=eta "
    "θ=theta ι=iota κ=kappa λ=lambda μ=u ν=nu ξ=xi ο=omicron π=pi ρ=rho σ=sigma ς=sigma τ=tau "
    "υ=upsilon φ=phi χ=chi ψ=psi ω=omega "
)
_SPELT_OUT = str.maketrans(dict(pair.split("=") for pair in _SPELLINGS.split()))
"""Letters that no accent can be taken from, and Greek ones by their names, as commands and file names write them:
``2θ`` is ``2theta``, ``Kα`` ``kalpha``; ``µm`` is ``um``."""

_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe"})

_ATOM = re.compile(
    r"(?<![^\s(\[{,;:=/])[-+]\d+(?:\.\d+)?(?:e[-+]?\d+)?(?![^\W_])"  # -0.5, -1: a sign counts where a number starts
    r"|(?<![^\W_])\d{1,7}\.\d+(?:e[-+]?\d+)?(?![^\W_])"  # 0.5, 289.1; but 20230412.11017404 is two ids
    r"|[^\W_]+"
)


def folded(text: str) -> str:
    """Give the text without case and accents: ``Größe`` is ``grosse``, ``Ångström`` ``angstrom``."""
    if text.isascii():
        return text.lower()
    plain = text.encode("utf-8", "replace").decode("utf-8").replace("\N{MINUS SIGN}", "-")
    marks = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", plain).casefold())
    return "".join(letter for letter in marks if not unicodedata.combining(letter)).translate(_SPELT_OUT)


def atoms(text: str) -> list[str]:
    """Cut a text into its atoms: ``gk_sto20_00173`` is gk, sto20, 00173; ``STO(111)`` is sto, 111.

    A number with its sign or decimals is one atom (``-0.5``); an id of eight digits never is a decimal number.
    """
    return [match[0][:LONGEST_ATOM] for match in _ATOM.finditer(folded(text))]


def indexed_atoms(text: str) -> Iterator[str]:
    """Give a text's atoms in order, then, apart from them, other spellings of its numbers and umlauts.

    ``00173`` is found as ``173`` too, ``-0.5`` as ``0.5``, ``Müller`` as ``mueller``.
    """
    found = atoms(text)
    yield from found
    for atom in found:
        bare = atom.lstrip("+-")
        bare = bare.lstrip("0") if bare.isdigit() else bare
        if bare and bare != atom:
            yield GAP
            yield bare
    if not text.isascii():
        known = set(found)
        for atom in atoms(unicodedata.normalize("NFC", text).lower().translate(_UMLAUTS)):
            if atom not in known:
                yield GAP
                yield atom


def natural(text: str) -> str:
    """Give what a text is sorted by: folded, and ``scan_2`` before ``scan_10``."""
    return re.sub(r"\d+", lambda digits: digits[0].zfill(12), folded(text))
