"""Predictions over many time steps, from the first state on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor

from upt_core.batch import Batch
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
    input_BNC = batch.input_BNC
    points, apart = batch.input_points, batch.own_input_points is not None
    latent_BLD = model.encoder(input_BNC, points)
    for step in range(steps):
        latent_BLD = model.approximator(latent_BLD, batch.condition_at(step))
        # The next step is encoded from the input's own points, wherever the answer is asked for.
        again = space == "physical" and step + 1 < steps
        here = query_BQX is None and not apart
        if here or again:
            state_BNC = _decoded(model, data, latent_BLD, points.coords_BNX, chunk)
        asked_BQX = batch.points.coords_BNX if query_BQX is None else query_BQX
        yield state_BNC if here else _decoded(model, data, latent_BLD, asked_BQX, chunk)
        if again:
            input_BNC = data.next_input(input_BNC, state_BNC, batch.given_at(step + 1))
            latent_BLD = model.encoder(input_BNC, points)


def _decoded(model: Upt, data: DataSpec, latent_BLD: Tensor, coords_BQX: Tensor, chunk: int) -> Tensor:
    return data.targets_of(model.decode_in_chunks(latent_BLD, coords_BQX, chunk)).float()


def persistence(data: DataSpec, batch: Batch, steps: int) -> Tensor:
    """The baseline that nothing changes: the input's target fields (B, T, N, C), repeated.

    Not for steady problems, nor where the targets are at points of their own.
    """
    present_BNC = data.last_frame(batch.input_BNC)
    parts = []
    for field in data.targets:
        value_BNC = present_BNC[..., data.channels_of(field.name, data.inputs)]
        parts.append(value_BNC[..., -(field.channels // data.bundle) :].repeat(1, 1, data.bundle))
    return torch.cat(parts, dim=-1).unsqueeze(1).expand(-1, steps, -1, -1)
