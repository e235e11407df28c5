"""Sizes as people write them: ``80GB`` → bytes, bytes → ``1.23 GiB``."""

from __future__ import annotations

import re

from upt_core import UserError

_UNITS = {"K": 1, "M": 2, "G": 3, "T": 4}


def parse_size(text: str) -> int:
    """Bytes of "80GB" (powers of 1000), "80GiB" or "80G" (powers of 1024).

    Raises:
        UserError: it is no size.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT])(i?B)?\s*", text, re.IGNORECASE)
    if found is None or float(found[1]) == 0:
        raise UserError(f"--memory: expected a size such as 80GB, 24GiB or 500MB; got {text!r}")
    base = 1000 if (found[3] or "").upper() == "B" else 1024
    return int(float(found[1]) * base ** _UNITS[found[2].upper()])


def size_text(count: float) -> str:
    """Three digits and a unit of powers of 1024."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.3g} {unit}"
        count /= 1024
    return f"{count:.3g} TiB"


def number_text(count: float) -> str:
    """Three digits and a power of 1000: 1.25 G."""
    for prefix in ("", "k", "M", "G", "T"):
        if count < 1000:
            return f"{count:.3g} {prefix}".strip()
        count /= 1000
    return f"{count:.3g} P"
