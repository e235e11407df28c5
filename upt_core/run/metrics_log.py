"""``metrics.jsonl``: one JSON object a line, whole whatever happens to the disk or the process."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from upt_core.errors import UserError
from upt_core.progress import Progress
from upt_core.registry.hookspecs import hookimpl

METRICS = "metrics.jsonl"
MOST_WAITING = 100_000
"""Lines that are kept in memory while the file cannot be written: some ten megabytes."""


class MetricsLog:
    """Writes ``metrics.jsonl``: lines with "kind" step, validation or epoch. Epochs count from 1.

    Lines that cannot be written (a full disk) wait in memory and are written with the next one that can. What a
    killed process has left of a line is taken away when the file is opened again.

    Args:
        path: the file; made when there is something to write.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._started = time.time()
        self._waiting: list[bytes] = []
        _drop_torn_lines(path)
        self._size = path.stat().st_size if path.is_file() else 0

    @hookimpl
    def step_ended(self, progress: Progress, scalars: Mapping[str, float]) -> None:
        """A logged step of the optimizers."""
        self._write("step", progress, scalars)

    @hookimpl
    def validation_ended(self, progress: Progress, metrics: Mapping[str, float]) -> None:
        """The metrics of the validation split."""
        self._write("validation", progress, metrics)

    @hookimpl
    def epoch_ended(self, progress: Progress, scalars: Mapping[str, float]) -> None:
        """The means of an epoch."""
        self._write("epoch", progress, scalars)

    def _write(self, kind: str, progress: Progress, values: Mapping[str, float]) -> None:
        line = {
            "kind": kind,
            "epoch": progress.epoch + 1,
            "step": progress.step,
            "time": round(time.time() - self._started, 3),
        }
        self._waiting.append((json.dumps({**line, **values}) + "\n").encode())
        del self._waiting[:-MOST_WAITING]
        text = b"".join(self._waiting)
        with self._path.open("ab", buffering=0) as file:  # a buffer would write its rest when it is closed
            try:
                written = 0
                while written < len(text):
                    written += file.write(text[written:])
            except OSError:
                os.ftruncate(file.fileno(), self._size)  # part of it may be there
                raise
        self._waiting.clear()
        self._size += len(text)


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """Every line of a run's metrics. Lines that a fault has torn are left out."""
    path = folder / METRICS
    if not path.is_file():
        return []
    return [line for line in map(_parsed, path.read_bytes().splitlines()) if line is not None]


def _drop_torn_lines(path: Path) -> None:
    """Rewrites a file that has lines which are no JSON, without them.

    Raises:
        UserError: it cannot be written.
    """
    if not path.is_file():
        return
    lines = path.read_bytes().splitlines(keepends=True)
    whole = [line for line in lines if _parsed(line) is not None and line.endswith(b"\n")]
    if len(whole) == len(lines):
        return
    part = path.with_name(path.name + ".part")
    try:
        part.write_bytes(b"".join(whole))
        os.replace(part, path)
    except OSError as error:
        raise UserError(
            f"{path}: has torn lines and cannot be written again: {error.strerror}; "
            f"free some space or make the run folder writable"
        ) from error


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:  # no JSON, or no UTF-8
        return None
    return found if isinstance(found, dict) and {"kind", "epoch", "step", "time"} <= found.keys() else None
