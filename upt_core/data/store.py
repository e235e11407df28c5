"""What most data sets need: trajectories kept in memory, a split without overlap, a cache folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import torch

from upt_core.kinds import Split
from upt_core.trajectory import Trajectory


class InMemory:
    """Trajectories that are held in memory; a view of a window costs nothing."""

    def __init__(self, trajectories: Sequence[Trajectory]) -> None:
        self._trajectories = tuple(trajectories)

    def __len__(self) -> int:
        return len(self._trajectories)

    @property
    def held(self) -> bool:
        """They are."""
        return True

    def num_times(self, index: int) -> int:
        """Number of time steps of a trajectory."""
        return len(self._trajectories[index].time_T)

    def read(self, index: int, start: int, stop: int) -> Trajectory:
        """Time steps start ≤ t < stop; fields that are constant in time come as they are."""
        whole = self._trajectories[index]
        fields = {name: value if value.shape[0] == 1 else value[start:stop] for name, value in whole.fields.items()}
        condition = {n: v if isinstance(v, int | float) else v[start:stop] for n, v in whole.condition.items()}
        time_T = whole.time_T[start:stop]
        return Trajectory(fields, whole.coords_NX, time_T, condition, whole.point_set, whole.measure_N)


def split_indices(num: int, split: Split, valid_fraction: float, test_fraction: float, seed: int = 0) -> list[int]:
    """Which of ``num`` trajectories belong to a split: a fixed shuffle, the same for the same seed.

    Raises:
        ValueError: a split would be empty.
    """
    num_valid, num_test = max(1, round(num * valid_fraction)), max(1, round(num * test_fraction))
    num_train = num - num_valid - num_test
    if num_train < 1:
        raise ValueError(
            f"{num} trajectories cannot be split into {num_valid} for validation, {num_test} for test and at least "
            f"one for training; use more data or smaller fractions"
        )
    order = torch.randperm(num, generator=torch.Generator().manual_seed(seed)).tolist()
    start, stop = {
        "train": (0, num_train),
        "valid": (num_train, num_train + num_valid),
        "test": (num_train + num_valid, num),
    }[split]
    return sorted(order[start:stop])


def cache_dir(name: str) -> Path:
    """A folder for files that can be made again: ``$UPT_CACHE``, else the user's cache folder, then ``name``."""
    base = os.environ.get("UPT_CACHE") or os.path.join(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "upt")
    path = Path(base).expanduser() / name
    path.mkdir(parents=True, exist_ok=True)
    return path
