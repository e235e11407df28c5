"""What is asked of every operator on the test split, whoever trained it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from upt_bench.quality.errors import relative_error_BT, spectrum_error
from upt_bench.quality.halfway import halfway, halfway_coords
from upt_core import Batch, Experiment
from upt_core.commands import PreparedData

Space = Literal["physical", "latent"]
BATCH = 32


class Trained(Protocol):
    """An operator that can be judged."""

    @property
    def spaces(self) -> tuple[Space, ...]:
        """In which rollouts can go on."""
        ...

    def predict(self, batch: Batch, steps: int, space: Space) -> Tensor:
        """Predicted targets (B, T, N, C), normalised."""
        ...

    def at(self, batch: Batch, coords_BMX: Tensor) -> Tensor | None:
        """The target one step on at any points (B, M, C), normalised; None: it answers at its own points alone."""
        ...

    def reconstruct(self, batch: Batch) -> Tensor | None:
        """The input channels decoded from the encoded input (B, N, C), normalised; None: it has no latent."""
        ...


@torch.no_grad()
def judge(trained: Trained, prepared: PreparedData) -> dict[str, Any]:
    """One step, half-way between the points, reconstruction, and the rollouts from the first state to the last."""
    found: dict[str, Any] = {
        "one_step": one_step(trained, prepared),
        "half_way": _half_way(trained, prepared),
        "reconstruction": _reconstruction(trained, prepared),
    }
    if not prepared.data.steady:
        for space in trained.spaces:
            found |= _rollout(trained, prepared, space)
    return {name: value for name, value in found.items() if value is not None}


def one_step(trained: Trained, prepared: PreparedData) -> float:
    """Mean relative error over all pairs of consecutive states."""

    def error_B(batch: Batch) -> Tensor:
        prediction_BTNC = trained.predict(batch, 1, "physical")
        return relative_error_BT(_physical(prepared, prediction_BTNC), _physical(prepared, batch.target_BTNC))[:, 0]

    return float(_over(prepared, error_B).mean())


@torch.no_grad()
def judge_finer(trained: Trained, finer: Experiment, prepared: PreparedData) -> dict[str, Any]:
    """One step on the same trajectories at twice the resolution of training, with its statistics."""
    twice = finer.prepare()
    twice.normalization.load_state_dict(prepared.normalization.state_dict())
    return {"finer": one_step(trained, twice)}


def _half_way(trained: Trained, prepared: PreparedData) -> float | None:
    data = prepared.data
    if data.steady or data.grid_shape is None:
        return None
    shape, periodic = data.grid_shape, data.periodic

    def error_B(batch: Batch) -> Tensor | None:
        value_BMC = trained.at(batch, halfway_coords(batch.points.coords_BNX, shape, periodic))
        if value_BMC is None:
            return None
        truth_BMC = halfway(_physical(prepared, batch.target_BTNC[:, 0]), shape, periodic)
        return relative_error_BT(_physical(prepared, value_BMC).unsqueeze(1), truth_BMC.unsqueeze(1))[:, 0]

    return _mean(prepared, error_B)


def _reconstruction(trained: Trained, prepared: PreparedData) -> float | None:
    def error_B(batch: Batch) -> Tensor | None:
        value_BNC = trained.reconstruct(batch)
        if value_BNC is None or prepared.data.inputs != prepared.data.targets:
            return None
        return relative_error_BT(
            _physical(prepared, value_BNC).unsqueeze(1), _physical(prepared, batch.input_BNC).unsqueeze(1)
        )[:, 0]

    return _mean(prepared, error_B)


def _rollout(trained: Trained, prepared: PreparedData, space: Space) -> dict[str, Any]:
    """Errors of rollouts over the whole length of the shortest trajectory of the split."""
    trajectories = prepared.trajectories("test")
    steps = min(trajectories.num_times(number) for number in range(len(trajectories))) - 1
    batches = prepared.batches("test", steps, BATCH, first_only=True)
    by_step, joint, spectra = [], [], []
    for batch in batches.iterate(0, batches.per_epoch):
        prediction_BTNC = _physical(prepared, trained.predict(batch, steps, space))
        target_BTNC = _physical(prepared, batch.target_BTNC)
        by_step.append(relative_error_BT(prediction_BTNC, target_BTNC))
        joint.append(_joint(prediction_BTNC, target_BTNC))
        if batch.points.grid_shape is not None:
            spectra.append(spectrum_error(prediction_BTNC, target_BTNC, batch.points.grid_shape))
    error_T = torch.cat(by_step).mean(dim=0)
    return {
        "horizon": steps,
        f"rollout_{space}": float(error_T.mean()),
        f"rollout_{space}_joint": float(torch.cat(joint).mean()),
        f"rollout_{space}_by_step": [float(f"{value:.4g}") for value in error_T],
        f"spectrum_{space}": sum(spectra) / len(spectra) if spectra else None,
    }


def _joint(prediction_BTNC: Tensor, target_BTNC: Tensor) -> Tensor:
    """Relative error over all time steps together, as the metric ``relative_l2``: (B,)."""
    flat = relative_error_BT(prediction_BTNC.flatten(1, 2).unsqueeze(1), target_BTNC.flatten(1, 2).unsqueeze(1))
    return flat[:, 0]


def _physical(prepared: PreparedData, value: Tensor) -> Tensor:
    return prepared.normalization.to_physical(value).double()


def _over(prepared: PreparedData, figure_B: Callable[[Batch], Tensor]) -> Tensor:
    """A figure of every pair of the test split."""
    batches = prepared.batches("test", 1, BATCH)
    return torch.cat([figure_B(batch) for batch in batches.iterate(0, batches.per_epoch)])


def _mean(prepared: PreparedData, figure_B: Callable[[Batch], Tensor | None]) -> float | None:
    batches = prepared.batches("test", 1, BATCH)
    parts = [figure_B(batch) for batch in batches.iterate(0, batches.per_epoch)]
    known = [part for part in parts if part is not None]
    return float(torch.cat(known).mean()) if known else None
