"""The parts of a model as abstract classes: encoder, approximator, decoder; and the three as one module."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Literal, Self

import torch
from torch import Tensor, nn

from upt_core.kinds import Bounded
from upt_core.points import Need, Points


class Encoder(Bounded, nn.Module, ABC):
    """Turns input fields at points into latent tokens: (B, N, C) → (B, L, D)."""

    needs_grid: ClassVar[bool] = False
    """True where the encoder works only on a whole grid; False where it takes any set of points."""

    resamples: ClassVar[bool] = False
    """True where an encoder of whole grids brings one that lies elsewhere in the box to the place of training's."""

    pools: ClassVar[bool] = False
    """True where every token collects from the whole domain, so that it has no place even if ``latent.tokens`` is a
    list."""

    @property
    def needs(self) -> tuple[Need, ...]:
        """What ``forward`` asks of the points (``points.get``), so that it is found once per point set and kept."""
        return ()

    def check_grid(self, shape: Sequence[int]) -> None:
        """Refuses, with a ValueError, a grid other than that of ``DataSpec`` that the encoder cannot take.

        Called before training for every grid of the data. Here: encoders that need a grid take no other.
        """
        if self.needs_grid:
            raise ValueError(
                f"{type(self).__name__} takes one grid, and the data have another of {' x '.join(map(str, shape))}; "
                f"use an encoder of points, or one that says it takes other grids (check_grid)"
            )

    def remark(self, points: Points) -> str:
        """A line for ``upt check`` on how the encoder sees these points; empty: nothing to say."""
        return ""

    @abstractmethod
    def forward(self, input_BNC: Tensor, points: Points) -> Tensor:
        """latent_BLD of the input fields at these points.

        The latent of a sample depends neither on padding nor on the other samples of the batch.
        """


class Approximator(Bounded, nn.Module, ABC):
    """Moves latent tokens one time step on: (B, L, D) → (B, L, D)."""

    def remark(self) -> str:
        """A remark for ``upt check`` on how the tokens are treated; empty: nothing to say."""
        return ""

    @abstractmethod
    def forward(self, latent_BLD: Tensor, condition_BP: Tensor | None) -> Tensor:
        """The latent tokens one time step later."""


class Decoder(Bounded, nn.Module, ABC):
    """Answers at any query point: latent tokens and coordinates → (B, Q, C)."""

    @abstractmethod
    def forward(self, latent_BLD: Tensor, coords_BQX: Tensor) -> Tensor:
        """decoded_BQC, all channels of ``DataSpec.fields``, normalised. The points do not influence each other."""


Predict = Literal["state", "change"]


class Upt(nn.Module):
    """Encoder, approximator and decoder of a Universal Physics Transformer (arXiv 2402.12365).

    Args:
        predict: "state": the answer is what the decoder says. "change": it is the given state, moved by the difference
            between what the decoder says of the next latent and of the present one; so nothing that is too fine for the
            latent is lost, and a model that knows nothing yet predicts that nothing changes.
    """

    def __init__(
        self, encoder: Encoder, approximator: Approximator, decoder: Decoder, predict: Predict = "state"
    ) -> None:
        super().__init__()
        self.predict = predict
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
