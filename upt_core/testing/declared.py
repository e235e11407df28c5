"""What the author of a sampler declares about it, and how thoroughly it is checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import torch

from upt_core.progress import Progress

Level = Literal["fast", "thorough"]
Kind = Literal["grid", "scattered", "padded"]

MIDDLE = Progress(epoch=50, num_epochs=100, step=5000, position=50.0)

CALLS = {"fast": 2000, "thorough": 20000}


@dataclass(frozen=True)
class Declared:
    """What the author of a sampler declares, and how it is to be checked. See ``check_sampler`` for the fields."""

    level: Level = "fast"
    distinct: bool = True
    shared_rows: bool = False
    growth: float = 0.0
    takes: tuple[Kind, ...] = ("grid", "scattered", "padded")
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    progress: Progress = field(default_factory=lambda: MIDDLE)
    false_alarm: float = 1e-6

    @property
    def calls(self) -> int:
        """Number of draws of each statistical check."""
        return CALLS[self.level]
