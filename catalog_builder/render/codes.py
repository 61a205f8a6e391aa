"""QR codes: an address as a picture that a telephone reads.

Knows pictures; does not know what the address opens.
"""

import segno

_DOTS = 5
"""Pixels a module of the code is wide."""


def qr_code(text: str) -> tuple[str, int]:
    """Give a PNG as a ``data:`` address, black on white with its quiet zone, and how many pixels it is wide."""
    code = segno.make(text, error="m", micro=False)
    return code.png_data_uri(scale=_DOTS), int(code.symbol_size(scale=_DOTS)[0])
