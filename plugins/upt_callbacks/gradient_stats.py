"""Sizes of weights and of their changes, part by part, as a table of lines."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from pydantic import PositiveInt

from upt_core import Callback, Progress, Trainer, hookimpl


class GradientStats(Callback):
    """Writes the size of each layer's weights and of their change to ``gradient_stats.jsonl``.

    The change since the last line, relative to the size of the weights, shows layers that do not learn (below 1e-6 per
    step) or diverge (above 1e-2 per step). Unlike the norm of a gradient it includes the effect of the optimizer. It
    costs a copy of all weights. Where several processes divide the model, the sizes are of the first one's rows, and
    each line has their ``share`` of all weights.

    Args:
        every: logged steps between lines; 10 to 100.
        depth: number of words of a parameter's name that identify a layer: 2 is ``encoder.blocks``; 1 to 4.
    """

    def __init__(self, every: PositiveInt = 10, depth: PositiveInt = 2) -> None:
        self._every = every
        self._depth = depth
        self._path = Path()
        self._heard = 0
        self._before: dict[str, torch.Tensor] = {}

    @hookimpl
    def run_started(self, trainer: Trainer, run_dir: Path) -> None:
        """Keeps the weights as they are."""
        self._path = run_dir / "gradient_stats.jsonl"
        self._before = _copied(trainer)

    @hookimpl
    def step_ended(self, trainer: Trainer, progress: Progress) -> None:
        """Writes a line where it is time for one."""
        self._heard += 1
        if self._heard % self._every:
            return
        sizes: dict[str, list[float]] = {}
        now = _copied(trainer)
        for name, value in now.items():
            layer = ".".join(name.split(".")[: self._depth])
            both = sizes.setdefault(layer, [0.0, 0.0])
            both[0] += float(value.square().sum())
            both[1] += float((value - self._before[name]).square().sum())
        self._before = now
        layers = {
            layer: {"weight": weight**0.5, "change": (change / weight) ** 0.5 if weight > 0 else 0.0}
            for layer, (weight, change) in sizes.items()
        }
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": progress.step, **_share(trainer, now), "layers": layers}) + "\n")


def _copied(trainer: Trainer) -> dict[str, torch.Tensor]:
    named = trainer.bundle.model.named_parameters()
    return {name: _own(value.detach()).double().clone() for name, value in named if value.requires_grad}


def _own(value: torch.Tensor) -> torch.Tensor:
    """What this process has of a tensor that several divide."""
    rows: torch.Tensor = value.to_local() if hasattr(value, "to_local") else value
    return rows


def _share(trainer: Trainer, own: dict[str, torch.Tensor]) -> dict[str, float]:
    """Empty where this process has the whole model."""
    all_ = sum(value.numel() for value in trainer.bundle.model.parameters() if value.requires_grad)
    share = sum(value.numel() for value in own.values()) / all_
    return {} if share == 1 else {"share": round(share, 4)}
