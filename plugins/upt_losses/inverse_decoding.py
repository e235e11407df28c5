"""Decode a latent, encode the answer again, compare the latents: keeps the encoder able to read what is decoded."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from upt_core import DataSpec, Encoder, LossTerm, Points, Queries, Sampler, Step
from upt_losses.coarse import coarse_queries, first_points, spread
from upt_losses.distance import distance
from upt_losses.targets import check_encodable


class InverseDecoding(LossTerm):
    """Mean squared difference between a latent and the latent of its own decoding.

    With z the latent, D(z) its decoding and u the true fields, the encoder E reads a field v, and the value is the mean
    of (E(v) − z)². ``reads`` says what v is:

    * "decoded": v = D(z). Everything that the encoder reads is decoded: with a grid encoder all points, O(B·N·width),
      whatever the sampler; an encoder for any points reads only the query points.
    * "mixed": v = D(z) at the query points and u elsewhere; the value is divided by the share of the points that were
      decoded. It costs Q points instead of N, and no additional decoding together with ``inverse_encoding`` with the
      same sampler. Without a sampler it is "decoded".
    * "coarse": v = u + I(D(z) − u), with the error taken at every ``stride``-th point along each axis of a grid and
      interpolated linearly. The grid of these points is shifted at random at each step, so every point is used at some
      step.

    If the decoding is exact, "mixed" and "coarse" are zero, as "decoded" is: D(z) = u gives v = u, and z = E(u).
    Otherwise they are biased estimates of "decoded". To first order in the error e = D(z) − u, with J the encoder's
    derivative and points drawn independently with probability p, the expectation of "mixed" is p·‖J e‖² + (1 − p)·Σ‖Jᵢ
    eᵢ‖²: errors of one sign over many points count less than in "decoded", scattered ones more. "coarse" is ‖J I e‖²:
    smooth errors count fully, errors finer than two strides are aliased.

    Input fields that the model does not predict (a permeability, a mask), and earlier frames of a history, keep their
    given values. The term trains encoder and decoder, and with ``of: predicted`` the approximator too. Good weights:
    0.001 to 0.05.

    Trap: a sampler that prefers some regions gives the encoder another density of points than usual; use ``uniform`` or
    ``stratified`` with this term.

    Args:
        of: "current", the encoded input; "predicted", the latent after one time step, as in the UPT paper.
        detach: hold the original latent fixed as the target. Without it, shrinking all latents lowers the term.
        reads: what the encoder reads: "decoded", "mixed" or "coarse".
        stride: for "coarse", in points along each axis; one point of stride^axes is decoded.

    Source: Alkin et al., Universal Physics Transformers, arXiv 2402.12365 ("decoded").
    """

    def __init__(
        self,
        of: Literal["current", "predicted"] = "current",
        detach: bool = True,
        reads: Literal["decoded", "mixed", "coarse"] = "decoded",
        stride: Annotated[int, Field(ge=2)] = 2,
    ) -> None:
        self.of = of
        self.detach = detach
        self.reads = reads
        self.stride = stride

    def check_parts(self, encoder: type[Encoder], sampler: Sampler | None) -> None:
        """Refuses a sampler where it would not be asked."""
        if sampler is None or self.reads == "mixed":
            return
        if self.reads == "coarse":
            raise ValueError(
                f"inverse_decoding with reads: coarse takes one of {self.stride} points along each axis and uses no "
                "sampler; remove the term's sampler, or write reads: mixed"
            )
        if encoder.needs_grid:
            raise ValueError(
                f"inverse_decoding encodes the decoded fields, and {encoder.__name__} reads only whole grids, so it "
                f"cannot work on the query points of {type(sampler).__name__}; remove the term's sampler, write "
                "reads: mixed, which uses the true fields at the other points, or use an encoder that takes any points"
            )

    def check_data(self, data: DataSpec) -> None:
        """Refuses what cannot be encoded, and a coarse grid where there is none or it would have a single point."""
        if self.of == "predicted":
            check_encodable(data, "inverse_decoding with of: predicted", "use of: current")
        if self.reads == "coarse" and (data.grid_shape is None or min(data.grid_shape) < 2 * self.stride):
            has = "scattered points" if data.grid_shape is None else f"a grid of {list(data.grid_shape)} points"
            raise ValueError(
                f"inverse_decoding with reads: coarse and stride {self.stride} needs a grid of {2 * self.stride} "
                f"points or more along each axis, but this data set has {has}; write reads: mixed"
            )

    def __call__(self, step: Step) -> Tensor:
        """The mean squared difference."""
        step = step.at_inputs()
        time = 0 if self.of == "current" else 1
        latent_BLD = step.latent(time)
        read, points, share = self._read(step, time)
        again_BLD = step.encode(read, points)
        target_BLD = latent_BLD.detach() if self.detach else latent_BLD
        return distance(again_BLD, target_BLD, "mse").mean() / share

    def _read(self, step: Step, time: int) -> tuple[Tensor, Points, float]:
        """What the encoder reads, at which points, and by what the value is divided."""
        if self.reads == "coarse":
            return _coarse(step, time, self.stride), step.points, 1.0
        if self.reads == "decoded" and step.model.encoder.needs_grid:
            return _decoded_input(step, time, step.all_queries()), step.points, 1.0
        queries = step.queries()
        decoded_BQC = _decoded_input(step, time, queries)
        if self.reads == "decoded" or queries.index_BQ is None:
            return *_real_first(decoded_BQC, step.points, queries), 1.0
        share = queries.index_BQ.shape[1] / step.points.num_points
        return _mixed(step.true_input(time), decoded_BQC, queries), step.points, share


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


def _mixed(true_BNC: Tensor, decoded_BQC: Tensor, queries: Queries) -> Tensor:
    """The true fields, with decoded values at the query points."""
    if not queries.on_points:
        raise ValueError(
            "inverse_decoding with reads: mixed replaces true values by decoded values, but its sampler moves query "
            "points away from the points of the data (jittered); give the term its own sampler, for example the base "
            "of jittered"
        )
    assert queries.index_BQ is not None
    index_BQC = queries.index_BQ.unsqueeze(-1).expand_as(decoded_BQC)
    return true_BNC.scatter(1, index_BQC, decoded_BQC.to(true_BNC.dtype))


def _coarse(step: Step, time: int, stride: int) -> Tensor:
    """The true fields with the decoding's error, taken on a coarser grid and interpolated."""
    points, true_BNC = step.points, step.true_input(time)
    assert points.grid_shape is not None
    firsts = first_points(points.num_axes, stride, step.progress.step)
    queries = coarse_queries(points, stride, firsts)
    error_BQC = _decoded_input(step, time, queries) - queries.take(true_BNC)
    return true_BNC + spread(error_BQC, points.grid_shape, stride, firsts, points.periodic)


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
