"""Metrics of a model, or of a baseline, over a split, in physical units."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO

import torch
from torch import Tensor

from upt_core.batch import Batch
from upt_core.data.loader import Batches
from upt_core.data.prepared import PreparedData
from upt_core.data.training_data import TrainingData
from upt_core.errors import DataError
from upt_core.kinds import Metric
from upt_core.operator.mean_field import mean_field
from upt_core.operator.operator import Operator
from upt_core.operator.rollout import Space, persistence, rollout
from upt_core.precision import Precision, autocast
from upt_core.processes import ALONE, Processes
from upt_core.remarks import remark
from upt_core.task_bundle import in_task

Predictor = Callable[[Batch], Tensor]
"""A batch → predicted targets (B, T, N, C), normalised."""


@torch.no_grad()
def evaluate(
    predict: Predictor,
    batches: Batches,
    metrics: Mapping[str, Metric],
    device: torch.device,
    processes: Processes = ALONE,
) -> dict[str, float]:
    """Every metric over every batch of a split.

    Several processes share the batches: process r of R predicts batches r, r + R, …. What the metrics have seen comes
    to the first, which puts it together in the order of the batches: the figures are those of one process with the
    same batches, in every bit. All call this together, and get the same figures.
    """
    for metric in metrics.values():
        metric.reset()
    if not processes.several:
        _see(predict, batches, range(batches.per_epoch), list(metrics.values()), device)
        return {name: metric.compute() for name, metric in metrics.items()}
    if not all(metric.mergeable for metric in metrics.values()):
        return processes.of_first(lambda: evaluate(predict, batches, metrics, device))
    own: dict[int, bytes] = {}
    with processes.agreed():
        for number in range(processes.rank, batches.per_epoch, processes.size):
            fresh = copy.deepcopy(list(metrics.values()))
            _see(predict, batches, [number], fresh, device)
            own[number] = _packed(fresh)
    found = processes.of_all(own)
    return processes.of_first(lambda: _merged(metrics, {number: seen for one in found for number, seen in one.items()}))


def _see(
    predict: Predictor, batches: Batches, numbers: Sequence[int], metrics: Sequence[Metric], device: torch.device
) -> None:
    """Shows metrics some batches."""
    normalization = batches.normalization.on(device)
    for number in numbers:
        batch = batches[number].to(device)
        prediction = batches.data.unbundled(normalization.to_physical(predict(batch)))
        target = batches.data.unbundled(normalization.to_physical(batch.target_BTNC))
        for metric in metrics:
            metric.update(prediction, target, batch)


def _packed(metrics: Sequence[Metric]) -> bytes:
    packed = BytesIO()
    torch.save(list(metrics), packed)
    return packed.getvalue()


def _merged(metrics: Mapping[str, Metric], seen: Mapping[int, bytes]) -> dict[str, float]:
    """The figures of what was seen of each batch, in the order of the batches."""
    for number in sorted(seen):
        parts = torch.load(BytesIO(seen[number]), map_location="cpu", weights_only=False)  # of our own processes
        for metric, part in zip(metrics.values(), parts, strict=True):
            metric.merge(part)
    return {name: metric.compute() for name, metric in metrics.items()}


def unmergeable(metrics: Mapping[str, Metric]) -> list[str]:
    """Names of the metrics for whose sake the first of several processes validates alone."""
    return [name for name, metric in metrics.items() if not metric.mergeable]


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


def baselines(prepared: PreparedData, batches: Batches, processes: Processes = ALONE) -> dict[str, Predictor]:
    """What a model must beat: persistence for states that move, the mean field of the training split for the rest.

    Several processes share the work, and call this together.
    """
    if not batches.data.steady and not batches.data.targets_apart:
        return {"persistence": lambda batch: persistence(batches.data, batch, batch.target_BTNC.shape[1])}
    mean_TNC = mean_field(prepared, processes)
    everywhere_TNC = mean_TNC.mean(1, keepdim=True)  # for points that are not those of the training split

    def mean(batch: Batch) -> Tensor:
        fits = mean_TNC.shape[1] in (1, batch.points.num_points)
        return (mean_TNC if fits else everywhere_TNC).to(batch.input_BNC.device).expand_as(batch.target_BTNC)

    return {"mean field": mean}


def training_mean(training: TrainingData, batches: Batches) -> Predictor:
    """The baseline for data that are not the operator's own: everywhere the mean of each target over training."""
    mean_C = batches.normalization.targets(batches.data.targets_of(training.mean_C))
    return lambda batch: mean_C.to(batch.input_BNC.device).expand_as(batch.target_BTNC)
