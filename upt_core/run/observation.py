"""What the report shows of a run beside its metrics: model and data in numbers, where samplers look, memory."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from upt_core.batch import Batch
from upt_core.loss_bundle import LossBundle
from upt_core.progress import Progress
from upt_core.registry.hookspecs import hookimpl
from upt_core.remarks import remark
from upt_core.run.folder import write_json
from upt_core.whole_file import replacing

if TYPE_CHECKING:
    from upt_core.data.loader import Batches
    from upt_core.training.trainer import Trainer

DESCRIPTION, SAMPLING = "description.json", "sampling.npz"
_TIMES = 6
"""How often in a run it is noted where the samplers look, first and last epoch included."""
_ROWS, _DRAWS = 4, 8
"""Samples of the first batch, and draws of each, that make a picture."""
_BINS = {1: 64, 2: 32}

Density = dict[str, np.ndarray[Any, np.dtype[Any]]]


class Observation:
    """Writes ``description.json`` when a run begins and ends, and ``sampling.npz`` at a few epochs.

    A draw depends on seed, stream and step alone, so drawing once more changes nothing.
    """

    def __init__(self) -> None:
        self._run_dir = Path()
        self._seen: list[Density] = []
        self._description: dict[str, Any] = {}

    @hookimpl
    def run_started(self, trainer: Trainer, run_dir: Path) -> None:
        """Model and data in numbers."""
        self._run_dir = run_dir
        self._seen = _densities_of(run_dir / SAMPLING)  # of earlier stages, and of before a resume
        self._description = described(trainer)
        write_json(run_dir, DESCRIPTION, self._description)

    @hookimpl
    def epoch_ended(self, trainer: Trainer, progress: Progress) -> None:
        """Where the samplers looked in this epoch."""
        if progress.epoch not in _noted(progress.num_epochs):
            return
        for task, bundle in trainer.bundle.parts.items():
            batches = trainer.batches.parts[task]
            self._seen += list(_densities(task, bundle, batches, trainer.device, progress))
        if self._seen:
            names = [*self._seen[0]]
            with replacing(self._run_dir / SAMPLING) as part, part.open("wb") as file:
                np.savez_compressed(
                    file,
                    allow_pickle=False,
                    **{f"{number:04d}/{name}": one[name] for number, one in enumerate(self._seen) for name in names},
                )

    @hookimpl
    def run_finished(self, trainer: Trainer) -> None:
        """The largest memory."""
        self._description["peak_memory_bytes"] = peak_memory(trainer.device)
        write_json(self._run_dir, DESCRIPTION, self._description)


def _densities_of(path: Path) -> list[Density]:
    if not path.is_file():
        return []
    found: dict[str, Density] = {}
    try:
        with path.open("rb") as file, np.load(file) as stored:
            for key in stored.files:
                number, _, name = key.partition("/")
                found.setdefault(number, {})[name] = stored[key]
    except Exception as error:  # what numpy raises depends on the bytes that are damaged
        remark(f"{path}: damaged ({error}); the report leaves out the earlier query points")
        return []
    return list(found.values())


def described(trainer: Trainer) -> dict[str, Any]:
    """Parameters of each part, size of the data, how training goes over them."""
    model = trainer.bundle.model
    return {
        "parameters": {name: _size(part) for name, part in model.named_children()},
        "trainable": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "train_samples": trainer.batches.num_samples,
        "steps_per_epoch": trainer.batches.per_epoch,
        "lower_is_better": trainer.plan.lower_is_better,
        "monitor": trainer.plan.monitor,
        "data": {task: _data(batches) for task, batches in trainer.batches.parts.items()},
    }


def peak_memory(device: torch.device) -> int:
    """Bytes: the largest memory of tensors on a GPU, of the whole process elsewhere."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest if sys.platform == "darwin" else 1024 * largest


def _size(part: nn.Module) -> int:
    return sum(parameter.numel() for parameter in part.parameters())


def _data(batches: Batches) -> dict[str, Any]:
    data, first = batches.data, batches.in_order()[0]
    return {
        "inputs": {field.name: field.channels for field in data.inputs},
        "targets": {field.name: field.channels for field in data.targets},
        "extent": list(data.extent),
        "periodic": list(data.periodic),
        "grid_shape": None if data.grid_of_targets is None else list(data.grid_of_targets),
        "points": max(first.points.lengths or (first.points.num_points,)),
        "condition": list(data.condition),
        "steady": data.steady,
        "history": data.history,
        "bundle": data.bundle,
        "train_samples": batches.num_samples,
    }


def _noted(num_epochs: int) -> set[int]:
    return {round(part * (num_epochs - 1) / (_TIMES - 1)) for part in range(_TIMES)}


def _densities(
    task: str, bundle: LossBundle, batches: Batches, device: torch.device, progress: Progress
) -> Iterator[Density]:
    """For each sampler: how often places are looked at, relative to the mean, and the effective sample size."""
    if not bundle.samplers:
        return
    batch = batches.in_order()[0].to(device)
    for stream, sampler in bundle.samplers.items():
        coords, sizes, count = [], [], 0
        for draw in range(_DRAWS):
            now = Progress(progress.epoch, progress.num_epochs, progress.step + draw, progress.position)
            queries = bundle.step(batch, now).using(sampler, stream).queries()
            used_BQ = _used(batch, queries.weight_BQ, queries.coords(batch.points).shape[:2])
            coords.append(queries.coords(batch.points)[:_ROWS][used_BQ[:_ROWS]].cpu())
            sizes.append(effective_share(queries.weight_BQ))
            count = int(used_BQ[0].sum())
        yield {
            "task": np.array(task),
            "stream": np.array(stream),
            "epoch": np.array(progress.epoch + 1),
            "count": np.array(count),
            "effective_share": np.array(float(np.mean(sizes))),
            "density": _histogram(torch.cat(coords), batches.data.grid_of_targets),
        }


def _used(batch: Batch, weight_BQ: Tensor | None, shape: tuple[int, ...]) -> Tensor:
    if weight_BQ is not None:
        return weight_BQ > 0
    return torch.ones(shape, dtype=torch.bool, device=batch.points.device)


def effective_share(weight_BQ: Tensor | None) -> float:
    """(Σw)² / (Q Σw²), mean over rows: the share of the query points that as many equal weights would need."""
    if weight_BQ is None:
        return 1.0
    used_B = (weight_BQ > 0).sum(1).clamp_min(1)
    share_B = weight_BQ.sum(1).square() / (used_B * weight_BQ.square().sum(1)).clamp_min(1e-30)
    return float(share_B.mean())


def _histogram(coords_MX: Tensor, grid_shape: tuple[int, ...] | None) -> np.ndarray[Any, np.dtype[Any]]:
    """Counts over the first two axes of the unit box; bins of a small grid are its points."""
    axes = min(2, coords_MX.shape[1])
    bins = [min(_BINS[axes], size) for size in (grid_shape or (_BINS[axes],) * axes)[:axes]]
    places = coords_MX[:, :axes].double().clamp(0, 1).numpy()
    counts, _ = np.histogramdd(places, bins=bins, range=[(0.0, 1.0)] * axes)
    return counts.astype(np.float32)
