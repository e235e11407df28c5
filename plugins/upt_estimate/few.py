"""A data set of which a few trajectories are read: enough to know shapes, point sets and a batch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from upt_core import Dataset, DataSpec, Split, Trajectories, Trajectory

MOST_TIMES = 64
"""Time steps of a trajectory that are read, where no rollout needs more."""


class Few(Dataset):
    """The first time steps of evenly spaced trajectories of each split.

    Args:
        whole: the data set.
        samples: as many samples should the training split have.
        times: time steps that a sample needs.
    """

    def __init__(self, whole: Dataset, samples: int, times: int) -> None:
        self.whole = whole
        self.samples = samples
        self.times = times

    def spec(self) -> DataSpec:
        """That of the data set."""
        return self.whole.spec()

    def trajectories(self, split: Split) -> Trajectories:
        """A few of them."""
        every, most = self.whole.trajectories(split), max(MOST_TIMES, self.times)
        order = _spread(len(every))
        chosen: list[int] = []
        samples = 0
        for number in order if split == "train" else order[:1]:
            if samples >= self.samples and len(chosen) >= 4:
                break
            chosen.append(number)
            samples += max(0, min(every.num_times(number), most) - self.times + 1)
        return Chosen(every, sorted(chosen), most)

    def files(self) -> Sequence[Path]:
        """Those of the data set."""
        return self.whole.files()


class Chosen:
    """Trajectories by number, cut after so many time steps."""

    def __init__(self, every: Trajectories, numbers: Sequence[int], times: int) -> None:
        self.every = every
        self.numbers = numbers
        self.times = times

    def __len__(self) -> int:
        return len(self.numbers)

    def num_times(self, index: int) -> int:
        """Number of time steps that may be read."""
        return min(self.every.num_times(self.numbers[index]), self.times)

    def read(self, index: int, start: int, stop: int) -> Trajectory:
        """Time steps start ≤ t < stop of one trajectory."""
        return self.every.read(self.numbers[index], start, stop)


def _spread(num: int) -> list[int]:
    """All numbers below ``num``, the first ones evenly spaced: bits reversed."""
    bits = max(1, (num - 1).bit_length())
    return [r for i in range(1 << bits) if (r := int(f"{i:0{bits}b}"[::-1], 2)) < num]
