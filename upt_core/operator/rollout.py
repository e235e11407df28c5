"""Predictions over many time steps, from the first state on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor

from upt_core.batch import Batch
from upt_core.change import Between, detail, present
from upt_core.model import Upt
from upt_core.specs import DataSpec

Space = Literal["latent", "physical"]


@torch.no_grad()
def rollout(model: Upt, data: DataSpec, batch: Batch, steps: int, space: Space = "latent") -> Tensor:
    """Predicted targets (B, T, N, C) of ``steps`` time steps at the batch's points; see ``predictions``."""
    return torch.stack(list(predictions(model, data, batch, steps, space)), dim=1)


def predictions(
    model: Upt,
    data: DataSpec,
    batch: Batch,
    steps: int,
    space: Space = "latent",
    query_BQX: Tensor | None = None,
    chunk: int = 1 << 16,
) -> Iterator[Tensor]:
    """Predicted targets (B, Q, C) of one time step after the other, normalised, float32; with gradient.

    Conditions and given fields are those of the step at hand.

    Args:
        space: "latent" moves the latent state on and decodes each step, as the UPT paper does; "physical" encodes
            each prediction again, which is slower and keeps to fields that the encoder knows.
        query_BQX: coordinates in the unit box to answer at; None: the batch's points.
        chunk: points that are decoded at a time.
    """
    answers = _Answers(model, data, batch, query_BQX, chunk)
    input_BNC = batch.input_BNC
    points, apart = batch.input_points, batch.own_input_points is not None
    latent_BLD = model.encoder(input_BNC, points)
    answers.start(input_BNC, latent_BLD)
    for step in range(steps):
        latent_BLD = model.approximator(latent_BLD, batch.condition_at(step))
        # The next step is encoded from the input's own points, wherever the answer is asked for.
        again = space == "physical" and step + 1 < steps
        here = query_BQX is None and not apart
        if here or again:
            state_BNC = answers.at_points(latent_BLD)
        asked_BQX = batch.points.coords_BNX if query_BQX is None else query_BQX
        yield state_BNC if here else answers.at_queries(latent_BLD, asked_BQX)
        if again:
            input_BNC = data.next_input(input_BNC, state_BNC, batch.given_at(step + 1))
            latent_BLD = model.encoder(input_BNC, points)
            answers.start(input_BNC, latent_BLD)


class _Answers:
    """Decodes latents; where the model predicts changes, adds what the decoder leaves of the state they start from."""

    def __init__(self, model: Upt, data: DataSpec, batch: Batch, query_BQX: Tensor | None, chunk: int) -> None:
        self.model, self.data, self.points, self.chunk = model, data, batch.input_points, chunk
        asked = model.predict == "change" and query_BQX is not None
        self.between = Between.find(self.points, query_BQX) if asked and query_BQX is not None else None
        self.detail_BNC: Tensor | None = None

    def start(self, input_BNC: Tensor, latent_BLD: Tensor) -> None:
        """A state, as the encoder reads it, and its latent."""
        if self.model.predict == "change":
            decoded_BNC = self.model.decode_in_chunks(latent_BLD, self.points.coords_BNX, self.chunk).float()
            self.detail_BNC = detail(self.data, self.data.last_frame(input_BNC), decoded_BNC)

    def at_points(self, latent_BLD: Tensor) -> Tensor:
        """Target channels (B, N, C) at the points that the encoder reads."""
        decoded_BNC = self._decoded(latent_BLD, self.points.coords_BNX)
        return decoded_BNC if self.detail_BNC is None else decoded_BNC + self.detail_BNC

    def at_queries(self, latent_BLD: Tensor, query_BQX: Tensor) -> Tensor:
        """Target channels (B, Q, C) at query points."""
        decoded_BQC = self._decoded(latent_BLD, query_BQX)
        if self.detail_BNC is None or self.between is None:
            return decoded_BQC
        return decoded_BQC + self.between.carry(self.detail_BNC)

    def _decoded(self, latent_BLD: Tensor, coords_BQX: Tensor) -> Tensor:
        return self.data.targets_of(self.model.decode_in_chunks(latent_BLD, coords_BQX, self.chunk)).float()


def persistence(data: DataSpec, batch: Batch, steps: int) -> Tensor:
    """The baseline that nothing changes: the input's target fields (B, T, N, C), repeated.

    Not for steady problems, nor where the targets are at points of their own.
    """
    return present(data, data.last_frame(batch.input_BNC)).unsqueeze(1).expand(-1, steps, -1, -1)
