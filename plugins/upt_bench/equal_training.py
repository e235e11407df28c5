"""Small experiments on grids that differ in one thing, trained and judged on the test split."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from upt_bench.setting import Setting
from upt_core import Experiment

METRIC = "relative_l2"


@dataclass(frozen=True)
class Trained:
    """What came out of a training.

    Args:
        error: ``METRIC`` on the test split.
        steps: of the optimizer.
    """

    error: float
    steps: int


def trained(config: Mapping[str, Any]) -> Trained:
    """Trains an experiment from its beginning, in a folder that is thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        error: float = Experiment.from_dict(dict(config)).train(run)["model"][METRIC]
        rows = map(json.loads, (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines())
        return Trained(error, 1 + max(row["step"] for row in rows))


def grid_experiment(
    setting: Setting,
    data: Mapping[str, Any],
    patch: int | list[int],
    trainer: Mapping[str, Any],
    tokens: int = 16,
    depth: int = 1,
) -> dict[str, Any]:
    """An experiment with the point loss, width 64; AdamW at 2e-3; the only validation is the last.

    Args:
        setting: its device.
        data: the section.
        patch: points of a patch of the encoder.
        trainer: epochs, batch size and more of the section.
        tokens: of the latent.
        depth: of the decoder.
    """
    return {
        "data": dict(data),
        "model": {
            "latent": {"tokens": tokens, "dim": 64},
            "encoder": {"name": "grid", "patch": patch},
            "approximator": {"name": "transformer", "depth": 2},
            "decoder": {"name": "perceiver", "depth": depth},
        },
        "losses": {"forward": "forward"},
        "trainer": {
            "optimizer": {"name": "adamw", "lr": 2e-3},
            "lr_schedule": "warmup_cosine",
            "device": str(setting.device),
            **trainer,
        },
        "validation": {"metrics": {METRIC: METRIC}, "monitor": METRIC, "every": trainer["epochs"]},
    }
