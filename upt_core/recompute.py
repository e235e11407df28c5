"""What a forward pass keeps for its backward pass, and what is computed again there instead."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

Part = Literal["encoder", "approximator", "decoder"]


@dataclass(frozen=True)
class Recompute:
    """How memory is traded for time; values and gradients stay the same up to rounding.

    A call that is computed again keeps its arguments and its answer only, and runs a second time in the backward pass,
    with the random numbers of the first: activation checkpointing (Chen et al., arXiv 1604.06174).

    Args:
        parts: parts of the model whose calls are computed again, each call as a whole.
        decode_chunk: most query points of a sample that are decoded at once. Each chunk is computed again by itself,
            so that the decoder's intermediate results exist for one chunk at a time. None: all at once.
        most: the largest of the numbers that all processes give: those that share one model make as many calls.
    """

    parts: frozenset[Part] = frozenset()
    decode_chunk: int | None = None
    most: Callable[[int], int] = field(default=int, repr=False)

    def call(self, part: Part, compute: Callable[..., Any], *arguments: Any) -> Tensor:
        """One call of a part of the model."""
        return _again(compute, *arguments) if part in self.parts else compute(*arguments)

    def decode(self, decoder: Callable[..., Any], latent_BLD: Tensor, coords_BQX: Tensor) -> Tensor:
        """One decoding, in chunks where that is asked for: a decoder answers each query point by itself."""
        num_points = coords_BQX.shape[1]
        calls = 1 if self.decode_chunk is None else -(-num_points // self.decode_chunk)
        if self.decode_chunk is not None:
            calls = self.most(calls)
        if calls <= 1:
            return self.call("decoder", decoder, latent_BLD, coords_BQX)
        missing = calls - num_points  # each call has a point: more calls than points answer the last one again
        if missing > 0:
            coords_BQX = torch.cat([coords_BQX, coords_BQX[:, -1:].expand(-1, missing, -1)], dim=1)
        chunks = coords_BQX.tensor_split(calls, dim=1)
        return torch.cat([_again(decoder, latent_BLD, chunk_BQX) for chunk_BQX in chunks], dim=1)[:, :num_points]


def _again(compute: Callable[..., Any], *arguments: Any) -> Tensor:
    if not torch.is_grad_enabled():
        return compute(*arguments)  # type: ignore[no-any-return]
    return checkpoint(compute, *arguments, use_reentrant=False)  # type: ignore[no-any-return]


KEEP_ALL = Recompute()
