"""Files that commands write: over one that is there only where it is upt's own."""

from __future__ import annotations

from pathlib import Path

from upt_core.errors import UserError


def write_new(path: Path, text: str) -> None:
    """Writes a file that does not exist yet.

    Raises:
        UserError: it exists, or cannot be written.
    """
    if path.exists():
        raise UserError(f"{path} already exists and is not overwritten; name another file, or remove this one")
    write(path, text)


def write(path: Path, text: str) -> None:
    """Writes a file, over one that is there; folders on the way are made.

    Raises:
        UserError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}") from error
