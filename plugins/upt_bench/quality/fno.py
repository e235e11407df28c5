"""neuraloperator's Fourier neural operator, trained on the same batches for the same processor seconds."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from upt_bench.quality.judged import Space
from upt_bench.quality.mode_matrices import ModeMatrices
from upt_core import Batch, DataSpec, Experiment, Progress, UserError
from upt_core.commands import PreparedData

LAYERS = 4


@dataclass(frozen=True)
class FnoTrained:
    """A trained Fourier neural operator: at the points of its grid, from field to field."""

    network: nn.Module
    data: DataSpec
    steps: int
    spent: float
    spaces: tuple[Space, ...] = ("physical",)

    @property
    def parameters(self) -> int:
        """Numbers that were trained; a complex one counts twice."""
        return sum(p.numel() * (2 if p.is_complex() else 1) for p in self.network.parameters())

    def predict(self, batch: Batch, steps: int, space: Space) -> Tensor:
        """Predicted targets (B, T, N, C), normalised; each prediction is the next input."""
        input_BNC, found = batch.input_BNC, []
        for step in range(steps):
            found.append(predicted(self.network, batch, input_BNC))
            if step + 1 < steps:
                input_BNC = self.data.next_input(input_BNC, found[-1], batch.given_at(step + 1))
        return torch.stack(found, dim=1)

    def at(self, batch: Batch, coords_BMX: Tensor) -> None:
        """It answers at its own points alone."""

    def reconstruct(self, batch: Batch) -> None:
        """It has no latent."""


def train_fno(experiment: Experiment, modes: int, width: int) -> FnoTrained:
    """Trains for the experiment's budget with its optimizer and schedule; relative L2 loss in physical units.

    Raises:
        UserError: neuraloperator is not installed, or the data lie on no grid.
    """
    prepared = experiment.prepare()
    network = _network(prepared.data, modes, width, experiment.settings.seed)
    seen = ModeMatrices(network)
    optimizers, schedule, budget = experiment.optimizers(seen), experiment.lr_schedule(), experiment.plan().budget
    assert budget is not None
    rates = [[group["lr"] for group in optimizer.param_groups] for optimizer in optimizers]
    batches = prepared.batches("train", 1, experiment.settings.trainer.batch_size, experiment.settings.seed)
    progress, spent, started = Progress(num_epochs=experiment.settings.trainer.epochs), 0.0, time.process_time()
    while spent < budget.seconds:
        for batch in batches.iterate(progress.step, progress.step + batches.per_epoch):
            factor = schedule(budget.scheduled(progress, spent))
            _loss(network, batch, prepared).backward()  # type: ignore[no-untyped-call]
            seen.pull()
            for optimizer, own in zip(optimizers, rates, strict=True):
                for group, rate in zip(optimizer.param_groups, own, strict=True):
                    group["lr"] = rate * factor
                optimizer.step()
                optimizer.zero_grad()
            seen.push()
            progress, spent = replace(progress, step=progress.step + 1), time.process_time() - started
            if spent >= budget.seconds:
                break
    return FnoTrained(network.eval(), prepared.data, progress.step, spent)


def _network(data: DataSpec, modes: int, width: int, seed: int) -> nn.Module:
    if data.grid_shape is None:
        raise UserError("the operator fno needs data on a regular grid; leave it out for this task")
    try:
        from neuralop.models import FNO  # late: an extra
    except ImportError as error:
        raise UserError(
            "the operator fno needs the package neuraloperator; run: pip install 'upt-core[neuraloperator]'"
        ) from error
    sizes: dict[str, Any] = {"in_channels": data.input_channels, "out_channels": data.target_channels}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network: nn.Module = FNO(
            n_modes=tuple(min(modes, points) for points in data.grid_shape),
            hidden_channels=width,
            n_layers=LAYERS,
            positional_embedding="grid",
            **sizes,
        )
    return network


def predicted(network: nn.Module, batch: Batch, input_BNC: Tensor) -> Tensor:
    """One step on: (B, N, C) → (B, N, C), through the network's (B, C, *grid)."""
    shape = batch.points.grid_shape
    assert shape is not None
    field = input_BNC.movedim(-1, 1).reshape(len(input_BNC), -1, *shape)
    answer: Tensor = network(field).flatten(2).movedim(1, -1)
    return answer


def _loss(network: nn.Module, batch: Batch, prepared: PreparedData) -> Tensor:
    """Relative L2 error in physical units, sample by sample: the figure of the tables."""
    scale = prepared.normalization
    target_BNC = scale.to_physical(batch.target_BTNC[:, 0])
    error_BNC = scale.to_physical(predicted(network, batch, batch.input_BNC)) - target_BNC
    size_B = torch.linalg.vector_norm(target_BNC, dim=(1, 2))
    loss: Tensor = (torch.linalg.vector_norm(error_BNC, dim=(1, 2)) / size_B).mean()
    return loss
