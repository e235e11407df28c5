"""The three parts of a Universal Physics Transformer as one module."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor, nn

from upt_core.parts import Approximator, Decoder, Encoder


class Upt(nn.Module):
    """Encoder, approximator and decoder of a Universal Physics Transformer (arXiv 2402.12365)."""

    def __init__(self, encoder: Encoder, approximator: Approximator, decoder: Decoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.approximator = approximator
        self.decoder = decoder
        self.frozen: tuple[str, ...] = ()

    def freeze(self, parts: Sequence[str]) -> None:
        """Holds these parts fixed, in evaluation mode, and lets all others train."""
        self.frozen = tuple(parts)
        for name, part in self.named_children():
            part.requires_grad_(name not in parts)
        self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """Training mode for the parts that train."""
        super().train(mode)
        for name in self.frozen:
            self.get_submodule(name).eval()
        return self

    def decode_in_chunks(self, latent_BLD: Tensor, coords_BNX: Tensor, chunk: int = 1 << 16) -> Tensor:
        """decoded_BNC at any number of points, ``chunk`` at a time: points are independent, so memory stays bounded."""
        parts = [self.decoder(latent_BLD, part) for part in torch.split(coords_BNX, chunk, dim=1)]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
