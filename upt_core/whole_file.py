"""Small files that are written whole or not at all, and what is said of a disk that takes none, or has damaged one."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from upt_core.errors import CheckpointError, UserError

_REASONS = {
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "the quota of this user is spent; free some space",
    errno.EFBIG: "the file is larger than this system or user may write (ulimit -f); raise the limit",
    errno.EROFS: "the file system is read-only; remount it, or start the run elsewhere",
    errno.EACCES: "there is no permission to write there; change the folder's owner or mode",
    errno.ENOENT: "the folder is gone; was it removed or moved?",
}


def in_words(error: OSError | RuntimeError, folder: Path) -> str:
    """Why a file could not be written, for a person; torch's own errors hide that the disk is full."""
    if isinstance(error, OSError) and error.errno in _REASONS:
        return _REASONS[error.errno]
    with contextlib.suppress(OSError):
        if shutil.disk_usage(folder).free < 1 << 20:
            return _REASONS[errno.ENOSPC]
    return f"{type(error).__name__}: {error}"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """The name under which the block writes a file, which then takes the place of the one of before.

    Whoever reads never meets half a file, and a power cut leaves none.

    Raises:
        UserError: it cannot be written; what was there stays as it was.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        yield part
        with part.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise UserError(f"{path}: cannot be written: {in_words(error, path.parent)}") from error
        raise


def write_text(path: Path, text: str) -> None:
    """Writes a text, whole or not at all.

    Raises:
        UserError: it cannot be written.
    """
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")


def read_json(path: Path, kind: type[dict[str, Any]] | type[list[Any]] = dict) -> Any:
    """What a JSON file of a run tells; empty where there is no such file.

    Args:
        kind: of its content, an object or a list.

    Raises:
        CheckpointError: it is damaged.
    """
    if not path.is_file():
        return kind()
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # no JSON, or no UTF-8
        raise _damaged(path, str(error)) from error
    if not isinstance(found, kind):
        raise _damaged(path, f"it holds {type(found).__name__}, not {kind.__name__}")
    return found


def _damaged(path: Path, reason: str) -> CheckpointError:
    return CheckpointError(
        f"{path}: this file is damaged: {reason}; use another copy, or remove the file: the run continues without it, "
        "and its record is lost"
    )
