"""Trajectories read in blocks of time steps, so that one that is larger than memory can be looked at as a whole."""

from __future__ import annotations

from collections.abc import Iterator

from upt_core.trajectory import Trajectories, Trajectory

MOST_VALUES = 2**22
"""Values of a block: 32 MB in float64, of which moments need a few times as much."""


class Blocks:
    """Reads whole trajectories piece by piece; one that is small comes in one piece.

    Args:
        trajectories: of a split; the first time step of the first tells how large one is.
        most: values of a block; no block has fewer than two time steps where there are as many.
    """

    def __init__(self, trajectories: Trajectories, most: int = MOST_VALUES) -> None:
        self._trajectories = trajectories
        self._most = most
        self.frame = _values(trajectories.read(0, 0, 1))

    def of(self, number: int) -> Iterator[tuple[int, Trajectory]]:
        """The blocks of a trajectory, each with the number of its first time step.

        Each begins with the last time step of the one before, so that every step from one time to the next is in one.
        """
        start, num = 0, self._trajectories.num_times(number)
        while True:
            stop = min(num, start + max(2, self._most // max(1, self.frame)))
            block = self._trajectories.read(number, start, stop)
            self.frame = max(self.frame, _values(block) // max(1, stop - start))
            yield start, block
            if stop == num:
                return
            start = stop - 1


def _values(trajectory: Trajectory) -> int:
    """Values at all points, those of the targets included where they are apart."""
    apart = {} if trajectory.targets is None else trajectory.targets.fields
    return sum(value.numel() for fields in (trajectory.fields, apart) for value in fields.values())
