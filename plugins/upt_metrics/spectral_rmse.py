"""Error of large, middle or small structures."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from upt_core import Batch, DataSpec
from upt_metrics.per_sample import MeanOfFigures
from upt_metrics.wavenumbers import shells

BANDS: dict[str, tuple[int, int | None]] = {"low": (0, 4), "mid": (5, 12), "high": (13, None), "all": (0, None)}


class SpectralRmse(MeanOfFigures):
    """Error in a band of wavenumbers, of each sample, channel and time step; then the mean. Needs a regular grid.

    √(Σ |ê(k)|²) / number of wavenumbers in the band, with the Fourier transform ê of the error over all axes, divided
    by the number of points; k is the length of the wavenumber, rounded down, in waves per domain: "low" 0 to 4, "mid"
    5 to 12, "high" 13 to half the points of the shortest axis. So the squares of all modes add up to the mean squared
    error. This follows the idea of PDEBench's fRMSE; its exact scaling is not confirmed, so do not compare with
    published figures.

    Trap: along an axis that is not periodic, the jump from the last point to the first adds to all bands.

    Args:
        band: "low", "mid", "high", or "all".
        low: first wavenumber, instead of the band's.
        high: last wavenumber, instead of the band's.

    Source: Takamoto et al., PDEBench, arXiv 2210.07182.
    """

    def __init__(
        self,
        band: Literal["low", "mid", "high", "all"] = "low",
        low: Annotated[int, Field(ge=0)] | None = None,
        high: Annotated[int, Field(ge=0)] | None = None,
    ) -> None:
        super().__init__()
        self.low = BANDS[band][0] if low is None else low
        self.high = BANDS[band][1] if high is None else high
        if self.low < 0 or (self.high is not None and self.high < self.low):
            raise ValueError(
                f"the band from {self.low} to {self.high} is empty; low must be 0 or more, and at most high"
            )

    def check_data(self, data: DataSpec) -> None:
        """Refuses scattered points."""
        if data.grid_of_targets is None:
            raise ValueError("spectral_rmse needs a regular grid; this data set has scattered points")

    def figures(self, prediction_BTNC: Tensor, target_BTNC: Tensor, batch: Batch) -> Tensor:
        """(B, T, C)."""
        shape = batch.points.grid_shape
        if shape is None:
            raise ValueError("spectral_rmse needs a regular grid; these points are scattered")
        high = min(shape) // 2 if self.high is None else self.high
        if high < self.low:
            raise ValueError(
                f"spectral_rmse begins at wavenumber {self.low}, but {shape} points resolve only up to "
                f"{high}; lower 'low'"
            )
        batch_size, times, _, channels = prediction_BTNC.shape
        error = (prediction_BTNC - target_BTNC).reshape(batch_size, times, *shape, channels)
        axes = list(range(2, 2 + len(shape)))
        power: Tensor = torch.fft.fftn(error, dim=axes, norm="forward").abs().square()
        number = (shells(shape, error.device) + 1e-9).floor()  # a root that rounds below a whole number is that number
        in_band = (number >= self.low) & (number <= high)
        return (power * in_band.unsqueeze(-1)).sum(dim=axes).sqrt() / (high - self.low + 1)
