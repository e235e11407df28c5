"""One line to the person at the terminal from wherever upt is; it never ends what it is about."""

from __future__ import annotations

import contextlib
import sys


def remark(text: str) -> None:
    """Writes a line to the standard error stream; where that is closed or full, nobody could read it anyway."""
    with contextlib.suppress(OSError, ValueError):
        print(f"remark: {text}", file=sys.stderr, flush=True)
