"""What is measured once an epoch beside the losses, and what adaptive samplers look at before one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch

from upt_core.batch import Batch
from upt_core.data.loader import Batches
from upt_core.data.task_batches import TaskBatches
from upt_core.loss_bundle import LossBundle
from upt_core.precision import Precision, autocast
from upt_core.processes import ALONE, Processes
from upt_core.progress import Progress
from upt_core.task_bundle import TaskBundle, in_task
from upt_core.training.gradients import gradient_norms, gradient_shares
from upt_core.training.mean_gradient import Mean, mean_of_all
from upt_core.training.probe import TrainingProbe
from upt_core.training.sampling_share import sampling_share as share_of_sampling

Scalars = dict[str, float]
SHARE_BATCHES, SHARE_DRAWS = 4, 3
"""How many batches, and draws of each, tell the share of the gradient's noise that is due to query points."""


@dataclass(frozen=True)
class Setting:
    """What is trained, on what, where, how precisely."""

    bundle: LossBundle | TaskBundle
    batches: Batches | TaskBatches
    device: torch.device
    precision: Precision

    def tasks(self) -> Iterator[tuple[str, LossBundle, Batches]]:
        """Each task's name, bundle and batches."""
        for task, bundle in self.bundle.parts.items():
            yield task, bundle, self.batches.parts[task]


def refresh_samplers(setting: Setting, progress: Progress, processes: Processes = ALONE) -> None:
    """Lets the adaptive samplers that ask for it look at all points of their task's training split, which several
    processes share."""
    for _, bundle, batches in setting.tasks():
        for stream, sampler in bundle.samplers.items():
            if sampler.refresh_due(progress):
                bundle.eval()
                in_order = batches.in_order()
                probe = TrainingProbe(bundle, stream, in_order, progress, setting.device, processes)
                sampler.refresh(probe, progress)


def measures_of_epoch(
    setting: Setting, progress: Progress, gradient_share: bool, sampling_share: bool, processes: Processes = ALONE
) -> Scalars:
    """Diagnostics of the samplers; where it is time for them, gradient shares of the terms and the share of noise that
    is due to sampling. Several processes each look at their rows, and all call this together; diagnostics are those of
    the first."""
    setting.bundle.eval()
    found: Scalars = {}
    for task, bundle, batches in setting.tasks():
        if gradient_share:
            found |= _gradient_shares(setting, task, bundle, batches, progress, processes)
        if sampling_share:
            found |= _sampling_share(setting, task, bundle, batches, progress, processes)
    for stream, sampler in setting.bundle.samplers.items():
        found |= {f"sampler/{stream}/{name}": value for name, value in sampler.diagnostics().items()}
    return processes.of_first(lambda: found)


def _mean(batches: Batches, progress: Progress, number: int, processes: Processes) -> Mean:
    """Over the rows of all processes of a batch of the epoch."""
    rows = batches.rows(progress.epoch * batches.per_epoch + number)
    return mean_of_all(processes, processes.share.count(rows) / rows)


def _batches_of(setting: Setting, task: str, batches: Batches, progress: Progress, count: int) -> list[Batch]:
    first = progress.epoch * batches.per_epoch
    return [replace(batches[first + number], task=task).to(setting.device) for number in range(count)]


def _gradient_shares(
    setting: Setting, task: str, bundle: LossBundle, batches: Batches, progress: Progress, processes: Processes
) -> Scalars:
    """Share of each term in the gradient of its task, on the first batch of the epoch."""
    [batch] = _batches_of(setting, task, batches, progress, 1)
    with autocast(setting.device, setting.precision):
        norms = gradient_norms(setting.bundle, batch, progress, _mean(batches, progress, 0, processes))
    weights = {in_task(task, name): weight for name, weight in bundle.weights(progress).items()}
    return {f"gradient_share/{name}": share for name, share in gradient_shares(norms, weights).items()}


def _sampling_share(
    setting: Setting, task: str, bundle: LossBundle, batches: Batches, progress: Progress, processes: Processes
) -> Scalars:
    """Share of the gradient's noise that is due to query points."""
    if not bundle.samplers or batches.per_epoch < SHARE_BATCHES:
        return {}
    some = _batches_of(setting, task, batches, progress, SHARE_BATCHES)
    with autocast(setting.device, setting.precision):
        means = [_mean(batches, progress, number, processes) for number in range(len(some))]
        found = share_of_sampling(bundle, some, progress, SHARE_DRAWS, means)
    return {in_task(task, "sampling_share"): found["share"]} if found else {}
