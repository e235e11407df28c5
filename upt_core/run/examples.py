"""Example predictions of a run, as arrays that can be plotted without torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from upt_core.batch import Batch
from upt_core.data.loader import Batches
from upt_core.operator.evaluate import Predictor
from upt_core.points import Points
from upt_core.processes import ALONE, Processes
from upt_core.specs import DataSpec, FieldSpec
from upt_core.trajectory import Split
from upt_core.whole_file import replacing

EXAMPLES = "examples"


MEASURED = 64
"""Samples of the split, evenly spaced, among which the examples are chosen."""
ROLES = {"good": 0.1, "median": 0.5, "worst": 1.0}
"""Examples and where they stand among the measured samples, ordered by error."""


@torch.no_grad()
def write_examples(
    folder: Path,
    predict: Predictor,
    batches: Batches,
    device: torch.device,
    task: str = "",
    *,
    name: str = EXAMPLES,
    split: Split = "test",
    looked_at: int = MEASURED,
    processes: Processes = ALONE,
) -> None:
    """Inputs, targets and predictions of a good, a median and the worst sample of a split, in physical units.

    The error that orders them is the relative L2 error of all target channels over all time steps. Of a large split
    ``looked_at`` evenly spaced samples are looked at. A reader never meets half a file. Several processes share the
    looking, and call this together; the first writes.

    The arrays: input (n, N, C), target and prediction (n, T, N, C), coords (n, N, X) in the unit box, lengths (n,),
    extent and origin (X,) of the box, axes (X or 0,) their names, grid_shape (X or 0,), input_names and target_names
    (one a channel), input_along and target_along (one a channel: of a vector's component the number of its axis), roles
    (n,), numbers (n,) in the split, errors (n,), errors_of_all of the samples that were looked at, and the name of the
    split. Where the inputs are at other points than the targets also input_coords, input_lengths and input_grid_shape.

    Args:
        task: of several; its examples go to a file of its own, ``NAME-TASK.npz``.
        name: of the file, without its ending.
        split: that the batches are of.
    """
    with processes.agreed():
        measured = _evenly(batches.windows.of_grids()[0], looked_at)  # a picture is of one grid
    error_M = _errors_of_all(predict, batches, device, measured, processes)
    with processes.agreed():
        if processes.is_first:
            _write(
                folder / (f"{name}-{task}.npz" if task else f"{name}.npz"),
                predict,
                batches,
                device,
                (measured, error_M),
                split,
            )


def _evenly(numbers: Sequence[int], most: int) -> list[int]:
    """At most so many of some numbers, evenly spaced."""
    places = torch.linspace(0, len(numbers) - 1, min(most, len(numbers)), dtype=torch.float64)
    return [numbers[round(place)] for place in places.tolist()]


def _errors_of_all(
    predict: Predictor, batches: Batches, device: torch.device, measured: list[int], processes: Processes
) -> torch.Tensor:
    """Errors of samples, of which every process looks at its own."""
    with processes.agreed():
        places = range(processes.rank, len(measured), processes.size)
        own = {place: float(_errors(predict, batches, device, [measured[place]])) for place in places}
    found = {place: error for part in processes.of_all(own) for place, error in part.items()}
    return torch.tensor([found[place] for place in range(len(measured))], dtype=torch.float64)


def _write(
    path: Path,
    predict: Predictor,
    batches: Batches,
    device: torch.device,
    looked_at: tuple[list[int], torch.Tensor],
    split: Split,
) -> None:
    """A good, a median and the worst one of samples whose errors are known."""
    measured, error_M = looked_at
    order = error_M.argsort().tolist()
    places = {role: order[round(part * (len(order) - 1))] for role, part in ROLES.items()}
    roles = {place: role for role, place in reversed(places.items())}  # of few samples one may be two of them
    chosen = [measured[place] for place in sorted(roles, key=lambda place: float(error_M[place]))]
    batch, prediction, target = _predicted(predict, batches, device, chosen)
    arrays: dict[str, Any] = {
        "input": _numpy(_present(batches.data, batches.normalization.on(device).inputs_to_physical(batch.input_BNC))),
        "target": _numpy(target),
        "prediction": _numpy(prediction),
        "coords": _numpy(batch.points.coords_BNX),
        "lengths": _lengths(batch.points),
        "extent": np.array(batches.data.extent),
        "origin": np.array(batches.data.origin or (0.0,) * batches.data.num_axes),
        "axes": np.array(batches.data.axes, dtype=np.str_),
        "grid_shape": np.array(batch.points.grid_shape or (), dtype=np.int64),
        **({} if batch.own_input_points is None else _where_inputs(batch.input_points)),
        "input_names": np.array(_names(batches.data.of_frames().inputs)),
        "target_names": np.array(_names(batches.data.of_frames().targets)),
        "input_along": _along(batches.data.of_frames().inputs),
        "target_along": _along(batches.data.of_frames().targets),
        "roles": np.array([roles[measured.index(number)] for number in chosen]),
        "numbers": np.array(chosen),
        "errors": np.array([float(error_M[measured.index(number)]) for number in chosen]),
        "errors_of_all": _numpy(error_M),
        "split": np.array(split),
    }
    with replacing(path) as part, part.open("wb") as file:
        np.savez_compressed(file, **arrays)


def _where_inputs(points: Points) -> dict[str, np.ndarray[Any, Any]]:
    return {
        "input_coords": _numpy(points.coords_BNX),
        "input_lengths": _lengths(points),
        "input_grid_shape": np.array(points.grid_shape or (), dtype=np.int64),
    }


def _lengths(points: Points) -> np.ndarray[Any, Any]:
    return np.array(points.lengths or [points.num_points] * points.batch_size)


def _predicted(
    predict: Predictor, batches: Batches, device: torch.device, numbers: list[int]
) -> tuple[Batch, torch.Tensor, torch.Tensor]:
    """A batch of samples, the prediction and the target in physical units."""
    batch = batches.collate([batches.windows[number] for number in numbers]).to(device)
    scale = batches.normalization.on(device)
    prediction, target = (
        batches.data.unbundled(scale.to_physical(value)) for value in (predict(batch), batch.target_BTNC)
    )
    return batch, prediction, target


def _present(data: DataSpec, input_BNC: torch.Tensor) -> torch.Tensor:
    """The input fields at the present: of a history and of a bundle the last time step."""
    frame_BNC = data.last_frame(input_BNC)
    ends = [(data.channels_of(field.name, data.inputs).stop, field.channels) for field in data.of_frames().inputs]
    return torch.cat([frame_BNC[..., end - channels : end] for end, channels in ends], dim=-1)


def _errors(predict: Predictor, batches: Batches, device: torch.device, numbers: list[int]) -> torch.Tensor:
    """Relative L2 error of each sample, (B,); a target that is 0 everywhere counts by its absolute error."""
    _, prediction, target = _predicted(predict, batches, device, numbers)
    error_B, size_B = ((value.double().flatten(1).norm(dim=1)) for value in (prediction - target, target))
    return torch.where(size_B > 0, error_B / size_B, error_B).cpu()


def _numpy(value: torch.Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return value.float().cpu().numpy()


def _names(fields: tuple[FieldSpec, ...]) -> list[str]:
    return [f.name if f.channels == 1 else f"{f.name}[{i}]" for f in fields for i in range(f.channels)]


def _along(fields: tuple[FieldSpec, ...]) -> np.ndarray[Any, Any]:
    return np.array([axis for f in fields for axis in f.along or range(f.channels)], dtype=np.int64)
