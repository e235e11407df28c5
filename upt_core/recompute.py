"""What a forward pass keeps for its backward pass, and what is computed again there instead."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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
    """

    parts: frozenset[Part] = frozenset()
    decode_chunk: int | None = None

    def call(self, part: Part, compute: Callable[..., Any], *arguments: Any) -> Tensor:
        """One call of a part of the model."""
        return _again(compute, *arguments) if part in self.parts else compute(*arguments)

    def decode(self, decoder: Callable[..., Any], latent_BLD: Tensor, coords_BQX: Tensor) -> Tensor:
        """One decoding, in chunks where that is asked for: a decoder answers each query point by itself."""
        if self.decode_chunk is None or coords_BQX.shape[1] <= self.decode_chunk:
            return self.call("decoder", decoder, latent_BLD, coords_BQX)
        chunks = coords_BQX.split(self.decode_chunk, dim=1)  # type: ignore[no-untyped-call]
        return torch.cat([_again(decoder, latent_BLD, chunk_BQX) for chunk_BQX in chunks], dim=1)


def _again(compute: Callable[..., Any], *arguments: Any) -> Tensor:
    if not torch.is_grad_enabled():
        return compute(*arguments)  # type: ignore[no-any-return]
    return checkpoint(compute, *arguments, use_reentrant=False)  # type: ignore[no-any-return]


KEEP_ALL = Recompute()
