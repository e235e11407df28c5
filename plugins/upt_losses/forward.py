"""The operator's one-step prediction against the next state."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor

from upt_core import DataSpec, Encoder, LossTerm, Sampler, Step
from upt_losses.distance import NormOrRelative, distance
from upt_losses.relative import relative_error, relative_latent_error
from upt_losses.targets import check_encodable


class Forward(LossTerm):
    """One-step prediction against the next state: in physical space at query points, or in latent space.

    In physical space the value is the mean over points and channels of the distance between the decoded prediction and
    the true field, both normalised. In latent space it is the mean over tokens and width of the distance between the
    predicted latent and the encoded next state; the decoder is not called, so another term must train it, and there are
    no points, so it takes no sampler.

    Trap: in latent space with ``detach: false`` and no other term, an encoder that maps everything to one latent has
    zero loss.

    Args:
        space: "physical" compares fields at query points; "latent" compares latents.
        norm: "mse" (usual), "l1", "huber" for data with rare large errors, or "relative": the mean over samples of
            ‖prediction − truth‖ / ‖truth‖, so that each sample has equal weight. The bias of a sampled estimate falls
            as 1/Q. Good with latents that are not normalised.
        delta: where "huber" turns from square to linear, in normalised units. Good values: 0.1 to 1.
        detach: in latent space, hold the encoded next state fixed. Keep it true unless other terms prevent collapse.

    Source: Alkin et al., Universal Physics Transformers, arXiv 2402.12365.
    """

    def __init__(
        self,
        space: Literal["physical", "latent"] = "physical",
        norm: NormOrRelative = "mse",
        delta: Annotated[float, Field(gt=0)] = 1.0,
        detach: bool = True,
    ) -> None:
        self.space = space
        self.norm: NormOrRelative = norm
        self.delta = delta
        self.detach = detach

    def check_parts(self, encoder: type[Encoder], sampler: Sampler | None) -> None:
        """In latent space, refuses a sampler: there are no query points to choose."""
        if self.space == "latent" and sampler is not None:
            raise ValueError(
                f"forward with space: latent uses no query points, so it takes no sampler ({type(sampler).__name__}); "
                "remove the term's sampler, or use space: physical"
            )

    def check_data(self, data: DataSpec) -> None:
        """In latent space, refuses data whose next state cannot be encoded."""
        if self.space == "latent":
            check_encodable(data, "forward with space: latent", "use space: physical")

    def __call__(self, step: Step) -> Tensor:
        """The mean distance."""
        if self.norm == "relative":
            return self._relative(step)
        if self.space == "physical":
            value_BQC = distance(step.predicted(1), step.target(1), self.norm, self.delta)
            return step.mean(value_BQC.mean(dim=-1))
        return distance(step.latent(1), step.encoded_target(1, self.detach), self.norm, self.delta).mean()

    def _relative(self, step: Step) -> Tensor:
        if self.space == "physical":
            return relative_error(step, step.predicted(1), step.target(1))
        return relative_latent_error(step.latent(1), step.encoded_target(1, self.detach))
