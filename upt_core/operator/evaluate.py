"""Metrics of a model, or of a baseline, over a split, in physical units."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from upt_core.batch import Batch
from upt_core.data.loader import Batches
from upt_core.data.prepared import PreparedData
from upt_core.kinds import Metric
from upt_core.model import Upt
from upt_core.operator.rollout import Space, persistence, rollout
from upt_core.precision import Precision, autocast

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
        prediction = normalization.to_physical(predict(batch))
        target = normalization.to_physical(batch.target_BTNC)
        for metric in metrics.values():
            metric.update(prediction, target, batch)
    return {name: metric.compute() for name, metric in metrics.items()}


def model_predictor(model: Upt, batches: Batches, precision: Precision = "fp32", space: Space = "latent") -> Predictor:
    """Rolls the model out over as many time steps as the batches have targets; in evaluation mode."""

    def predict(batch: Batch) -> Tensor:
        with autocast(batch.points.device, precision):
            return rollout(model, batches.data, batch, batch.target_BTNC.shape[1], space)

    return predict


def baselines(prepared: PreparedData, batches: Batches) -> dict[str, Predictor]:
    """What a model must beat: persistence for states that move, the mean field of the training split for the rest."""
    if not batches.data.steady:
        return {"persistence": lambda batch: persistence(batches.data, batch, batch.target_BTNC.shape[1])}
    mean_TNC = mean_field(prepared)
    return {"mean field": lambda batch: mean_TNC.to(batch.input_BNC.device).expand_as(batch.target_BTNC)}


def mean_field(prepared: PreparedData) -> Tensor:
    """Mean target of the training split, (1, N, C) at shared points; the mean value (1, 1, C) where points differ."""
    train = prepared.batches("train", 1, 64)
    total, count, shared = torch.zeros(()), 0, True
    for batch in train.iterate(0, train.per_epoch):
        shared = shared and batch.points.shared and batch.points.lengths is None
        if not shared:
            break
        total = total + batch.target_BTNC.sum(0)
        count += len(batch.target_BTNC)
    if shared:
        return total / count
    return torch.zeros(1, 1, prepared.data.target_channels)  # normalised fields have mean 0
