"""An evaluation as JSON, with everything that is said of it; and as CSV, a row for each sample, time step and field."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from upt_core.errors import UserError
from upt_core.operator.bootstrap import LEVEL, RESAMPLES, SEED
from upt_core.operator.evaluation import Evaluation


def plain(found: Evaluation, about: Mapping[str, Any]) -> dict[str, Any]:
    """As plain data for JSON; what is not a number is null.

    Args:
        about: what was evaluated, and how.
    """
    return {
        **about,
        "trajectories": len(found.trajectories),
        "samples": len(found.number_S),
        "time_steps": found.steps,
        "predictors": {name: _finite(one.figures) for name, one in found.predictors.items()},
        "intervals": {name: one.intervals for name, one in found.predictors.items()},
        "bootstrap": {"level": LEVEL, "resamples": RESAMPLES, "seed": SEED, "of": "trajectories"},
        "verdicts": [vars(verdict) for verdict in found.verdicts()],
        "fields": {field: _field(found, place) for place, field in enumerate(found.model.errors.names)},
        "worst": [{"trajectory": n, "source": found.sources[n], "relative_l2": e} for n, e in found.worst(10)],
        "remarks": list(found.remarks),
    }


def _field(found: Evaluation, place: int) -> dict[str, Any]:
    """Errors of one field, over all time steps and at each."""
    answer = {}
    for name, one in found.predictors.items():
        errors = one.errors
        answer[name] = {
            "rmse": _number(errors.rmse_SF[:, place].mean().item()),
            "relative_l2": _number(errors.relative_SF[:, place].mean().item()),
            "relative_l2_interval": found.bootstrap.interval(errors.relative_SF[:, place].nan_to_num()),
            "rmse_by_step": [_number(v) for v in errors.rmse_STF[..., place].mean(0).tolist()],
            "relative_l2_by_step": [_number(v) for v in errors.relative_STF[..., place].mean(0).tolist()],
        }
    return answer


def _finite(figures: Mapping[str, float]) -> dict[str, float | None]:
    return {name: _number(value) for name, value in figures.items()}


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def write_plain(text: str, path: Path) -> None:
    """Writes text.

    Raises:
        UserError: the file cannot be written.
    """
    _written(path, lambda file: file.write(text))


def write_csv(found: Evaluation, path: Path) -> None:
    """Writes a row for each sample, time step and field.

    Raises:
        UserError: the file cannot be written.
    """
    _written(path, lambda file: csv.writer(file).writerows(_rows(found)))


def _rows(found: Evaluation) -> Any:
    names, times = list(found.predictors), found.time_ST
    yield [
        "trajectory", "source", "start", "step", "time", "field", "truth_rms",
        *(f"{what}_{name.replace(' ', '_')}" for name in names for what in ("rmse", "relative_l2")),
    ]  # fmt: skip
    truth_STF = found.model.errors.truth_STF.numpy()
    columns = [(one.errors.rmse_STF.numpy(), one.errors.relative_STF.numpy()) for one in found.predictors.values()]
    for sample, step, place in np.ndindex(truth_STF.shape):
        number, start = int(found.number_S[sample]), int(found.start_S[sample])
        yield [
            number,
            found.sources[number],
            start,
            step + 1,
            "" if times is None else repr(float(times[sample, step])),
            found.model.errors.names[place],
            *_cells(truth_STF, [value for pair in columns for value in pair], (sample, step, place)),
        ]


def _cells(truth: Any, columns: Sequence[Any], at: tuple[int, ...]) -> list[str]:
    return ["" if math.isnan(value[at]) else f"{float(value[at]):.9g}" for value in (truth, *columns)]


def _written(path: Path, write: Callable[[TextIO], object]) -> None:
    """A file is written whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("w", encoding="utf-8", newline="") as file:
            write(file)
        os.replace(part, path)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror or error}; choose another place") from error
