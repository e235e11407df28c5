"""The forward pass of a bundle; among several processes, with the mean of their gradients (torch's DDP or FSDP2)."""

from __future__ import annotations

import inspect
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from upt_core.batch import Batch
from upt_core.loss_bundle import LossBundle, Losses
from upt_core.processes import ALONE, Processes
from upt_core.progress import Progress
from upt_core.task_bundle import TaskBundle

if TYPE_CHECKING:
    from upt_core.training.sharding import Sharding


class Parallel:
    """A bundle that all processes train together.

    Parameters that a batch does not use are looked for at every step: terms may have weight 0 or be due every few
    batches, and a batch is of one task. Without that search DDP would also form its buckets anew after the first step,
    sum gradients in another order from then on, and a resumed run would differ in the last bits.

    Args:
        bundle: model and loss terms; which parameters train does not change from now on.
        processes: that train it.
        sharding: of its model, which then averages the gradients itself; None: each process holds the whole model.
    """

    def __init__(
        self, bundle: LossBundle | TaskBundle, processes: Processes = ALONE, sharding: Sharding | None = None
    ) -> None:
        self._bundle: nn.Module = bundle
        self._averaging: DistributedDataParallel | None = None
        self._sharding = sharding
        self._buffers: list[Tensor] = _saved_buffers(bundle) if sharding is not None and processes.several else []
        if processes.several and sharding is None:
            self._bundle = self._averaging = _averaging(bundle)

    def __call__(self, batch: Batch, progress: Progress) -> Losses:
        """The losses of this process's rows."""
        for buffer in self._buffers:
            torch.distributed.broadcast(buffer, 0)  # as DDP does it; constants are not among them
        losses: Losses = self._bundle(batch, progress)
        return losses

    def averaging(self, now: bool) -> AbstractContextManager[None]:
        """For a forward and a backward pass: whether gradients are averaged in it, or gathered for a later one."""
        if self._sharding is not None:
            return self._sharding.sending(now)
        return nullcontext() if now or self._averaging is None else self._averaging.no_sync()


class _WithUnused(nn.Module):
    """A bundle and a parameter that nothing uses: DDP warns where it looks for unused parameters and finds none."""

    def __init__(self, bundle: nn.Module) -> None:
        super().__init__()
        self.bundle = bundle
        self.unused = nn.Parameter(torch.zeros(1, device=next(bundle.parameters()).device))

    def forward(self, batch: Batch, progress: Progress) -> Losses:
        losses: Losses = self.bundle(batch, progress)
        return losses


def _averaging(bundle: LossBundle | TaskBundle) -> DistributedDataParallel:
    """Buffers are sent at every step only where some are saved: the others are constants."""
    names = ("forward_sync_buffers", "broadcast_buffers")  # the second is that of torch before 2.13
    name = next(name for name in names if name in inspect.signature(DistributedDataParallel).parameters)
    buffers: dict[str, Any] = {name: bool(_saved_buffers(bundle))}
    return DistributedDataParallel(_WithUnused(bundle), find_unused_parameters=True, **buffers)


def _saved_buffers(bundle: LossBundle | TaskBundle) -> list[Tensor]:
    """Buffers that are part of the state."""
    state = set(bundle.model.state_dict())
    return [buffer for name, buffer in bundle.model.named_buffers(remove_duplicate=False) if name in state]
