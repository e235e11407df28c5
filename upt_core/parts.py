"""The parts of a model, as abstract classes: encoder, approximator, decoder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor, nn

from upt_core.bounds import Bounded
from upt_core.needs import Need
from upt_core.points import Points


class Encoder(Bounded, nn.Module, ABC):
    """Turns input fields at points into latent tokens: (B, N, C) → (B, L, D)."""

    needs_grid: ClassVar[bool] = False
    """True where the encoder works only on a whole grid; False where it takes any set of points."""

    @property
    def needs(self) -> tuple[Need, ...]:
        """What ``forward`` asks of the points (``points.get``), so that it is found once per point set and kept."""
        return ()

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

    @abstractmethod
    def forward(self, latent_BLD: Tensor, condition_BP: Tensor | None) -> Tensor:
        """The latent tokens one time step later."""


class Decoder(Bounded, nn.Module, ABC):
    """Answers at any query point: latent tokens and coordinates → (B, Q, C)."""

    @abstractmethod
    def forward(self, latent_BLD: Tensor, coords_BQX: Tensor) -> Tensor:
        """decoded_BQC, all channels of ``DataSpec.fields``, normalised. The points do not influence each other."""
