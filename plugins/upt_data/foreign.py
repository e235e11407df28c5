"""Files are read by other people's libraries: whatever these raise on damaged bytes becomes one short message."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from upt_core import DataError, UserError

DAMAGED = "it is truncated, damaged or of another format; download or copy it again"
"""What to do about most files that cannot be opened."""


@contextmanager
def reading(where: str, cure: str, file: Path | None = None) -> Iterator[None]:
    """Around calls of a library that reads a file, and nothing else: our own defects keep their traceback.

    Args:
        where: the file and what is read of it, as the message begins.
        cure: what to do.
        file: whose size is told, since a truncated file is too small.

    Raises:
        DataError: the library raised anything.
    """
    try:
        yield
    except UserError:
        raise
    except (Exception, SystemExit) as error:  # which one depends on what bytes are where; meshio even exits
        size = f"{file.stat().st_size} bytes; " if file is not None and file.is_file() else ""
        raise DataError(f"{where} ({size}{why(error)}); {cure}") from error


def why(error: BaseException) -> str:
    """The first line of what a library says, cut where it is long; libraries quote names and bytes of files."""
    lines = str(error).strip().splitlines()
    said = "".join(letter if letter.isprintable() else "?" for letter in lines[0]) if lines else ""
    said = said if len(said) <= 200 else said[:199] + "…"
    return f"{type(error).__name__}: {said}" if said else type(error).__name__
