"""A vector field without sources: its predicted divergence must vanish."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from upt_core import DataSpec, Encoder, LossTerm, Sampler, Step
from upt_losses.distance import wide


class Divergence(LossTerm):
    """Mean square of the divergence ∂u₁/∂x₁ + ∂u₂/∂x₂ + … of a predicted vector field, in physical units.

    ``autograd`` differentiates the decoder exactly with respect to its coordinates, at any query points, including
    scattered ones. It decodes once more and differentiates twice, which needs the memory of several decodings. It uses
    float32 and torch's plain attention, because the fused kernels have no second derivative. ``grid`` takes
    second-order differences between neighbours on the whole grid. It is cheap and shares its decoding with other terms,
    but sees nothing finer than the grid, and vanishes only up to the error of the differences.

    The unit is that of (velocity / length)², so a good weight depends on the data.

    Args:
        field: name of the vector field; it needs one channel for each axis, in the order of the axes. Default: the only
            such field that is predicted.
        method: "autograd" or "grid".

    Source: Raissi et al., Physics-informed neural networks, J. Comput. Phys. 378 (2019), for derivatives of a network.
    """

    def __init__(self, field: str | None = None, method: Literal["autograd", "grid"] = "autograd") -> None:
        self.field = field
        self.method = method

    def check_parts(self, encoder: type[Encoder], sampler: Sampler | None) -> None:
        """Refuses a sampler with the method that needs the whole grid."""
        if self.method == "grid" and sampler is not None:
            raise ValueError(
                f"divergence with method: grid takes differences between neighbours on the whole grid, so it cannot "
                f"use {type(sampler).__name__}; remove the term's sampler, or use method: autograd"
            )

    def check_data(self, data: DataSpec) -> None:
        """Refuses a field that is no vector, one axis alone, and scattered points with ``grid``."""
        name = self._name(data)
        channels = data.channels_of(name, data.targets)
        num_channels = channels.stop - channels.start
        if num_channels != data.num_axes or data.num_axes < 2:
            raise ValueError(
                f"divergence needs a vector field with a channel for each of at least 2 axes; {name!r} has "
                f"{num_channels} channels and the data set {data.num_axes} axes"
            )
        if self.method == "grid" and (data.grid_of_targets is None or min(data.grid_of_targets) < 3):
            raise ValueError(
                "divergence with method: grid needs a regular grid of at least 3 points along each axis; use "
                "method: autograd"
            )

    def __call__(self, step: Step) -> Tensor:
        """The mean square over points."""
        if self.method == "grid":
            return step.mean(self._by_differences(step).square(), step.all_queries())
        return step.mean(self._by_autograd(step).square())

    def _by_autograd(self, step: Step) -> Tensor:
        """Divergence (B, Q) at this view's query points. Points do not influence each other, so sums can be derived."""
        if step.model.predict == "change":
            raise ValueError(
                "divergence differentiates the output of the decoder, but this model predicts changes (model.predict: "
                "change) of fields known only at points; use method: grid on a grid, or predict: state"
            )
        latent_BLD = wide(step.latent(1))
        coords_BQX = step.queries().coords(step.points).contiguous()  # no rows that share memory
        with torch.enable_grad(), torch.autocast(coords_BQX.device.type, enabled=False), sdpa_kernel(SDPBackend.MATH):
            coords_BQX = coords_BQX.detach().requires_grad_()
            velocity_BQX = self._velocity(step, step.data.targets_of(step.model.decoder(latent_BLD, coords_BQX)))
            parts_BQ = []
            for axis, extent in enumerate(step.data.extent):
                slope_BQX = torch.autograd.grad(velocity_BQX[..., axis].sum(), coords_BQX, create_graph=True)[0]
                parts_BQ.append(slope_BQX[..., axis] / extent)
        return torch.stack(parts_BQ).sum(dim=0)

    def _by_differences(self, step: Step) -> Tensor:
        """Divergence (B, N) on the grid, by central differences, one-sided at sides that do not wrap around."""
        shape, data = step.points.grid_shape, step.data
        assert shape is not None
        velocity_BNX = self._velocity(step, step.predicted(1, step.all_queries()))
        coords = step.points.coords_BNX[0].view(*shape, data.num_axes)
        total = torch.zeros_like(velocity_BNX[..., 0]).view(-1, *shape)
        for axis, (extent, wraps) in enumerate(zip(data.extent, data.periodic, strict=True)):
            along = coords.select(-1, axis).movedim(axis, 0).flatten(1)[:, 0]
            spacing = (along[1] - along[0]) * extent
            total = total + difference(velocity_BNX[..., axis].reshape(total.shape), axis + 1, wraps) / spacing
        return total.flatten(1)

    def _name(self, data: DataSpec) -> str:
        """The vector field: the one that is named, or the only one that it can be."""
        if self.field is not None:
            return self.field
        found = [field.name for field in data.targets if field.channels == data.num_axes]
        if len(found) != 1:
            raise ValueError(
                f"divergence has no field, and the data set predicts {len(found)} fields with a channel for each of "
                f"its {data.num_axes} axes ({', '.join(found) or 'none'}); set field"
            )
        return found[0]

    def _velocity(self, step: Step, predicted_BQC: Tensor) -> Tensor:
        """The field in physical units up to a constant, which no derivative sees; components in the order of axes."""
        name = self._name(step.data)
        (field,) = (one for one in step.data.targets if one.name == name)
        return field.by_axis((predicted_BQC * step.unit_C)[..., step.data.channels_of(name, step.data.targets)])


def difference(value: Tensor, dim: int, periodic: bool) -> Tensor:
    """Slope of values on a grid along a dimension, to second order, in units of the spacing."""
    if periodic:
        return (value.roll(-1, dim) - value.roll(1, dim)) / 2
    slope: Tensor = torch.gradient(value, dim=dim, edge_order=2)[0]
    return slope
