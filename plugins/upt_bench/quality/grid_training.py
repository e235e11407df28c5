"""Networks from field to field on a grid, trained on the same batches for the same processor seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from upt_bench.quality.judged import Space
from upt_bench.quality.mode_matrices import ModeMatrices
from upt_core import Batch, DataSpec, Experiment, Progress
from upt_core.commands import PreparedData


@dataclass(frozen=True)
class GridTrained:
    """A trained network on a grid, from field to field.

    Args:
        network: (B, C, \\*grid) → (B, C, \\*grid), normalised.
        data: what the data are.
        parameters: numbers that were trained; a complex one counts twice.
        steps: of its optimizer.
        spent: processor seconds of training.
    """

    network: Callable[[Tensor], Tensor]
    data: DataSpec
    parameters: int
    steps: int
    spent: float
    spaces: tuple[Space, ...] = ("physical",)

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


def train_on_grid(experiment: Experiment, network: nn.Module) -> GridTrained:
    """Trains for the experiment's budget with its optimizer and schedule; relative L2 loss in physical units."""
    prepared, seen = experiment.prepare(), ModeMatrices(network)
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
    parameters = sum(p.numel() * (2 if p.is_complex() else 1) for p in network.parameters())
    return GridTrained(network.eval(), prepared.data, parameters, progress.step, spent)


def predicted(network: Callable[[Tensor], Tensor], batch: Batch, input_BNC: Tensor) -> Tensor:
    """One step on: (B, N, C) → (B, N, C), through the network's (B, C, \\*grid)."""
    return network(as_field(batch, input_BNC)).flatten(2).movedim(1, -1)


def as_field(batch: Batch, value_BNC: Tensor) -> Tensor:
    """(B, N, C) → (B, C, \\*grid)."""
    shape = batch.points.grid_shape
    assert shape is not None
    return value_BNC.movedim(-1, 1).reshape(len(value_BNC), -1, *shape)


def _loss(network: nn.Module, batch: Batch, prepared: PreparedData) -> Tensor:
    """Relative L2 error in physical units, sample by sample: the figure of the tables."""
    scale = prepared.normalization
    target_BNC = scale.to_physical(batch.target_BTNC[:, 0])
    error_BNC = scale.to_physical(predicted(network, batch, batch.input_BNC)) - target_BNC
    size_B = torch.linalg.vector_norm(target_BNC, dim=(1, 2))
    loss: Tensor = (torch.linalg.vector_norm(error_BNC, dim=(1, 2)) / size_B).mean()
    return loss
