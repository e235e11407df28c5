"""Where and on what a benchmark runs, and how thoroughly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch

from upt_core import Dataset, Points, Progress, Sampler
from upt_core.commands import Registry, installed

PROGRESS = Progress(epoch=5, num_epochs=10, step=500, position=5.0)
"""When draws are timed: adaptive samplers use their scores by then."""


@dataclass(frozen=True)
class Setting:
    """Device, data and thoroughness of a benchmark; plugins are found by name.

    Args:
        device: where it runs.
        data: folder of real data sets; None: fields that upt solves itself.
        quick: small sizes, to see that everything works; the figures mean nothing then.
        say: told what is going on.
        registry: what is installed.
    """

    device: torch.device
    data: Path | None = None
    quick: bool = False
    say: Callable[[str], None] = lambda text: None
    registry: Registry = field(default_factory=installed)

    def sampler(self, name: str, **keywords: Any) -> Sampler:
        """A sampler by name."""
        return cast(Sampler, self.registry.load("sampler", name)(**keywords))

    def dataset(self, name: str, **keywords: Any) -> Dataset:
        """A data set by name."""
        return cast(Dataset, self.registry.load("dataset", name)(**keywords))

    def file(self, *parts: str) -> Path | None:
        """A file or folder of the real data, if it is there."""
        path = None if self.data is None else self.data.joinpath(*parts)
        return path if path is not None and path.exists() else None

    def rng(self, seed: int = 0) -> torch.Generator:
        """A generator on the device."""
        return torch.Generator(self.device).manual_seed(seed)


def grid_without_memory(shape: tuple[int, ...], batch: int, device: torch.device) -> Points:
    """A grid of any size whose coordinates, all zero, take no memory: for draws that do not look at them."""
    num_points = torch.Size(shape).numel()
    coords_BNX = torch.zeros(1, 1, 1, device=device).expand(batch, num_points, len(shape))
    return Points(coords_BNX, grid_shape=shape, sample_id_B=torch.arange(batch, device=device))
