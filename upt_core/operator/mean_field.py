"""The mean field of a training split: the baseline of problems without time."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

from upt_core.batch import Batch
from upt_core.data.normalize import RunningMoments
from upt_core.data.prepared import PreparedData
from upt_core.processes import ALONE, Processes


def mean_field(prepared: PreparedData, processes: Processes = ALONE) -> Tensor:
    """Mean target of the training split, (1, N, C) at shared points; the mean value (1, 1, C) where points differ.

    Several processes share the reading: each adds up its own batches, and all get the same field.
    """
    train = prepared.batches("train", 1, 64)
    everywhere, shared = RunningMoments(), _SharedSum()
    with processes.agreed():
        for number in range(processes.rank, train.per_epoch, processes.size):
            batch = train[number]
            target_BNC, mask_BN = batch.target_BTNC[:, 0].double(), batch.points.mask_BN
            everywhere.add(target_BNC.flatten(0, 1) if mask_BN is None else target_BNC[mask_BN])
            shared.add(target_BNC, batch)
    parts = [part for part in processes.of_all(_Part(shared, everywhere)) if part.values]
    where = {part.where for part in parts}
    if len(where) == 1 and None not in where:
        total_NC = torch.zeros(parts[0].shape, dtype=torch.float64) if shared.total_NC is None else shared.total_NC
        mean_NC = processes.sum_of(total_NC) / sum(part.samples for part in parts)
    else:
        values = sum(part.values for part in parts)
        mean_NC = sum((part.mean_C * (part.values / values) for part in parts), torch.zeros(())).unsqueeze(0)
    return mean_NC.unsqueeze(0).float()


class _SharedSum:
    """Sum of fields at each point, as long as all are at the same points."""

    def __init__(self) -> None:
        self.total_NC: Tensor | None = None
        self.count = 0
        self.coords_NX: Tensor | None = None

    def add(self, value_BNC: Tensor, batch: Batch) -> None:
        """Adds a batch; at other points than those before, the sum is given up."""
        coords_NX = batch.points.coords_BNX[0]
        known = coords_NX if self.count == 0 else self.coords_NX
        same = batch.points.shared and batch.points.mask_BN is None and known is not None
        if not same or known is None or not torch.equal(known, coords_NX):
            self.total_NC = self.coords_NX = None
        else:
            total_NC = value_BNC.sum(0)
            self.total_NC = total_NC if self.total_NC is None else self.total_NC + total_NC
            self.coords_NX = known
        self.count += len(value_BNC)


class _Part:
    """What one process tells the others of its batches.

    Attributes:
        where: a digest of the points that all its samples share; None: they do not.
        shape: of the sum at these points.
        samples: their number.
        values: of each channel, over all samples and points.
        mean_C: of these values.
    """

    def __init__(self, shared: _SharedSum, everywhere: RunningMoments) -> None:
        coords_NX = shared.coords_NX
        self.where = None if coords_NX is None else hashlib.sha256(coords_NX.contiguous().numpy().tobytes()).hexdigest()
        self.shape = () if shared.total_NC is None else tuple(shared.total_NC.shape)
        self.samples = shared.count
        self.values, self.mean_C = everywhere.count, everywhere.mean
