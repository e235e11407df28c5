"""A straight line over the epochs."""

from __future__ import annotations

from upt_schedules.span import Moving


class Linear(Moving):
    """A straight line from one value to another over the epochs; constant before and after."""

    def between(self, fraction: float) -> float:
        """On the line."""
        return self.start * (1 - fraction) + self.end * fraction
