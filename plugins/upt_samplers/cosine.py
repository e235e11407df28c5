"""A share of the points that goes from one ratio to another on a cosine over the epochs."""

from __future__ import annotations

import math
from typing import final

from upt_samplers.mathematics.ramp import Ramp


@final
class Cosine(Ramp):
    """Uses all points first and fewer later (or the reverse), along a cosine.

    With t = (epoch - start_epoch) / (end_epoch - start_epoch) and shape = (1 + cos(π t)) / 2:
    ratio = end_ratio + (start_ratio - end_ratio) · round(shape · (levels - 1)) / (levels - 1) for
    start_epoch ≤ epoch < end_epoch; start_ratio before; end_ratio from end_epoch on. A run that ends before
    start_epoch stays at start_ratio. Q follows from the ratio as in ``ratio``.
    """

    def shape(self, time: float) -> float:
        """(1 + cos(π t)) / 2."""
        return (1 + math.cos(math.pi * time)) / 2
