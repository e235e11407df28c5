"""Error of the energy spectrum: whether a prediction has the right amount of structure of each size."""

from __future__ import annotations

import torch
from torch import Tensor

from upt_core import Batch, DataSpec
from upt_metrics.per_sample import MeanOfFigures
from upt_metrics.wavenumbers import shells


class SpectrumError(MeanOfFigures):
    """Mean over wavenumbers of |log₁₀(E_prediction(k) / E_target(k))|: of each sample, channel, time step; the mean.

    E(k) is the sum of |û|² over the modes whose wavenumber has a length of k − ½ to k + ½ waves per domain, for k = 1
    to half the points of the shortest axis. 0 is perfect, 1 is an error by a factor of ten. It does not depend on the
    position of structures. A smeared prediction with small ``relative_l2`` has a large error here. Needs a regular
    grid. Energies below the rounding of float32 (10⁻¹⁴ of the target's largest) are replaced by that value, so that
    empty shells of smooth fields have no effect.

    Trap: along an axis that is not periodic, the jump from the last point to the first adds to all shells.
    """

    def check_data(self, data: DataSpec) -> None:
        """Refuses scattered points."""
        if data.grid_of_targets is None:
            raise ValueError("spectrum_error needs a regular grid; this data set has scattered points")

    def figures(self, prediction_BTNC: Tensor, target_BTNC: Tensor, batch: Batch) -> Tensor:
        """(B, T, C).

        Raises:
            ValueError: the points are scattered.
        """
        shape = batch.points.grid_shape
        if shape is None:
            raise ValueError("spectrum_error needs a regular grid; these points are scattered")
        energy_BTCK, target_BTCK = (_spectrum(value, shape) for value in (prediction_BTNC, target_BTNC))
        least_BTC1 = target_BTCK.amax(dim=-1, keepdim=True) * torch.finfo(torch.float32).eps ** 2
        logs = [torch.maximum(value, least_BTC1).log10() for value in (energy_BTCK, target_BTCK)]
        return (logs[0] - logs[1]).abs().nan_to_num(0.0).mean(dim=-1)  # 0 / 0: both have no structure


def _spectrum(value_BTNC: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Energy in each shell of wavenumbers, (B, T, C, K)."""
    batch_size, times, _, channels = value_BTNC.shape
    axes = list(range(2, 2 + len(shape)))
    modes = torch.fft.fftn(value_BTNC.reshape(batch_size, times, *shape, channels), dim=axes, norm="forward")
    power_BTCM = modes.abs().square().flatten(2, -2).transpose(2, 3)
    shell_M = (shells(shape, value_BTNC.device) + 0.5).floor().long().flatten()
    highest = min(shape) // 2
    energy = power_BTCM.new_zeros(*power_BTCM.shape[:3], int(shell_M.max()) + 1)
    energy.index_add_(3, shell_M, power_BTCM)
    resolved: Tensor = energy[..., 1 : highest + 1]
    return resolved
