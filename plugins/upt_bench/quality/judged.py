"""What is asked of every operator on trajectories that training did not see, whoever trained it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from upt_bench.quality.errors import relative_error_BT, spectrum_error
from upt_bench.quality.halfway import halfway, halfway_coords
from upt_core import Batch, DataSpec, Experiment, Points, Trajectories
from upt_core.commands import PreparedData

Space = Literal["physical", "latent"]
Unseen = Literal["valid", "test"]
BATCH = 32


@dataclass(frozen=True)
class Questions:
    """The trajectories of a split as questions and answers.

    Args:
        prepared: the data.
        split: "test" for results; "valid" for choices between operators, so that the test split stays unseen.
    """

    prepared: PreparedData
    split: Unseen

    @property
    def data(self) -> DataSpec:
        """What the data are."""
        return self.prepared.data

    @property
    def trajectories(self) -> Trajectories:
        """Those of the split."""
        return self.prepared.trajectories(self.split)

    def pairs(self) -> Iterator[Batch]:
        """Every two consecutive states."""
        batches = self.prepared.batches(self.split, 1, BATCH)
        return batches.iterate(0, batches.per_epoch)

    def whole(self, steps: int) -> Iterator[Batch]:
        """The first ``steps`` time steps of every trajectory."""
        batches = self.prepared.batches(self.split, steps, BATCH, first_only=True)
        return batches.iterate(0, batches.per_epoch)

    def physical(self, value: Tensor, points: Points) -> Tensor:
        """Values (B, …, N, C) in the units of the data; 0 where a point pads, so that it counts in no norm."""
        found = self.prepared.normalization.to_physical(value).double()
        if points.mask_BN is None:
            return found
        mask_BN1 = points.mask_BN.unsqueeze(-1)
        return found * (mask_BN1 if value.dim() == 3 else mask_BN1.unsqueeze(1))


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
def judge(trained: Trained, asked: Questions) -> dict[str, Any]:
    """One step, half-way between the points, reconstruction, and the rollouts from the first state to the last."""
    found: dict[str, Any] = {
        "one_step": one_step(trained, asked),
        "half_way": _half_way(trained, asked),
        "reconstruction": _reconstruction(trained, asked),
    }
    if not asked.data.steady:
        for space in trained.spaces:
            found |= _rollout(trained, asked, space)
    return {name: value for name, value in found.items() if value is not None}


def one_step(trained: Trained, asked: Questions) -> float:
    """Mean relative error over all pairs of consecutive states."""

    def error_B(batch: Batch) -> Tensor:
        prediction_BTNC = trained.predict(batch, 1, "physical")
        return relative_error_BT(
            asked.physical(prediction_BTNC, batch.points), asked.physical(batch.target_BTNC, batch.points)
        )[:, 0]

    return float(torch.cat([error_B(batch) for batch in asked.pairs()]).mean())


@torch.no_grad()
def judge_finer(trained: Trained, finer: Experiment, asked: Questions) -> dict[str, Any]:
    """One step on the same trajectories at twice the resolution of training, with its statistics."""
    twice = finer.prepare()
    twice.normalization.load_state_dict(asked.prepared.normalization.state_dict())
    return {"finer": one_step(trained, Questions(twice, asked.split))}


def _half_way(trained: Trained, asked: Questions) -> float | None:
    data = asked.data
    if data.steady or data.grid_shape is None:
        return None
    shape, periodic = data.grid_shape, data.periodic

    def error_B(batch: Batch) -> Tensor | None:
        value_BMC = trained.at(batch, halfway_coords(batch.points.coords_BNX, shape, periodic))
        if value_BMC is None:
            return None
        truth_BMC = halfway(asked.physical(batch.target_BTNC[:, 0], batch.points), shape, periodic)
        return relative_error_BT(asked.physical(value_BMC, batch.points).unsqueeze(1), truth_BMC.unsqueeze(1))[:, 0]

    return _mean(asked, error_B)


def _reconstruction(trained: Trained, asked: Questions) -> float | None:
    def error_B(batch: Batch) -> Tensor | None:
        value_BNC = trained.reconstruct(batch)
        if value_BNC is None or asked.data.inputs != asked.data.targets:
            return None
        frame_BNC = asked.physical(asked.data.last_frame(batch.input_BNC), batch.points)
        return relative_error_BT(asked.physical(value_BNC, batch.points).unsqueeze(1), frame_BNC.unsqueeze(1))[:, 0]

    return _mean(asked, error_B)


def _rollout(trained: Trained, asked: Questions, space: Space) -> dict[str, Any]:
    """Errors of rollouts over the whole length of the shortest trajectory of the split."""
    trajectories = asked.trajectories
    steps = min(trajectories.num_times(number) for number in range(len(trajectories))) - asked.data.history
    by_step, joint, spectra = [], [], []
    for batch in asked.whole(steps):
        prediction_BTNC = asked.physical(trained.predict(batch, steps, space), batch.points)
        target_BTNC = asked.physical(batch.target_BTNC, batch.points)
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


def _mean(asked: Questions, figure_B: Callable[[Batch], Tensor | None]) -> float | None:
    parts = [figure_B(batch) for batch in asked.pairs()]
    known = [part for part in parts if part is not None]
    return float(torch.cat(known).mean()) if known else None
