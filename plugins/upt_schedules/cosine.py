"""Half a cosine wave over the epochs."""

from __future__ import annotations

import math

from upt_schedules.span import Moving


class Cosine(Moving):
    """Half a cosine wave from one value to another over the epochs: slow at both ends, constant before and after."""

    def between(self, fraction: float) -> float:
        """On the wave."""
        if fraction == 1.0:
            return self.end  # exactly, without rounding
        return self.end + (self.start - self.end) * (1 + math.cos(math.pi * fraction)) / 2
