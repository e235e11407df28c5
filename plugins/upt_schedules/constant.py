"""A number that stays as it is."""

from __future__ import annotations

from upt_core import Progress, Schedule


class Constant(Schedule):
    """The same value from the first step to the last.

    Args:
        value: the value.
    """

    def __init__(self, value: float) -> None:
        self.value = value

    def __call__(self, progress: Progress) -> float:
        """The value."""
        return self.value
