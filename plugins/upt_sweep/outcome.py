"""What came out of a sweep: a table, a file of all trials, one line for each trial that ends."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from upt_sweep.space import Point, label, readable, short_names
from upt_sweep.study import ERROR, FOLDER, Study

TRIALS = "trials.csv"
SHOWN = 20
"""Trials in the table on the terminal; the file has all of them."""

STATES = {
    TrialState.COMPLETE: "finished",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}


@dataclass(frozen=True)
class Row:
    """One trial.

    Args:
        value: of the metric; that of the last validation where the trial was pruned; None where there is none.
        point: key → value; empty before the trial begins.
        seconds: from begin to end; None before the end.
    """

    number: int
    state: str
    value: float | None
    point: Point
    folder: str
    error: str
    seconds: float | None

    @property
    def finished(self) -> bool:
        """Whether it trained to its end."""
        return self.state == "finished"


def rows(study: Study) -> list[Row]:
    """Every trial, in the order of their numbers."""
    return [_row(study, trial) for trial in study.trials()]


def ranked(study: Study) -> list[Row]:
    """Finished trials from the best to the worst, then the others."""
    sign = 1.0 if study.sweep.lower_is_better else -1.0
    order = list(STATES.values())
    return sorted(rows(study), key=lambda row: (order.index(row.state), sign * (row.value or 0.0), row.number))


def _row(study: Study, trial: FrozenTrial) -> Row:
    dimensions = {dimension.key: dimension for dimension in study.sweep.dimensions}
    point = {key: dimensions[key].decoded(trial.params[key]) for key in dimensions if key in trial.params}
    attributes = trial.user_attrs
    error = str(attributes.get(ERROR, ""))
    duration = trial.duration.total_seconds() if trial.duration else None
    state = STATES[trial.state]
    return Row(trial.number, state, _value(trial), point, attributes.get(FOLDER, ""), error, duration)


def _value(trial: FrozenTrial) -> float | None:
    if trial.state == TrialState.COMPLETE:
        return trial.value
    steps = trial.intermediate_values
    return steps[max(steps)] if trial.state == TrialState.PRUNED and steps else None


def named(point: Mapping[str, Any]) -> str:
    """A point on one line."""
    names = short_names(list(point))
    return ", ".join(f"{names[key]} {readable(value)}" for key, value in point.items())


def ending(study: Study, number: int) -> str:
    """How a trial ended, on one line."""
    row = next(row for row in rows(study) if row.number == number)
    if row.error:
        return f"trial {number} failed: {row.error.splitlines()[0]}"
    assert row.value is not None, "a trial that ended well has a value"
    best = ", the best so far" if row.finished and ranked(study)[0].number == number else ""
    done = sum(other.state in ("finished", "pruned", "failed") for other in rows(study))
    figures = f"{study.sweep.metric} {readable(row.value)}{best}"
    return f"trial {number} {row.state}: {figures} ({done} of {study.sweep.trials} trials done)"


def table_cells(study: Study) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the table on the terminal."""
    keys = [dimension.key for dimension in study.sweep.dimensions]
    header = ["TRIAL", "", study.sweep.metric, *short_names(keys).values(), "RUN FOLDER"]
    lines = []
    for row in ranked(study)[:SHOWN]:
        value = "" if row.value is None else readable(row.value)
        cells = [readable(row.point[key]) if key in row.point else "" for key in keys]
        folder = os.path.relpath(row.folder) if row.folder else ""
        lines.append([str(row.number), row.state, value, *cells, folder])
    return header, lines


def write_csv(study: Study) -> Path:
    """All trials, the best first, as ``trials.csv`` in the sweep's folder; values as precise as they are."""
    keys = [dimension.key for dimension in study.sweep.dimensions]
    path = study.folder / TRIALS
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["trial", "state", study.sweep.metric, *keys, "seconds", "folder", "error"])
        for row in ranked(study):
            point = [_cell(row.point[key]) if key in row.point else "" for key in keys]
            writer.writerow([row.number, row.state, row.value, *point, row.seconds, row.folder, row.error])
    return path


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else label(value)
