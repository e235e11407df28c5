"""The experiment of the three losses on a grid of 64 × 64 points, 10 samples, width 256; its step and memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from upt_bench.clock import Action
from upt_bench.saved import saved_bytes
from upt_bench.setting import Setting
from upt_core import Batch, Experiment
from upt_core.commands import Built, Means, Precision, autocast

HEADS = 4


def edge(setting: Setting) -> int:
    """Points of a side of the grid."""
    return 16 if setting.quick else 64


def width(setting: Setting) -> int:
    """Of latent tokens and decoder."""
    return 32 if setting.quick else 256


def three_losses(setting: Setting, tokens: int, depth: int) -> dict[str, Any]:
    """The experiment, without a sampler: every loss looks at all points.

    Args:
        setting: device and size.
        tokens: of the latent.
        depth: blocks of the decoder.
    """
    return {
        "data": {"name": "burgers2d", "points": edge(setting), "num_trajectories": 8, "num_times": 6},
        "model": {
            "latent": {"tokens": tokens, "dim": width(setting)},
            "encoder": {"name": "grid", "patch": edge(setting) // 8},
            "approximator": {"name": "transformer", "depth": 1 if setting.quick else 4},
            "decoder": {"name": "perceiver", "depth": depth, "heads": HEADS},
        },
        "losses": {name: {"name": name} for name in ("forward", "inverse_encoding", "inverse_decoding")},
        "trainer": {
            "epochs": 1,
            "batch_size": 10,
            "optimizer": "adamw",
            "device": str(setting.device),
            "log_every": 1_000_000,
        },
        "validation": {"metrics": {"rmse": "rmse"}},
    }


def whole_step(experiment: Experiment, built: Built, batch: Batch, folder: Path) -> Action:
    """A whole training step: draws, forward, backward, clipping, optimizer."""
    trainer = experiment.trainer(built, folder)
    built.bundle.train()
    return lambda: trainer.update([batch], Means())


def kept_mib(compute: Callable[[], object], built: Built, batch: Batch, precision: Precision = "fp32") -> float:
    """MiB that a forward pass keeps for its backward pass, parameters and batch left out."""
    there = [*built.bundle.parameters(), batch.input_BNC, batch.target_BTNC, batch.points.coords_BNX]
    with autocast(built.device, precision):
        return saved_bytes(compute, there) / 2**20
