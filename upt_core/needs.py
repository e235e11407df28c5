"""What plugins need to know of points, and what follows from the points of one sample alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from upt_core.lazy import Lazy

if TYPE_CHECKING:
    from upt_core.points import Points

Found = tuple[Tensor, ...]
"""What answers a need; of a batch, each tensor has the batch as its first axis."""


class Need(ABC):
    """Something that follows from the points of one sample alone, and is asked of a batch with ``points.get(need)``.

    An encoder or sampler declares its needs; then the loader finds each once per point set, keeps it for the run, and
    hands it over with every batch of every split. Where nobody did so, ``points.get`` finds it, row by row. Either way
    it is found for the real points of a sample, so it depends neither on padding nor on the rest of the batch.

    A subclass is a frozen dataclass: its fields are what it depends on besides the points.
    """

    @Lazy
    def name(self) -> str:
        """What it is kept under: class and fields."""
        return f"{type(self).__module__}.{self!r}"

    @abstractmethod
    def compute(self, points: Points) -> Found:
        """The tensors that answer the need, without an axis for the batch, on the points' device.

        Args:
            points: those of one sample (B = 1), without padding.
        """

    def stack(self, rows: Sequence[Found], num_points: int) -> Found:
        """The answers for several samples as those of a batch. Here: zeros fill the shorter ones at the end.

        Args:
            num_points: N of the batch, padding included.
        """
        return tuple(stack_padded(parts) for parts in zip(*rows, strict=True))


def stack_padded(parts: Sequence[Tensor], axis: int = 0) -> Tensor:
    """Tensors as rows of one, (B, …), with zeros at the end of the axis where they are shorter than the longest.

    Args:
        axis: along which they may differ in length.
    """
    sizes = [part.shape[axis] for part in parts]
    length = max(sizes)
    if min(sizes) == length:
        return torch.stack(list(parts))
    shape = list(parts[0].shape)
    shape[axis] = length
    rows = parts[0].new_zeros(len(parts), *shape)
    for row, part in zip(rows, parts, strict=True):
        row.narrow(axis, 0, part.shape[axis]).copy_(part)
    return rows
