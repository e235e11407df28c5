"""An operator as a program of torch: physical units in and out, and nothing of upt is needed to run it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from upt_core import __version__
from upt_core.data.normalize import Normalization
from upt_core.data.point_sets import scaled_coords
from upt_core.data.training_data import TrainingData, grid_coords
from upt_core.errors import UserError
from upt_core.model import Upt
from upt_core.points import Points
from upt_core.specs import DataSpec

NOTE = "upt.json"
"""The file in the archive that says what goes in and comes out; ``torch.export.load(…, extra_files=…)`` reads it."""


class Trained(Protocol):
    """What an export asks of an ``Operator``."""

    model: Upt
    normalization: Normalization
    training: TrainingData

    @property
    def data(self) -> DataSpec:
        """What is known of the data set."""
        ...


class Rollout(nn.Module):
    """The time steps of an operator on the grid of its training, as one function of tensors alone.

    Args:
        operator: trained on a grid.
        steps: time steps; the latent state moves on.

    Raises:
        UserError: the operator was trained on scattered points.
    """

    coords_1NX: Tensor
    origin_X: Tensor
    extent_X: Tensor
    input_mean_C: Tensor
    input_std_C: Tensor
    target_mean_C: Tensor
    target_std_C: Tensor
    condition_mean_P: Tensor
    condition_std_P: Tensor

    def __init__(self, operator: Trained, steps: int) -> None:
        super().__init__()
        data, scale = operator.data, operator.normalization.on("cpu")
        if data.grid_shape is None:
            raise UserError(
                "an operator of scattered points cannot be exported: its points differ from sample to sample; "
                "use upt predict, or upt_core.load"
            )
        assert data.origin is not None
        if operator.model.predict == "change":
            raise UserError(
                "an operator that predicts changes (model.predict: change) cannot be exported: between the points of "
                "its input it looks for the nearest ones, which torch cannot trace; use upt predict, or upt_core.load"
            )
        self.data, self.model, self.steps = data, operator.model, steps
        grid_NX = grid_coords(data.grid_shape, data, operator.training.ends)
        self.register_buffer("coords_1NX", scaled_coords(grid_NX, data).unsqueeze(0))
        self.register_buffer("origin_X", torch.tensor(data.origin, dtype=torch.float64))
        self.register_buffer("extent_X", torch.tensor(data.extent, dtype=torch.float64))
        self.register_buffer("input_mean_C", data.inputs_of(scale.mean_C.double()).repeat(data.history))
        self.register_buffer("input_std_C", data.inputs_of(scale.std_C.double()).repeat(data.history))
        self.register_buffer("target_mean_C", data.targets_of(scale.mean_C).double().clone())  # no view of a whole
        self.register_buffer("target_std_C", data.targets_of(scale.std_C).double().clone())
        self.register_buffer("condition_mean_P", scale.condition_mean_P.double())
        self.register_buffer("condition_std_P", scale.condition_std_P.double())

    def forward(self, input_BNC: Tensor, query_QX: Tensor, condition_BTP: Tensor | None = None) -> Tensor:
        """target_BTQC in physical units.

        Args:
            input_BNC: the input fields on the grid, row-major; frames of a history side by side, oldest first.
            query_QX: physical coordinates at which to answer.
            condition_BTP: conditions of each step, where the operator has some.
        """
        data, batch = self.data, input_BNC.shape[0]
        scaled_BNC = ((input_BNC - self.input_mean_C) / self.input_std_C).float()
        coords_BNX = self.coords_1NX.expand(batch, -1, -1)
        points = Points(coords_BNX, data.grid_shape, extent=data.extent, periodic=data.periodic)
        query_BQX = ((query_QX - self.origin_X) / self.extent_X).float().expand(batch, -1, -1)
        told_BTP = None
        if condition_BTP is not None:
            told_BTP = ((condition_BTP - self.condition_mean_P) / self.condition_std_P).float()
        latent_BLD, found = self.model.encoder(scaled_BNC, points), []
        for step in range(self.steps):
            latent_BLD = self.model.approximator(latent_BLD, None if told_BTP is None else told_BTP[:, step])
            found.append(data.targets_of(self.model.decoder(latent_BLD, query_BQX)))
        target_BTQC: Tensor = torch.stack(found, dim=1) * self.target_std_C + self.target_mean_C
        return target_BTQC


def export(operator: Trained, path: Path | str, steps: int = 1) -> Path:
    """Writes an operator as a program that ``torch.export.load`` reads, with any batch and any number of query points.

    Args:
        path: of the file, ending in ``.pt2``.
        steps: time steps that a call answers with.

    Raises:
        UserError: scattered points, a steady problem with several steps, a name without ``.pt2``, or a part of the
            model that torch cannot trace.
    """
    path, data = Path(path), operator.data
    if path.suffix != ".pt2":
        raise UserError(f"{path}: torch names such files .pt2; choose a name that ends so")
    if steps < 1 or (data.steady and steps > 1):
        raise UserError(f"steps is {steps}; expected {'1: the problem is steady' if data.steady else 'at least 1'}")
    program = _traced(Rollout(operator, steps).eval().requires_grad_(False))
    try:
        torch.export.save(program, path, extra_files={NOTE: json.dumps(note(operator, steps), indent=2)})
    except (OSError, RuntimeError) as error:  # torch says of a missing folder with the one, of a full disk with both
        raise UserError(f"{path}: cannot be written: {error}") from error
    return path


def note(operator: Trained, steps: int) -> dict[str, object]:
    """What goes in and comes out, as plain data."""
    data = operator.data
    return {
        "upt": __version__,
        "input": [[field.name, field.channels] for field in data.inputs],
        "output": [[field.name, field.channels] for field in data.targets],
        "history": data.history,
        "grid": data.grid_shape,
        "origin": data.origin,
        "extent": data.extent,
        "conditions": data.condition,
        "steps": steps,
        "arguments": "input (B, N, C), query points (Q, X)" + (", conditions (B, T, P)" if data.condition else ""),
        "answer": "(B, T, Q, C), float64, physical units",
    }


def _traced(rollout: Rollout) -> torch.export.ExportedProgram:
    """The program, for any number of samples and of query points."""
    data = rollout.data
    points, queries = rollout.coords_1NX.shape[1], 7
    arguments = [torch.zeros(2, points, data.input_channels), torch.rand(queries, data.num_axes)]
    batch, count = torch.export.Dim("batch"), torch.export.Dim("queries")
    shapes: list[dict[int, object] | None] = [{0: batch}, {0: count}]
    if data.condition:
        arguments.append(torch.zeros(2, rollout.steps, len(data.condition)))
        shapes.append({0: batch})
    else:
        shapes.append(None)
    given = tuple(arguments) if data.condition else (*arguments, None)
    try:
        with torch.no_grad():
            return torch.export.export(rollout, given, dynamic_shapes=tuple(shapes))
    except Exception as error:  # whatever a part of the model does that torch cannot trace
        parts = ", ".join(type(part).__name__ for part in rollout.model.children())
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"torch cannot export this model ({parts}): {reason}; use upt_core.load instead") from error
