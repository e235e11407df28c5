"""Epochs as a table, for spreadsheets and data frames."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from upt_core import Callback, Progress, hookimpl


class Csv(Callback):
    """Writes one row for each epoch: mean losses, gradient shares, speed, and the metrics of the validation split.

    Metrics are in the rows of epochs that end with a validation; other cells are empty. Epochs count from 1. A resumed
    run continues the same file; a column that appears later (a term that starts late) is added.

    Args:
        file: name of the file, in the run folder.

    Raises:
        ValueError: ``file`` has a folder in it.
    """

    def __init__(self, file: str = "epochs.csv") -> None:
        if not file or Path(file).name != file:
            raise ValueError(f"file must be a plain name such as epochs.csv; got {file!r}")
        self._file = file
        self._path: Path | None = None
        self._rows: dict[int, dict[str, str]] = {}
        self._metrics: Mapping[str, float] = {}

    @hookimpl
    def run_started(self, run_dir: Path) -> None:
        """Reads the rows of a run that goes on."""
        self._path = run_dir / self._file
        self._rows = {}
        if self._path.is_file():
            with self._path.open(newline="", encoding="utf-8") as file:
                self._rows = {int(row["epoch"]): row for row in csv.DictReader(file)}

    @hookimpl
    def validation_ended(self, metrics: Mapping[str, float]) -> None:
        """Notes the metrics for the epoch's row."""
        self._metrics = dict(metrics)

    @hookimpl
    def epoch_ended(self, progress: Progress, scalars: Mapping[str, float]) -> None:
        """Writes the table, whole: it is small, and its columns may have grown."""
        values = {**scalars, **{f"validation/{name}": value for name, value in self._metrics.items()}}
        self._metrics = {}
        row = {"epoch": str(progress.epoch + 1), "step": str(progress.step)}
        self._rows[progress.epoch + 1] = row | {name: repr(float(value)) for name, value in values.items()}
        self._write()

    def _write(self) -> None:
        assert self._path is not None, "run_started comes first"
        columns = list(dict.fromkeys(name for row in self._rows.values() for name in row))
        part = self._path.with_name(self._path.name + ".part")
        with part.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns, restval="")
            writer.writeheader()
            writer.writerows(self._rows[epoch] for epoch in sorted(self._rows))
        part.replace(self._path)
