"""A share of the points that goes from one ratio to another on a cosine over the epochs."""

from __future__ import annotations

import math
from typing import Annotated, final

from pydantic import Field

from upt_core import Sampler
from upt_samplers.mathematics.ramp import Ramp


@final
class Cosine(Ramp):
    """Looks at all points first and at fewer and fewer later (or the other way round), on a cosine.

    With t = (epoch - start_epoch) / (end_epoch - start_epoch) and shape = (1 + cos(π t)) / 2:
    ratio = end_ratio + (start_ratio - end_ratio) · round(shape · (levels - 1)) / (levels - 1) for
    start_epoch ≤ epoch < end_epoch; start_ratio before; end_ratio from end_epoch on. A run that ends before
    start_epoch stays at start_ratio. Q follows from the ratio as in ``ratio``.

    Args:
        start_ratio: share of the points before start_epoch.
        end_ratio: share of the points from end_epoch on; 0.2 to 0.5 are usual.
        start_epoch: first epoch of the ramp.
        end_epoch: first epoch at end_ratio; left out, the last epoch of the run.
        levels: at most this many different ratios occur; a compiled model is compiled once for each.
        base: the sampler that chooses the points, uniform if left out; its own num_queries is not used.
        multiple: Q is rounded to a multiple of this (from 8 multiples on).
    """

    def __init__(
        self,
        start_ratio: Annotated[float, Field(gt=0, le=1)] = 1.0,
        end_ratio: Annotated[float, Field(gt=0, le=1)] = 0.2,
        start_epoch: Annotated[int, Field(ge=0)] = 10,
        end_epoch: Annotated[int, Field(ge=0)] | None = None,
        levels: Annotated[int, Field(ge=2)] = 8,
        base: Sampler | None = None,
        multiple: Annotated[int, Field(ge=1)] = 64,
    ) -> None:
        super().__init__(start_ratio, end_ratio, start_epoch, end_epoch, levels, base, multiple)

    def shape(self, time: float) -> float:
        """(1 + cos(π t)) / 2."""
        return (1 + math.cos(math.pi * time)) / 2
