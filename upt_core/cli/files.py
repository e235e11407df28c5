"""Files that commands write: never over one that is there."""

from __future__ import annotations

from pathlib import Path

from upt_core.errors import UserError


def write_new(path: Path, text: str) -> None:
    """Writes a file that does not exist yet.

    Raises:
        UserError: it exists, or cannot be written.
    """
    if path.exists():
        raise UserError(f"{path} exists; it is not overwritten. Name another file, or remove this one")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}") from error
