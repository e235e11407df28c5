"""Several processes that train together: each learns what all of them saw, so that all remember the same scores."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn.functional import pad


@dataclass(frozen=True, eq=False)
class Visits:
    """Squared scores seen at visited points.

    Args:
        sample_id_B: the sample of each row; None: one map for all.
        block_BQ: the block of each visited point.
        square_BQ: the squared score there.
        seen_BQ: False in slots that are not a visit.
        num_blocks: K of these samples.
    """

    sample_id_B: Tensor | None
    block_BQ: Tensor
    square_BQ: Tensor
    seen_BQ: Tensor
    num_blocks: int


def several() -> bool:
    """Whether this process trains together with others."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def visits_of_all(own: Visits) -> Visits:
    """The visits of all processes, in the order of their ranks; alone: one's own.

    Ranks may differ in rows and query points. Their sizes are exchanged first, for which the host waits.
    """
    if not several():
        return own
    size = torch.tensor([*own.block_BQ.shape, own.num_blocks], device=own.block_BQ.device)
    sizes: list[list[int]] = torch.stack(_from_all(size)).tolist()
    rows, count, num_blocks = (max(column) for column in zip(*sizes, strict=True))

    def gathered(value: Tensor) -> Tensor:
        missing = [0, count - value.shape[1]] if value.dim() == 2 else []
        parts = _from_all(pad(value, [*missing, 0, rows - len(value)]).contiguous())
        return torch.cat([part[: size[0]] for part, size in zip(parts, sizes, strict=True)])

    return Visits(
        None if own.sample_id_B is None else gathered(own.sample_id_B),
        gathered(own.block_BQ),
        gathered(own.square_BQ),
        gathered(own.seen_BQ.to(torch.uint8)).bool(),
        num_blocks,
    )


def of_first_rank(value: Tensor) -> Tensor:
    """The first process's value, where all have computed the same up to rounding; alone: one's own."""
    if several():
        dist.broadcast(value, 0)
    return value


def _from_all(value: Tensor) -> list[Tensor]:
    parts = [torch.empty_like(value) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, value)
    return parts
