"""Errors of each sample, time step and field: what curves, lists of the worst and intervals are made of."""

from __future__ import annotations

import torch
from torch import Tensor

from upt_core.batch import Batch
from upt_core.specs import DataSpec

AT_REST = 0.01
"""A truth smaller than this part of the field's root mean square is compared with that, as in the relative metrics."""


class Errors:
    """Mean squares over space, float64, of errors and truths, gathered batch by batch.

    A field with several channels counts as one: its square is the sum over them, so a vector's is its length's.

    Args:
        data: names the target fields.
    """

    def __init__(self, data: DataSpec) -> None:
        self._fields = {field.name: data.channels_of(field.name, data.targets) for field in data.targets}
        self._errors: list[Tensor] = []
        self._truths: list[Tensor] = []

    @property
    def names(self) -> tuple[str, ...]:
        """The target fields, F of them."""
        return tuple(self._fields)

    def add(self, prediction_BTNC: Tensor, target_BTNC: Tensor, batch: Batch) -> None:
        """Adds a batch in physical units."""
        self._errors.append(self._squares(prediction_BTNC - target_BTNC, batch))
        self._truths.append(self._squares(target_BTNC, batch))

    def _squares(self, value_BTNC: Tensor, batch: Batch) -> Tensor:
        value_BTNC, density_BN = _wide(value_BTNC).square(), batch.points.density_BN
        value_BTNF = torch.stack([value_BTNC[..., channels].sum(-1) for channels in self._fields.values()], dim=-1)
        if density_BN is not None:
            density_BTNF = density_BN[:, None, :, None].to(value_BTNF)
            value_BTNF = torch.where(density_BTNF > 0, value_BTNF * density_BTNF, 0)
        return value_BTNF.mean(dim=2).cpu()

    @property
    def rmse_STF(self) -> Tensor:
        """Root mean square error over space, in the units of the data; S samples."""
        return torch.cat(self._errors).sqrt()

    @property
    def truth_STF(self) -> Tensor:
        """Root mean square of the truth over space."""
        return torch.cat(self._truths).sqrt()

    @property
    def relative_STF(self) -> Tensor:
        """Relative L2 error of each time step."""
        return _ratio(self.rmse_STF, self.truth_STF)

    @property
    def relative_SF(self) -> Tensor:
        """Relative L2 error over all time steps together, as the metric ``relative_l2`` of one field."""
        error_SF, truth_SF = (torch.cat(parts).sum(dim=1).sqrt() for parts in (self._errors, self._truths))
        return _ratio(error_SF, truth_SF)

    @property
    def rmse_SF(self) -> Tensor:
        """Root mean square error over space and all time steps."""
        return torch.cat(self._errors).mean(dim=1).sqrt()


def _ratio(error: Tensor, truth: Tensor) -> Tensor:
    """error / truth, (S, …, F); where a truth is at rest, over its field's root mean square; where that is 0: NaN."""
    typical_F = truth.square().flatten(0, -2).mean(dim=0).sqrt()
    return error / torch.where(truth < AT_REST * typical_F, typical_F, truth).where(typical_F > 0, torch.nan)


def _wide(value: Tensor) -> Tensor:
    return value.cpu().double() if value.device.type == "mps" else value.double()
