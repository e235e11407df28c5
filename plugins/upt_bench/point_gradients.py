"""Each point's contribution to the gradient of the loss, along random directions in parameter space.

The directional derivative of a point's loss along a standard normal direction v is v · g; with K directions the
squared length of the vector of them, over K, is an unbiased estimate of |g|², and so is the variance of any weighted
sum of them for that of the gradient itself. One pass in forward mode gives v · g of all points at once.
"""

from __future__ import annotations

import warnings
from typing import cast

import torch
from torch import Tensor, nn
from torch.func import functional_call, jvp
from torch.nn.attention import SDPBackend, sdpa_kernel

from upt_bench.flow import Flow
from upt_core import Batch, Upt

CHUNK = 8192


class _PointLoss(nn.Module):
    """The squared error at some points of a batch; the latent is computed here, so that its gradient counts."""

    def __init__(self, model: Upt) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Batch, start: int, stop: int) -> Tensor:
        latent_BLD = self.model.encoder(batch.input_BNC, batch.points)
        decoded_BQC = self.model.decoder(latent_BLD, batch.points.coords_BNX[:, start:stop])
        loss_BQ: Tensor = (decoded_BQC - batch.input_BNC[:, start:stop]).square().mean(-1)
        return loss_BQ


def point_gradients(model: Upt, flow: Flow, directions: int, frames: int | None = None) -> Tensor:
    """v · g of the points of the first frames (None: all) along K directions, divided by √K: (S, N, K) float32."""
    rng = torch.Generator(flow.frame_SNC.device).manual_seed(0)
    numbers = torch.arange(frames or flow.num_frames, device=flow.frame_SNC.device)
    out = flow.frame_SNC.new_empty(len(numbers), flow.points.num_points, directions)
    module = _PointLoss(model)
    parameters = dict(module.named_parameters())
    for k in range(directions):
        tangents = {
            name: torch.randn(p.shape, generator=rng, device=p.device) / directions**0.5
            for name, p in parameters.items()
        }
        for frame in numbers:
            out[frame, :, k] = _along(module, parameters, tangents, flow.batch(frame.unsqueeze(0)))
    return out


def _along(module: nn.Module, parameters: dict[str, nn.Parameter], tangents: dict[str, Tensor], batch: Batch) -> Tensor:
    values = {name: p.detach() for name, p in parameters.items()}
    parts = []
    for start in range(0, batch.points.num_points, CHUNK):
        stop = min(start + CHUNK, batch.points.num_points)
        with sdpa_kernel(SDPBackend.MATH), warnings.catch_warnings():  # the fused kernels have no forward mode
            warnings.simplefilter("ignore", DeprecationWarning)  # torch's own, when it loads its forward mode
            slope = jvp(
                lambda own: functional_call(module, own, (batch, start, stop)),  # noqa: B023 (called at once)
                (values,),
                (tangents,),
            )[1]
        parts.append(cast(Tensor, slope)[0])
    return torch.cat(parts)
