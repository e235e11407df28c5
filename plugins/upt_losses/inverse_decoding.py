"""Decode a latent, encode the answer again, compare the latents: keeps the encoder able to read what is decoded."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from upt_core import DataSpec, Encoder, LossTerm, Points, Queries, Sampler, Step
from upt_losses.distance import distance
from upt_losses.targets import check_encodable


class InverseDecoding(LossTerm):
    """Mean squared difference between a latent and the latent of its own decoding.

    A grid encoder reads whole grids, so with one the latent is decoded on all points, O(B·N·width), and a sampler is
    refused. An encoder that takes any points reads the query points themselves, so sampling works. Input fields that
    the model does not predict (a permeability, a mask), and the past where there is a history, are as given. It trains
    encoder and decoder, and with ``of: predicted`` the approximator too. Good weights: 0.001 to 0.05.

    Trap: a sampler that prefers some regions shows the encoder another density of points than it meets elsewhere;
    ``uniform`` or ``stratified`` suit this term.

    Args:
        of: "current", the encoded input; "predicted", the latent one time step on, as in the UPT paper.
        detach: hold the original latent fixed as the target. Without it, shrinking all latents lowers the term.

    Source: Alkin et al., Universal Physics Transformers, arXiv 2402.12365.
    """

    def __init__(self, of: Literal["current", "predicted"] = "current", detach: bool = True) -> None:
        self.of = of
        self.detach = detach

    def check_parts(self, encoder: type[Encoder], sampler: Sampler | None) -> None:
        """Refuses a sampler together with an encoder that needs the whole grid."""
        if sampler is not None and encoder.needs_grid:
            raise ValueError(
                f"inverse_decoding encodes what it decoded, and {encoder.__name__} reads only whole grids, so it "
                f"cannot work on the query points of {type(sampler).__name__}; remove the term's sampler, or use an "
                f"encoder that takes any points"
            )

    def check_data(self, data: DataSpec) -> None:
        """With ``of: predicted``, refuses data whose predicted fields cannot be encoded."""
        if self.of == "predicted":
            check_encodable(data, "inverse_decoding with of: predicted", "use of: current")

    def __call__(self, step: Step) -> Tensor:
        """The mean squared difference."""
        time = 0 if self.of == "current" else 1
        queries = step.all_queries() if step.model.encoder.needs_grid else step.queries()
        latent_BLD = step.latent(time)
        again_BLD = step.encode(*_real_first(_decoded_input(step, time, queries), step.points, queries))
        return distance(again_BLD, latent_BLD.detach() if self.detach else latent_BLD, "mse").mean()


def _decoded_input(step: Step, time: int, queries: Queries) -> Tensor:
    """What the encoder reads (B, Q, C): the present as decoded; the past, and what is never predicted, as given."""
    decoded_BQC, data, batch = step.decoded(time, queries), step.data, step.batch
    input_BQC = queries.take(batch.input_BNC)
    if time == 0:
        past_BQC = input_BQC[..., : data.input_channels - data.frame_channels]
        return torch.cat([past_BQC, data.inputs_of(decoded_BQC)], dim=-1)
    given_BNC = batch.given_at(time)
    return data.next_input(
        input_BQC, data.targets_of(decoded_BQC), None if given_BNC is None else queries.take(given_BNC)
    )


def _real_first(input_BQC: Tensor, points: Points, queries: Queries) -> tuple[Tensor, Points]:
    """Values and points at the queries. Rows with fewer real points than queries get their padding at the end."""
    selected = points.select(queries)
    if points.lengths is None or queries.index_BQ is None or queries.weight_BQ is None:
        return input_BQC, selected
    count = queries.index_BQ.shape[1]
    if min(points.lengths) >= count:
        return input_BQC, selected
    real_first = Queries((queries.weight_BQ == 0).byte().argsort(dim=1, stable=True))
    lengths = tuple(min(length, count) for length in points.lengths)
    return real_first.take(input_BQC), replace(
        selected, coords_BNX=real_first.take(selected.coords_BNX), lengths=lengths
    )
