"""Metrics of a model, or of a baseline, over a split, in physical units."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from upt_core.batch import Batch
from upt_core.data.loader import Batches
from upt_core.data.normalize import RunningMoments
from upt_core.data.prepared import PreparedData
from upt_core.data.training_data import TrainingData
from upt_core.errors import DataError
from upt_core.kinds import Metric
from upt_core.operator.operator import Operator
from upt_core.operator.rollout import Space, persistence, rollout
from upt_core.precision import Precision, autocast
from upt_core.remarks import remark
from upt_core.task_bundle import in_task

Predictor = Callable[[Batch], Tensor]
"""A batch → predicted targets (B, T, N, C), normalised."""


@torch.no_grad()
def evaluate(
    predict: Predictor, batches: Batches, metrics: Mapping[str, Metric], device: torch.device
) -> dict[str, float]:
    """Every metric over every batch of a split."""
    normalization = batches.normalization.on(device)
    for metric in metrics.values():
        metric.reset()
    for batch in batches.iterate(0, batches.per_epoch):
        batch = batch.to(device)
        prediction = batches.data.unbundled(normalization.to_physical(predict(batch)))
        target = batches.data.unbundled(normalization.to_physical(batch.target_BTNC))
        for metric in metrics.values():
            metric.update(prediction, target, batch)
    return {name: metric.compute() for name, metric in metrics.items()}


def say_remarks(metrics: Mapping[str, Metric], task: str = "") -> None:
    """Says what a reader must know of the figures just computed, a line for each metric that has something to say."""
    for name, metric in metrics.items():
        if text := metric.remark():
            remark(f"{in_task(task, name)}: {text}")


def predictor_of(operator: Operator, precision: Precision = "fp32", space: Space = "latent") -> Predictor:
    """Rolls an operator out over as many time steps as batches have targets.

    Raises:
        DataError: the batches are on another grid than its training data, and the encoder cannot take it.
    """

    def predict(batch: Batch) -> Tensor:
        try:
            with autocast(batch.points.device, precision):
                return rollout(operator.model, operator.data, batch, batch.target_BTNC.shape[1], space)
        except ValueError as error:
            if batch.input_points.grid_shape == operator.data.grid_shape:
                raise
            raise DataError(f"{type(operator.model.encoder).__name__} cannot take these data: {error}") from error

    return predict


def baselines(prepared: PreparedData, batches: Batches) -> dict[str, Predictor]:
    """What a model must beat: persistence for states that move, the mean field of the training split for the rest."""
    if not batches.data.steady and not batches.data.targets_apart:
        return {"persistence": lambda batch: persistence(batches.data, batch, batch.target_BTNC.shape[1])}
    mean_TNC = mean_field(prepared)
    everywhere_TNC = mean_TNC.mean(1, keepdim=True)  # for points that are not those of the training split

    def mean(batch: Batch) -> Tensor:
        fits = mean_TNC.shape[1] in (1, batch.points.num_points)
        return (mean_TNC if fits else everywhere_TNC).to(batch.input_BNC.device).expand_as(batch.target_BTNC)

    return {"mean field": mean}


def training_mean(training: TrainingData, batches: Batches) -> Predictor:
    """The baseline for data that are not the operator's own: everywhere the mean of each target over training."""
    mean_C = batches.normalization.targets(batches.data.targets_of(training.mean_C))
    return lambda batch: mean_C.to(batch.input_BNC.device).expand_as(batch.target_BTNC)


def mean_field(prepared: PreparedData) -> Tensor:
    """Mean target of the training split, (1, N, C) at shared points; the mean value (1, 1, C) where points differ."""
    train = prepared.batches("train", 1, 64)
    everywhere, shared = RunningMoments(), _SharedMean()
    for batch in train.iterate(0, train.per_epoch):
        target_BNC, mask_BN = batch.target_BTNC[:, 0].double(), batch.points.mask_BN
        everywhere.add(target_BNC.flatten(0, 1) if mask_BN is None else target_BNC[mask_BN])
        shared.add(target_BNC, batch)
    mean_NC = everywhere.mean.unsqueeze(0) if shared.total_NC is None else shared.total_NC / shared.count
    return mean_NC.unsqueeze(0).float()


class _SharedMean:
    """Sum of fields at each point, as long as all are at the same points."""

    def __init__(self) -> None:
        self.total_NC: Tensor | None = None
        self.count = 0
        self._coords_NX: Tensor | None = None

    def add(self, value_BNC: Tensor, batch: Batch) -> None:
        """Adds a batch; at other points than those before, the sum is given up."""
        coords_NX = batch.points.coords_BNX[0]
        known = coords_NX if self.count == 0 else self._coords_NX
        same = batch.points.shared and batch.points.mask_BN is None and known is not None
        if not same or known is None or not torch.equal(known, coords_NX):
            self.total_NC = self._coords_NX = None
        else:
            total_NC = value_BNC.sum(0)
            self.total_NC = total_NC if self.total_NC is None else self.total_NC + total_NC
            self._coords_NX = known
        self.count += len(value_BNC)
