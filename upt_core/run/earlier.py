"""What an earlier run left in a folder: kept unless its place is asked for, and then gone before the new one begins."""

from __future__ import annotations

import shutil
from pathlib import Path

from upt_core.errors import UserError

FILES = (
    "config.yaml",
    "environment.json",
    "normalization.json",
    "results.json",
    "start.json",
    "changes.json",
    "description.json",
    "metrics.jsonl",
    "remarks.jsonl",
    "examples.npz",
    "latest.npz",
    "sampling.npz",
    "index.html",
)
FOLDERS = ("checkpoints", "plots", "tensorboard")


def holds_a_run(folder: Path) -> bool:
    """Whether there are checkpoints in it."""
    return any(folder.glob("checkpoints/**/*.pt"))


def check_free(folder: Path) -> None:
    """Refuses the folder of an earlier run: its checkpoints are worth hours.

    Raises:
        UserError: there are checkpoints in it.
    """
    if holds_a_run(folder):
        raise UserError(
            f"{folder} already contains a run; continue it (resume=True), read it if it is finished "
            "(upt_core.Run.read), name another folder, or replace it (replace=True)"
        )


def remove_run(folder: Path) -> None:
    """Removes what a run writes, so that nothing of the earlier one is taken for the new one; other files stay.

    Raises:
        UserError: something cannot be removed.
    """
    try:
        for name in FOLDERS:
            if (folder / name).is_dir():
                shutil.rmtree(folder / name)
        for path in (*(folder / name for name in FILES), *folder.glob("bad-batch-*.pt")):
            path.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"{folder}: the earlier run cannot be removed: {error}; name another folder") from error
